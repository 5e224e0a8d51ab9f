//! `fork_join` by Heddle.

use super::drive;
use crate::contender;
use heddle_benches::chance::Chance;
use heddle_benches::{Run, Sample};
use heddle_scheduler::{Fork, join, yield_now};

pub(crate) fn run(run: &Run) -> Sample {
    let scheduler = contender::heddle::scheduler(run.case.workers);
    drive(
        run,
        "Fork::join, every branch able to suspend; yield_now suspends",
        32,
        |n, chance| scheduler.run(|| join(move |fork| fib(fork, n, chance), |_| ()).0),
        |n, chance| scheduler.run(|| join(move |fork| fib(fork, n, chance), |_| ()).0),
    )
}

fn fib<C: Chance>(fork: &mut Fork, n: u32, chance: C) -> u64 {
    if chance.hits() {
        yield_now();
    }
    if n < 2 {
        return u64::from(n);
    }
    let (left, right) = fork
        .join(move |fork| fib(fork, n - 1, chance.branch(0)), move |fork| fib(fork, n - 2, chance.branch(1)));
    left + right
}
