//! What the kernel says about a thread: the second opinion on what the scheduler's `stats()` say.

use heddle_scheduler::ThreadPolicy;
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::time::Duration;

/// How the calling thread is scheduled.
pub fn policy() -> ThreadPolicy {
    // SAFETY: takes an integer; 0 is the calling thread.
    let policy = unsafe { libc::sched_getscheduler(0) };
    match policy & !libc::SCHED_RESET_ON_FORK {
        _ if policy < 0 => ThreadPolicy::Unknown,
        libc::SCHED_IDLE => ThreadPolicy::Idle,
        libc::SCHED_FIFO => {
            // SAFETY: all-zero is a valid value of this struct of integers.
            let mut param: libc::sched_param = unsafe { MaybeUninit::zeroed().assume_init() };
            // SAFETY: writes the struct, which lives until the call returns.
            assert_eq!(unsafe { libc::sched_getparam(0, &mut param) }, 0);
            ThreadPolicy::RealTime(param.sched_priority)
        }
        // SAFETY: takes integers; Linux keeps a nice value for each thread.
        _ => ThreadPolicy::Nice(unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }),
    }
}

/// By how many nanoseconds the calling thread's timers may be late on purpose.
pub fn timer_slack() -> i32 {
    // SAFETY: takes an integer.
    unsafe { libc::prctl(libc::PR_GET_TIMERSLACK) }
}

/// The nice value of the calling thread, whatever its policy.
pub fn nice() -> i32 {
    // SAFETY: takes integers.
    unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }
}

/// The CPU time that this process has had.
pub fn cpu_time() -> Duration {
    // SAFETY: all-zero is a valid value of this struct of integers.
    let mut time: libc::timespec = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: writes the struct, which lives until the call returns.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) }, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The CPUs that the calling thread may use.
pub fn cpus() -> Vec<usize> {
    cpus_of(0)
}

/// The CPUs that a thread of this process may use.
pub fn cpus_of(thread: i32) -> Vec<usize> {
    // SAFETY: all-zero is a valid value of this struct of integers.
    let mut set: libc::cpu_set_t = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: writes the set, which is as long as we say.
    let result = unsafe { libc::sched_getaffinity(thread, size_of::<libc::cpu_set_t>(), &mut set) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
    // SAFETY: reads the set, at places in it.
    (0..libc::CPU_SETSIZE as usize).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) }).collect()
}

/// Lets a thread, 0 for the calling one, use these CPUs only. `false`: it is gone, or not ours.
pub fn set_cpus(thread: i32, cpus: &[usize]) -> bool {
    // SAFETY: all-zero is a valid value of this struct of integers.
    let mut set: libc::cpu_set_t = unsafe { MaybeUninit::zeroed().assume_init() };
    for &cpu in cpus {
        // SAFETY: writes into the set, which checks the place.
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
    // SAFETY: reads the set, which is as long as we say.
    unsafe { libc::sched_setaffinity(thread, size_of::<libc::cpu_set_t>(), &set) == 0 }
}

/// The numbers of all threads of this process.
pub fn threads() -> Vec<i32> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux has it");
    tasks.flatten().filter_map(|task| task.file_name().to_str()?.parse().ok()).collect()
}

/// The thread of this process with that name. It gives itself the name when it begins, so it is waited for.
pub fn thread_named(name: &str) -> i32 {
    let name_of = |thread: i32| std::fs::read_to_string(format!("/proc/self/task/{thread}/comm")).ok();
    let has_it = |&thread: &i32| name_of(thread).is_some_and(|found| found.trim_end() == name);
    let found = std::cell::Cell::new(None);
    crate::eventually(|| {
        found.set(threads().into_iter().find(has_it));
        found.get().is_some()
    });
    found.get().expect("it has been found")
}
