//! Values that belong to one fiber, or to one thread: made when first asked for, dropped at its end, the last one made
//! first.
//!
//! They are in boxes, found by the address of their static, newest first: a fiber has a handful, or none. The list
//! is the carrier's, and keeps its room for the next fiber. While they are dropped at the end, those that are still
//! there can be used; none is made any more.

use super::drop_quietly;
use std::cell::{Cell, UnsafeCell};

/// Room for so many is kept for the next fiber.
const KEPT: usize = 16;

struct Entry {
    key: usize,
    value: *mut (),
    drop: unsafe fn(*mut ()),
}

/// See the module's documentation. Used by one thread.
pub(crate) struct Locals {
    entries: UnsafeCell<Vec<Entry>>,
    closing: Cell<bool>,
}

unsafe fn drop_box<T>(value: *mut ()) {
    // SAFETY: it was made by `Box::into_raw` in `insert`, for this type.
    drop_quietly(unsafe { Box::from_raw(value.cast::<T>()) });
}

impl Locals {
    pub(crate) const fn new() -> Locals {
        Locals { entries: UnsafeCell::new(Vec::new()), closing: Cell::new(false) }
    }

    fn with_entries<R>(&self, f: impl FnOnce(&mut Vec<Entry>) -> R) -> R {
        // SAFETY: one thread uses them, and no `f` calls anything of the user's, which could come back here.
        f(unsafe { &mut *self.entries.get() })
    }

    /// The value of `key`.
    pub(crate) fn find(&self, key: usize) -> Option<*mut ()> {
        self.with_entries(|entries| Some(entries.iter().rev().find(|entry| entry.key == key)?.value))
    }

    /// Are they being dropped?
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// A first value for `key`.
    pub(crate) fn insert<T>(&self, key: usize, value: T) -> *mut () {
        let value = Box::into_raw(Box::new(value)).cast();
        self.with_entries(|entries| entries.push(Entry { key, value, drop: drop_box::<T> }));
        value
    }

    /// Is there any?
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.with_entries(|entries| entries.is_empty())
    }

    /// Drops all.
    #[cold]
    pub(crate) fn close(&self) {
        self.closing.set(true);
        while let Some(entry) = self.with_entries(Vec::pop) {
            // SAFETY: the function belongs to the value, which nobody can find any more.
            unsafe { (entry.drop)(entry.value) };
        }
        self.with_entries(|entries| entries.shrink_to(KEPT));
        self.closing.set(false);
    }
}

impl Drop for Locals {
    fn drop(&mut self) {
        self.close();
    }
}
