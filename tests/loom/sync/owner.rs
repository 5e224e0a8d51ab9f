//! The twin of `scheduler/src/sync/owner.rs`: a fiber of a model, as in [`locks`](crate::locks), or none.

use crate::lock_word::Holder;
use crate::locks::Fiber;
use loom::sync::atomic::Ordering;
use std::cell::Cell;
use std::sync::Arc;

loom::thread_local! {
    static ME: Cell<Option<Holder>> = Cell::new(None);
}

/// The calling thread is that fiber while it does `f`, after which the fiber ends. The fiber's remains, to be
/// [checked](Fiber::check).
pub(crate) fn as_fiber(f: impl FnOnce()) -> Arc<Fiber> {
    let me = Fiber::new();
    ME.with(|mine| mine.set(Some(me.holder())));
    f();
    ME.with(|mine| mine.set(None));
    me.release();
    me
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner(Option<Holder>);

impl Owner {
    pub(crate) const NOBODY: Owner = Owner(None);

    pub(crate) fn caller() -> Owner {
        Owner(ME.with(Cell::get))
    }

    pub(crate) fn caller_number() -> u64 {
        ME.with(Cell::get).map_or(0, Holder::address)
    }

    pub(crate) fn is_fiber(self) -> bool {
        self.0.is_some()
    }

    fn with(self, f: impl FnOnce(&Fiber)) {
        if let Some(holder) = self.0 {
            // SAFETY: see there.
            f(unsafe { Fiber::of(holder) });
        }
    }

    pub(crate) fn note(self) {
        self.with(|fiber| _ = fiber.holds.fetch_add(1, Ordering::Relaxed));
    }

    pub(crate) unsafe fn forget(self) {
        self.with(Fiber::release);
    }

    pub(super) unsafe fn number(self) -> Option<u64> {
        self.0.map(Holder::address)
    }

    pub(super) unsafe fn hold(self) {
        self.with(|fiber| _ = fiber.holds.fetch_add(1, Ordering::Relaxed));
    }

    pub(super) unsafe fn lend(self, level: usize) {
        self.with(|fiber| _ = fiber.loans[level].fetch_add(1, Ordering::Relaxed));
    }

    pub(super) unsafe fn take_back(self, level: usize) {
        self.with(|fiber| assert!(fiber.loans[level].fetch_sub(1, Ordering::Relaxed) > 0));
    }

    pub(super) unsafe fn release(self) {
        self.with(Fiber::release);
    }
}
