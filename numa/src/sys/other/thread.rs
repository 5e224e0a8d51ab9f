//! Threads: one at a time, one CPU at a time.

use std::io;

use crate::cpuset::CpuSet;
use crate::id::CpuId;

/// A thread id. Only the calling thread (0) is known here.
pub(crate) type RawTid = i32;

fn unsupported() -> io::Error {
    io::Error::from(io::ErrorKind::Unsupported)
}

/// The id of the calling thread.
pub(crate) fn gettid() -> RawTid {
    0
}

/// The CPUs the calling thread may run on, as core_affinity or the standard library counts them.
pub(crate) fn getaffinity(tid: RawTid) -> io::Result<CpuSet> {
    if tid != 0 {
        return Err(unsupported());
    }
    if let Some(ids) = core_affinity::get_core_ids() {
        let ids = ids.into_iter().filter(|core| core.id <= CpuSet::MAX_ID as usize);
        return Ok(ids.map(|core| CpuId(core.id as u32)).collect());
    }
    let count = std::thread::available_parallelism()?.get().min(CpuSet::MAX_ID as usize);
    Ok((0..count as u32).map(CpuId).collect())
}

/// Pins the calling thread where the set is one CPU; sets of several CPUs have no portable call.
pub(crate) fn setaffinity(tid: RawTid, cpus: &CpuSet) -> io::Result<()> {
    match (tid, cpus.len(), cpus.first()) {
        (0, 1, Some(cpu)) if pin_simple(cpu) => Ok(()),
        _ => Err(unsupported()),
    }
}

/// The CPU this thread runs on: no portable call.
pub(crate) fn getcpu() -> io::Result<CpuId> {
    Err(unsupported())
}

/// Pins the calling thread to one CPU through core_affinity.
pub(crate) fn pin_simple(cpu: CpuId) -> bool {
    core_affinity::set_for_current(core_affinity::CoreId { id: cpu.index() })
}

/// Whether `getaffinity` shows what `setaffinity` did. Not where the mask is only counted.
pub(crate) const MASK_IS_READABLE: bool = false;
