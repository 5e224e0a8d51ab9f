//! The lock inside the primitives: held for some ten instructions, never across a suspension, and freed by a
//! plain store.
//!
//! ```text
//! word      meaning                who changes it
//! FREE      nobody has it          lock: compare-and-swap to the mark of the calling thread
//! a mark    that thread has it     who has it: store of FREE
//! ```
//!
//! Who finds it held looks again, some dozens of times without leaving the CPU; that is enough, unless the kernel has
//! stopped the thread that has it. Then there is no list to wait in, as that would cost each unlock a second
//! read-modify-write, half of what all of it costs: the thread gives its CPU away for a while, longer each time, and where it
//! can, to the very thread that has the latch ([`stall`](super::stall)). The mark says which that is, and nothing relies on it.

use super::stall::{FREE, freed, mark, stall};
use crate::primitive::{AtomicU64, Ordering, UnsafeCell, constructor};

/// See the module's documentation.
pub(crate) struct Latch<S> {
    word: AtomicU64,
    state: UnsafeCell<S>,
}

// SAFETY: the state is reached by one at a time, and handed from thread to thread.
unsafe impl<S: Send> Send for Latch<S> {}
// SAFETY: as above.
unsafe impl<S: Send> Sync for Latch<S> {}

impl<S> Latch<S> {
    constructor! {
        /// Free.
        pub(crate) fn new(state: S) -> Latch<S> {
            Latch { word: AtomicU64::new(FREE), state: UnsafeCell::new(state) }
        }
    }

    /// Does something with the state, alone. `f` does not suspend, and does not come back here.
    #[inline]
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut S) -> R) -> R {
        self.lock().with(f)
    }

    /// The right to use the state, until it is dropped: also by a panic in the user's code that it calls.
    #[inline]
    pub(crate) fn lock(&self) -> Latched<'_, S> {
        if !self.try_lock() {
            self.lock_slowly();
        }
        Latched(self)
    }

    #[inline]
    fn try_lock(&self) -> bool {
        // ORDERING: Acquire pairs with the release of `Latched::drop`.
        self.word.compare_exchange(FREE, mark(), Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    #[cold]
    fn lock_slowly(&self) {
        let mut round = 0;
        while !self.try_lock() {
            stall(round, || self.word.load(Ordering::Relaxed));
            round += 1;
        }
    }
}

/// See [`Latch::lock`]. Its owner does not suspend.
pub(crate) struct Latched<'a, S>(&'a Latch<S>);

impl<S> Latched<'_, S> {
    /// Does something with the state.
    #[inline]
    pub(crate) fn with<R>(&mut self, f: impl FnOnce(&mut S) -> R) -> R {
        // SAFETY: it is ours until we are dropped.
        self.0.state.with_mut(|state| f(unsafe { &mut *state }))
    }
}

impl<S> Drop for Latched<'_, S> {
    #[inline]
    fn drop(&mut self) {
        // ORDERING: Release pairs with the acquire of `try_lock`: what was done to the state.
        self.0.word.store(FREE, Ordering::Release);
        freed();
    }
}
