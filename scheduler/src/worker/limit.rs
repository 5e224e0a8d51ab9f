//! The limit on live fibers, if one was asked for: then, and only then, fibers are counted in one
//! shared place.
//!
//! A place that becomes free goes to the one who has waited longest. Nobody waits for another thread to
//! hand it on: whoever ends a fiber gives its place back, and then hands out all that are free.
//!
//! ```text
//!  whoever ends a fiber                     whoever wants a place
//!  L1 count one place less                  W1 count one place more, if there is one: done
//!  L2 fence                                 W2 say WAITING, with a ticket
//!  L3 nobody WAITING? done                  W3 fence
//!  L4 count one more; there is none? done   W4 as L3: a place may have become free before W2
//!  L5 the oldest WAITING -> GRANTED,        W5 suspend until GRANTED, or for long enough
//!     and resume it; it is not any more?    W6 say no more; GRANTED by then and not wanted
//!     then L1. In each case, on with L2        any more? then L1
//! ```
//!
//! *No wake-up is lost*: the fences order L1 before L3 and W2 before W4, so that either L3 sees the one
//! who waits or W4 the place; and who held a place in vain for a moment looks once more after giving it back. *A place has one owner*: it is counted by who hands it out, then belongs to
//! the ticket that was made GRANTED by an exchange that succeeds once. Who is stopped in between holds one
//! place, as if its fiber had not ended; who is stopped before it resumes somebody is no loss, as L3
//! resumes all that are GRANTED. Tickets are never used twice, so that nobody is granted another's place.
//!
//! ```text
//! a tag                  who changes it
//! 0                      W2 -> ticket, WAITING
//! ticket, WAITING        L5 -> GRANTED; W6 -> 0
//! ticket, GRANTED        W6 -> 0
//! ```

use crate::primitive::{AtomicU32, AtomicU64, Ordering, fence};
use crate::queue::table::{Key, Table};

const GRANTED: u64 = 1;
const ONE_TICKET: u64 = 2;

/// `W` is who waits.
pub(crate) struct Limit<W> {
    most: u64,
    live: AtomicU64,
    /// How many have a tag.
    waiting: AtomicU32,
    next_ticket: AtomicU64,
    table: Table<W>,
    resume: fn(&W),
}

/// One who waits. It has to go back to [`Limit::unqueue`].
#[must_use]
pub(crate) struct Ticket {
    key: Key,
    number: u64,
}

impl<W> Limit<W> {
    pub(crate) fn new(most: usize, resume: fn(&W)) -> Limit<W> {
        Limit {
            most: most as u64,
            live: AtomicU64::new(0),
            waiting: AtomicU32::new(0),
            next_ticket: AtomicU64::new(ONE_TICKET),
            table: Table::new(),
            resume,
        }
    }

    /// How many fibers there may be.
    pub(crate) fn most(&self) -> usize {
        self.most as usize
    }

    /// W1: counts one more fiber, if it fits.
    pub(crate) fn try_enter(&self) -> bool {
        let mut live = self.live.load(Ordering::Relaxed);
        while live < self.most {
            // ORDERING: Acquire pairs with the release of `leave`: what used the place before has ended.
            match self.live.compare_exchange_weak(live, live + 1, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => live = now,
            }
        }
        false
    }

    /// Counts a fiber whatever the limit: one that has failed at it and is about to end, or a branch
    /// that others wait for.
    pub(crate) fn enter_beyond(&self) {
        self.live.fetch_add(1, Ordering::Relaxed);
    }

    /// W2 to W4. The caller waits until it [has](Self::has) a place, and looks again each time that it is
    /// resumed.
    pub(crate) fn queue(&self, who: W) -> Ticket {
        let key = self.table.insert(who);
        let number = self.next_ticket.fetch_add(ONE_TICKET, Ordering::Relaxed);
        self.table.tag(key).store(number, Ordering::Relaxed);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.hand_out();
        Ticket { key, number }
    }

    /// Does a place belong to who waits with this ticket?
    pub(crate) fn has(&self, ticket: &Ticket) -> bool {
        self.table.tag(ticket.key).load(Ordering::Relaxed) == ticket.number | GRANTED
    }

    /// W6: waits no longer. `true`: with a place, which is the caller's if it does not give up.
    pub(crate) fn unqueue(&self, ticket: Ticket, gives_up: bool) -> bool {
        // ORDERING: Acquire pairs with the release of L5: what used the place before has ended.
        let has = self.table.tag(ticket.key).swap(0, Ordering::Acquire) & GRANTED != 0;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        self.table.remove(ticket.key);
        if has && gives_up {
            self.leave();
        }
        has && !gives_up
    }

    /// L1 to L5: a fiber has ended.
    pub(crate) fn leave(&self) {
        self.give_back();
        self.hand_out();
    }

    fn give_back(&self) {
        // ORDERING: Release pairs with the acquire of `try_enter`.
        self.live.fetch_sub(1, Ordering::Release);
    }

    /// L2 to L5: gives free places to those who wait.
    fn hand_out(&self) {
        loop {
            // ORDERING: SeqCst pairs with the same on the other side: L1 and L3 against W2 and W4.
            fence(Ordering::SeqCst);
            if self.waiting.load(Ordering::Relaxed) == 0 {
                return;
            }
            let Some((key, ticket)) = self.oldest() else { return };
            if !self.try_enter() {
                return;
            }
            // ORDERING: Release pairs with the acquire of `unqueue`: hands on what `try_enter` acquired.
            let granted = self.table.tag(key).compare_exchange(
                ticket,
                ticket | GRANTED,
                Ordering::Release,
                Ordering::Relaxed,
            );
            match granted {
                Ok(_) => self.resume(key),
                Err(_) => self.give_back(),
            }
        }
    }

    /// L3: who has waited longest. All that were granted a place are resumed again, as who did so may have
    /// been stopped before it came to that.
    fn oldest(&self) -> Option<(Key, u64)> {
        let mut oldest = None;
        for (key, tag) in self.table.tags() {
            let tag = tag.load(Ordering::Relaxed);
            if tag & GRANTED != 0 {
                self.resume(key);
            } else if tag != 0 && oldest.is_none_or(|(_, ticket)| tag < ticket) {
                oldest = Some((key, tag));
            }
        }
        oldest
    }

    fn resume(&self, key: Key) {
        if let Some(waiter) = self.table.pin(key) {
            waiter.with(self.resume);
        }
    }

    /// The scheduler stops: everybody who waits is resumed, to find that out.
    pub(crate) fn resume_all(&self) {
        // ORDERING: SeqCst pairs with the fence of W3: who comes later sees that the scheduler stops.
        fence(Ordering::SeqCst);
        self.table.for_each(self.resume);
    }
}
