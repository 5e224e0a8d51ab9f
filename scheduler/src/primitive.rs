//! The atomics that the protocols are built from, in one place, so that a model checker can put its
//! own in their stead: `tests/loom` compiles [`fiber::state`](crate::fiber::state),
//! [`queue::inbox`](crate::queue::inbox), [`worker::beacon`](crate::worker::beacon) and others, the files
//! themselves and not copies, against a `primitive` module of its own.

pub(crate) use crate::machine::barrier::{heavy_barrier, light_barrier};
pub(crate) use crate::machine::thread::current_cpu;
pub(crate) use crate::steps::{
    AtomicBool, AtomicI64, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Mutex, fence, system_call,
};
pub(crate) use std::sync::atomic::Ordering;

/// So many of what `make` makes, without making them: they are zeros, which the system has ready.
///
/// # Safety
/// What `make` makes is all zeros.
pub(crate) unsafe fn zeroed_slice<T>(count: usize, _make: fn() -> T) -> Box<[T]> {
    // SAFETY: the caller's promise.
    unsafe { Box::new_zeroed_slice(count).assume_init() }
}

/// A cell whose users are told apart by a protocol.
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> UnsafeCell<T> {
        UnsafeCell(std::cell::UnsafeCell::new(value))
    }

    pub(crate) fn into_inner(self) -> T {
        self.0.into_inner()
    }

    #[inline]
    pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    #[inline]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

/// A constructor that is `const`, which the model checker's atomics are not.
macro_rules! constructor {
    ($(#[$attribute:meta])* $visibility:vis fn $($rest:tt)*) => {
        $(#[$attribute])* $visibility const fn $($rest)*
    };
}
pub(crate) use constructor;
