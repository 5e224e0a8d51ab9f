//! `handoff_cross` by the floor, parking.

use super::{SLOW_ROUNDS, drive};
use heddle_benches::{Run, Sample};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Thread};

pub(crate) fn run(run: &Run) -> Sample {
    drive(
        run,
        "two threads, thread::park and unpark: what every runtime pays that parks at once",
        SLOW_ROUNDS,
        |rounds| {
            let turn = AtomicUsize::new(0);
            let main = thread::current();
            thread::scope(|scope| {
                let other = scope.spawn(|| play(&turn, 1, &main, rounds));
                (play(&turn, 0, other.thread(), rounds) + other.join().expect("no thread panics"), true)
            })
        },
    )
}

fn play(turn: &AtomicUsize, me: usize, other: &Thread, rounds: u64) -> u64 {
    for _ in 0..rounds {
        // ORDERING: Acquire and Release pair with each other: the token carries what was written before.
        while turn.load(Ordering::Acquire) != me {
            thread::park();
        }
        turn.store(1 - me, Ordering::Release);
        other.unpark();
    }
    rounds
}
