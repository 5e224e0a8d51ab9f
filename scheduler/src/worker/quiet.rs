//! `wait_all`: waiting until nothing is left.
//!
//! Workers count the fibers they make and end without a shared counter. Whether all have ended is
//! found by adding up: first all that ended, then all that were made. Both only grow, and every fiber
//! is counted as made before it can end; so if the two sums are equal, there was a moment between
//! them at which nothing was left.
//!
//! The ender counts, then looks whether anybody waits; a waiter says that it waits, then counts: the
//! barriers of [`machine::barrier`](crate::machine::barrier) make one of them see the other.

use super::resumer::Resumer;
use super::shared::Shared;
use crate::machine::barrier::{heavy_barrier, light_barrier};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

pub(crate) struct Quiet {
    awaited: AtomicUsize,
    waiters: Mutex<Vec<Waiting>>,
}

struct Waiting {
    done: Arc<AtomicBool>,
    resumer: Resumer,
    /// It is a fiber of this scheduler, which is not waited for itself.
    inside: bool,
}

impl Quiet {
    pub(crate) fn new() -> Quiet {
        Quiet { awaited: AtomicUsize::new(0), waiters: Mutex::new(Vec::new()) }
    }

    /// Does anybody wait? Asked after each end of a fiber.
    #[inline]
    pub(crate) fn is_awaited(&self) -> bool {
        light_barrier();
        self.awaited.load(Ordering::Relaxed) != 0
    }

    /// Somebody begins to wait: when all have ended, `done` is set and `resumer` resumed. The waiter
    /// calls [`check`](Self::check) next.
    pub(crate) fn enter(&self, done: Arc<AtomicBool>, resumer: Resumer, inside: bool) {
        self.waiters.lock().push(Waiting { done, resumer, inside });
        self.awaited.fetch_add(1, Ordering::Relaxed);
        heavy_barrier();
    }

    /// The waiter with `done` waits no longer.
    pub(crate) fn leave(&self, done: &Arc<AtomicBool>) {
        let mut waiters = self.waiters.lock();
        if let Some(index) = waiters.iter().position(|waiting| Arc::ptr_eq(&waiting.done, done)) {
            waiters.swap_remove(index);
            self.awaited.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Wakes everybody if nothing is left.
    #[cold]
    pub(crate) fn check(&self, shared: &Shared) {
        let mut waiters = self.waiters.lock();
        let inside = waiters.iter().filter(|waiting| waiting.inside).count() as u64;
        if live(shared) > inside {
            return;
        }
        for waiting in waiters.drain(..) {
            // ORDERING: Release pairs with the acquire in `wait_all`.
            waiting.done.store(true, Ordering::Release);
            self.awaited.fetch_sub(1, Ordering::Relaxed);
            waiting.resumer.resume();
        }
    }
}

/// How many fibers exist: exact if the answer is that there are no more than those that wait.
fn live(shared: &Shared) -> u64 {
    let outside = &shared.counters;
    let ended: u64 = shared
        .remotes
        .iter()
        .flat_map(|remote| remote.counters.levels.iter().map(|level| level.finished.get_acquire()))
        .chain(outside.finished_outside.iter().map(|counter| counter.get_acquire()))
        .sum();
    let made: u64 = shared
        .remotes
        .iter()
        .flat_map(|remote| remote.counters.levels.iter().map(|level| level.spawned.get()))
        .chain(outside.spawned_outside.iter().map(|counter| counter.get()))
        .sum();
    made.saturating_sub(ended)
}
