//! What workers count of input and output, and the sum that users see.

use crate::stats::Counter;
use std::fmt;

/// What one worker counts of input and output.
#[derive(Default)]
pub(crate) struct IoCounters {
    pub(crate) polls: Counter,
    pub(crate) sleeps: Counter,
    pub(crate) events: Counter,
    pub(crate) waits: Counter,
    pub(crate) put_off: Counter,
    pub(crate) registered: Counter,
    pub(crate) operations: Counter,
}

/// Input and output of all workers. All is zero, and costs nothing, in a program that does none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IoStats {
    /// How often a worker looked at its poller, sleeps in it included.
    pub polls: u64,
    /// How often one slept there.
    pub sleeps: u64,
    /// What they were told: descriptors that had become ready for something.
    pub events: u64,
    /// How often a fiber waited for a descriptor.
    pub waits: u64,
    /// How often one was not resumed at once when its descriptor had become ready, as others were served again first.
    pub put_off: u64,
    /// Descriptors that pollers know, now. One that was closed on another thread than that on which it was waited for
    /// counts until its number is used again.
    pub registered: u64,
    /// Operations on files that were handed to the kernel by rings (io_uring).
    pub operations: u64,
}

impl IoStats {
    pub(crate) fn collect<'a>(workers: impl Iterator<Item = &'a IoCounters>) -> IoStats {
        workers.fold(IoStats::default(), |sum, worker| IoStats {
            polls: sum.polls + worker.polls.get(),
            sleeps: sum.sleeps + worker.sleeps.get(),
            events: sum.events + worker.events.get(),
            waits: sum.waits + worker.waits.get(),
            put_off: sum.put_off + worker.put_off.get(),
            registered: sum.registered + worker.registered.get(),
            operations: sum.operations + worker.operations.get(),
        })
    }
}

impl fmt::Display for IoStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let IoStats { polls, sleeps, events, waits, put_off, registered, operations } = self;
        write!(
            f,
            "io: {registered} descriptors, {waits} waits, {put_off} of them put off, {events} events in {polls} looks, {sleeps} of them asleep, {operations} by rings"
        )
    }
}
