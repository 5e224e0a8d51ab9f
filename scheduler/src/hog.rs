//! Fibers that do not give their thread back, as the monitor reports them.

use crate::fiber::FiberId;
use crate::lane::Lane;
use crate::priority::Priority;
use std::fmt;
use std::time::Duration;

/// What a fiber does that keeps its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HogKind {
    /// It computes, without a blocking call of this crate's or a [`checkpoint`](crate::checkpoint).
    Burning,
    /// It blocks the thread: a lock of the standard library, a system call.
    Blocked,
}

impl HogKind {
    /// The name in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            HogKind::Burning => "burning",
            HogKind::Blocked => "blocked",
        }
    }
}

impl fmt::Display for HogKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A fiber that has kept its thread for longer than [`Builder::hog_after`](crate::Builder::hog_after).
///
/// Fibers of its worker that have not started are run by others. Those that have started are not, as they
/// cannot move: they wait until the hog comes back.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Hog {
    /// The number of its worker.
    pub worker: usize,
    /// The worker's lane.
    pub lane: Lane,
    /// Which fiber.
    pub id: FiberId,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its priority.
    pub priority: Priority,
    /// How long it has run, from when the monitor first saw it: up to half of `hog_after` less than in truth.
    pub age: Duration,
    /// What it does.
    pub kind: HogKind,
    /// How many started fibers wait behind it on its thread: runnable ones, and messages to others, most of which
    /// make one runnable.
    pub waiting: u64,
    /// How many fibers that have not started are in its worker's queues still, for others to take.
    pub unstarted: u64,
}

impl fmt::Display for Hog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fiber {}", self.id)?;
        if let Some(name) = &self.name {
            write!(f, " '{name}'")?;
        }
        write!(
            f,
            " ({}, {} for {:.0?}) on worker {} ({}); behind it {} started, {} not",
            self.priority, self.kind, self.age, self.worker, self.lane, self.waiting, self.unstarted
        )
    }
}

/// Is there a thread that looks for hogs?
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MonitorState {
    /// The scheduler does not run, or [`hog_after`](crate::Builder::hog_after) says that there should be none.
    #[default]
    Off,
    /// There is.
    On,
    /// The system refused to create it, with this message: hogs are neither found nor helped out, and background
    /// workers map their stacks themselves.
    Refused(String),
}

/// What the monitor's thread did.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct MonitorStats {
    /// Is it there?
    pub state: MonitorState,
    /// How many hogs it has found.
    pub hogs_seen: u64,
    /// How many spare workers it has made.
    pub spares_made: u64,
    /// How many of them it has sent home.
    pub spares_retired: u64,
    /// How many spare workers the system refused to create a thread for.
    pub spares_refused: u64,
    /// How many stacks it has mapped for the background lane, whose threads do not do that themselves.
    pub stacks_supplied: u64,
    /// How often it has sent less urgent workers off a CPU, for a fiber of a lane below that somebody urgent waits for.
    pub cpus_cleared: u64,
    /// The control group's CPU quota, if one is in force that is less than the CPUs.
    pub quota: Option<QuotaStats>,
}

/// A CPU quota, which all lanes share. What the others need of it is kept for them: background workers pause at
/// their next dispatch or [`checkpoint`](crate::checkpoint) until the next period begins.
///
/// Background code that reaches neither cannot be paused. While there is such code, only so many background
/// workers run that one CPU of the quota is left to others, but at least one: with a quota of less than two
/// CPUs, such code may get the whole group throttled.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct QuotaStats {
    /// The quota in CPUs.
    pub cpus: f64,
    /// In how many periods the group was throttled, since the quota was first seen.
    pub throttled_periods: u64,
    /// For how long, summed over CPUs.
    pub throttled: Duration,
    /// For how long background workers that had something to run were held back, summed over them.
    pub held: Duration,
}

impl fmt::Display for MonitorStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            MonitorState::Off => f.write_str("monitor: off")?,
            MonitorState::On => f.write_str("monitor: on")?,
            MonitorState::Refused(why) => write!(f, "monitor: none, {why}")?,
        }
        write!(
            f,
            "; {} hogs seen, {} spare workers (*) made, {} retired, {} refused; {} stacks supplied; {} times a CPU \
             cleared",
            self.hogs_seen,
            self.spares_made,
            self.spares_retired,
            self.spares_refused,
            self.stacks_supplied,
            self.cpus_cleared
        )?;
        match self.quota {
            None => Ok(()),
            Some(quota) => write!(
                f,
                "; quota of {} CPUs: throttled in {} periods, for {:.0?}, background held for {:.0?}",
                quota.cpus, quota.throttled_periods, quota.throttled, quota.held
            ),
        }
    }
}
