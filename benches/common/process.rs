//! What the kernel says about this process: CPU time, resident memory, mappings. Linux first; elsewhere the memory
//! figures are zero and the workloads that need them say so.

use std::cell::Cell;
use std::fs;
use std::time::Duration;

/// CPU time that all threads of this process have used.
#[cfg(unix)]
#[must_use]
pub fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place to write, and the clock exists on every Unix.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(status, 0, "the process has a CPU clock");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// CPU time that all threads of this process have used: not known here.
#[cfg(not(unix))]
#[must_use]
pub fn cpu_time() -> Duration {
    Duration::ZERO
}

/// Memory of this process, in bytes, and the number of its mappings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Resident bytes (`Rss` of `/proc/self/smaps_rollup`), page tables not included.
    pub resident: u64,
    /// Bytes of page tables (`VmPTE`).
    pub page_tables: u64,
    /// Bytes handed out by malloc and not yet freed: closures, handles, queues, the metadata of fibers.
    pub allocated: u64,
    /// Lines of `/proc/self/maps`.
    pub mappings: u64,
}

impl Memory {
    /// Reads the figures now.
    #[must_use]
    pub fn now() -> Self {
        Memory {
            resident: kibibytes("/proc/self/smaps_rollup", "Rss:") * 1024,
            page_tables: kibibytes("/proc/self/status", "VmPTE:") * 1024,
            allocated: allocated(),
            mappings: fs::read_to_string("/proc/self/maps").map_or(0, |maps| maps.lines().count() as u64),
        }
    }
}

/// The number after `key` in a file of `/proc`, zero where there is none.
fn kibibytes(path: &str, key: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn allocated() -> u64 {
    // SAFETY: mallinfo2 takes no argument and only reads the allocator's counters, under its own locks.
    let info = unsafe { libc::mallinfo2() };
    (info.uordblks + info.hblkhd) as u64
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn allocated() -> u64 {
    0
}

/// Touches that much memory and gives it back. In a virtual machine a page may have no memory of the host behind it;
/// its first touch then costs up to ten times an ordinary page fault, for whoever happens to come first.
#[cfg(target_os = "linux")]
pub fn warm_the_memory(bytes: usize) {
    let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a fresh anonymous mapping at an address that the kernel chooses touches nothing that exists.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, access, flags, -1, 0) };
    assert_ne!(start, libc::MAP_FAILED, "{bytes} bytes of address space");
    // Small pages: huge ones are touched in a tenth of the time, but did not help those who came after (measured).
    // Older kernels refuse the advice; then the first run of a round is slower, no more.
    // SAFETY: the range is the mapping made above, which nobody else knows; it is unmapped once, at the end.
    unsafe {
        libc::madvise(start, bytes, libc::MADV_POPULATE_WRITE);
        libc::munmap(start, bytes);
    }
}

/// Touches that much memory and gives it back: only worth it where measured.
#[cfg(not(target_os = "linux"))]
pub fn warm_the_memory(_bytes: usize) {}

/// A number that differs between live threads: proof of where a task ran.
#[inline(never)] // A stackful task may have moved: the address must not be kept across a switch.
#[must_use]
pub fn thread_mark() -> usize {
    thread_local!(static HERE: Cell<u8> = const { Cell::new(0) });
    HERE.with(|here| std::ptr::from_ref(here) as usize)
}

/// Burns about a nanosecond per step, the same work in every contender.
#[must_use]
pub fn burn(steps: u32) -> u64 {
    let mut state = u64::from(steps);
    for _ in 0..steps {
        state = std::hint::black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
    state
}
