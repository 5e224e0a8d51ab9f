//! Linux: raw calls through libc. Each function is one system call and its error; meaning is added by the callers.

mod memory;
mod thread;

pub(crate) use memory::*;
pub(crate) use thread::*;
