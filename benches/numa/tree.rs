//! A sum over blocks by a tree of fibers: each inner fiber splits its blocks in two and begins the halves near their data
//! (`Scheduler::fiber().near(&block)`); a block is summed by `both` down to small pieces, which idle workers may take.

use super::blocks::{Far, Plan, Where, room};
use super::machine::Machine;
use super::setup::{Counters, Sample, Setup, stacks_away};
use super::triad::all;
use heddle_scheduler::numa::NodeVec;
use heddle_scheduler::{JoinHandle, NodeId, Scheduler, both};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

pub(crate) const TIME: &str = "ms a tree";

/// Trees that count; one more goes before them.
const TREES: usize = 8;
/// Values that are summed without a further branch: 32 KiB.
const GRAIN: usize = 4096;

struct Block {
    values: NodeVec<u64>,
    sum: u64,
    place: Where,
}

impl Block {
    fn filled(machine: &Machine, setup: &Setup, index: usize, home: NodeId, len: usize) -> Block {
        let mut values = room(machine, setup, home, len);
        let value = |i: usize| (((index as u64) << 40) + i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        values.extend((0..len).map(value));
        let sum = (0..len).map(value).fold(0, u64::wrapping_add);
        let place = Where::default().and(&values);
        Block { values, sum, place }
    }
}

/// What all fibers of a run share.
struct Forest {
    machine: Arc<Machine>,
    setup: &'static Setup,
    blocks: Vec<Block>,
}

pub(crate) fn run(machine: &Arc<Machine>, setup: &'static Setup) -> Sample {
    let trees = machine.repeats(TREES);
    let plan = Plan::new(machine);
    let len = (plan.bytes / size_of::<u64>()).max(1);
    let scheduler = setup.scheduler(machine);
    let start = |(index, home): (usize, &NodeId)| {
        let (machine, home) = (machine.clone(), *home);
        setup.go(&scheduler, home, move || Block::filled(&machine, setup, index, home, len))
    };
    let blocks = all(plan.homes.iter().enumerate().map(start).collect());
    let expected = blocks.iter().map(|block| block.sum).fold(0, u64::wrapping_add);
    let mut data = Where::default();
    blocks.iter().for_each(|block| data.add(&block.place));
    let forest = Arc::new(Forest { machine: machine.clone(), setup, blocks });
    let (mut began, mut before, mut far) = (Instant::now(), scheduler.stats(), Arc::new(Far::default()));
    for tree in 0..=trees {
        if tree == 1 {
            (began, before, far) = (Instant::now(), scheduler.stats(), Arc::default());
        }
        let root = grow(&scheduler, &forest, &far, 0..forest.blocks.len());
        assert_eq!(root.join().expect("the root does not fail"), expected, "a wrong answer has no speed");
    }
    let took = began.elapsed().as_secs_f64() / trees as f64;
    Sample {
        values: vec![(TIME, took * 1e3)],
        counters: Counters::between(&before, &scheduler.stats()),
        far_percent: far.percent(),
        data: data.says(),
        stacks_away: stacks_away(&scheduler),
    }
}

/// A fiber that sums these blocks, near the first of them where the setup sends fibers anywhere.
fn grow(
    scheduler: &Arc<Scheduler>,
    forest: &Arc<Forest>,
    far: &Arc<Far>,
    range: Range<usize>,
) -> JoinHandle<u64> {
    let near = &forest.blocks[range.start].values[..];
    let fiber = scheduler.fiber();
    let fiber = if forest.setup.sends() { fiber.near(near) } else { fiber };
    let (again, forest, far) = (scheduler.clone(), forest.clone(), far.clone());
    fiber.go(move || match range.len() {
        1 => {
            let block = &forest.blocks[range.start];
            sum(&block.values, &|| far.note(&forest.machine, &block.place))
        }
        count => {
            let middle = range.start + count / 2;
            let halves = [range.start..middle, middle..range.end];
            let halves = halves.map(|half| grow(&again, &forest, &far, half));
            let sums = halves.map(|half| half.join().expect("a half does not fail"));
            sums[0].wrapping_add(sums[1])
        }
    })
}

/// Notes where it is for each piece, since others may take some.
fn sum(values: &[u64], note: &(impl Fn() + Sync)) -> u64 {
    if values.len() <= GRAIN {
        note();
        return values.iter().fold(0, |sum, value| sum.wrapping_add(*value));
    }
    let (left, right) = values.split_at(values.len() / 2);
    let (left, right) = both(|| sum(left, note), || sum(right, note));
    left.wrapping_add(right)
}
