//! What every benchmark of Heddle shares, and nothing about any runtime.
//!
//! A [`Workload`] asks one question in one or more [`Case`]s and names the contenders that answer it. A contender
//! is a function from a [`Run`] to a [`Sample`]; it runs alone in a fresh process and checks its own answer.
//! [`process`] reads what the kernel knows about this process, [`chance`] decides which branches suspend,
//! [`stat`] has medians.
//!
//! Reading order: this file, then `harness/main.rs`, then any folder of `workload/`.

pub mod chance;
pub mod process;
pub mod stat;
pub mod workload;

pub use workload::{Better, Case, Contender, Goal, Metric, Run, Sample, Timed, Workload};
