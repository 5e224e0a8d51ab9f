//! What all workers of a scheduler share, and what anyone may do to it.

use super::beacon::Beacon;
use super::finish::complete;
use super::limit::Limit;
use super::quiet::Quiet;
use super::remote::Remote;
use super::{Deques, current};
use crate::config::Config;
use crate::error::{Error, JoinError};
use crate::fiber::memory::{StackSource, StackSpec};
use crate::fiber::state::Claim;
use crate::fiber::{FiberRef, Header};
use crate::machine::{barrier, clock};
use crate::priority::LEVELS;
use crate::queue::inbox::Inbox;
use crate::stats::{Counters, SharedCounters, StackStats, Stats};
use std::ptr;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

/// What all workers of a scheduler share.
///
/// | field      | written by                     | read by                     |
/// |------------|--------------------------------|-----------------------------|
/// | `beacon`   | see its own table              | everyone                    |
/// | `inboxes`  | threads that are no workers    | workers                     |
/// | `remotes`  | see its own table              | everyone                    |
/// | `stacks`   | workers, under its lock        | workers, `stats()`          |
/// | `phase`    | `start`, `stop`                | everyone                    |
/// | `serving`  | `start`, each thread that ends | the last thread that ends   |
/// | the others | have locks or are counters     |                             |
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) beacon: Beacon,
    pub(crate) inboxes: [Inbox<Header>; LEVELS],
    pub(crate) remotes: Box<[Remote]>,
    pub(crate) stacks: StackSource,
    pub(crate) counters: SharedCounters,
    pub(crate) quiet: Quiet,
    pub(crate) limit: Option<Limit>,
    phase: AtomicU8,
    /// Threads that may take from the inboxes.
    serving: AtomicUsize,
}

const RUNNING: u8 = 0;
const STOPPING: u8 = 1;

/// A block of numbers for new fibers: its start and end.
pub(crate) fn id_block() -> (u64, u64) {
    const BLOCK: u64 = 1024;
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let start = NEXT.fetch_add(BLOCK, Ordering::Relaxed);
    (start, start + BLOCK)
}

impl Shared {
    /// What the workers will share, and the queues they will own.
    pub(crate) fn new(config: Config) -> Result<(Shared, Vec<Deques>), Error> {
        barrier::prepare();
        clock::prepare();
        super::overflow::install();
        let deques: Vec<Deques> = (0..config.workers)
            .map(|_| std::array::from_fn(|_| crossbeam_deque::Worker::new_lifo()))
            .collect();
        let remotes = deques.iter().map(|deques| Remote::new(deques, config.workers)).collect();
        let stacks = StackSource::new(StackSpec {
            size: config.stack_size,
            guard: config.stack_guard,
            most: config.max_stacks,
        })?;
        let shared = Shared {
            beacon: Beacon::new(config.workers),
            inboxes: std::array::from_fn(|_| Inbox::new()),
            remotes,
            stacks,
            counters: SharedCounters::default(),
            quiet: Quiet::new(),
            limit: config.max_fibers.map(|most| Limit::new(most, config.at_limit)),
            phase: AtomicU8::new(STOPPING),
            serving: AtomicUsize::new(0),
            config,
        };
        Ok((shared, deques))
    }

    #[inline]
    pub(crate) fn is_running(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == RUNNING
    }

    pub(crate) fn unpark(&self, worker: usize) {
        self.remotes[worker].unpark();
    }

    /// Takes fibers again, after all threads have ended.
    pub(crate) fn begin(&self) {
        for inbox in &self.inboxes {
            inbox.reopen();
        }
        self.serving.store(self.remotes.len(), Ordering::Relaxed);
        self.beacon.set_stop(false);
        self.phase.store(RUNNING, Ordering::Relaxed);
    }

    /// A thread leaves, with nothing in its queues. The last one closes the inboxes behind it.
    pub(crate) fn leave(&self) {
        // ORDERING: AcqRel: the last one's look into the inboxes comes after everybody else's.
        if self.serving.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.close_inboxes();
        }
    }

    /// Tells all workers to end their fibers and leave.
    pub(crate) fn begin_stop(&self) {
        self.phase.store(STOPPING, Ordering::Relaxed);
        self.beacon.set_stop(true);
        if let Some(limit) = &self.limit {
            limit.give_up();
        }
        for worker in 0..self.remotes.len() {
            if self.beacon.call(worker) {
                self.unpark(worker);
            }
        }
    }

    /// Puts a started fiber's letter into its home's mailbox. Its MAIL bit was set by the caller.
    pub(crate) fn post(&self, home: usize, fiber: FiberRef) {
        match self.remotes[home].post(fiber) {
            Ok(()) => {
                if self.beacon.call(home) {
                    self.unpark(home);
                }
            }
            // The home has left, so the fiber has ended; only the letter's hold is left.
            Err(_) => {
                if fiber.state.open_letter().free {
                    // SAFETY: that was the last hold.
                    unsafe { fiber.free() };
                }
            }
        }
    }

    /// Queues a fiber from a thread that is no worker of ours.
    pub(crate) fn push_outside(&self, fiber: FiberRef, level: usize) {
        // SAFETY: the fiber is new, or a new ticket: it is in no list.
        if unsafe { self.inboxes[level].push(fiber.node()) }.is_err() {
            self.reject(fiber, level);
        } else if let Some(sleeper) = self.beacon.announce(level) {
            self.unpark(sleeper);
        }
    }

    /// Queues a ticket for a fiber whose priority has changed.
    pub(crate) fn queue_ticket(&self, ticket: FiberRef, level: usize) {
        match current::worker() {
            Some(worker) if ptr::eq(&*worker.shared, self) => worker.push_fresh(ticket, level),
            _ => self.push_outside(ticket, level),
        }
    }

    /// Ends a queued fiber, as the scheduler has stopped.
    #[cold]
    fn reject(&self, entry: FiberRef, level: usize) {
        let fiber = entry.resolve();
        match fiber.state.claim_to_end(level) {
            Claim::Won => {
                let error = JoinError::not_started(Error::stopped());
                // SAFETY: claimed just now.
                unsafe { self.end_unrun(fiber, level, error) };
            }
            Claim::Stale => {}
            // SAFETY: that was the last hold.
            Claim::StaleFree => unsafe { fiber.free() },
        }
    }

    /// Nobody takes from the inboxes any more: what is in them ends, and no more is accepted.
    pub(crate) fn close_inboxes(&self) {
        for (level, inbox) in self.inboxes.iter().enumerate() {
            for node in inbox.close() {
                self.reject(FiberRef::from_node(node), level);
            }
        }
    }

    /// Ends a fiber that was never run.
    ///
    /// # Safety
    /// The caller has claimed it, at `level`.
    pub(crate) unsafe fn end_unrun(&self, fiber: FiberRef, level: usize, error: JoinError) {
        match current::worker() {
            Some(worker) if ptr::eq(&*worker.shared, self) => worker.fail(fiber, level, error),
            // SAFETY: the caller's promise.
            _ => unsafe {
                fiber.fail(error);
                self.ended_outside(fiber, level);
            },
        }
    }

    /// Ends a fiber that was claimed at `level`, never had a stack, and whose result is in place.
    ///
    /// # Safety
    /// As for [`complete`].
    pub(crate) unsafe fn ended_outside(&self, fiber: FiberRef, level: usize) {
        self.counters.claimed_outside[level].add_shared(1);
        // SAFETY: the caller's promise.
        unsafe { complete(fiber) };
        self.counters.finished_outside[level].add_shared(1);
        self.after_finish();
    }

    /// A fiber has ended, and has been counted.
    #[inline]
    pub(crate) fn after_finish(&self) {
        if let Some(limit) = &self.limit {
            limit.leave();
        }
        if self.quiet.is_awaited() {
            self.quiet.check(self);
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        let counters: Vec<&Counters> = self.remotes.iter().map(|remote| &*remote.counters).collect();
        let warm: u64 = counters.iter().map(|c| c.warm.get()).sum();
        let taken = self.stacks.taken();
        let in_use: u64 = counters.iter().map(|c| c.live.get()).sum();
        let stacks = StackStats {
            size: self.stacks.size(),
            in_use: in_use as usize,
            warm: taken.saturating_sub(in_use as usize).max(warm as usize).min(taken),
            cold: self.stacks.cold(),
            guard: self.stacks.guard(),
        };
        Stats::collect(&counters, &self.counters, stacks)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.close_inboxes();
    }
}
