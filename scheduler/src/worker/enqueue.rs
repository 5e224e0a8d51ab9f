//! Putting fibers into the queues of a worker: new ones where others can take them, started ones where only it can.

use super::ready::ReadyList;
use super::{Worker, loan, stamp};
use crate::fiber::FiberRef;
use crate::fiber::carrier::{Carrier, Queued};
use crate::machine::clock;
use crate::priority::LEVELS;

impl Worker {
    /// Queues a fiber that was made on this thread.
    #[inline]
    pub(crate) fn push_fresh(&self, fiber: FiberRef, level: usize) {
        if self.stealable & 1 << level == 0 {
            return self.push_elsewhere(fiber, level);
        }
        self.deques[level].push(fiber);
        self.pushed(level);
    }

    /// Queues a fiber that was made on this thread for a site.
    #[cold]
    pub(crate) fn push_placed(&self, fiber: FiberRef, level: usize) {
        match fiber.site() {
            Some(site) if site != self.site.get() => self.shared.push_outside(fiber, level, site),
            _ => self.push_fresh(fiber, level),
        }
    }

    /// Queues a fiber that does not belong into our deques.
    #[inline(never)]
    fn push_elsewhere(&self, fiber: FiberRef, level: usize) {
        if self.piled & 1 << level == 0 {
            return self.shared.push_outside(fiber, level, self.site.get());
        }
        self.push_on_pile(fiber, level);
        self.pushed(level);
    }

    /// There is one more in our queue of `level`.
    #[inline(always)]
    pub(super) fn pushed(&self, level: usize) {
        if self.unannounced.get() != 0 {
            self.announce_late();
        }
        if self.fresh_mask.get() & 1 << level == 0 {
            self.add_fresh(level);
        }
        if let Some(sleeper) = self.beacon().announce(level, self.site.get()) {
            self.unpark(sleeper);
        }
    }

    /// There is a first fiber in the deque of `level`.
    pub(super) fn add_fresh(&self, level: usize) {
        self.levels[level].ageing.begin(clock::ticks());
        self.set_fresh_mask(self.fresh_mask.get() | 1 << level);
    }

    #[inline]
    pub(super) fn set_fresh_mask(&self, mask: u32) {
        self.fresh_mask.set(mask);
        self.remote().set_mask(mask);
    }

    /// Queues a started fiber of ours.
    #[inline]
    pub(super) fn push_ready(&self, carrier: *mut Carrier, queued: Queued) {
        // SAFETY: ours, alive, with a fiber, and in no list.
        let carrier_ref = unsafe { &*carrier };
        let level = carrier_ref.fiber().expect("only fibers are queued").state.level();
        debug_assert_eq!(carrier_ref.queued.get(), Queued::No);
        carrier_ref.queued.set(queued);
        carrier_ref.level.set(level as u8);
        // Who yields chose to wait: of those only some are timed, also of the urgent ones.
        let timed_as = if queued == Queued::Yielded { LEVELS } else { level };
        carrier_ref.stamp.set(stamp(timed_as, self.remote().counters.dispatches.get()));
        let list = self.list(level, queued);
        // SAFETY: as above.
        unsafe { list.push_back(carrier) };
        self.ready_mask.set(self.ready_mask.get() | 1 << level);
    }

    pub(super) fn list(&self, level: usize, queued: Queued) -> &ReadyList {
        if queued == Queued::Yielded { &self.levels[level].yielded } else { &self.levels[level].ready }
    }

    /// Resumes a fiber whose home this is.
    #[inline]
    pub(crate) fn resume_here(&self, fiber: FiberRef) {
        let carrier = fiber.carrier.get();
        if carrier.is_null() {
            return;
        }
        // SAFETY: a fiber's carrier is alive until the fiber ends, which clears it.
        let carrier_ref = unsafe { &*carrier };
        if carrier_ref.parked.replace(false) {
            let level = carrier_ref.level.get() as usize;
            self.remote().counters.levels[level].suspended.add(u64::MAX);
            self.push_ready(carrier, Queued::Ready);
            self.note_boost(carrier_ref.level.get() as usize);
        } else {
            carrier_ref.token.set(true);
        }
    }

    /// A fiber of ours is runnable at that level: if it was lent one above our lane, we need a CPU.
    #[inline]
    pub(super) fn note_boost(&self, level: usize) {
        if (self.stealable | self.piled) & 1 << level == 0 {
            self.shared.boost(self.index, level);
        }
    }

    /// Counts a fiber of ours at the level it has now.
    pub(crate) fn recount(&self, carrier: &Carrier, level: usize) {
        let levels = &self.remote().counters.levels;
        let before = carrier.counted.replace(level as u8) as usize;
        levels[before].alive.add(u64::MAX);
        levels[level].alive.add(1);
        if carrier.parked.get() {
            levels[carrier.level.replace(level as u8) as usize].suspended.add(u64::MAX);
            levels[level].suspended.add(1);
        }
    }

    /// Counts a fiber of ours at the level it has now, and if it is queued, moves it there.
    pub(crate) fn requeue(&self, fiber: FiberRef) {
        let carrier = fiber.carrier.get();
        if carrier.is_null() {
            return;
        }
        // SAFETY: as in `resume_here`.
        let carrier_ref = unsafe { &*carrier };
        // Counted last: what the statistics say has come to pass.
        loan::pass_on(carrier_ref, fiber.state.level());
        self.recount(carrier_ref, fiber.state.level());
        let (queued, level) = (carrier_ref.queued.get(), carrier_ref.level.get() as usize);
        if queued == Queued::No || level == fiber.state.level() {
            return;
        }
        // SAFETY: it is in that list.
        unsafe { self.list(level, queued).remove(carrier) };
        carrier_ref.queued.set(Queued::No);
        self.left_ready(level);
        self.push_ready(carrier, queued);
        self.note_boost(carrier_ref.level.get() as usize);
    }

    pub(super) fn left_ready(&self, level: usize) {
        if self.levels[level].ready.is_empty() && self.levels[level].yielded.is_empty() {
            self.ready_mask.set(self.ready_mask.get() & !(1 << level));
        }
    }
}
