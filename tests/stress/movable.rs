//! Fibers that move, at random: they pass, block, nest, change their priority and are cancelled, and what is on their
//! stacks is as they left it.

use heddle_scheduler::sync::Mutex;
use heddle_scheduler::{
    JoinHandle, Priority, Scheduler, current, go_with_priority, scope, set_priority, shielded, sleep,
    timeout, try_checkpoint_movable, yield_movable, yield_now,
};
use heddle_tests::{Census, Random, Tracked};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What the fibers of a round share.
pub(crate) struct Things {
    census: Census,
    sum: Mutex<u64>,
    /// How many have gone on on another worker than before.
    pub(crate) moves: AtomicU64,
}

/// A fiber that moves, and how far it has come.
struct Mover {
    things: Arc<Things>,
    random: Random,
    worker: usize,
    _tracked: Tracked,
}

impl Things {
    pub(crate) fn new(census: Census) -> Things {
        Things { census, sum: Mutex::new(0), moves: AtomicU64::new(0) }
    }

    /// So many fibers that move.
    pub(crate) fn start(
        self: &Arc<Things>,
        scheduler: &Scheduler,
        random: &mut Random,
        count: usize,
    ) -> Vec<JoinHandle<()>> {
        let start = |_| {
            let (things, mut random) = (self.clone(), random.split());
            let (priority, tracked) = (*random.pick(&Priority::ALL), self.census.track());
            scheduler.go_with_priority(priority, move || {
                let mut mover = Mover { things, random, worker: worker(), _tracked: tracked };
                (0..60).for_each(|_| mover.deed(2));
            })
        };
        (0..count).map(start).collect()
    }
}

#[inline(never)]
fn worker() -> usize {
    current().expect("in a fiber").worker()
}

impl Mover {
    fn pass(&mut self) {
        let marks: [u64; 16] = std::array::from_fn(|_| self.random.number());
        let sum = marks.iter().fold(0, |sum: u64, mark| sum.wrapping_add(*mark));
        // SAFETY: on this stack are numbers, `Send` values of ours, and functions of the scheduler's that the contract names.
        unsafe { yield_movable() };
        assert_eq!(
            marks.iter().fold(0, |sum: u64, mark| sum.wrapping_add(*mark)),
            sum,
            "its stack has changed"
        );
        let worker = worker();
        if std::mem::replace(&mut self.worker, worker) != worker {
            self.things.moves.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn deed(&mut self, depth: u32) {
        match self.random.below(16) {
            0 => yield_now(),
            1 => sleep(Duration::from_micros(self.random.below(200))),
            2 => drop(set_priority(*self.random.pick(&Priority::ALL))),
            3 => {
                let things = self.things.clone();
                let mut sum = things.sum.lock();
                *sum += 1;
                self.pass();
            }
            4 if depth > 0 => {
                let limit = Duration::from_micros(self.random.below(2000));
                let _elapsed = timeout(limit, || (0..5).for_each(|_| self.deed(depth - 1)));
            }
            5 if depth > 0 => shielded(|| self.deed(depth - 1)),
            6 if depth > 0 => {
                let (mut theirs, priority) = (self.random.split(), *self.random.pick(&Priority::ALL));
                let child = go_with_priority(priority, move || {
                    // SAFETY: as in `pass`.
                    (0..theirs.below(20)).for_each(|_| unsafe { yield_movable() });
                });
                if self.random.chance(30) {
                    child.cancel();
                }
                // It lends to the child, wherever that is.
                drop(child.join());
            }
            7 if depth > 0 => {
                let things = self.things.clone();
                scope(|s| {
                    s.go(|| *things.sum.lock() += 1);
                    self.deed(depth - 1);
                })
                .expect("in a fiber");
            }
            // SAFETY: as in `pass`.
            8 => drop(unsafe { try_checkpoint_movable() }),
            _ => self.pass(),
        }
    }
}
