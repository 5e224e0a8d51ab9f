//! A list of carriers, linked through themselves: first in, first out, and any of them may be
//! taken out of the middle when its priority changes. It belongs to one thread.

use crate::fiber::carrier::Carrier;
use std::cell::Cell;
use std::ptr;

pub(crate) struct ReadyList {
    head: Cell<*mut Carrier>,
    tail: Cell<*mut Carrier>,
}

impl ReadyList {
    pub(crate) fn new() -> ReadyList {
        ReadyList { head: Cell::new(ptr::null_mut()), tail: Cell::new(ptr::null_mut()) }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head.get().is_null()
    }

    /// # Safety
    /// `carrier` is alive, stays so while it is in the list, and is in no list.
    #[inline]
    pub(crate) unsafe fn push_back(&self, carrier: *mut Carrier) {
        let tail = self.tail.replace(carrier);
        // SAFETY: the caller's promise, also for those that are in the list.
        unsafe {
            (*carrier).previous.set(tail);
            (*carrier).next.set(ptr::null_mut());
            if tail.is_null() { self.head.set(carrier) } else { (*tail).next.set(carrier) }
        }
    }

    #[inline]
    pub(crate) fn pop_front(&self) -> Option<*mut Carrier> {
        let head = self.head.get();
        if head.is_null() {
            return None;
        }
        // SAFETY: what is in the list is alive.
        let next = unsafe { (*head).next.get() };
        self.head.set(next);
        if next.is_null() {
            self.tail.set(ptr::null_mut());
        } else {
            // SAFETY: as above.
            unsafe { (*next).previous.set(ptr::null_mut()) };
        }
        Some(head)
    }

    /// # Safety
    /// `carrier` is in this list.
    pub(crate) unsafe fn remove(&self, carrier: *mut Carrier) {
        // SAFETY: the caller's promise; the neighbours are in the list, so alive.
        unsafe {
            let (previous, next) = ((*carrier).previous.get(), (*carrier).next.get());
            if previous.is_null() {
                self.head.set(next)
            } else {
                (*previous).next.set(next)
            }
            if next.is_null() { self.tail.set(previous) } else { (*next).previous.set(previous) }
        }
    }
}
