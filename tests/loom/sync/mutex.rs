//! The twin of `scheduler/src/sync/mutex.rs`, whose protocol [`locks`](crate::locks) has: a permit of a
//! semaphore, as others are built on it.

use super::semaphore::{Permit, Semaphore};
use crate::error::Cancelled;
use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};

pub(crate) struct Mutex<T: ?Sized> {
    permit: Semaphore,
    value: UnsafeCell<T>,
}

// SAFETY: the value is had by one at a time.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

pub(crate) struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    _permit: Permit<'a>,
}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Mutex<T> {
        Mutex { permit: Semaphore::new(1), value: UnsafeCell::new(value) }
    }
}

impl<T: ?Sized> Mutex<T> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard { mutex: self, _permit: self.permit.acquire() }
    }

    pub(crate) fn lock_or_cancelled(&self) -> Result<MutexGuard<'_, T>, Cancelled> {
        Ok(MutexGuard { mutex: self, _permit: self.permit.acquire_or_cancelled()? })
    }
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    pub(super) fn mutex(guard: &MutexGuard<'a, T>) -> &'a Mutex<T> {
        guard.mutex
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is ours.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is ours.
        unsafe { &mut *self.mutex.value.get() }
    }
}
