//! How the kernel schedules a thread against others. Everything here is about the calling thread, or
//! about the time another one has had.

use crate::lane::{Lane, Lanes, Raise};
use heddle_numa::affinity::{self, PinGuard};
use heddle_numa::{CpuId, CpuSet};
use std::cell::Cell;
use std::fmt;

/// How the kernel schedules a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThreadPolicy {
    /// As all others, by its nice value: 1.25 times the CPU time for each step down.
    Nice(i32),
    /// When no other thread wants the CPU (`SCHED_IDLE`).
    Idle,
    /// Before all that is not real-time (`SCHED_FIFO`), at this priority.
    RealTime(i32),
    /// The system does not say, or the thread has not begun.
    Unknown,
}

impl fmt::Display for ThreadPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ThreadPolicy::Nice(nice) => f.pad(&format!("nice {nice}")),
            ThreadPolicy::Idle => f.pad("SCHED_IDLE"),
            ThreadPolicy::RealTime(priority) => f.pad(&format!("SCHED_FIFO {priority}")),
            ThreadPolicy::Unknown => f.pad("unknown"),
        }
    }
}

/// The policy of a thread, in a word.
pub(crate) fn encode(policy: ThreadPolicy) -> u64 {
    let (kind, value) = match policy {
        ThreadPolicy::Unknown => (0, 0),
        ThreadPolicy::Nice(nice) => (1, nice),
        ThreadPolicy::Idle => (2, 0),
        ThreadPolicy::RealTime(priority) => (3, priority),
    };
    kind << 32 | u64::from(value as u32)
}

/// What [`encode`] made.
pub(crate) fn decode(word: u64) -> ThreadPolicy {
    let value = word as u32 as i32;
    match word >> 32 {
        1 => ThreadPolicy::Nice(value),
        2 => ThreadPolicy::Idle,
        3 => ThreadPolicy::RealTime(value),
        _ => ThreadPolicy::Unknown,
    }
}

/// Makes the calling thread one of `lane`, as far as the system lets it. The result is what it has
/// become; it is asked for, not assumed.
pub(crate) fn join_lane(lane: Lane, lanes: &Lanes) -> ThreadPolicy {
    match lane {
        Lane::Urgent => {
            system::be_on_time();
            match lanes.raise() {
                Raise::No => {}
                Raise::Nice(nice) => system::set_nice(nice),
                Raise::RealTime(priority) => system::set_real_time(priority),
            }
        }
        Lane::Ordinary if lanes.nice() > 0 => {
            system::set_nice((system::nice().unwrap_or(0) + lanes.nice()).min(NICE_MAX));
        }
        Lane::Ordinary => {}
        Lane::Background => {
            // Where a container forbids it, the next best: a fifteenth of the ordinary lane's weight or less.
            if !system::set_idle() {
                system::set_nice(NICE_MAX);
            }
        }
    }
    system::policy()
}

/// The calling thread's nice value; `None`: the system does not say.
pub(crate) fn nice() -> Option<i32> {
    system::nice()
}

/// Makes the calling thread an ordinary one, whoever has made it: so much nicer than `base`, on all `cpus`.
pub(crate) fn settle(base: Option<i32>, nicer: i32, cpus: &[usize]) {
    if let Some(base) = base {
        system::set_nice((base + nicer).min(NICE_MAX));
    }
    if allowed_cpus().len() >= cpus.len() {
        return;
    }
    // Its maker is tied.
    let cpus: CpuSet = cpus.iter().map(|&cpu| CpuId(cpu as u32)).collect();
    // Where it cannot be, it stays where its maker is.
    let _ = affinity::pin_to_set(&cpus).map(PinGuard::keep);
}

/// The numbers of the CPUs that the calling thread may use; empty where the system does not say.
pub(crate) fn allowed_cpus() -> Vec<usize> {
    affinity::allowed_cpus()
        .map_or_else(|_| Vec::new(), |cpus| cpus.iter().map(|cpu| cpu.0 as usize).collect())
}

/// The number of the CPU that the caller runs on, for now.
#[inline]
pub(crate) fn current_cpu() -> usize {
    system::current_cpu()
}

thread_local! {
    static MAY_MAP: Cell<bool> = const { Cell::new(true) };
}

/// May the calling thread map and unmap memory?
pub(crate) fn set_may_map(may: bool) {
    MAY_MAP.set(may);
}

/// In debug builds, that is in tests, checks that it may.
pub(crate) fn assert_may_map() {
    debug_assert!(MAY_MAP.get(), "a background thread maps or unmaps memory");
}

/// The number of the calling thread in the system, which nobody else has while it lives.
pub(crate) fn number() -> u32 {
    system::number()
}

/// A mark of the calling thread that nobody else has while it lives, for no more than an instruction or two: an address of
/// its own, so never 0.
#[inline]
pub(crate) fn mark() -> u64 {
    thread_local! {
        static HERE: u8 = const { 0 };
    }
    HERE.with(|here| (&raw const *here).addr() as u64)
}

/// The CPU time that the process has had, in ns.
pub(crate) fn process_cpu_time() -> u64 {
    system::process_cpu_time()
}

/// Does the thread of that number wait for something other than a CPU? `None`: the system does not say.
pub(crate) fn is_blocked(number: u32) -> Option<bool> {
    system::is_blocked(number)
}

/// The CPU time that the calling thread has had, in ns; where the system does not say, the time that has
/// passed since somebody asked first.
pub(crate) fn own_cpu_time() -> u64 {
    system::own_cpu_time()
}

/// What the calling thread has used of its CPU.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// How much CPU time it has had, in ns.
    pub(crate) cpu: u64,
    /// How often it has slept, or waited for something other than a CPU.
    pub(crate) waits: u64,
}

/// About the calling thread; where the system does not say, it has waited ever since.
pub(crate) fn usage() -> Usage {
    system::usage()
}

/// The highest nice value.
const NICE_MAX: i32 = 19;

pub(crate) use system::CpuClock;

#[cfg(target_os = "linux")]
mod system {
    use super::ThreadPolicy;
    use std::mem::MaybeUninit;

    /// Nice value of the calling thread: Linux keeps one a thread. `None`: the system does not say.
    pub(super) fn nice() -> Option<i32> {
        // SAFETY: the place of this thread's own error number; -1 is a nice value too.
        let error = unsafe { &mut *libc::__errno_location() };
        *error = 0;
        // SAFETY: takes integers; 0 is the calling thread.
        let nice = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
        (*error == 0).then_some(nice)
    }

    pub(super) fn set_nice(nice: i32) {
        // SAFETY: as above. What came of it is asked afterwards.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
    }

    pub(super) fn set_idle() -> bool {
        set_policy(libc::SCHED_IDLE, 0)
    }

    /// The calling thread's sleeps end when they are due, not up to 50 us later, which would spare the kernel a wake-up.
    pub(super) fn be_on_time() {
        // SAFETY: takes integers, and sets a number of the calling thread.
        unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong) };
    }

    pub(super) fn set_real_time(priority: i32) {
        set_policy(libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, priority);
    }

    fn set_policy(policy: i32, priority: i32) -> bool {
        // SAFETY: all-zero is a valid value of this struct of integers.
        let mut param: libc::sched_param = unsafe { MaybeUninit::zeroed().assume_init() };
        param.sched_priority = priority;
        // SAFETY: reads the struct, which lives until the call returns; 0 is the calling thread.
        unsafe { libc::sched_setscheduler(0, policy, &param) == 0 }
    }

    pub(super) fn current_cpu() -> usize {
        // SAFETY: takes nothing; -1 where there is no such call.
        usize::try_from(unsafe { libc::sched_getcpu() }).unwrap_or(0)
    }

    pub(super) fn policy() -> ThreadPolicy {
        // SAFETY: takes an integer.
        let policy = unsafe { libc::sched_getscheduler(0) };
        match policy & !libc::SCHED_RESET_ON_FORK {
            _ if policy < 0 => ThreadPolicy::Unknown,
            libc::SCHED_IDLE => ThreadPolicy::Idle,
            libc::SCHED_FIFO => {
                // SAFETY: as in `set_policy`; the call writes the struct.
                let mut param: libc::sched_param = unsafe { MaybeUninit::zeroed().assume_init() };
                // SAFETY: as above.
                unsafe { libc::sched_getparam(0, &mut param) };
                ThreadPolicy::RealTime(param.sched_priority)
            }
            _ => nice().map_or(ThreadPolicy::Unknown, ThreadPolicy::Nice),
        }
    }

    pub(super) fn number() -> u32 {
        // SAFETY: takes nothing and cannot fail.
        unsafe { libc::gettid() as u32 }
    }

    pub(super) fn process_cpu_time() -> u64 {
        CpuClock(libc::CLOCK_PROCESS_CPUTIME_ID).read()
    }

    pub(super) fn is_blocked(number: u32) -> Option<bool> {
        let stat = std::fs::read_to_string(format!("/proc/self/task/{number}/stat")).ok()?;
        // "7 (name) S ...", where the name may have any characters in it.
        let state = stat.rsplit_once(") ")?.1.bytes().next()?;
        Some(state != b'R')
    }

    pub(super) fn own_cpu_time() -> u64 {
        CpuClock(libc::CLOCK_THREAD_CPUTIME_ID).read()
    }

    pub(super) fn usage() -> super::Usage {
        // SAFETY: all-zero is a valid value of this struct of integers.
        let mut usage: libc::rusage = unsafe { MaybeUninit::zeroed().assume_init() };
        // SAFETY: the call writes the struct. It cannot fail for the calling thread.
        unsafe { libc::getrusage(libc::RUSAGE_THREAD, &mut usage) };
        let nanos = |time: libc::timeval| time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1000;
        super::Usage { cpu: nanos(usage.ru_utime) + nanos(usage.ru_stime), waits: usage.ru_nvcsw as u64 }
    }

    /// Tells how much CPU time a thread has had.
    #[derive(Clone, Copy)]
    pub(crate) struct CpuClock(libc::clockid_t);

    impl CpuClock {
        /// The calling thread's, for anyone to read while it lives.
        pub(crate) fn of_this_thread() -> CpuClock {
            let mut clock = libc::CLOCK_THREAD_CPUTIME_ID;
            // SAFETY: the calling thread is alive; the call writes one integer of ours.
            let failed = unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &mut clock) };
            debug_assert_eq!(failed, 0);
            CpuClock(clock)
        }

        /// In nanoseconds; 0 for a thread that has ended.
        pub(crate) fn read(self) -> u64 {
            let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            // SAFETY: writes one struct of ours; a clock that is gone is an error.
            let failed = unsafe { libc::clock_gettime(self.0, &mut time) } != 0;
            if failed { 0 } else { time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64 }
        }

        /// As a word, and back.
        pub(crate) fn into_word(self) -> u64 {
            u64::from(self.0 as u32)
        }

        pub(crate) fn from_word(word: u64) -> CpuClock {
            CpuClock(word as u32 as libc::clockid_t)
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::ThreadPolicy;
    use std::sync::atomic::{AtomicU64, Ordering};

    pub(super) fn usage() -> super::Usage {
        static WAITS: AtomicU64 = AtomicU64::new(1);
        super::Usage { cpu: 0, waits: WAITS.fetch_add(1, Ordering::Relaxed) }
    }

    pub(super) fn nice() -> Option<i32> {
        None
    }

    pub(super) fn set_nice(_: i32) {}

    pub(super) fn set_idle() -> bool {
        false
    }

    pub(super) fn be_on_time() {}

    pub(super) fn set_real_time(_: i32) {}

    pub(super) fn current_cpu() -> usize {
        0
    }

    pub(super) fn policy() -> ThreadPolicy {
        ThreadPolicy::Unknown
    }

    /// Threads count themselves here.
    pub(super) fn number() -> u32 {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(1);
        thread_local! {
            static MINE: u32 = NEXT.fetch_add(1, Ordering::Relaxed);
        }
        MINE.with(|mine| *mine)
    }

    pub(super) fn process_cpu_time() -> u64 {
        0
    }

    pub(super) fn is_blocked(_: u32) -> Option<bool> {
        None
    }

    pub(super) fn own_cpu_time() -> u64 {
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        START.get_or_init(std::time::Instant::now).elapsed().as_nanos() as u64
    }

    /// Tells how much CPU time a thread has had: nothing, where we cannot ask.
    #[derive(Clone, Copy)]
    pub(crate) struct CpuClock(());

    impl CpuClock {
        pub(crate) fn of_this_thread() -> CpuClock {
            CpuClock(())
        }

        pub(crate) fn read(self) -> u64 {
            0
        }

        pub(crate) fn into_word(self) -> u64 {
            0
        }

        pub(crate) fn from_word(_: u64) -> CpuClock {
            CpuClock(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_fits_into_a_word() {
        for policy in [
            ThreadPolicy::Unknown,
            ThreadPolicy::Nice(-20),
            ThreadPolicy::Nice(19),
            ThreadPolicy::Idle,
            ThreadPolicy::RealTime(99),
        ] {
            assert_eq!(decode(encode(policy)), policy);
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_thread_becomes_what_its_lane_asks_for() {
        std::thread::spawn(|| {
            let lanes = Lanes::three();
            let before = system::nice().unwrap();
            assert_eq!(join_lane(Lane::Urgent, &lanes), ThreadPolicy::Nice(before));
            assert_eq!(join_lane(Lane::Ordinary, &lanes), ThreadPolicy::Nice((before + 10).min(19)));
            assert_eq!(join_lane(Lane::Background, &lanes), ThreadPolicy::Idle);
        })
        .join()
        .unwrap();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_time_that_another_thread_has_had_can_be_read() {
        let (give, get) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let clock = CpuClock::of_this_thread();
            while clock.read() < 2_000_000 {
                std::hint::spin_loop();
            }
            give.send(clock.into_word()).unwrap();
            let _ = ended.recv();
        });
        let clock = CpuClock::from_word(get.recv().unwrap());
        assert!(clock.read() >= 2_000_000);
        drop(end);
        thread.join().unwrap();
    }
}
