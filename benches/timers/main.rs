//! What a timer costs with few and with very many pending: the scheduler's own wheel, compiled here once more, beside
//! an ordered map and a heap of four children a node that knows where each entry is.
//!
//! `cargo run --release -p heddle-benches --bin timers [-- --quick]`. Virtual time, one thread, the least of five rounds, ns.
//! Three questions, each with 1, 1,000 and 1,000,000 timers pending:
//!
//! * *set and clear*: a timeout of 30 s that is cleared at once, as nearly all are;
//! * *fire and set*: the next one fires and is set again, up to a second later, so that time goes on evenly;
//! * *nothing due*: time goes on a little, and nothing fires.
//!
//! All three must fire the same timers in the same order, which is checked.

mod contenders;
#[allow(dead_code)]
#[path = "../../scheduler/src/wheel.rs"]
mod wheel;

use contenders::{Heap, Map, Timers};
use std::hint::black_box;
use std::time::Instant;

const SECOND: u64 = 1_000_000_000;
const ROUNDS: usize = 5;

/// Numbers that look random: splitmix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % bound
    }
}

/// Times of the three questions, in ns for one, and a sum that says what fired and when.
struct Answer {
    nanos: [f64; 3],
    sum: u64,
}

fn timed(steps: u64, mut step: impl FnMut(u64)) -> f64 {
    let start = Instant::now();
    for n in 0..steps {
        step(n);
    }
    start.elapsed().as_nanos() as f64 / steps as f64
}

fn measure<T: Timers>(pending: u64, steps: u64) -> Answer {
    let mut timers = T::new();
    let mut chance = Chance(pending);
    let mut now = 1 << 40;
    let mut due = Vec::new();
    timers.take_due(now, &mut due);
    for item in 0..pending {
        timers.set(now + chance.below(SECOND), item as u32);
    }
    let set_and_clear = timed(steps, |n| {
        // Among those that are due a second later, not all at one end.
        let key = timers.set(now + 30 * SECOND + (n & 0xffff) * 1_000, n as u32);
        timers.clear(black_box(key));
    });
    let mut sum = 0_u64;
    let fire_and_set = timed(steps, |_| {
        now = timers.next_due().expect("one is pending").max(now);
        timers.take_due(now, &mut due);
        for item in due.drain(..) {
            sum = sum.wrapping_mul(31).wrapping_add(u64::from(item)).wrapping_mul(31).wrapping_add(now);
            timers.set(now + 1 + chance.below(SECOND), item);
        }
    });
    let mut late = timers.next_due().expect("one is pending");
    timers.set(late + SECOND, 0);
    let nothing_due = timed(steps, |_| {
        now = (now + 1).min(late - 1);
        timers.take_due(black_box(now), &mut due);
    });
    late = late.max(now);
    sum = sum.wrapping_add(late).wrapping_add(due.len() as u64);
    Answer { nanos: [set_and_clear, fire_and_set, nothing_due], sum }
}

fn best<T: Timers>(pending: u64, steps: u64) -> Answer {
    let mut best = measure::<T>(pending, steps);
    for _ in 1..ROUNDS {
        let next = measure::<T>(pending, steps);
        assert_eq!(next.sum, best.sum, "the same again");
        for (least, one) in best.nanos.iter_mut().zip(next.nanos) {
            *least = least.min(one);
        }
    }
    best
}

fn main() {
    let steps = if std::env::args().any(|word| word == "--quick") { 20_000 } else { 1_000_000 };
    println!("| pending | structure | set and clear, ns | fire and set, ns | nothing due, ns |");
    println!("|---:|---|---:|---:|---:|");
    for pending in [1, 1_000, 1_000_000] {
        let answers = [
            ("wheel", best::<wheel::Wheel<u32>>(pending, steps)),
            ("ordered map", best::<Map>(pending, steps)),
            ("heap of four", best::<Heap>(pending, steps)),
        ];
        for (name, answer) in &answers {
            assert_eq!(answer.sum, answers[0].1.sum, "{name} fires the same, in the same order");
            let [set_and_clear, fire_and_set, nothing_due] = answer.nanos;
            println!("| {pending} | {name} | {set_and_clear:.1} | {fire_and_set:.1} | {nothing_due:.1} |");
        }
    }
}
