//! What to run next, found in a few steps: the way of fibers that wake each other in turn, for whom all the questions of
//! [`next`](Worker::next) are most of what a hand-over costs.
//!
//! It returns what `next` would, or nothing. So there is no other order than that of the queues, nobody waits longer for it, and no
//! bound on hand-overs is needed. What it asks, all at once and before it takes anything:
//!
//! | question                                                          | if not, that is for        |
//! |-------------------------------------------------------------------|----------------------------|
//! | do the same levels have work as at the last decision, here and elsewhere in the lane, and is that decision good still? | the policy |
//! | has the level that is served nothing here but fibers that were resumed, or only such that yielded? | [`find`](super::find) |
//! | is there no mail, no timer that is due, no chore, no sign for us all, nothing that nobody was told of? | `next` |

use super::Worker;
use super::beacon::{Beacon, LEVEL_BITS};
use crate::fiber::carrier::{Carrier, Queued};

impl Worker {
    /// See the module's documentation.
    #[inline(always)]
    pub(super) fn next_started(&self) -> Option<*mut Carrier> {
        let ready = self.ready_mask.get();
        if ready == 0 {
            return None;
        }
        let tick = self.remote().counters.dispatches.get() + 1;
        let (fresh, signs) = (self.fresh_mask.get(), self.beacon().signs());
        let waiting = ready | fresh | (signs & LEVEL_BITS);
        let level = self.turns.stays(waiting, tick)?;
        let queues = self.levels.get(level)?;
        if fresh & 1 << level != 0
            || Beacon::is_special(signs)
            || self.unannounced.get() != 0
            || tick >= self.chores_at.get()
            || self.remote().has_mail()
            || self.timers.may_be_due()
        {
            return None;
        }
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
        Some(carrier)
    }
}
