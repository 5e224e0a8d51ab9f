//! Threads: affinity masks and where a thread runs.

use std::io;

use crate::cpuset::CpuSet;
use crate::id::CpuId;

/// The largest affinity mask asked for, in 64-bit words: 1,048,576 CPUs, the same limit as a `CpuSet`.
const MAX_MASK_WORDS: usize = (CpuSet::MAX_ID as usize + 1) / 64;

/// A kernel thread id. 0 is the calling thread.
pub(crate) type RawTid = libc::pid_t;

/// The id of the calling thread.
pub(crate) fn gettid() -> RawTid {
    // SAFETY: gettid takes nothing, touches no memory and cannot fail.
    unsafe { libc::gettid() }
}

/// The CPUs a thread may run on. The buffer grows until the kernel's mask fits: kernels built or booted for more than
/// 1,024 CPUs refuse a smaller one with EINVAL.
pub(crate) fn getaffinity(tid: RawTid) -> io::Result<CpuSet> {
    let mut words = vec![0u64; 16];
    loop {
        let bytes = words.len() * size_of::<u64>();
        // SAFETY: the kernel writes at most `bytes` bytes at the start of `words`, which owns that many.
        let done = unsafe { libc::sched_getaffinity(tid, bytes, words.as_mut_ptr().cast()) };
        if done == 0 {
            return Ok(CpuSet::from_words(&to_little(&words)));
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::EINVAL) || words.len() >= MAX_MASK_WORDS {
            return Err(error);
        }
        words.resize(words.len() * 2, 0);
    }
}

/// Sets the CPUs a thread may run on. The kernel silently drops the CPUs outside the cpuset.
pub(crate) fn setaffinity(tid: RawTid, cpus: &CpuSet) -> io::Result<()> {
    // At least one word: an empty mask must reach the kernel as a mask, and be refused there.
    let mut words = to_little(cpus.as_words());
    words.resize(words.len().max(1), 0);
    let bytes = words.len() * size_of::<u64>();
    // SAFETY: the kernel reads `bytes` bytes at the start of `words`, which owns that many.
    let done = unsafe { libc::sched_setaffinity(tid, bytes, words.as_ptr().cast()) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The kernel's masks are arrays of `unsigned long`; ours are of 64 bits. They are the same array except on 32-bit
/// big-endian machines, where the halves of each word trade places.
fn to_little(words: &[u64]) -> Vec<u64> {
    let swap = cfg!(all(target_endian = "big", target_pointer_width = "32"));
    words.iter().map(|word| if swap { word.rotate_left(32) } else { *word }).collect()
}

/// The CPU this thread runs on at this moment.
pub(crate) fn getcpu() -> io::Result<CpuId> {
    // SAFETY: takes nothing and touches no memory of ours (vDSO).
    let cpu = unsafe { libc::sched_getcpu() };
    if cpu >= 0 { Ok(CpuId(cpu as u32)) } else { Err(io::Error::last_os_error()) }
}

/// Pins the calling thread to one CPU through core_affinity, where that is right: its mask is 128 bytes, and a CPU from
/// 1,024 up aborts the process. `false`: it failed, and does not say why; ask `setaffinity`.
pub(crate) fn pin_simple(cpu: CpuId) -> bool {
    cpu.index() < 1024 && core_affinity::set_for_current(core_affinity::CoreId { id: cpu.index() })
}

/// Whether `getaffinity` shows what `setaffinity` did.
pub(crate) const MASK_IS_READABLE: bool = true;
