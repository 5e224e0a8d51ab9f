//! `skynet` by the floor.

use super::{BRANCHES, drive};
use heddle_benches::chance::Chance;
use heddle_benches::{Run, Sample};
use std::cell::Cell;
use std::hint::black_box;

thread_local!(static SUSPENSIONS: Cell<u64> = const { Cell::new(0) });

pub(crate) fn run(run: &Run) -> Sample {
    let says = "plain recursion on one thread; where a branch would suspend, a counter goes up";
    drive(run, says, |leaves, chance| node(0, leaves, chance), |leaves, chance| node(0, leaves, chance))
}

fn node<C: Chance>(first: u64, leaves: u64, chance: C) -> u64 {
    if chance.hits() {
        SUSPENSIONS.set(SUSPENSIONS.get() + 1);
    }
    if leaves == 1 {
        return first;
    }
    let below = leaves / BRANCHES;
    (0..BRANCHES).map(|i| black_box(node(first + i * below, below, chance.branch(i)))).sum()
}
