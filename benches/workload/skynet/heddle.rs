//! `skynet` by Heddle, every node and leaf a fiber of its own: the one that the goal is about.

use super::{BRANCHES, drive};
use crate::contender;
use heddle_benches::chance::Chance;
use heddle_benches::{Run, Sample};
use heddle_scheduler::{go, yield_now};

pub(crate) fn run(run: &Run) -> Sample {
    let scheduler = contender::heddle::scheduler(run.case.workers);
    drive(
        run,
        "every node and leaf is a fiber, by go and handles; yield_now suspends",
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
    let child = |i| go(move || node(first + i * below, below, chance.branch(i)));
    let children: Vec<_> = (0..BRANCHES).map(child).collect();
    children.into_iter().map(|child| child.join().expect("no fiber panics")).sum()
}
