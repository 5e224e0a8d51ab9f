//! `a = b + s * c` over blocks that belong to nodes, as STREAM does it: a fiber for each block, again and again. The limit is
//! the memory, and each block is always worked on as a whole.

use super::blocks::{Far, Plan, Where, room};
use super::machine::Machine;
use super::setup::{Counters, Sample, Setup, stacks_away};
use heddle_scheduler::numa::NodeVec;
use heddle_scheduler::{JoinHandle, NodeId};
use std::sync::Arc;
use std::time::Instant;

pub(crate) const TIME: &str = "ms a sweep";
const SPEED: &str = "GB/s";

/// Sweeps that count; one more goes before them.
const SWEEPS: usize = 8;

struct Block {
    home: NodeId,
    a: NodeVec<f64>,
    b: NodeVec<f64>,
    c: NodeVec<f64>,
    place: Where,
}

impl Block {
    fn filled(machine: &Machine, setup: &Setup, home: NodeId, len: usize) -> Block {
        let [mut a, mut b, mut c] = [(); 3].map(|()| room(machine, setup, home, len));
        a.extend(std::iter::repeat_n(0.0, len));
        b.extend((0..len).map(|i| i as f64));
        c.extend((0..len).map(|i| (i % 7) as f64));
        let place = Where::default().and(&a).and(&b).and(&c);
        Block { home, a, b, c, place }
    }

    fn sweep(&mut self, scale: f64) {
        for ((a, b), c) in self.a.iter_mut().zip(&self.b).zip(&self.c) {
            *a = b + scale * c;
        }
    }

    /// Whether the last sweep's answer is in it, everywhere.
    fn is_right(&self, scale: f64) -> bool {
        self.a.iter().enumerate().all(|(i, a)| *a == i as f64 + scale * (i % 7) as f64)
    }
}

pub(crate) fn run(machine: &Arc<Machine>, setup: &'static Setup) -> Sample {
    let sweeps = machine.repeats(SWEEPS);
    let plan = Plan::new(machine);
    let len = plan.bytes / 3 / size_of::<f64>();
    let scheduler = setup.scheduler(machine);
    let start = |home: &NodeId| {
        let (machine, home) = (machine.clone(), *home);
        setup.go(&scheduler, home, move || Block::filled(&machine, setup, home, len))
    };
    let mut blocks = all(plan.homes.iter().map(start).collect());
    let (mut began, mut before, mut far) = (Instant::now(), scheduler.stats(), Arc::new(Far::default()));
    for sweep in 0..=sweeps {
        if sweep == 1 {
            (began, before, far) = (Instant::now(), scheduler.stats(), Arc::default());
        }
        let start = |mut block: Block| {
            let (machine, far) = (machine.clone(), far.clone());
            setup.go(&scheduler, block.home, move || {
                far.note(&machine, &block.place);
                block.sweep(sweep as f64);
                block
            })
        };
        blocks = all(blocks.into_iter().map(start).collect());
    }
    let took = began.elapsed().as_secs_f64() / sweeps as f64;
    let counters = Counters::between(&before, &scheduler.stats());
    assert!(blocks.iter().all(|block| block.is_right(sweeps as f64)), "a wrong answer has no speed");
    assert_eq!(blocks.len(), plan.homes.len(), "no block is lost");
    let bytes = 24 * len * blocks.len();
    let mut data = Where::default();
    blocks.iter().for_each(|block| data.add(&block.place));
    Sample {
        values: vec![(TIME, took * 1e3), (SPEED, bytes as f64 / took / 1e9)],
        counters,
        far_percent: far.percent(),
        data: data.says(),
        stacks_away: stacks_away(&scheduler),
    }
}

/// Waits for all of them.
///
/// # Panics
/// If one did.
pub(crate) fn all<T>(handles: Vec<JoinHandle<T>>) -> Vec<T> {
    handles.into_iter().map(|handle| handle.join().expect("a block's fiber does not fail")).collect()
}
