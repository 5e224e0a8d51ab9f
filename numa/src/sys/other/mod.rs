//! Systems that are not Linux: one node, the CPUs the standard library counts, pinning as far as core_affinity goes.
//!
//! The twin of `linux`: the same functions, which do nothing or say `Unsupported` where the system has no such thing.

mod memory;
mod thread;

pub(crate) use memory::*;
pub(crate) use thread::*;
