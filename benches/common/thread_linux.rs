//! What a thread asks of Linux: its policy, its timers, the clock. Only what an ordinary user may ask.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

/// Nanoseconds of the monotonic clock, which all processes share.
#[must_use]
pub fn now_ns() -> u64 {
    clock(libc::CLOCK_MONOTONIC)
}

/// CPU time that the calling thread has used.
#[must_use]
pub fn cpu_time() -> Duration {
    Duration::from_nanos(clock(libc::CLOCK_THREAD_CPUTIME_ID))
}

fn clock(which: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place to write, and Linux has both clocks.
    let status = unsafe { libc::clock_gettime(which, &raw mut time) };
    assert_eq!(status, 0, "the clock exists");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// For how long the calling thread could have run and did not, as others had the CPU, in nanoseconds since it began; 0 where the
/// kernel does not count that.
#[must_use]
pub fn stalled_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Sleeps until that moment of [`now_ns`]; returns at once if it has passed.
pub fn sleep_until(ns: u64) {
    let time = libc::timespec { tv_sec: (ns / 1_000_000_000) as _, tv_nsec: (ns % 1_000_000_000) as _ };
    // SAFETY: `time` is valid; no remainder is asked for. An early return by a signal is harmless: callers look again.
    unsafe {
        libc::clock_nanosleep(
            libc::CLOCK_MONOTONIC,
            libc::TIMER_ABSTIME,
            &raw const time,
            std::ptr::null_mut(),
        );
    }
}

/// The calling thread's sleeps end on time, instead of up to 50 us later.
pub fn fine_timers() {
    // SAFETY: prctl with this option only sets a number of the calling thread.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_u64) };
}

/// Puts the calling thread into `SCHED_IDLE`: it runs when nothing else wants its CPU.
///
/// # Panics
/// If the kernel refuses, which needs a filter of system calls: nobody needs a privilege for this.
pub fn become_idle_class() {
    let none = libc::sched_param { sched_priority: 0 };
    // SAFETY: thread 0 is the calling one, and the parameter is valid.
    let status = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const none) };
    assert_eq!(status, 0, "SCHED_IDLE: {}", io::Error::last_os_error());
}

/// Lowers the calling thread's weight.
///
/// # Panics
/// If the kernel refuses, see [`become_idle_class`].
pub fn become_nice(nice: i32) {
    // SAFETY: 0 names the calling thread; on Linux this acts on a thread, not on its process.
    let status = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
    assert_eq!(status, 0, "nice {nice}: {}", io::Error::last_os_error());
}

/// Gives up the privilege to raise priorities, for this thread and for all threads and programs that it starts, so
/// that a benchmark that root runs measures what any user gets.
pub fn forgo_high_priorities() {
    const CAP_SYS_NICE: u32 = 23;
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0]; // The calling thread.
    let mut sets = [0_u32; 6]; // Effective, permitted and inheritable; then the same for capabilities from 32 on.
    // SAFETY: both arrays have the layout and the size that version 3 of this interface reads and writes.
    unsafe {
        if libc::syscall(libc::SYS_capget, header.as_ptr(), sets.as_mut_ptr()) == 0 {
            libc::prctl(libc::PR_CAPBSET_DROP, u64::from(CAP_SYS_NICE));
            sets[..3].iter_mut().for_each(|set| *set &= !(1 << CAP_SYS_NICE));
            libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr());
        }
    }
}

/// Lets the kernel end the command's process when the calling thread ends.
pub fn dies_with_us(command: &mut Command) {
    let ask = || {
        // SAFETY: prctl with this option only sets a number of the calling process, and is safe after a fork.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as u64) };
        Ok(())
    };
    // SAFETY: `ask` makes one system call and touches no memory.
    unsafe { command.pre_exec(ask) };
}

/// Keeps the calling thread on one CPU; `false` if it may not run there.
#[must_use]
pub fn stay_on(cpu: usize) -> bool {
    // SAFETY: an all-zero set is a valid one, and CPU_SET checks nothing but is given a number within it; 0 names the
    // calling thread.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu.min(libc::CPU_SETSIZE as usize - 1), &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &raw const set) == 0
    }
}

/// The CPU on which the calling thread is.
#[must_use]
pub fn cpu_here() -> Option<usize> {
    // SAFETY: the call takes nothing and only asks.
    usize::try_from(unsafe { libc::sched_getcpu() }).ok()
}
