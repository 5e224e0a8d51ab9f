//! A fiber that has something for which others wait, so that they can lend to it.
//!
//! Its address is known to others from the moment at which it is served until it gives the thing up. Until it runs, it
//! waits in line; then it has noted that it has something, and its memory stays until that is taken back
//! ([`FiberRef::note_lock`]). Whoever lends to it takes a hold first, under the latch that protects the address.

use crate::fiber::FiberRef;
use crate::worker::{current, loan};

/// See the module's documentation. A thread cannot be lent to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner(Option<FiberRef>);

impl Owner {
    /// Nobody, or a thread.
    pub(crate) const NOBODY: Owner = Owner(None);

    /// The caller.
    #[inline]
    pub(crate) fn caller() -> Owner {
        Owner(current::in_fiber().map(|(_, fiber)| fiber))
    }

    /// The caller's number; 0: it is a thread.
    #[inline]
    pub(crate) fn caller_number() -> u64 {
        current::in_fiber().map_or(0, |(_, fiber)| fiber.id.0)
    }

    pub(crate) fn is_fiber(self) -> bool {
        self.0.is_some()
    }

    /// The caller is it, and has the thing.
    #[inline]
    pub(crate) fn note(self) {
        if let Some(fiber) = self.0 {
            fiber.note_lock();
        }
    }

    /// It has it no longer.
    ///
    /// # Safety
    /// It was [noted](Self::note), on this thread, and nobody finds it as the owner any more.
    #[inline]
    pub(crate) unsafe fn forget(self) {
        if let Some(fiber) = self.0 {
            // SAFETY: the caller's promise.
            unsafe { fiber.forget_lock() };
        }
    }

    /// The fiber's number.
    ///
    /// # Safety
    /// As for [`hold`](Self::hold).
    pub(super) unsafe fn number(self) -> Option<u64> {
        self.0.map(|fiber| fiber.id.0)
    }

    /// Keeps it alive.
    ///
    /// # Safety
    /// It is alive: it waits in line, or has the thing, and we have the latch.
    pub(super) unsafe fn hold(self) {
        if let Some(fiber) = self.0 {
            fiber.state.hold();
        }
    }

    /// # Safety
    /// There is a hold, the caller's, or it is the caller.
    pub(super) unsafe fn lend(self, level: usize) {
        if let Some(fiber) = self.0 {
            loan::lend(fiber, level);
        }
    }

    /// # Safety
    /// As for [`lend`](Self::lend).
    pub(super) unsafe fn take_back(self, level: usize) {
        if let Some(fiber) = self.0 {
            loan::take_back(fiber, level);
        }
    }

    /// # Safety
    /// There is a hold, the caller's, which ends here.
    pub(super) unsafe fn release(self) {
        if let Some(fiber) = self.0
            && fiber.state.release()
        {
            // SAFETY: that was the last hold.
            unsafe { fiber.free() };
        }
    }
}
