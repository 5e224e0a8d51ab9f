//! A tree of forks whose leaves compute and touch no memory: what minding nodes costs where there is nothing to be won.

use super::machine::Machine;
use super::setup::{Counters, Sample, Setup, stacks_away};
use heddle_benches::process::burn;
use heddle_scheduler::both;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

pub(crate) const TIME: &str = "ms a tree";

/// Leaves for each worker.
const LEAVES: usize = 20_000;
const LEAVES_QUICK: usize = 100;
/// Trees that count; one more goes before them.
const TREES: usize = 4;
/// Leaves are of so many kinds, all about a microsecond long.
const KINDS: usize = 8;
const STEPS: u32 = 600;

fn leaf(index: usize) -> u64 {
    burn(STEPS + (index % KINDS) as u32)
}

fn tree(leaves: Range<usize>) -> u64 {
    if leaves.len() == 1 {
        return leaf(leaves.start);
    }
    let middle = leaves.start + leaves.len() / 2;
    let (left, right) = both(|| tree(leaves.start..middle), || tree(middle..leaves.end));
    left.wrapping_add(right)
}

pub(crate) fn run(machine: &Arc<Machine>, setup: &'static Setup) -> Sample {
    let trees = machine.repeats(TREES);
    let each = if machine.quick { LEAVES_QUICK } else { LEAVES };
    let leaves = machine.workers * each.next_multiple_of(KINDS);
    let expected =
        (0..KINDS).map(|kind| leaf(kind).wrapping_mul((leaves / KINDS) as u64)).fold(0, u64::wrapping_add);
    let scheduler = setup.scheduler(machine);
    let (mut began, mut before) = (Instant::now(), scheduler.stats());
    for round in 0..=trees {
        if round == 1 {
            (began, before) = (Instant::now(), scheduler.stats());
        }
        assert_eq!(scheduler.run(|| tree(0..leaves)), expected, "a wrong answer has no speed");
    }
    let took = began.elapsed().as_secs_f64() / trees as f64;
    Sample {
        values: vec![(TIME, took * 1e3)],
        counters: Counters::between(&before, &scheduler.stats()),
        far_percent: None,
        data: String::new(),
        stacks_away: stacks_away(&scheduler),
    }
}
