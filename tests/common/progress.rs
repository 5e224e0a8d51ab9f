//! Does a process get on, or do others have the CPUs that its threads wait for?
//!
//! A thread is held up if it could run, or waits for a disk, and has had less than half of the time since the last look.
//! Where the threads of the process have nearly all CPUs between them they hold up each other: their own affair, if they
//! are one test's. Of several tests in a process each is one of the others to the rest.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;

/// The process has what there is, if it has had so much of all CPUs.
const NEARLY_ALL: f64 = 0.75;

/// What was seen of a process at the last look.
pub(crate) struct Progress {
    process: u32,
    looked: Instant,
    /// The CPU time of each thread, in ns.
    times: HashMap<String, u64>,
}

impl Progress {
    pub(crate) fn of(process: u32) -> Progress {
        Progress { process, looked: Instant::now(), times: HashMap::new() }
    }

    pub(crate) fn process(&self) -> u32 {
        self.process
    }

    /// Was it, or one of the `tests` in it, since the last look? Where the system does not say, it was not.
    pub(crate) fn is_held_up(&mut self, tests: usize) -> bool {
        let now = Instant::now();
        let passed = (now - std::mem::replace(&mut self.looked, now)).as_nanos() as f64;
        let (mut times, mut waits, mut sum) = (HashMap::new(), false, 0.0);
        let folder = PathBuf::from(format!("/proc/{}", self.process));
        let Ok(threads) = std::fs::read_dir(folder.join("task")) else { return false };
        for thread in threads.flatten() {
            let read = |file: &str| std::fs::read_to_string(thread.path().join(file)).unwrap_or_default();
            let name = thread.file_name().to_string_lossy().into_owned();
            let Some(time) = read("schedstat").split(' ').next().and_then(|time| time.parse::<u64>().ok())
            else {
                continue;
            };
            // One that was not there then has had all of its time since.
            let had = time.saturating_sub(self.times.get(&name).copied().unwrap_or(0)) as f64;
            sum += had;
            // The state stands behind the name, which is in parentheses and may have some itself.
            let stat = read("stat");
            let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
            waits |= matches!(state, Some('R' | 'D')) && had < passed / 2.0;
            times.insert(name, time);
        }
        let is_first = self.times.is_empty();
        self.times = times;
        let cpus = std::thread::available_parallelism().map_or(1, |cpus| cpus.get()) as f64;
        let by_others = tests > 1 || sum < NEARLY_ALL * cpus * passed;
        is_traced(&folder) || !is_first && waits && by_others
    }
}

/// Each system call of one whose calls are watched takes many times as long.
fn is_traced(folder: &std::path::Path) -> bool {
    let status = std::fs::read_to_string(folder.join("status")).unwrap_or_default();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    tracer.is_some_and(|tracer| tracer.trim() != "0")
}

/// Ends a child that hangs, which would go on for ever.
pub(crate) fn end(child: u32) {
    // SAFETY: takes integers; it has not been waited for, so its number is nobody else's.
    #[cfg(unix)]
    unsafe {
        libc::kill(child as libc::pid_t, libc::SIGKILL);
    }
    #[cfg(not(unix))]
    let _ = child;
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::Progress;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    #[test]
    fn tests_of_one_process_that_have_all_cpus_between_them_hold_up_each_other() {
        let mut progress = Progress::of(std::process::id());
        let enough = AtomicBool::new(false);
        let cpus = std::thread::available_parallelism().map_or(1, |cpus| cpus.get());
        std::thread::scope(|scope| {
            // Not all of these can have had half of a CPU, also where it takes as long to look at them.
            for _ in 0..8 * cpus {
                scope.spawn(|| {
                    while !enough.load(Ordering::Relaxed) {
                        std::hint::spin_loop()
                    }
                });
            }
            progress.is_held_up(2);
            std::thread::sleep(Duration::from_millis(100));
            let is_held_up = progress.is_held_up(2);
            enough.store(true, Ordering::Relaxed);
            assert!(is_held_up);
        });
    }
}
