//! A place for one value that several threads exchange without waiting for each other.

use crate::primitive::{AtomicPtr, Ordering};
use std::ptr;

/// Holds a value or nothing.
pub(crate) struct Slot<T>(AtomicPtr<T>);

// SAFETY: a value is in the slot or in one pair of hands.
unsafe impl<T: Send> Send for Slot<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Slot<T> {}

impl<T> Slot<T> {
    pub(crate) fn new(value: Option<T>) -> Slot<T> {
        Slot(AtomicPtr::new(value.map_or(ptr::null_mut(), |value| Box::into_raw(Box::new(value)))))
    }

    /// Puts a value there; what was there before comes back.
    pub(crate) fn put(&self, value: T) -> Option<T> {
        self.swap(Box::into_raw(Box::new(value)))
    }

    /// Takes what is there. It may overlook what is being put there meanwhile; what was put there before something that the
    /// caller has seen, it sees.
    pub(crate) fn take(&self) -> Option<T> {
        // Most are empty, and a swap would fetch the line from whoever had it last.
        if self.0.load(Ordering::Relaxed).is_null() { None } else { self.swap(ptr::null_mut()) }
    }

    fn swap(&self, new: *mut T) -> Option<T> {
        // ORDERING: each swap hands one value over: Release for the one that goes in, Acquire for the one that comes out.
        let old = self.0.swap(new, Ordering::AcqRel);
        // SAFETY: it came from `Box::into_raw`, and the swap gave it to us alone.
        (!old.is_null()).then(|| *unsafe { Box::from_raw(old) })
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}
