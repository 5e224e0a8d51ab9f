//! The atomics that the bridge's protocols are built from, in one place, so that the models in `tests/loom` can put
//! their own in their stead.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering, fence};
