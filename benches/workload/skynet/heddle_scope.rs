//! `skynet` by Heddle, by scopes: every node and leaf a fiber, the sums in the parent's frame.

use super::{BRANCHES, drive};
use crate::contender;
use heddle_benches::chance::Chance;
use heddle_benches::{Run, Sample};
use heddle_scheduler::{scope, yield_now};

pub(crate) fn run(run: &Run) -> Sample {
    let scheduler = contender::heddle::scheduler(run.case.workers);
    drive(
        run,
        "every node and leaf is a fiber, a scope per node; yield_now suspends",
        |leaves, chance| scheduler.run(|| node(0, leaves, chance)),
        |leaves, chance| scheduler.run(|| node(0, leaves, chance)),
    )
}

fn node<C: Chance>(first: u64, leaves: u64, chance: C) -> u64 {
    if chance.hits() {
        yield_now();
    }
    if leaves == 1 {
        return first;
    }
    let below = leaves / BRANCHES;
    let mut sums = [0; BRANCHES as usize];
    scope(|scope| {
        for (sum, i) in sums.iter_mut().zip(0..) {
            scope.go(move || *sum = node(first + i * below, below, chance.branch(i)));
        }
    })
    .expect("inside a fiber");
    sums.into_iter().sum()
}
