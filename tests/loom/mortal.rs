//! A thread that stops for ever between two of its steps, as if the kernel had frozen it. Steps are the
//! operations of the atomics that the beacon is made of, and what a model counts besides.

use loom::sync::atomic::Ordering;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// What such a thread ends with.
struct Frozen;

loom::thread_local! {
    /// The steps until the end; 0: it is not to come.
    static LEFT: Cell<u32> = Cell::new(0);
}

/// Does `f`, and stops before its `last`th step.
pub(crate) fn freeze_before(last: u32, f: impl FnOnce()) {
    LEFT.with(|left| left.set(last));
    if let Err(panic) = catch_unwind(AssertUnwindSafe(f))
        && !panic.is::<Frozen>()
    {
        resume_unwind(panic);
    }
    LEFT.with(|left| left.set(0));
}

/// The calling thread takes a step.
pub(crate) fn step() {
    LEFT.with(|left| match left.get() {
        0 => {}
        1 => resume_unwind(Box::new(Frozen)),
        more => left.set(more - 1),
    });
}

/// loom's, with steps.
pub(crate) struct AtomicU32(loom::sync::atomic::AtomicU32);

macro_rules! stepped {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        $(
            pub(crate) fn $name(&self, $($argument: $type),*) -> $result {
                step();
                self.0.$name($($argument),*)
            }
        )*
    };
}

#[allow(dead_code)]
impl AtomicU32 {
    pub(crate) fn new(value: u32) -> AtomicU32 {
        AtomicU32(loom::sync::atomic::AtomicU32::new(value))
    }

    stepped! {
        load(order: Ordering) -> u32;
        store(value: u32, order: Ordering) -> ();
        swap(value: u32, order: Ordering) -> u32;
        fetch_add(value: u32, order: Ordering) -> u32;
        fetch_sub(value: u32, order: Ordering) -> u32;
        fetch_or(value: u32, order: Ordering) -> u32;
        fetch_and(value: u32, order: Ordering) -> u32;
        fetch_max(value: u32, order: Ordering) -> u32;
        fetch_min(value: u32, order: Ordering) -> u32;
        compare_exchange(old: u32, new: u32, won: Ordering, lost: Ordering) -> Result<u32, u32>;
        compare_exchange_weak(old: u32, new: u32, won: Ordering, lost: Ordering) -> Result<u32, u32>;
    }

    pub(crate) fn fetch_update(
        &self,
        won: Ordering,
        lost: Ordering,
        mut update: impl FnMut(u32) -> Option<u32>,
    ) -> Result<u32, u32> {
        let mut word = self.load(lost);
        while let Some(new) = update(word) {
            match self.compare_exchange(word, new, won, lost) {
                Ok(word) => return Ok(word),
                Err(now) => word = now,
            }
        }
        Err(word)
    }
}
