//! What workers do about others that do not come back: take their fibers that have not started, serve as
//! a spare, and leave again.
//!
//! A spare that is told to leave takes nothing new. It hands what has not started over to the crew's inbox,
//! waits for the fibers that it has started, and goes when there is none. See [`duty`](super::duty).

use super::Worker;
use super::shared::open_letter;
use crate::fiber::FiberRef;
use crate::policy;
use crate::priority::LEVELS;
use crossbeam_deque::Steal;

/// How many fibers are taken at a time from a worker that does not come back: what is dispatched until
/// the next look, twice, so that its queue goes before our own.
const RESCUED: usize = 2 * policy::INBOX_INTERVAL as usize;

impl Worker {
    /// Takes fibers of `level` from the workers of our lane that do not come back. They run next.
    #[cold]
    pub(super) fn rescue(&self, level: usize) {
        let crew = self.crew();
        let mut some = 0;
        for seat in (0..crew.reach()).filter(|&seat| seat != self.seat && crew.is_hogged(seat)) {
            let moved = match self.piled & 1 << level {
                0 => self.move_from(seat, level),
                _ => self.move_piled(seat, level),
            };
            self.remote().counters.stolen_from[seat].add(moved as u64);
            some += moved;
        }
        if some > 0 {
            if self.fresh_mask.get() & 1 << level == 0 {
                self.add_fresh(level);
            }
            if let Some(sleeper) = self.beacon().announce(level, self.site.get()) {
                self.unpark(sleeper);
            }
        }
    }

    /// Moves the oldest fibers of another worker's deque to ours, so that the oldest is on top. The result
    /// is how many.
    fn move_from(&self, seat: usize, level: usize) -> usize {
        let stealer = &self.shared.remotes[self.crew().worker(seat)].stealers[level];
        let mut taken: [Option<FiberRef>; RESCUED] = [None; RESCUED];
        let mut count = 0;
        while count < RESCUED {
            match stealer.steal() {
                Steal::Success(entry) => {
                    taken[count] = Some(entry);
                    count += 1;
                }
                Steal::Retry => std::hint::spin_loop(),
                Steal::Empty => break,
            }
        }
        taken.into_iter().rev().flatten().for_each(|entry| self.deques[level].push(entry));
        count
    }

    // ---- a spare that leaves -------------------------------------------------------------------

    /// Is this a spare that was told to leave?
    #[inline]
    pub(super) fn is_leaving(&self) -> bool {
        self.is_spare && self.remote().duty.is_leaving()
    }

    /// Puts what has not started into the crew's inbox.
    #[cold]
    pub(super) fn hand_over(&self) {
        for level in 0..LEVELS {
            while let Some(entry) = self.deques[level].pop() {
                self.shared.push_outside(entry, level, self.site.get());
            }
            for list in self.remote().piles(level) {
                for node in list.take_all() {
                    self.remote().count_piled(-1);
                    self.shared.push_outside(FiberRef::from_node(node), level, self.site.get());
                }
            }
        }
        self.unannounced.set(0);
        self.set_fresh_mask(0);
    }

    /// Announces what we can see and do not take: we may have been woken for it, or others may have left
    /// the waking to us as we searched.
    pub(super) fn pass_on(&self, searching: bool) {
        if searching {
            let _ = self.beacon().stop_searching(self.seat);
        }
        for level in policy::levels_of(self.visible_levels()) {
            if let Some(sleeper) = self.beacon().announce(level, self.site.get()) {
                self.unpark(sleeper);
            }
        }
    }

    /// As a spare that was told to leave, with nothing to run: `true` if it goes.
    #[cold]
    pub(super) fn try_to_leave(&self, searching: bool) -> bool {
        self.hand_over();
        self.pass_on(searching);
        self.forget_boost();
        self.remote().counters.live.get() == 0 && self.remote().duty.leave()
    }

    // ---- the end of the thread -----------------------------------------------------------------

    /// The thread is about to end: no more mail, and every stack goes back.
    pub(crate) fn close(&self) {
        for mail in self.remote().close_mail() {
            let mail = FiberRef::from_mail(mail);
            if mail.is_visit() {
                // SAFETY: it was in our mailbox, so it is ours.
                unsafe { mail.open_visit() };
                continue;
            }
            let (fiber, letter) = open_letter(mail);
            if letter.free {
                // SAFETY: that was the last hold.
                unsafe { fiber.free() };
            }
        }
        self.cool();
        self.remote().mark.forget_name();
    }
}
