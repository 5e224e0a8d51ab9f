//! `fork_join` by may.
#![cfg(feature = "peers")]

use super::drive;
use crate::contender;
use heddle_benches::chance::Chance;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    contender::may::start(run.case.workers);
    drive(
        run,
        "left called, right spawned; yield_now suspends",
        20,
        |n, chance| contender::may::inside(move || fib(n, chance)),
        |n, chance| contender::may::inside(move || fib(n, chance)),
    )
}

fn fib<C: Chance>(n: u32, chance: C) -> u64 {
    if chance.hits() {
        may::coroutine::yield_now();
    }
    if n < 2 {
        return u64::from(n);
    }
    let right = contender::may::go(move || fib(n - 2, chance.branch(1)));
    fib(n - 1, chance.branch(0)) + right.join().expect("no coroutine panics")
}
