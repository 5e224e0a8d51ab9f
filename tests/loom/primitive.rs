//! What `scheduler/src/primitive.rs` offers, by loom.

use std::cell::Cell;

pub(crate) use crate::mortal::AtomicU32;
pub(crate) use loom::cell::UnsafeCell;
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};

thread_local! {
    /// loom runs all threads of a model on one thread of the system, so this is one model's own.
    static LIGHT_IS_NOTHING: Cell<bool> = const { Cell::new(false) };
}

/// For models where no heavy barrier takes part: the light one has no effect by itself, and what is
/// ordered by other means must not need it. Put back when the result is dropped.
pub(crate) fn without_light_barrier() -> impl Drop {
    struct Restore;
    impl Drop for Restore {
        fn drop(&mut self) {
            LIGHT_IS_NOTHING.set(false);
        }
    }
    LIGHT_IS_NOTHING.set(true);
    Restore
}

/// Where a search for a sleeper begins.
pub(crate) fn current_cpu() -> usize {
    0
}

pub(crate) fn light_barrier() {
    if !LIGHT_IS_NOTHING.get() {
        // ORDERING: SeqCst pairs with the fence of `heavy_barrier`.
        fence(Ordering::SeqCst);
    }
}

pub(crate) fn heavy_barrier() {
    // ORDERING: SeqCst pairs with the fence of `light_barrier`.
    fence(Ordering::SeqCst);
}

/// # Safety
/// None: here they are made.
pub(crate) unsafe fn zeroed_slice<T>(count: usize, make: fn() -> T) -> Box<[T]> {
    (0..count).map(|_| make()).collect()
}

/// loom's atomics are made while a model runs.
macro_rules! constructor {
    ($(#[$attribute:meta])* $visibility:vis fn $($rest:tt)*) => {
        $(#[$attribute])* $visibility fn $($rest)*
    };
}
pub(crate) use constructor;
