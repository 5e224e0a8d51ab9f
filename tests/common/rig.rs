//! The fixture: a scheduler of each size, a body, and a look at what was left behind.

use crate::tracked::{Census, Tracked};
use crate::watchdog::{Watch, watch};
use heddle_scheduler::{Builder, Lanes, Priority, Scheduler};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// One, as many as CPUs here, more, many more, and far too many.
pub const WORKERS: [usize; 5] = [1, 2, 4, 8, 64];

/// Larger ones are run with one lane only: they would have three times as many threads.
const LANED_MAX: usize = 8;

/// A scheduler under test.
pub struct Rig {
    /// It is stopped after the body, if the body has not done that.
    pub scheduler: Arc<Scheduler>,
    /// Counts the values that must be gone in the end.
    pub census: Census,
    watch: Watch,
}

impl Rig {
    /// A value that must have been dropped when the scheduler has stopped and the body is over.
    pub fn track(&self) -> Tracked {
        self.census.track()
    }

    /// How many worker threads it has, in all lanes.
    pub fn threads(&self) -> usize {
        self.scheduler.stats().workers.len()
    }

    /// How many workers each lane of this one has.
    pub fn workers(&self) -> usize {
        self.scheduler.workers()
    }

    /// Another scheduler in the same test, watched and checked by [`retire`](Self::retire).
    pub fn another(&self, workers: usize) -> Arc<Scheduler> {
        let scheduler =
            Arc::new(Scheduler::builder().workers(workers).spares(0).name("other").build().expect("builds"));
        self.watch.add(Arc::downgrade(&scheduler));
        scheduler
    }

    /// Stops a scheduler and checks that nothing is left in it.
    pub fn retire(scheduler: &Scheduler) {
        scheduler.stop().expect("the test is no fiber");
        let stats = scheduler.stats();
        assert_eq!(stats.live(), 0, "fibers are left after stop():\n{stats}");
        assert_eq!(stats.stacks.in_use, 0, "stacks are in use after stop():\n{stats}");
        assert_eq!(stats.stacks.warm, 0, "stacks hold pages after stop():\n{stats}");
    }
}

impl std::ops::Deref for Rig {
    type Target = Scheduler;

    fn deref(&self) -> &Scheduler {
        &self.scheduler
    }
}

/// Runs `body` on a scheduler of each size.
pub fn everywhere(body: impl Fn(&Rig)) {
    on_workers(&WORKERS, body);
}

/// Runs `body` on schedulers of these sizes.
pub fn on_workers(workers: &[usize], body: impl Fn(&Rig)) {
    with_options(workers, |builder| builder, body);
}

/// Runs `body` on schedulers of these sizes, with options: with one lane, and with three.
pub fn with_options(workers: &[usize], options: impl Fn(Builder) -> Builder, body: impl Fn(&Rig)) {
    with_lanes(1, workers, &options, &body);
    let few: Vec<usize> = workers.iter().copied().filter(|&workers| workers <= LANED_MAX).collect();
    with_lanes(3, &few, &options, &body);
}

/// Runs `body` on schedulers of these sizes, with options, whose fibers of all priorities share their
/// threads: for what is about the order on a thread.
pub fn in_one_lane(workers: &[usize], options: impl Fn(Builder) -> Builder, body: impl Fn(&Rig)) {
    with_lanes(1, workers, &options, &body);
}

/// An option: nobody is owed time, so that the most urgent always goes first.
pub fn strict(builder: Builder) -> Builder {
    let builder = builder.weights([0; 5]);
    Priority::ALL.into_iter().fold(builder, |builder, priority| builder.max_wait(priority, Duration::MAX))
}

/// Runs `body` on schedulers of these sizes and these lanes, or so many, with options.
pub fn with_lanes(
    lanes: impl Into<Lanes> + fmt::Debug + Copy,
    workers: &[usize],
    options: &impl Fn(Builder) -> Builder,
    body: &impl Fn(&Rig),
) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    for &workers in workers {
        println!("with {workers} workers, lanes: {lanes:?}");
        let watch = watch(format!("{test} with {workers} workers, lanes: {lanes:?}"));
        // Most tests keep workers with fibers that block; for those about what is done then, see `options`.
        let builder = options(Scheduler::builder().workers(workers).lanes(lanes).spares(0).name("rig"));
        let scheduler = Arc::new(builder.build().expect("the options are good"));
        watch.add(Arc::downgrade(&scheduler));
        let rig = Rig { scheduler, census: Census::new(), watch };
        body(&rig);
        Rig::retire(&rig.scheduler);
        assert_eq!(rig.census.live(), 0, "tracked values are left after stop()");
    }
}
