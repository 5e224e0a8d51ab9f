//! What every benchmark of Heddle shares, and nothing about any runtime.
//!
//! A [`Workload`] asks one question in one or more [`Case`]s and names the contenders that answer it. A contender
//! is a function from a [`Run`] to a [`Sample`]; it runs alone in a fresh process and checks its own answer.
//! [`process`] and [`thread`] ask the kernel, [`chance`] decides which branches suspend, [`stat`] has medians,
//! [`work`] takes a known time, [`open_loop`] submits urgent requests on time and says how late they were served.
//!
//! Reading order: this file, then `harness/main.rs`, then any folder of `workload/`.

pub mod chance;
pub mod process;
pub mod stat;
pub mod workload;
#[cfg_attr(target_os = "linux", path = "thread_linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "thread_other.rs")]
pub mod thread;
pub mod work;
pub mod open_loop;

pub use workload::{Better, Case, Contender, Goal, Metric, Run, Sample, Timed, Workload};
