//! The machine: what it is, and how much of it others use while we measure.

use heddle_benches::process::cpu_time;
use std::fs;
use std::time::{Duration, Instant};

/// One line about the machine.
pub(crate) fn describe() -> String {
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let model = first("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let memory = first("/proc/meminfo", "MemTotal").unwrap_or_default();
    format!("{cpus} CPUs ({model}), {memory} of memory, {} {}", std::env::consts::OS, kernel.trim())
}

/// The text after `key` and a colon in a file of `/proc`.
fn first(path: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// CPU time of the whole machine and of our own runs (those in this process, too), up to a moment.
#[derive(Debug)]
pub(crate) struct CpuUse {
    at: Instant,
    machine: Option<Duration>,
    ours: Duration,
}

impl CpuUse {
    pub(crate) fn now() -> Self {
        CpuUse { at: Instant::now(), machine: machine_busy(), ours: children() + cpu_time() }
    }

    /// CPUs that others have kept busy since then, on average; `None` where the system does not say, or where the
    /// time is too short for the kernel's clock ticks.
    pub(crate) fn foreign_since(&self) -> Option<f64> {
        let now = CpuUse::now();
        let wall = now.at.duration_since(self.at);
        let ours = now.ours.saturating_sub(self.ours);
        let busy = now.machine?.saturating_sub(self.machine?);
        (wall >= Duration::from_millis(100))
            .then(|| busy.saturating_sub(ours).as_secs_f64() / wall.as_secs_f64())
    }
}

/// Busy time of all CPUs since boot, stolen time included: user, nice, system, irq, softirq, steal.
fn machine_busy() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let ticks: Vec<u64> =
        stat.lines().next()?.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
    let busy: u64 = [0, 1, 2, 5, 6, 7].iter().filter_map(|column| ticks.get(*column)).sum();
    Some(Duration::from_millis(busy * 10)) // Linux reports in hundredths of a second on every architecture.
}

/// CPU time of the children that have ended.
#[cfg(unix)]
fn children() -> Duration {
    // SAFETY: an all-zero `rusage` is a valid value of that plain C struct.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is a valid place to write.
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) };
    let of = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    of(usage.ru_utime) + of(usage.ru_stime)
}

#[cfg(not(unix))]
fn children() -> Duration {
    Duration::ZERO
}

/// Lets the kernel end this process if it has not ended by itself.
#[cfg(unix)]
pub(crate) fn end_this_process_after(seconds: u32) {
    // SAFETY: alarm only sets a timer; its signal's default action ends the process, which is what we want.
    unsafe { libc::alarm(seconds) };
}

#[cfg(not(unix))]
pub(crate) fn end_this_process_after(_seconds: u32) {}
