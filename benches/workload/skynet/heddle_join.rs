//! `skynet` by Heddle, by fork-join: a branch becomes a fiber only when a worker is hungry, and may suspend anyway.

use super::drive;
use crate::contender;
use heddle_benches::chance::Chance;
use heddle_benches::{Run, Sample};
use heddle_scheduler::{Fork, join, yield_now};

pub(crate) fn run(run: &Run) -> Sample {
    let scheduler = contender::heddle::scheduler(run.case.workers);
    drive(
        run,
        "joins of two halves, every branch able to suspend; yield_now suspends",
        |leaves, chance| scheduler.run(|| join(move |fork| node(fork, 0, leaves, chance), |_| ()).0),
        |leaves, chance| scheduler.run(|| join(move |fork| node(fork, 0, leaves, chance), |_| ()).0),
    )
}

fn node<C: Chance>(fork: &mut Fork, first: u64, leaves: u64, chance: C) -> u64 {
    if chance.hits() {
        yield_now();
    }
    if leaves == 1 {
        return first;
    }
    let half = leaves / 2;
    let (left, right) = fork.join(
        move |fork| node(fork, first, half, chance.branch(0)),
        move |fork| node(fork, first + half, leaves - half, chance.branch(1)),
    );
    left + right
}
