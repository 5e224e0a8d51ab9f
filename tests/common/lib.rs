//! What the tests share.
//!
//! | file         | what it has                                                              |
//! |--------------|--------------------------------------------------------------------------|
//! | [`rig`]      | runs a test body over {1, 2, 4, 8, 64} workers and looks for leaks after |
//! | [`tracked`]  | values that are counted while they live                                  |
//! | [`watchdog`] | ends the process, with all it knows, when a test hangs                   |
//! | `progress`   | whether others have the CPUs that a test waits for                       |
//! | [`seed`]     | random numbers that can be had again with `SEED=n`                       |
//! | [`gate`]     | waiting for each other, as threads and as fibers                         |
//! | [`hogs`]     | fibers that never give their thread away                                 |
//! | [`folder`]   | a folder for one test's files and sockets                                |
//! | [`quota`]    | background work under a CPU quota                                        |
//! | [`machines`] | machines with several memory nodes                                       |
//! | [`kernel`]   | what the kernel says about a thread                                      |
//!
//! A hang is a bug, and so is a test that fails once in a while: there is no retry, and nothing here
//! waits for a time in the hope that something has happened by then.

pub mod tracked;
mod progress;
pub mod watchdog;
pub mod seed;
pub mod gate;
pub mod hogs;
pub mod folder;
#[cfg(target_os = "linux")]
pub mod quota;
pub mod machines;
#[cfg(target_os = "linux")]
pub mod kernel;
pub mod rig;

pub use folder::Folder;
pub use gate::{Event, Gate, Occupied, eventually, occupy};
pub use hogs::Hogs;
pub use rig::{Rig, WORKERS, everywhere, in_one_lane, on_workers, strict, with_lanes, with_options};
pub use seed::Random;
pub use tracked::{Census, Tracked};
