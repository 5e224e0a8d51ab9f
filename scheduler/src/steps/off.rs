//! What the runtime's threads do to each other, step by step: atomics, locks, calls to the system. Here
//! they are what they are everywhere. With `--cfg heddle_steps` the twin `on.rs` is compiled in this
//! file's place, in which each of them is a step at which a test can freeze the thread.

pub(crate) use parking_lot::Mutex;
pub(crate) use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, fence,
};

/// The thread is about to call the system.
#[inline(always)]
pub(crate) fn system_call(_name: &'static str) {}
