//! What is known about a worker that does not come back: its *mark*, which the monitor sets, and the name of
//! the fiber, which the worker leaves where others may read it.
//!
//! | field        | written by                              | read by                            |
//! |--------------|-----------------------------------------|------------------------------------|
//! | `since`      | the monitor: last when set              | `stats()`, the monitor             |
//! | `dispatches` | the monitor                             | the same                           |
//! | `is_blocked` | the monitor                             | the same                           |
//! | `name`       | the worker, when a named fiber goes on  | the same; both only try to lock it |
//!
//! The mark is good as long as the worker has made no further dispatch: nobody has to take it away in time.
//! Reading it waits for nobody, so that threads of all lanes may.

use super::shared::Shared;
use crate::fiber::{FiberId, FiberRef};
use crate::hog::{Hog, HogKind};
use crate::machine::clock;
use crate::primitive::Mutex;
use crate::primitive::{AtomicBool, AtomicU64, Ordering};
use crate::priority::{LEVELS, Priority};
use crate::queue::inbox::Inbox;
use std::sync::Arc;
use std::time::Duration;

/// See the module's documentation.
pub(crate) struct Mark {
    /// When the fiber was first seen, in ticks; 0: there is no mark.
    since: AtomicU64,
    dispatches: AtomicU64,
    is_blocked: AtomicBool,
    name: Mutex<Option<(FiberId, Arc<String>)>>,
    /// There may be one; only the worker's business.
    has_name: AtomicBool,
}

impl Mark {
    pub(crate) fn new() -> Mark {
        Mark {
            since: AtomicU64::new(0),
            dispatches: AtomicU64::new(0),
            is_blocked: AtomicBool::new(false),
            name: Mutex::new(None),
            has_name: AtomicBool::new(false),
        }
    }

    /// The worker has not come back from that dispatch since `since`.
    pub(crate) fn set(&self, since: u64, dispatches: u64, kind: HogKind) {
        self.dispatches.store(dispatches, Ordering::Relaxed);
        self.is_blocked.store(kind == HogKind::Blocked, Ordering::Relaxed);
        // ORDERING: Release pairs with the acquire of `Shared::hog`.
        self.since.store(since.max(1), Ordering::Release);
    }

    pub(crate) fn clear(&self) {
        self.since.store(0, Ordering::Relaxed);
    }

    /// A fiber with a name goes on; only by the worker. If somebody reads just now, there is no name to
    /// be read until the next.
    #[cold]
    pub(crate) fn show_name(&self, fiber: FiberRef) {
        if let Some(mut shown) = self.name.try_lock() {
            *shown = fiber.name().map(|name| (fiber.id, name.clone()));
            self.has_name.store(true, Ordering::Relaxed);
        }
    }

    /// The worker has nothing to run, or its thread ends.
    pub(crate) fn forget_name(&self) {
        if self.has_name.load(Ordering::Relaxed)
            && let Some(mut shown) = self.name.try_lock()
        {
            *shown = None;
            self.has_name.store(false, Ordering::Relaxed);
        }
    }

    fn name_of(&self, id: FiberId) -> Option<String> {
        let shown = self.name.try_lock()?;
        shown.as_ref().filter(|(whose, _)| *whose == id).map(|(_, name)| name.as_str().to_owned())
    }
}

impl Shared {
    /// The fiber that keeps the thread of a worker, if the monitor has marked it and it still does.
    pub(crate) fn hog(&self, worker: usize) -> Option<Hog> {
        let remote = &self.remotes[worker];
        let (mark, counters) = (&remote.mark, &remote.counters);
        // ORDERING: Acquire pairs with the release of `set`.
        let since = mark.since.load(Ordering::Acquire);
        let (id, level) = counters.running_fiber()?;
        if since == 0 || mark.dispatches.load(Ordering::Relaxed) != counters.dispatches.get() {
            return None;
        }
        let suspended: u64 = counters.levels.iter().map(|level| level.suspended.get()).sum();
        let ready = counters.live.get().saturating_sub(suspended + 1);
        Some(Hog {
            worker,
            lane: remote.lane,
            id,
            name: mark.name_of(id),
            priority: Priority::from_level(level),
            age: Duration::from_nanos(clock::nanos(clock::ticks().saturating_sub(since))),
            kind: if mark.is_blocked.load(Ordering::Relaxed) { HogKind::Blocked } else { HogKind::Burning },
            waiting: ready + remote.letters(),
            unstarted: self.unstarted(worker),
        })
    }

    /// All of them.
    pub(crate) fn hogs(&self) -> Vec<Hog> {
        (0..self.remotes.len()).filter_map(|worker| self.hog(worker)).collect()
    }

    /// How many fibers that have not started are in a worker's queues.
    fn unstarted(&self, worker: usize) -> u64 {
        let remote = &self.remotes[worker];
        let queued: usize = remote.stealers.iter().map(crossbeam_deque::Stealer::len).sum();
        queued as u64 + remote.piled()
    }

    /// The levels that have fibers in a worker's queues, which have not started.
    pub(crate) fn levels_queued_at(&self, worker: usize) -> u32 {
        let remote = &self.remotes[worker];
        let some = |level: &usize| {
            !remote.stealers[*level].is_empty() || !remote.piles(*level).into_iter().all(Inbox::looks_empty)
        };
        (0..LEVELS).filter(some).fold(0, |mask, level| mask | 1 << level)
    }
}
