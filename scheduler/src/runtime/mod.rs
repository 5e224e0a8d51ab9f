//! A scheduler: its workers, what they share, and the calls that make fibers.
//!
//! | file         | what it has                                                     |
//! |--------------|-----------------------------------------------------------------|
//! | `mod.rs`     | [`Shared`], and [`Scheduler`], the handle that users hold       |
//! | [`builder`]  | options and their checks                                        |
//! | [`spawn`]    | `go` in its forms                                               |
//! | [`finish`]   | the end of a fiber                                              |
//! | [`scope`]    | fibers that borrow                                              |
//! | [`quiet`]    | `wait_all`                                                      |
//! | [`limit`]    | the limit on live fibers                                        |
//! | [`threads`]  | starting and stopping                                           |
//! | [`registry`] | finding a scheduler that may be gone                            |

pub(crate) mod builder;
pub(crate) mod finish;
pub(crate) mod registry;
pub(crate) mod scope;
pub(crate) mod quiet;
pub(crate) mod limit;
pub(crate) mod threads;
pub(crate) mod spawn;

use crate::error::{Error, JoinError};
use crate::fiber::memory::{StackSource, StackSpec};
use crate::fiber::state::Claim;
use crate::fiber::{FiberRef, Header};
use crate::machine::{barrier, clock};
use crate::priority::LEVELS;
use crate::queue::inbox::Inbox;
use crate::stats::{Counters, SharedCounters, StackStats, Stats};
use crate::worker::beacon::Beacon;
use crate::worker::remote::Remote;
use crate::worker::{Deques, current};
use builder::{Builder, Config};
use limit::Limit;
use quiet::Quiet;
use std::fmt;
use std::ptr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use threads::Threads;

/// What all workers of a scheduler share.
///
/// | field      | written by                     | read by                     |
/// |------------|--------------------------------|-----------------------------|
/// | `beacon`   | see its own table              | everyone                    |
/// | `inboxes`  | threads that are no workers    | workers                     |
/// | `remotes`  | see its own table              | everyone                    |
/// | `stacks`   | workers, under its lock        | workers, `stats()`          |
/// | `phase`    | `start`, `stop`                | everyone                    |
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
    threads: Threads,
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
    fn new(config: Config) -> Result<Shared, Error> {
        barrier::prepare();
        clock::prepare();
        crate::fiber::overflow::install();
        let deques: Vec<Deques> = (0..config.workers)
            .map(|_| std::array::from_fn(|_| crossbeam_deque::Worker::new_lifo()))
            .collect();
        let remotes = deques.iter().map(|deques| Remote::new(deques, config.workers)).collect();
        let stacks = StackSource::new(StackSpec {
            size: config.stack_size,
            guard: config.stack_guard,
            most: config.max_stacks,
        })?;
        Ok(Shared {
            beacon: Beacon::new(config.workers),
            inboxes: std::array::from_fn(|_| Inbox::new()),
            remotes,
            stacks,
            counters: SharedCounters::default(),
            quiet: Quiet::new(),
            limit: config.max_fibers.map(|most| Limit::new(most, config.at_limit)),
            phase: AtomicU8::new(STOPPING),
            threads: Threads::new(deques),
            config,
        })
    }

    #[inline]
    pub(crate) fn is_running(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == RUNNING
    }

    pub(crate) fn unpark(&self, worker: usize) {
        self.remotes[worker].unpark();
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
        match fiber.state.claim(level, 0) {
            Claim::Won => {
                let error = JoinError::not_started(Error::stopped());
                // SAFETY: claimed just now.
                unsafe { crate::handle::end_unrun(self, fiber, error) };
            }
            Claim::Stale => {}
            // SAFETY: that was the last hold.
            Claim::StaleFree => unsafe { fiber.free() },
        }
    }

    /// Nobody takes from the inboxes any more: what is in them ends, and no more is accepted.
    fn close_inboxes(&self) {
        for (level, inbox) in self.inboxes.iter().enumerate() {
            for node in inbox.close() {
                self.reject(FiberRef::from_node(node), level);
            }
        }
    }

    /// Ends a fiber that never had a stack, and whose result is in place.
    ///
    /// # Safety
    /// As for [`finish::complete`].
    pub(crate) unsafe fn ended_outside(&self, fiber: FiberRef) {
        let level = fiber.state.level();
        // SAFETY: the caller's promise.
        unsafe { finish::complete(fiber) };
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

    fn stats(&self) -> Stats {
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

/// A scheduler of fibers. See the [crate's documentation](crate).
///
/// Dropping it stops it, as [`stop`](Self::stop) does; from inside one of its own fibers, as
/// [`stop_soon`](Self::stop_soon).
pub struct Scheduler {
    pub(crate) shared: Arc<Shared>,
}

impl Scheduler {
    /// Options, then [`build`](Builder::build).
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// A scheduler with all defaults, running.
    ///
    /// # Errors
    /// The system refused to create a thread.
    pub fn new() -> Result<Scheduler, Error> {
        Builder::new().build()
    }

    pub(crate) fn from_config(config: Config) -> Result<Scheduler, Error> {
        let scheduler = Scheduler { shared: Arc::new(Shared::new(config)?) };
        registry::add(&scheduler.shared);
        scheduler.start()?;
        Ok(scheduler)
    }

    /// The scheduler of the whole process, built with all defaults when first asked for. It is never
    /// dropped; stop it if its threads should end.
    ///
    /// # Panics
    /// If the system refuses to create its threads.
    pub fn instance() -> &'static Scheduler {
        static INSTANCE: OnceLock<Scheduler> = OnceLock::new();
        INSTANCE.get_or_init(|| Scheduler::new().expect("the process-wide scheduler needs its threads"))
    }

    /// Starts a scheduler that was stopped; one that runs is left alone.
    ///
    /// # Errors
    /// The system refused to create a thread: then the scheduler is stopped again. Or this was called
    /// by a fiber of the scheduler that is still stopping.
    pub fn start(&self) -> Result<(), Error> {
        threads::start(&self.shared)
    }

    /// Stops: fibers that have not started never will, those that wait are cancelled (their blocking
    /// call returns an error or unwinds, destructors run), those that run go on to their next blocking
    /// call. Returns when all have ended and the threads are gone. What is queued later ends with a
    /// typed error. Stopping twice, or from several threads, is the same as once.
    ///
    /// # Errors
    /// From inside one of its own fibers, for whose end it would wait.
    pub fn stop(&self) -> Result<(), Error> {
        threads::stop(&self.shared)
    }

    /// Begins to stop, without waiting for the end. May be called anywhere.
    pub fn stop_soon(&self) {
        threads::begin_stop(&self.shared);
    }

    /// Does it take fibers?
    pub fn is_running(&self) -> bool {
        self.shared.is_running()
    }

    /// How many workers it has.
    pub fn workers(&self) -> usize {
        self.shared.remotes.len()
    }

    /// What happens and has happened in it.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Waits until there is no fiber left, other than those that are themselves in `wait_all`.
    ///
    /// # Errors
    /// The waiting fiber was cancelled, or cannot wait because a panic unwinds it.
    pub fn wait_all(&self) -> Result<(), crate::Cancelled> {
        quiet::wait_all(&self.shared)
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler")
            .field("name", &self.shared.config.name)
            .field("workers", &self.workers())
            .field("running", &self.is_running())
            .finish()
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        if self.stop().is_err() {
            self.stop_soon();
        }
    }
}
