//! What a policy does to where memory is read, on machines with several memory nodes that we do not have.
//!
//! The [simulation](super) of the promises leaves memory out; this one has hardly anything else: one lane, one
//! level, fibers that compute and then read lines of the memory of some node, which takes as long as
//! published latencies and bandwidths say. Who runs what is decided by the [policy](crate::policy)'s own
//! functions, those that the workers run: the rings of victims, how to approach a victim, when to go far, whom
//! to wake. Same seed, same outcome, to the last ns.
//!
//! | file         | what it has                                                                |
//! |--------------|----------------------------------------------------------------------------|
//! | `hardware` | machines: nodes, latencies, bandwidths, and what the scheduler's steps cost  |
//! | `load`     | programs: fork-join, stencil, actors, service, unbalanced tree               |
//! | `outcome`  | what a run came to, and intervals over seeds                                 |
//! | `flows`    | how fast memory is read by all who do at a time                              |
//! | `crew`     | workers, their queues and the nodes' inboxes; sleep and waking               |
//! | `search`   | how a worker finds something to run, by each policy                          |
//! | `course`   | what happens: fibers begin, fork, send, end                                  |
//!
//! ```
//! use heddle_scheduler::simulation::memory::{Hardware, Load, Policy, Trial};
//! let trial = Trial::new(Hardware::two_by_16(), Load { rounds: 2, ..Load::memory_bound() }, 1);
//! let (random, homes) = (trial.run(Policy::Random)?, trial.run(Policy::homes())?);
//! assert!(homes.remote() < random.remote() / 2.0);
//! # Ok::<(), heddle_scheduler::simulation::memory::Neglect>(())
//! ```
//!
//! # What it leaves out
//!
//! Caches that keep data from one fiber to the next (the data are larger), pages that move, writes (they count
//! as reads), other processes, hyperthreads, the rings inside a node. A leaf computes first and reads then; real
//! ones mix both.

mod hardware;
mod load;
mod outcome;
mod flows;
mod crew;
mod search;
mod course;

pub use hardware::{Costs, DISTANCES, Hardware};
pub use load::{Hints, Kind, Load};
pub use outcome::{Estimate, Outcome};

use crate::policy::FAR_BACKOFF;
use std::fmt;

/// Who looks where for something to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// One inbox for all; victims in any order, wherever they are. Hints are not listened to.
    Random,
    /// One inbox for all; nearer victims first. Hints are not listened to.
    NearestFirst,
    /// An inbox for each node, into which fibers go that are said to belong there; nearer ones first; to
    /// other nodes only after so many ns in which nothing was found near.
    Homes {
        /// The back-off.
        backoff: u64,
    },
}

impl Policy {
    /// As the workers do it.
    pub const fn homes() -> Policy {
        Policy::Homes { backoff: FAR_BACKOFF.as_nanos() as u64 }
    }
}

/// Something wrong, to see whether it is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nobody looks into the inboxes of other nodes.
    FarInboxesIgnored,
    /// Nobody looks into any inbox of a node.
    InboxesIgnored,
    /// Workers of other nodes are not stolen from.
    FarWorkersIgnored,
    /// What is put into an inbox wakes nobody.
    InboxWakesNobody,
    /// Who parks while there is work on other nodes sets no timer.
    ParksForGood,
    /// Who finds nothing does not begin a new search when it has slept or when there was no work.
    RestForgotten,
    /// Those who search are counted for all nodes together.
    SearchersCountedTogether,
}

/// Work was left lying while somebody was idle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neglect {
    /// For so long, in ns.
    pub time: u64,
    /// On which node it was.
    pub node: usize,
    /// When it was noticed.
    pub at: u64,
}

impl fmt::Display for Neglect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Neglect { time, node, at } = self;
        write!(f, "at {at} ns a fiber on node {node} has waited for {time} ns while somebody was idle")
    }
}

impl std::error::Error for Neglect {}

/// A program on a machine.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The machine.
    pub hardware: Hardware,
    /// The program.
    pub load: Load,
    /// Decides how much each fiber does, and about delays and the order of victims.
    pub seed: u64,
    /// How many fibers are taken out of another node's inbox at a time.
    pub handful: usize,
    /// What is wrong.
    pub fault: Option<Fault>,
    /// No fiber may wait to start for longer than this, in ns, while a worker is idle for as long.
    pub neglect_max: u64,
}

impl Trial {
    /// One in which nothing is wrong.
    pub fn new(hardware: Hardware, load: Load, seed: u64) -> Trial {
        let wake = hardware.costs.wake.1 + hardware.costs.wake_far[DISTANCES - 1];
        let neglect_max = NEGLECT_MAX + hardware.workers() as u64 * (wake + NEGLECT_EACH);
        Trial { hardware, load, seed, handful: HANDFUL, fault: None, neglect_max }
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// Work was left lying for too long while somebody was idle.
    ///
    /// # Panics
    /// The machine or the program makes no sense; the message says what of it.
    pub fn run(&self, policy: Policy) -> Result<Outcome, Neglect> {
        self.hardware.check();
        self.load.check(&self.hardware);
        assert!(self.handful > 0, "who goes far takes at least one fiber");
        course::run(self, policy)
    }
}

/// See [`Trial::handful`]; as the workers do it.
pub const HANDFUL: usize = 8;

/// See [`Trial::neglect_max`]. Workers that sleep are woken one by one, each by the one before, so the
/// last comes after so many wake-ups; what each of them does in between takes no longer than this.
const NEGLECT_EACH: u64 = 7_000;
const NEGLECT_MAX: u64 = 100_000;
