//! The atomics that the protocols are built from, in one place, so that a model checker can put its
//! own in their stead: `tests/loom` compiles [`fiber::state`](crate::fiber::state),
//! [`queue::inbox`](crate::queue::inbox) and [`worker::beacon`](crate::worker::beacon), the files
//! themselves and not copies, against a `primitive` module of its own.

pub(crate) use crate::machine::barrier::{heavy_barrier, light_barrier};
pub(crate) use crate::machine::thread::current_cpu;
pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};
