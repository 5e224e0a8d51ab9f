//! Taking fibers that have not started from other workers' queues, and when not to: one that a busy worker would run
//! itself at once costs more to move than to leave.

use super::Worker;
use super::remote::Remote;
use crate::fiber::FiberRef;
use crate::machine::clock;
use crate::policy;
use crate::priority::Priority;
use crossbeam_deque::Steal;

impl Worker {
    /// Takes the oldest fiber of another worker's deque of `level`.
    pub(super) fn steal(&self, level: usize) -> Option<FiberRef> {
        if self.piled & 1 << level != 0 {
            return self.steal_piled(level);
        }
        let crew = self.crew();
        let seats = crew.reach();
        let first = self.random.below(seats);
        for victim in (first..seats).chain(0..first) {
            if victim == self.seat || !self.may_have(victim, level) {
                continue;
            }
            if let Some(fiber) = self.steal_from(victim, level) {
                return Some(fiber);
            }
        }
        None
    }

    /// Takes the oldest fiber of one other worker's queue of `level`.
    pub(super) fn steal_at(&self, victim: usize, level: usize) -> Option<FiberRef> {
        if self.piled & 1 << level != 0 {
            return self.steal_piled_from(victim, level);
        }
        if self.may_have(victim, level) { self.steal_from(victim, level) } else { None }
    }

    /// May another worker have fibers of `level` for us? Of one that does not come back also those of which nobody was
    /// told.
    #[inline]
    fn may_have(&self, victim: usize, level: usize) -> bool {
        let crew = self.crew();
        self.shared.remotes[crew.worker(victim)].mask() & 1 << level != 0
            || (crew.has_hogs() && crew.is_hogged(victim))
    }

    /// Is it worth while to take from a worker that has `waiting` fibers? One that does not dispatch will
    /// not run them soon. One that does would run a single fiber itself, with its memory in that cache;
    /// and if what we took before was tiny, moving it cost more than running it, so we hold back.
    fn may_disturb(&self, victim: &Remote, waiting: usize) -> bool {
        let restraint = self.restraint.get();
        if waiting > 1 && restraint == 0 {
            return true;
        }
        let start = clock::ticks();
        loop {
            let before = victim.counters.dispatches.get();
            for _ in 0..policy::PATIENCE_SPINS {
                std::hint::spin_loop();
            }
            if victim.counters.dispatches.get() == before {
                return true;
            }
            if waiting <= 1 || self.remote().has_mail() {
                return false;
            }
            if clock::ticks() - start > restraint {
                return true;
            }
        }
    }

    /// Runs a fiber that was taken from another worker, and learns whether that was worth while.
    #[inline(never)]
    pub(super) fn run_stolen(&self, fiber: FiberRef, level: usize) {
        let live = self.remote().counters.live.get();
        let start = clock::ticks();
        self.start(fiber, level);
        let took = clock::ticks() - start;
        let tiny = took < self.shared.config.tiny_ticks && self.remote().counters.live.get() == live;
        let restraint = self.restraint.get();
        self.restraint.set(match tiny {
            true => (2 * restraint + self.shared.config.tiny_ticks).min(self.shared.config.spin_ticks),
            false => 0,
        });
    }

    #[inline(never)]
    fn steal_from(&self, victim: usize, level: usize) -> Option<FiberRef> {
        let remote = &self.shared.remotes[self.crew().worker(victim)];
        let stealer = &remote.stealers[level];
        // Urgent fibers are taken at once.
        if level > Priority::High.level() && !self.may_disturb(remote, stealer.len()) {
            return None;
        }
        loop {
            match stealer.steal() {
                Steal::Empty => return None,
                Steal::Retry => std::hint::spin_loop(),
                Steal::Success(entry) => {
                    self.remote().counters.stolen_from[victim].add(1);
                    if let Some(fiber) = self.claim(entry, level) {
                        return Some(fiber);
                    }
                }
            }
        }
    }
}
