//! The word of a lock.
//!
//! ```text
//! bit   0      LOCKED
//! bit   1      WAITERS  somebody has come to the list of those who wait; the holder must look there
//! bit   2      MOVED    somebody in that list has another level than before
//! bits  3..48  holder   the fiber that has the lock: its address; 0: a thread
//! bits 48..52  LENT k   the lock has lent level k to the holder, who gives it back
//! bits 52..64  pins     how many are about to lend to the holder
//! ```
//!
//! | from                  | by                   | to                                           |
//! |-----------------------|----------------------|----------------------------------------------|
//! | 0                     | `try_lock`           | LOCKED, holder                               |
//! | LOCKED, holder        | `try_unlock`         | 0                                            |
//! | 0                     | `contend`            | LOCKED, holder, WAITERS                      |
//! | LOCKED                | `contend`            | WAITERS, and a pin if it is about to lend    |
//! | LOCKED, a pin         | `keep`               | LENT k instead of the pin                    |
//! | LOCKED, a pin         | `unpin`              | without the pin                              |
//! | LOCKED, WAITERS       | `begin_unlock`       | without WAITERS and MOVED                    |
//! | LOCKED, no WAITERS    | `hand_over`          | 0, or LOCKED with another holder             |
//!
//! # Why lending needs pins
//!
//! Who lends to the holder must use the holder's header, and the holder may unlock and end meanwhile.
//! It cannot be made to wait: the lender may be a thread that the kernel has stopped. So the lender
//! pins: a count in the same word that names the holder. A holder that leaves with pins in the word
//! takes a hold on itself for each, which the lenders give back, instead of the pin, when they find
//! that the word names somebody else. Should the same fiber have the lock again by then, it does not
//! matter which of its pins or holds a lender gives back: there are as many as lenders.

use crate::primitive::{AtomicU64, Ordering, constructor};

const LOCKED: u64 = 1 << 0;
const WAITERS: u64 = 1 << 1;
const MOVED: u64 = 1 << 2;
const HOLDER: u64 = (1 << 48) - 8;
const LENT_SHIFT: u32 = 48;
const PIN: u64 = 1 << 52;
const PINS: u64 = !(PIN - 1);

/// Levels from here on are not lent: nobody is less urgent.
pub(super) const NOT_LENT: usize = 4;

const fn lent_bit(level: usize) -> u64 {
    if level < NOT_LENT { 1 << (LENT_SHIFT + level as u32) } else { 0 }
}

/// Who has a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holder(u64);

impl Holder {
    /// A thread that is no fiber, to which nobody can lend.
    pub(crate) const THREAD: Holder = Holder(0);

    /// The fiber at this address. One that does not fit into the word counts as a thread.
    #[inline]
    pub(crate) const fn new(address: u64) -> Holder {
        if address & !HOLDER == 0 { Holder(address) } else { Holder::THREAD }
    }

    #[inline]
    pub(crate) const fn address(self) -> u64 {
        self.0
    }

    #[inline]
    pub(crate) fn is_fiber(self) -> bool {
        self != Holder::THREAD
    }
}

/// What the word said.
#[derive(Clone, Copy)]
pub(super) struct Seen(u64);

impl Seen {
    pub(super) fn pins(self) -> u64 {
        self.0 >> PIN.trailing_zeros()
    }

    /// The levels that were lent to the holder.
    pub(super) fn lent(self) -> impl Iterator<Item = usize> {
        (0..NOT_LENT).filter(move |&level| self.0 & lent_bit(level) != 0)
    }

    /// Has somebody come since [`LockWord::begin_unlock`]?
    pub(super) fn has_waiters(self) -> bool {
        self.0 & WAITERS != 0
    }
}

/// What somebody who cannot have the lock at once found.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Contend {
    /// It was free, and is the caller's now.
    Acquired,
    /// The holder knows, and nothing is to be lent to it.
    Wait,
    /// The holder knows, and is pinned: lend to it, then `keep`.
    Lend(Holder),
}

/// See the module's documentation.
pub(super) struct LockWord(AtomicU64);

impl LockWord {
    constructor! {
        /// Free.
        pub(super) fn new() -> LockWord {
            LockWord(AtomicU64::new(0))
        }
    }

    /// Takes the lock if it is free.
    #[inline]
    pub(super) fn try_lock(&self, me: Holder) -> bool {
        // ORDERING: AcqRel. Acquire pairs with the release of `try_unlock` and `hand_over`: what was done
        // under the lock. Release pairs with the acquire of `contend`: our header, for who lends to us.
        self.0.compare_exchange(0, LOCKED | me.0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Frees the lock, if nobody has come meanwhile.
    #[inline]
    pub(super) fn try_unlock(&self, me: Holder) -> bool {
        // ORDERING: Release pairs with the acquire of `try_lock` and `contend`.
        self.0.compare_exchange(LOCKED | me.0, 0, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    pub(super) fn is_locked(&self) -> bool {
        self.0.load(Ordering::Relaxed) & LOCKED != 0
    }

    pub(super) fn has_holder(&self, holder: Holder) -> bool {
        let word = self.0.load(Ordering::Relaxed);
        word & LOCKED != 0 && word & HOLDER == holder.0
    }

    /// May waiting for a moment help? Not where others wait in the list already.
    pub(super) fn is_worth_spinning(&self) -> bool {
        self.0.load(Ordering::Relaxed) & WAITERS == 0
    }

    /// Somebody of this level is in the list by now. It takes the lock if that is free, unless it has
    /// `moved` only.
    ///
    /// This writes the word in any case: so either the holder sees what is in the list, or we see that
    /// it has looked there before.
    pub(super) fn contend(&self, me: Holder, level: usize, moved: bool) -> Contend {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let holder = Holder(word & HOLDER);
            let lend = holder.is_fiber()
                && holder != me
                && level < NOT_LENT
                && word & lent_bit(level) == 0
                // So many threads at this point at once are not to be had.
                && word & PINS != PINS;
            let (next, outcome) = if word & LOCKED == 0 {
                if moved {
                    return Contend::Wait;
                }
                (LOCKED | WAITERS | me.0, Contend::Acquired)
            } else if lend {
                ((word | WAITERS) + PIN, Contend::Lend(holder))
            } else {
                (word | WAITERS, Contend::Wait)
            };
            let next = if moved { next | MOVED } else { next };
            // ORDERING: AcqRel. Release pairs with the acquire of `begin_unlock`: what we put into the
            // list. Acquire pairs with the release of whoever made the holder what it is (its header),
            // or freed the lock.
            match self.0.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return outcome,
                Err(now) => word = now,
            }
        }
    }

    /// The caller has pinned `holder` and lent to it: from here on the loan is the lock's, and the pin is
    /// gone. `false`: it is the caller's still, and so is the pin.
    #[must_use]
    pub(super) fn keep(&self, holder: Holder, level: usize) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        while word & HOLDER == holder.0 && word & PINS != 0 && word & lent_bit(level) == 0 {
            let next = (word - PIN) | lent_bit(level);
            // ORDERING: Release pairs with the acquire of `hand_over`: the holder takes the loan back after
            // we have made it, and ends after we have used it.
            match self.0.compare_exchange_weak(word, next, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// The caller does not use the holder any more. `false`: give back a hold instead.
    #[must_use]
    pub(super) fn unpin(&self, holder: Holder) -> bool {
        // ORDERING: Acquire pairs with the release of `hand_over`, before which our hold was taken.
        let mut word = self.0.load(Ordering::Acquire);
        while word & HOLDER == holder.0 && word & PINS != 0 {
            // ORDERING: Release, as in `keep`; Acquire, as above.
            match self.0.compare_exchange_weak(word, word - PIN, Ordering::Release, Ordering::Acquire) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Pins the holder, if it is a fiber, for a look at it.
    pub(super) fn pin(&self) -> Option<Holder> {
        let mut word = self.0.load(Ordering::Relaxed);
        while word & HOLDER != 0 && word & PINS != PINS {
            // ORDERING: Acquire, as in `contend`. The holder must look at the word before it leaves: WAITERS.
            match self.0.compare_exchange_weak(
                word,
                (word | WAITERS) + PIN,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(Holder(word & HOLDER)),
                Err(now) => word = now,
            }
        }
        None
    }

    /// The holder is about to look into the list. `true`: somebody in there has another level than
    /// before.
    pub(super) fn begin_unlock(&self) -> bool {
        // ORDERING: Acquire pairs with the release of `contend`: what was put into the list before.
        self.0.fetch_and(!(WAITERS | MOVED), Ordering::Acquire) & MOVED != 0
    }

    pub(super) fn look(&self) -> Seen {
        Seen(self.0.load(Ordering::Relaxed))
    }

    /// The holder gives the lock to `next`, with a loan of `lent` that the caller is about to make, and
    /// with word of others who wait; or frees it. `false`: the word is not `seen` any more.
    #[must_use]
    pub(super) fn hand_over(&self, seen: Seen, next: Option<Holder>, lent: usize, others: bool) -> bool {
        let next = match next {
            None => 0,
            Some(next) => {
                let lent = if next.is_fiber() { lent_bit(lent) } else { 0 };
                LOCKED | next.0 | lent | if others { WAITERS } else { 0 }
            }
        };
        // ORDERING: AcqRel. Release pairs with the acquire of `try_lock`, `contend` and `unpin`; acquire
        // with the release of `keep` and `unpin`.
        self.0.compare_exchange(seen.0, next, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}
