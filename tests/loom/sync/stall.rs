//! What a thread does that finds a latch held: it looks once more, and sleeps until one is free. If it spun, two of
//! them could yield to each other for ever.

use loom::thread::{self, Thread};
use std::cell::RefCell;

thread_local! {
    /// loom runs all threads of a model on one thread of the system. Empty in the end: whoever is in it locks and unlocks.
    static STALLED: RefCell<Vec<Thread>> = const { RefCell::new(Vec::new()) };
}

pub(crate) const FREE: u64 = 0;

pub(crate) fn mark() -> u64 {
    1
}

pub(crate) fn stall(round: u32, _holder: impl Fn() -> u64) {
    if round.is_multiple_of(2) {
        STALLED.with_borrow_mut(|all| all.push(thread::current()));
    } else {
        thread::park();
    }
}

pub(crate) fn freed() {
    STALLED.take().into_iter().for_each(|thread| thread.unpark());
}
