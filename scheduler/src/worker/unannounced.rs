//! A fiber of which nobody else was told, as its maker is about to wait for it.
//!
//! Who makes a fiber and then waits for it wants it to begin here: that takes 0.1 us, and waking another worker for it some
//! microseconds, in which the memory of both goes from one cache to another and back. But whether a maker waits is known only when it does.
//! So the fiber is put into the deque and nobody is told, until the maker shows what it is up to:
//!
//! | what the maker does                                         | then                                             |
//! |-------------------------------------------------------------|--------------------------------------------------|
//! | it suspends or ends, and nothing else is to be done here     | the fiber begins, and nobody was told            |
//! | the same, and there is something else, of whatever level     | others are told                                  |
//! | it makes another fiber, announced or not                     | others are told, of both                         |
//! | it reaches a checkpoint, or calls [`announce`](crate::announce) | others are told                                |
//! | nothing of that for `hog_after`                              | the monitor finds the fiber, as those of any worker that does not come back |
//!
//! *Nobody sleeps beside it*: it is here only while a fiber runs on this thread, and each way out of that fiber leads to
//! [`Worker::next`], which runs it at once or tells the others, before anything that could keep this thread.
//!
//! `unannounced` is the worker's alone. While a level's bit is set, the deque of that level may have the fiber without being in
//! the mask that others see; the monitor looks into deques themselves, and so do others into those of who does not come back.

use super::beacon::{Beacon, LEVEL_BITS};
use super::{Work, Worker};
use crate::fiber::FiberRef;
use crate::policy;

impl Worker {
    /// Queues a fiber that was made on this thread, and for which its maker is about to wait.
    pub(crate) fn push_unannounced(&self, fiber: FiberRef, level: usize) {
        let maker = self.current().and_then(|carrier| carrier.fiber());
        // What is more urgent than its maker is not to wait for it.
        let may_wait = maker.is_some_and(|maker| maker.state.level() <= level);
        let stays = self.stealable & 1 << level != 0 && !self.is_leaving();
        let is_alone = self.ready_mask.get() | self.fresh_mask.get() | self.unannounced.get() == 0;
        if !(may_wait && stays && is_alone) {
            return self.push_fresh(fiber, level);
        }
        self.deques[level].push(fiber);
        self.unannounced.set(1 << level);
    }

    /// Is there one?
    #[inline]
    pub(crate) fn has_unannounced(&self) -> bool {
        self.unannounced.get() != 0
    }

    /// Tells the others after all.
    #[cold]
    pub(crate) fn announce_late(&self) {
        for level in policy::levels_of(self.unannounced.replace(0)) {
            self.pushed(level);
        }
    }

    /// The maker has suspended or ended: its fiber, if that is all there is to do.
    #[inline(never)]
    pub(super) fn take_unannounced(&self, tick: u64) -> Option<Work> {
        let mask = self.unannounced.get();
        let signs = self.beacon().signs();
        let others = self.ready_mask.get() | self.fresh_mask.get() | self.relayed.get();
        let is_alone = others == 0 && !Beacon::is_special(signs) && signs & LEVEL_BITS & !mask == 0;
        // Who has far more fibers than others lets them have the new ones.
        let is_full = self.remote().counters.live.get() > self.allowance.get();
        if !is_alone || is_full || self.is_leaving() {
            self.announce_late();
            return None;
        }
        self.unannounced.set(0);
        let level = match self.turns.next(mask, tick) {
            Some(level) => level,
            None => self.decide(mask, tick),
        };
        self.levels[level].debt.set(0);
        self.take_fresh(level).map(|fiber| Work::Fresh(fiber, level))
    }
}
