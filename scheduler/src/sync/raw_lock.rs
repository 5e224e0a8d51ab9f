//! A lock without contents: how its word and its wait list go together.
//!
//! # To lock
//!
//! One compare-and-swap, if it is free. Else the caller puts a node into the list, and then *contends*:
//! writes the word, which takes the lock if it has become free, or tells the holder that somebody has
//! come. If the caller is more urgent than anybody before, it lends its level to the holder.
//!
//! # To unlock
//!
//! One compare-and-swap, if nobody has come. Else:
//!
//! ```text
//!   begin_unlock      clears WAITERS in the word
//!   take_in           takes from the list all who had come by then
//!   choose            the most urgent of them
//!   hand_over         names it in the word; fails if WAITERS is there again: then once more
//!   lend              what the next one after it lends
//!   grant, wake
//!   take back         what was lent to us
//! ```
//!
//! Who pushes its node before we take all is found there; who pushes it later writes the word after
//! `begin_unlock` did, so `hand_over` sees WAITERS. The lock goes from hand to hand: it is never free
//! while somebody waits, and nobody overtakes one who is more urgent. (One who comes when another
//! has just been chosen comes after it.) What that costs is that a lock under contention changes hands
//! as fast as those who wait can be woken.
//!
//! # Loans
//!
//! A lock lends each level at most once, however many wait: LENT in the word says which. They are
//! taken back when the holder unlocks, and not sooner if who lent is cancelled or falls in priority:
//! a critical section is short, and the next holder gets only what those lend who still wait.
//!
//! Nobody waits for anybody here, other than for the lock itself: each loop goes round again only
//! where another thread has got on.

use super::lock_word::{Contend, Holder, LockWord, NOT_LENT};
use super::wait_list::{Node, WaitList};
use crate::primitive::constructor;
use std::sync::Arc;

/// Who takes part, and how fibers are lent to.
pub(crate) trait Party {
    /// Who it will be as a holder.
    fn holder(&self) -> Holder;
    /// Lets it go on: it finds that it was granted the lock.
    fn wake(&self);
    /// Lends to a holder.
    ///
    /// # Safety
    /// It is a fiber, and alive: pinned, or the caller, or not granted the lock yet.
    unsafe fn lend(to: Holder, level: usize);
    /// Takes a loan back.
    ///
    /// # Safety
    /// As for [`lend`](Self::lend).
    unsafe fn take_back(from: Holder, level: usize);
    /// Keeps a holder alive, once more.
    ///
    /// # Safety
    /// As for [`lend`](Self::lend).
    unsafe fn hold(holder: Holder);
    /// Once less.
    ///
    /// # Safety
    /// There is such a hold, and it is the caller's.
    unsafe fn release(holder: Holder);
}

/// See the module's documentation.
pub(crate) struct RawLock<P> {
    word: LockWord,
    list: WaitList<P>,
}

impl<P: Party> RawLock<P> {
    constructor! {
        /// Free.
        pub(crate) fn new() -> RawLock<P> {
            RawLock { word: LockWord::new(), list: WaitList::new() }
        }
    }

    /// Takes the lock if it is free.
    #[inline]
    pub(crate) fn try_lock(&self, me: Holder) -> bool {
        self.word.try_lock(me)
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.word.is_locked()
    }

    /// Does that fiber have it?
    pub(crate) fn has_holder(&self, holder: Holder) -> bool {
        self.word.has_holder(holder)
    }

    pub(crate) fn is_worth_spinning(&self) -> bool {
        self.word.is_worth_spinning()
    }

    /// Somebody begins to wait. `true`: it has the lock.
    pub(crate) fn enter(&self, node: &Arc<Node<P>>) -> bool {
        self.list.push(node);
        if !self.contend(node, false) {
            return false;
        }
        // Nobody is chosen but by the holder, and that was nobody, and is us.
        let left = node.leave();
        debug_assert!(left);
        true
    }

    /// Somebody who waits has another level now.
    pub(crate) fn moved(&self, node: &Node<P>, level: usize) {
        node.set_level(level);
        let acquired = self.contend(node, true);
        debug_assert!(!acquired);
    }

    /// Tells the holder, lends to it what `node` has to lend. `true`: the lock was free and is its own.
    fn contend(&self, node: &Node<P>, moved: bool) -> bool {
        let (me, level) = (node.who.holder(), node.level());
        loop {
            let holder = match self.word.contend(me, level, moved) {
                Contend::Acquired => return true,
                Contend::Wait => return false,
                Contend::Lend(holder) => holder,
            };
            // SAFETY: it is pinned.
            unsafe { P::lend(holder, level) };
            if self.word.keep(holder, level) {
                return false;
            }
            // The lock has gone on to somebody else, or another has lent the same: our loan is not needed.
            // SAFETY: it is pinned, or the pin has become a hold.
            unsafe { P::take_back(holder, level) };
            self.unpin(holder);
        }
    }

    fn unpin(&self, holder: Holder) {
        if !self.word.unpin(holder) {
            // SAFETY: it has left with our pin in the word, and so with a hold for us.
            unsafe { P::release(holder) };
        }
    }

    /// Looks at the holder, if that is a fiber.
    pub(crate) fn with_holder<R>(&self, f: impl FnOnce(Holder) -> R) -> Option<R> {
        let holder = self.word.pin()?;
        let result = f(holder);
        self.unpin(holder);
        Some(result)
    }

    /// Frees the lock, or hands it to the most urgent who waits.
    ///
    /// # Safety
    /// `me` has the lock, and is alive.
    #[inline]
    pub(crate) unsafe fn unlock(&self, me: Holder) {
        if !self.word.try_unlock(me) {
            // SAFETY: the caller's promise.
            unsafe { self.unlock_slowly(me) };
        }
    }

    #[cold]
    unsafe fn unlock_slowly(&self, me: Holder) {
        let mut holds = 0;
        let mut chosen: Option<Arc<Node<P>>> = None;
        let (seen, lent) = loop {
            let moved = self.word.begin_unlock();
            // SAFETY: we have the lock until `hand_over`.
            let most_urgent = unsafe {
                self.list.take_in(moved);
                chosen = chosen.or_else(|| self.list.choose());
                self.list.most_urgent()
            };
            let seen = self.word.look();
            if seen.has_waiters() {
                continue;
            }
            // Those who are about to lend to us may go on after we have left.
            while holds < seen.pins() {
                // SAFETY: the caller's promise.
                unsafe { P::hold(me) };
                holds += 1;
            }
            while holds > seen.pins() {
                // SAFETY: taken above, and not needed.
                unsafe { P::release(me) };
                holds -= 1;
            }
            let next = chosen.as_ref().map(|node| node.who.holder());
            let lent = most_urgent.unwrap_or(NOT_LENT);
            if self.word.hand_over(seen, next, lent, most_urgent.is_some()) {
                break (seen, lent);
            }
        };
        if let Some(node) = chosen {
            let next = node.who.holder();
            if next.is_fiber() && lent < NOT_LENT {
                // SAFETY: it cannot go on before it is granted the lock, below.
                unsafe { P::lend(next, lent) };
            }
            node.grant();
            node.who.wake();
        }
        for level in seen.lent() {
            // SAFETY: the caller's promise.
            unsafe { P::take_back(me, level) };
        }
    }
}
