//! The twin of `thread_linux.rs` for systems where these things are not known: the standard library's clock, and
//! threads as they are. The workloads run, and their figures mean less.

use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Nanoseconds since this was first asked.
#[must_use]
pub fn now_ns() -> u64 {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    FIRST.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// CPU time of the calling thread: not known here.
#[must_use]
pub fn cpu_time() -> Duration {
    Duration::ZERO
}

/// For how long the calling thread could have run and did not: not known here.
#[must_use]
pub fn stalled_ns() -> u64 {
    0
}

/// Sleeps until that moment of [`now_ns`]; returns at once if it has passed.
pub fn sleep_until(ns: u64) {
    std::thread::sleep(Duration::from_nanos(ns.saturating_sub(now_ns())));
}

/// Nothing to ask for here.
pub fn fine_timers() {}

/// Nothing to ask for here.
pub fn become_idle_class() {}

/// Nothing to ask for here.
pub fn become_nice(_nice: i32) {}

/// Nothing to give up here.
pub fn forgo_high_priorities() {}

/// Nothing to ask for here.
pub fn dies_with_us(_command: &mut Command) {}

/// Not asked for here.
#[must_use]
pub fn stay_on(_cpu: usize) -> bool {
    false
}

/// Not known here.
#[must_use]
pub fn cpu_here() -> Option<usize> {
    None
}
