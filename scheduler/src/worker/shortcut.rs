//! What to run next, found in a few steps: the way of fibers that wake each other in turn, and of those that are made and run
//! in great numbers, for whom all the questions of [`next`](Worker::next) are most of what a dispatch costs.
//!
//! It returns what `next` would, or nothing. So there is no other order than that of the queues, nobody waits longer for it, and no
//! bound on hand-overs is needed. What it asks, all at once and before it takes anything:
//!
//! | question                                                          | if not, that is for        |
//! |-------------------------------------------------------------------|----------------------------|
//! | do the same levels have work as at the last decision, here and elsewhere in the lane, and is that decision good still? | the policy |
//! | is there no mail, no timer that is due, no chore, no sign for us all, nothing that nobody was told of? | `next` |
//! | has the level that is served nothing here but fibers that were resumed, or only such that yielded, or only such that have not started? | [`find`](super::find) |
//! | if they have not started: are they in our own deque, is it the turn of the newest, and have we no more live ones than others? | `find` |

use super::Worker;
use super::beacon::{Beacon, LEVEL_BITS};
use crate::fiber::FiberRef;
use crate::fiber::carrier::{Carrier, Queued};

/// What was found.
pub(super) enum Shortcut {
    Started(*mut Carrier),
    /// Claimed at this level.
    Fresh(FiberRef, usize),
    /// Perhaps there is something: ask [`Worker::next`].
    None,
}

impl Worker {
    /// See the module's documentation.
    #[inline(always)]
    pub(super) fn shortcut(&self) -> Shortcut {
        let (ready, fresh, signs) = (self.ready_mask.get(), self.fresh_mask.get(), self.beacon().signs());
        let tick = self.remote().counters.dispatches.get() + 1;
        let waiting = ready | fresh | (signs & LEVEL_BITS);
        let Some(level) = self.turns.stays(waiting, tick) else { return Shortcut::None };
        if (ready ^ fresh) & 1 << level == 0
            || Beacon::is_special(signs)
            || self.unannounced.get() != 0
            || tick >= self.chores_at.get()
            || self.remote().has_mail()
            || self.timers.may_be_due()
        {
            return Shortcut::None;
        }
        let has_fresh = fresh & 1 << level != 0;
        let found = if has_fresh { self.newest(level) } else { self.first_started(level, ready) };
        found.unwrap_or(Shortcut::None)
    }

    /// The newest of our own deque.
    #[inline(always)]
    fn newest(&self, level: usize) -> Option<Shortcut> {
        let (queues, deque) = (self.levels.get(level)?, self.deques.get(level)?);
        if (self.relayed.get() | self.piled) & 1 << level != 0
            || self.remote().counters.live.get() > self.allowance.get()
            || queues.ageing.is_turn_of_oldest()
        {
            return None;
        }
        let entry = deque.pop()?;
        queues.debt.set(0);
        queues.ageing.took();
        self.claim(entry, level).map(|fiber| Shortcut::Fresh(fiber, level))
    }

    /// The first of the only list that has some.
    #[inline(always)]
    fn first_started(&self, level: usize, ready: u32) -> Option<Shortcut> {
        let queues = self.levels.get(level)?;
        let list = match (queues.ready.is_empty(), queues.yielded.is_empty()) {
            (false, true) => &queues.ready,
            (true, false) => &queues.yielded,
            _ => return None,
        };
        let carrier = list.pop_front()?;
        queues.served.set(queues.served.get() + 1);
        // SAFETY: what is in a ready list is alive.
        unsafe { (*carrier).queued.set(Queued::No) };
        if list.is_empty() {
            self.ready_mask.set(ready & !(1 << level));
        }
        Some(Shortcut::Started(carrier))
    }
}
