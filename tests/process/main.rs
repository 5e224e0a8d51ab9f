//! What ends the process, or needs one of its own. Each test starts this binary again, with its own
//! name and `HEDDLE_CHILD` set, and looks at how the child ended and at what it said.
#![cfg(target_os = "linux")]

mod child;
mod overflow;
mod memory;
mod panics;
mod helpers;
mod lanes;
mod cpus;
mod quota;
mod descriptors;
