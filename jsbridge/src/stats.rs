//! Numbers of a bridge.

use crate::bridge::Shared;
use crate::isolate::pool::Discard;
use heddle_scheduler::Priority;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What is counted.
#[derive(Default)]
pub(crate) struct Counters {
    levels: [LevelCounters; Priority::ALL.len()],
    memory_most: AtomicUsize,
    late: AtomicU64,
}

#[derive(Default)]
struct LevelCounters {
    made: AtomicU64,
    returned: AtomicU64,
    failed: AtomicU64,
    cancelled: AtomicU64,
    timed_out: AtomicU64,
}

impl Counters {
    fn count(&self, level: Priority, which: impl FnOnce(&LevelCounters) -> &AtomicU64) {
        which(&self.levels[level as usize]).fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn made(&self, level: Priority) {
        self.count(level, |counters| &counters.made);
    }

    /// One is settled. Each is, once; so what was made and is not pending any more is the sum of the other four.
    pub(crate) fn ended(&self, level: Priority, how: Ended) {
        self.count(level, |counters| match how {
            Ended::Returned => &counters.returned,
            Ended::Failed => &counters.failed,
            Ended::Cancelled => &counters.cancelled,
            Ended::TimedOut => &counters.timed_out,
        });
    }

    /// So often the engine did not ask for long.
    pub(crate) fn late(&self, times: u32) {
        if times > 0 {
            self.late.fetch_add(u64::from(times), Ordering::Relaxed);
        }
    }

    /// An isolate had so many bytes in use.
    pub(crate) fn had_memory(&self, bytes: usize) {
        if self.memory_most.load(Ordering::Relaxed) < bytes {
            self.memory_most.fetch_max(bytes, Ordering::Relaxed);
        }
    }
}

/// How one ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Returned,
    Failed,
    Cancelled,
    TimedOut,
}

/// What happens and has happened in a bridge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Deferreds and scripts, by the priority that they had.
    pub deferreds: [DeferredStats; Priority::ALL.len()],
    /// Isolates in use now.
    pub isolates: usize,
    /// The most bytes that one isolate had in use.
    pub memory_most: usize,
    /// Of isolates, from the beginning.
    pub pool: PoolStats,
    /// How often a built-in took so long, 10 ms, that its script could not give way.
    pub late: u64,
    /// Functions that were sent, by scripts and hosts.
    pub functions_sent: u64,
    /// Of those, how many had to be compiled: the others were known.
    pub functions_compiled: u64,
}

/// The isolates of a bridge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Made.
    pub created: u64,
    /// How often one served again.
    pub reused: u64,
    /// Not used again: it was not as it had been, with changed built-ins or something left in it.
    pub discarded_dirty: u64,
    /// Not used again: what ran in it was ended, or ran out of memory.
    pub discarded_ended: u64,
    /// Idle now, and warm.
    pub idle: usize,
    /// Deferreds that wait for one now.
    pub waiting: usize,
    /// Nested Deferreds that were refused.
    pub refused: u64,
}

/// The Deferreds and scripts of one priority. Each that is not pending any more is counted once by how it ended: by the
/// priority that it had then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeferredStats {
    /// Given to the bridge.
    pub made: u64,
    /// Those that ran and returned a value.
    pub returned: u64,
    /// Those that have an error: what their function threw, or why there was no running it.
    pub failed: u64,
    /// Those that were cancelled, by their maker or with it, or because the scheduler was stopped.
    pub cancelled: u64,
    /// Those that took longer than their timeout.
    pub timed_out: u64,
}

impl Stats {
    /// Of all priorities.
    pub fn total(&self) -> DeferredStats {
        self.deferreds.iter().fold(DeferredStats::default(), |sum, level| DeferredStats {
            made: sum.made + level.made,
            returned: sum.returned + level.returned,
            failed: sum.failed + level.failed,
            cancelled: sum.cancelled + level.cancelled,
            timed_out: sum.timed_out + level.timed_out,
        })
    }

    pub(crate) fn of(bridge: &Shared) -> Stats {
        let deferreds = std::array::from_fn(|level| {
            let counters = &bridge.counters.levels[level];
            let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            DeferredStats {
                made: load(&counters.made),
                returned: load(&counters.returned),
                failed: load(&counters.failed),
                cancelled: load(&counters.cancelled),
                timed_out: load(&counters.timed_out),
            }
        });
        let (pool, code) = (bridge.pool.stats(), bridge.codes().stats());
        let discarded = |why: Discard| pool.discarded[why as usize];
        Stats {
            deferreds,
            pool: PoolStats {
                created: pool.created,
                reused: pool.reused,
                discarded_dirty: discarded(Discard::Dirty),
                discarded_ended: discarded(Discard::Killed) + discarded(Discard::OutOfMemory),
                idle: pool.idle,
                waiting: pool.parked,
                refused: pool.refused,
            },
            late: bridge.counters.late.load(Ordering::Relaxed),
            functions_sent: code.sent,
            functions_compiled: code.compiled,
            isolates: pool.leased,
            memory_most: bridge.counters.memory_most.load(Ordering::Relaxed),
        }
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<12}{:>10}{:>10}{:>8}{:>11}{:>11}",
            "deferreds", "made", "returned", "failed", "cancelled", "timed out"
        )?;
        for (priority, level) in Priority::ALL.iter().zip(&self.deferreds) {
            if level.made > 0 {
                let DeferredStats { made, returned, failed, cancelled, timed_out } = level;
                writeln!(
                    f,
                    "{:<12}{made:>10}{returned:>10}{failed:>8}{cancelled:>11}{timed_out:>11}",
                    priority.to_string()
                )?;
            }
        }
        let PoolStats { created, reused, discarded_dirty, discarded_ended, idle, waiting, refused } =
            self.pool;
        writeln!(
            f,
            "isolates in use: {}; {idle} idle, {created} made, {reused} times used again, discarded: {discarded_dirty} \
             changed, {discarded_ended} ended; the largest had {} KiB",
            self.isolates,
            self.memory_most / 1024
        )?;
        let (sent, compiled) = (self.functions_sent, self.functions_compiled);
        write!(
            f,
            "functions sent: {sent}, of which {compiled} were compiled; {waiting} wait for an isolate, {refused} were refused"
        )
    }
}
