//! A future that waits for the end of a fiber: where its waker is until the finisher takes it.
//!
//! ```text
//!   the future, in each poll                         the finisher, once
//!   over? take the result                            F1 raise `waking`; clear LIVE: is WAITER set?
//!   A1 registered: take WAITER back; if it has       F2 yes: take the waker out of the slot
//!      ended, the slot is the finisher's: again soon F3 lower `waking`: it is over
//!   A2 put the waker into the slot                   F4 wake
//!   A3 set WAITER; it has ended: look again
//! ```
//!
//! *The slot has one user at a time*: the future, while WAITER is not set; from A3 on the finisher. Both change the
//! bit in the fiber's state word, where LIVE is too, so one of A1 and F1 comes first, and the loser knows.
//! *No wake-up is lost*: a poll that returns pending has set WAITER after the latest waker was in the slot, so F1
//! sees it; or found that the fiber has ended and is not over, and asks for another poll itself.
//! *The waker is called when nobody is waited for any more* (F4): it may do anything, and the future may be gone.
//! The slot is in a box of the future's, so that the future can move; it stays until the fiber is over or WAITER
//! is taken back.

use crate::primitive::UnsafeCell;
use std::ptr::NonNull;

/// Where the waker is.
pub(crate) struct Slot<W>(UnsafeCell<Option<W>>);

impl<W> Slot<W> {
    fn replace(&self, waker: Option<W>) -> Option<W> {
        // SAFETY: one user at a time, see the module's documentation.
        self.0.with_mut(|slot| std::mem::replace(unsafe { &mut *slot }, waker))
    }

    /// Takes it out: once, by the finisher, before it says that the fiber is over.
    pub(crate) fn take(&self) -> Option<W> {
        self.replace(None)
    }
}

/// The end of a fiber, as its handle sees it.
pub(crate) trait End<W> {
    /// It has come, and nobody uses the slot any more.
    fn is_over(&self) -> bool;
    /// Says where the waker is. `false`: it has ended.
    fn register(&self, slot: NonNull<Slot<W>>) -> bool;
    /// Takes that back. `false`: it has ended, and the finisher may be using the slot.
    fn unregister(&self) -> bool;
}

/// What a poll found.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Polled {
    /// The fiber is over.
    Over,
    /// The waker will be woken.
    Waits,
    /// The fiber has ended and will be over in a moment; nobody wakes this waker then.
    Soon,
}

/// A future's side. See the module's documentation.
pub(crate) struct Awaiting<W> {
    slot: NonNull<Slot<W>>,
    registered: bool,
}

// SAFETY: it owns the slot, and the waker in it may be used anywhere.
unsafe impl<W: Send> Send for Awaiting<W> {}
// SAFETY: a shared one gives access to nothing.
unsafe impl<W: Send> Sync for Awaiting<W> {}

impl<W: Clone> Awaiting<W> {
    pub(crate) fn new() -> Awaiting<W> {
        let slot = NonNull::from(Box::leak(Box::new(Slot(UnsafeCell::new(None)))));
        Awaiting { slot, registered: false }
    }

    fn slot(&self) -> &Slot<W> {
        // SAFETY: the box is given back in `close` only.
        unsafe { self.slot.as_ref() }
    }

    /// Asks whether it is over, and if not, for `waker` to be woken when it is, and no other.
    pub(crate) fn poll(&mut self, end: &impl End<W>, waker: &W) -> Polled {
        if end.is_over() {
            return Polled::Over;
        }
        // It may be the user's code, and panic.
        let waker = waker.clone();
        if self.registered {
            if !end.unregister() {
                return if end.is_over() { Polled::Over } else { Polled::Soon };
            }
            self.registered = false;
        }
        let before = self.slot().replace(Some(waker));
        self.registered = end.register(self.slot);
        // This may panic too.
        drop(before);
        match self.registered {
            true => Polled::Waits,
            false if end.is_over() => Polled::Over,
            false => Polled::Soon,
        }
    }

    /// Nobody waits any more. What comes back is dropped when the fiber's handle is, not before.
    pub(crate) fn close(self, end: &impl End<W>) -> Box<Slot<W>> {
        if self.registered {
            let _ = end.unregister();
        }
        // SAFETY: it was a box, and is given back once.
        unsafe { Box::from_raw(self.slot.as_ptr()) }
    }
}
