//! `fork_join` by the floor.

use super::drive;
use heddle_benches::chance::Chance;
use heddle_benches::{Run, Sample};
use std::cell::Cell;
use std::hint::black_box;

thread_local!(static SUSPENSIONS: Cell<u64> = const { Cell::new(0) });

pub(crate) fn run(run: &Run) -> Sample {
    drive(run, "plain recursion; where a branch would suspend, a counter goes up", 35, fib, fib)
}

fn fib<C: Chance>(n: u32, chance: C) -> u64 {
    if chance.hits() {
        SUSPENSIONS.set(SUSPENSIONS.get() + 1);
    }
    if n < 2 {
        return u64::from(n);
    }
    // The black box keeps the compiler from unrolling several calls into one.
    black_box(fib(n - 1, chance.branch(0))) + black_box(fib(n - 2, chance.branch(1)))
}
