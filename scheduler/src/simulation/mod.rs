//! A seeded simulator of the scheduler, on machines of any size, that checks its promises at every step.
//!
//! It runs the [policy](crate::policy)'s own functions, the ones that the workers run, over a model of all
//! that is around them: CPUs with three lanes of threads each, among which a kernel divides the time; queues,
//! tickets and loans; news of work that comes late; fibers that compute, yield, sleep, fork, lock and change
//! their priority. There are no threads and no clock in it, so the same scenario always runs the same, to the
//! last dispatch.
//!
//! | file         | what it has                                                           |
//! |--------------|-----------------------------------------------------------------------|
//! | `scenario` | the machine, the user's choices, where fibers come from; all by seed  |
//! | `kernel`   | CPUs, threads and timers                                              |
//! | `world`    | fibers, workers, lanes, and their queues                              |
//! | `engine`   | what happens: fibers, sleep and waking, standing aside                |
//! | `find`     | how a worker finds work: the policy at work                           |
//! | `loans`    | priorities that change, by order or by loan                           |
//! | `checker`  | the promises                                                          |
//! | `report`   | what it came to                                                       |
//! | `shrink`   | makes a scenario that breaks a promise smaller                        |
//! | [`memory`]   | another simulator: what a policy does to where memory is read         |
//!
//! ```
//! use heddle_scheduler::simulation::{Machine, Scenario, run};
//! let report = run(&Scenario::random(1, Machine::new(2, 4), 10_000)).expect("all promises are kept");
//! assert!(report.dispatches >= 10_000);
//! ```
//!
//! # What it leaves out
//!
//! Memory orderings and races, which the loom models have; the cost of caches; `live` counts that move
//! fibers to workers with fewer; the time that a worker spins before it sleeps. A wake-up takes 2 to 20 us,
//! a dispatch 50 ns, the news of new work up to 300 ns.

mod scenario;
mod kernel;
mod world;
mod engine;
mod find;
mod loans;
mod checker;
mod report;
mod shrink;
pub mod memory;

pub use report::Report;
pub use scenario::{Between, Machine, Scenario, Shape, Source};
pub use shrink::shrink;

use std::fmt;

/// What the simulator checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Promise 1: less urgent fibers go first for no longer than the bound.
    Inversion,
    /// Promise 2: each level gets its share.
    Share,
    /// Promise 2: no level waits for longer than its longest wait and the bound on top of it.
    LongestWait,
    /// What both rest on: a worker whose levels compete looks at the clock often enough.
    Looks,
    /// Inside a level nobody is left behind.
    OldestInTime,
    /// A fiber runs at the level that is its own or lent to it.
    RightLevel,
    /// No fiber runs twice.
    RunOnce,
    /// Every fiber runs to its end.
    NothingIsLost,
    /// No worker sleeps while there is something for it.
    NobodySleepsOnWork,
    /// Thieves go to the nearest.
    NearestFirst,
    /// Who sleeps does so until its time is over.
    NeverEarly,
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub what: Promise,
    /// How.
    pub detail: String,
    /// When, in simulated ns.
    pub at: u64,
    /// After how many dispatches.
    pub dispatch: u64,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Violation { what, detail, at, dispatch } = self;
        write!(f, "{what:?} is broken at {at} ns, dispatch {dispatch}: {detail}")
    }
}

impl std::error::Error for Violation {}

/// Something wrong with the policy, to see whether the checker notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Workers that have something themselves do not look at what has work elsewhere.
    MaskIgnored,
    /// The least urgent level goes first.
    LowestFirst,
    /// Strict priority, whatever anybody is owed.
    SharesDropped,
    /// Shares, but no longest wait.
    WaitsForgotten,
    /// Checkpoints never make room.
    CheckpointsIgnored,
    /// Workers never stand aside for the lanes below.
    NeverAside,
    /// The newest fiber always goes before the oldest.
    AgeingDropped,
    /// Inside a level fresh fibers always go before resumed ones.
    ResumedForgotten,
    /// Thieves go to the farthest first.
    StealReversed,
    /// One wake-up in eight is lost.
    WakeLost,
    /// One resumption in fifty is lost.
    MailLost,
    /// Who waits lends nothing.
    LoanIgnored,
    /// Loans are not returned.
    LoanKept,
    /// A fiber whose priority changes is not queued at its new level.
    TicketsLost,
    /// A fiber is run out of the queue of a level that it has left.
    StaleTicketsRun,
    /// Timers fire 500 ns before their time.
    WakesEarly,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Mutation; 16] = [
        Mutation::MaskIgnored,
        Mutation::LowestFirst,
        Mutation::SharesDropped,
        Mutation::WaitsForgotten,
        Mutation::CheckpointsIgnored,
        Mutation::NeverAside,
        Mutation::AgeingDropped,
        Mutation::ResumedForgotten,
        Mutation::StealReversed,
        Mutation::WakeLost,
        Mutation::MailLost,
        Mutation::LoanIgnored,
        Mutation::LoanKept,
        Mutation::TicketsLost,
        Mutation::StaleTicketsRun,
        Mutation::WakesEarly,
    ];
}

/// Runs a scenario to its end.
///
/// # Errors
/// A promise was broken; the first one is told.
pub fn run(scenario: &Scenario) -> Result<Report, Violation> {
    let mut world = world::World::new(scenario);
    world.run();
    match world.broken {
        None => Ok(world.report),
        Some(violation) => Err(violation),
    }
}

/// Random numbers; every seed is good.
struct Random(crate::machine::random::Random);

impl Random {
    fn seeded(seed: u64) -> Random {
        // The generator's own seeding expects small numbers, and no more than one short of the end.
        let mixed = (seed ^ seed >> 31).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let random = crate::machine::random::Random::new(mixed >> 1);
        for _ in 0..8 {
            random.below(2);
        }
        Random(random)
    }

    fn below(&self, bound: usize) -> usize {
        self.0.below(bound)
    }

    /// True in `percent` of a hundred cases.
    fn chance(&self, percent: usize) -> bool {
        self.below(100) < percent
    }
}
