//! Where a thread runs: reading and setting affinity masks.
//!
//! Every pin returns a [`PinGuard`] that puts the old mask back when dropped; [`PinGuard::keep`] makes it permanent.
//! One CPU goes through core_affinity where that is right, and through the raw call where it is not (a CPU from 1,024
//! up aborts the process there, and `false` says no reason). Sets go through the raw call.
//!
//! What the kernel does by itself, and callers must know: a mask is cut to the cpuset in silence (so
//! [`PinGuard::cpus`] is what was *granted*); when a pinned CPU goes offline or leaves the cpuset, the mask
//! is widened, without a signal. Compare [`Thread::allowed_cpus`] with what was wanted now and then, and decide with
//! [`Seats::reseat`](crate::Seats::reseat).

use std::fs;
use std::io;
use std::marker::PhantomData;

use crate::cpuset::CpuSet;
use crate::error::{Error, Kind, Result};
use crate::id::{CacheId, CoreId, CpuId, NodeId};
use crate::sys;
use crate::topology::Topology;

/// The CPU this thread runs on at this moment. Out of date as soon as it is known, unless the thread is pinned.
///
/// ```
/// if let Ok(cpu) = heddle_numa::affinity::current_cpu() {
///     println!("on {cpu}");
/// }
/// ```
#[inline]
pub fn current_cpu() -> Result<CpuId> {
    sys::getcpu().map_err(|os| Error::system("this system does not say which CPU a thread runs on", os))
}

/// The CPUs the calling thread may run on: its affinity mask, which lies inside the cpuset.
///
/// ```
/// let cpus = heddle_numa::affinity::allowed_cpus()?;
/// assert!(!cpus.is_empty());
/// # Ok::<(), heddle_numa::Error>(())
/// ```
pub fn allowed_cpus() -> Result<CpuSet> {
    Thread::CALLING.allowed_cpus()
}

/// Pins the calling thread to one CPU.
///
/// ```
/// use heddle_numa::affinity;
/// let cpu = affinity::allowed_cpus()?.first().unwrap();
/// let pin = affinity::pin_to_cpu(cpu)?;
/// assert_eq!(affinity::current_cpu()?, cpu);
/// drop(pin); // free again
/// # Ok::<(), heddle_numa::Error>(())
/// ```
pub fn pin_to_cpu(cpu: CpuId) -> Result<PinGuard> {
    if cpu.0 > CpuSet::MAX_ID {
        return Err(Error::new(Kind::NotFound, format!("{cpu} cannot exist: ids end at {}", CpuSet::MAX_ID)));
    }
    let before = allowed_cpus()?;
    let wanted = CpuSet::of(cpu);
    if !sys::pin_simple(cpu) {
        // It did not say why, or could not: the raw call does and can.
        sys::setaffinity(0, &wanted).map_err(|os| refused(&wanted, os))?;
    }
    confirm(before, &wanted)
}

/// Pins the calling thread to a set of CPUs; the kernel grants the part of it inside the cpuset.
///
/// ```
/// use heddle_numa::affinity;
/// let all = affinity::allowed_cpus()?;
/// # if cfg!(target_os = "linux") {
/// let pin = affinity::pin_to_set(&all)?;
/// assert_eq!(pin.cpus(), &all);
/// # }
/// # Ok::<(), heddle_numa::Error>(())
/// ```
pub fn pin_to_set(cpus: &CpuSet) -> Result<PinGuard> {
    if cpus.is_empty() {
        return Err(Error::new(Kind::Invalid, "a thread cannot be pinned to no CPU: pass at least one"));
    }
    let before = allowed_cpus()?;
    sys::setaffinity(0, cpus).map_err(|os| refused(cpus, os))?;
    confirm(before, cpus)
}

/// Pins the calling thread to the allowed hardware threads of a core.
///
/// ```
/// use heddle_numa::{CoreId, Topology, affinity};
/// # if cfg!(target_os = "linux") {
/// let machine = Topology::detect()?;
/// let cpu = machine.allowed_cpus().first().unwrap();
/// let pin = affinity::pin_to_core(&machine, machine.cpu(cpu)?.core)?;
/// assert!(pin.cpus().contains(cpu));
/// # }
/// # Ok::<(), heddle_numa::Error>(())
/// ```
pub fn pin_to_core(topology: &Topology, core: CoreId) -> Result<PinGuard> {
    let cpus = topology.cores().get(core.index());
    let cpus = cpus.ok_or_else(|| absent(core, "cores", topology.cores().len()))?;
    pin_to_allowed(topology, cpus, &core.to_string())
}

/// Pins the calling thread to the allowed CPUs that share a last-level cache.
///
/// ```
/// use heddle_numa::{Topology, affinity};
/// # if cfg!(target_os = "linux") {
/// let machine = Topology::detect()?;
/// let cpu = machine.allowed_cpus().first().unwrap();
/// let pin = affinity::pin_to_cache(&machine, machine.cpu(cpu)?.cache)?;
/// assert!(pin.cpus().contains(cpu));
/// # }
/// # Ok::<(), heddle_numa::Error>(())
/// ```
pub fn pin_to_cache(topology: &Topology, cache: CacheId) -> Result<PinGuard> {
    let group = topology.caches().get(cache.index());
    let group = group.ok_or_else(|| absent(cache, "last-level caches", topology.caches().len()))?;
    pin_to_allowed(topology, group.cpus(), &cache.to_string())
}

/// Pins the calling thread to the allowed CPUs of a node. This soft pin survives the loss of a single CPU: the better
/// one in containers and beside noisy neighbours.
///
/// ```
/// use heddle_numa::{Topology, affinity};
/// # if cfg!(target_os = "linux") {
/// let machine = Topology::detect()?;
/// let node = machine.worker_nodes().first().unwrap();
/// let pin = affinity::pin_to_node(&machine, node)?;
/// assert_eq!(pin.cpus(), &machine.allowed_cpus_of(node));
/// # }
/// # Ok::<(), heddle_numa::Error>(())
/// ```
pub fn pin_to_node(topology: &Topology, node: NodeId) -> Result<PinGuard> {
    pin_to_allowed(topology, topology.node(node)?.cpus(), &node.to_string())
}

fn pin_to_allowed(topology: &Topology, cpus: &CpuSet, what: &str) -> Result<PinGuard> {
    let usable = cpus & topology.allowed_cpus();
    if usable.is_empty() {
        let message = match cpus.is_empty() {
            true => {
                format!("{what} has no online CPU: pin to a node with CPUs ({})", topology.worker_nodes())
            }
            false => format!(
                "{what} (CPUs {cpus}) is outside the CPUs this process may use ({}): choose another, or widen the \
                 cpuset (cpuset.cpus, taskset, --cpuset-cpus)",
                topology.allowed_cpus()
            ),
        };
        return Err(Error::new(Kind::NotAllowed, message));
    }
    pin_to_set(&usable)
}

fn absent(id: impl std::fmt::Display, what: &str, count: usize) -> Error {
    Error::new(Kind::NotFound, format!("there is no {id}: this machine has {count} {what}, numbered from 0"))
}

/// Reads the mask back: the kernel may have granted less, and core_affinity may say true and do nothing.
fn confirm(before: CpuSet, wanted: &CpuSet) -> Result<PinGuard> {
    let granted = if sys::MASK_IS_READABLE { allowed_cpus()? } else { wanted.clone() };
    let pin = PinGuard { before: Some(before), granted, thread: PhantomData };
    if !pin.granted.is_subset(wanted) {
        // The guard puts the old mask back on the way out.
        let message = format!("asked to pin to CPUs {wanted}, the system left the thread on {}", pin.granted);
        return Err(Error::new(Kind::System, message));
    }
    Ok(pin)
}

/// Explains a refusal by looking at what exists.
fn refused(wanted: &CpuSet, os: io::Error) -> Error {
    if os.kind() != io::ErrorKind::InvalidInput {
        let advice = "if this is EPERM, a seccomp filter or another user's thread is in the way";
        return Error::system(format!("cannot pin to CPUs {wanted}: {advice}"), os);
    }
    let cpus = |name: &str| {
        fs::read_to_string(format!("/sys/devices/system/cpu/{name}")).ok()?.parse::<CpuSet>().ok()
    };
    let outside = |set: Option<CpuSet>| set.is_some_and(|set| wanted.is_disjoint(&set));
    let mask = sys::getaffinity(0).unwrap_or_default();
    let (kind, why) = if outside(cpus("possible")) {
        (Kind::NotFound, "do not exist on this machine")
    } else if outside(cpus("online")) {
        (Kind::NotFound, "are offline")
    } else {
        (Kind::NotAllowed, "are outside the cpuset of this process")
    };
    let message = format!(
        "cannot pin to CPUs {wanted}: they {why}; this thread may use {mask} now. Choose among these, or widen the \
         cpuset (cpuset.cpus, taskset, --cpuset-cpus)"
    );
    Error::system(message, os).with_kind(kind)
}

/// Puts the calling thread's old mask back when dropped.
///
/// It stays on the thread it was made on, which the compiler checks:
///
/// ```compile_fail,E0277
/// let pin = heddle_numa::affinity::pin_to_cpu(heddle_numa::CpuId(0)).unwrap();
/// std::thread::spawn(move || drop(pin));
/// ```
#[must_use = "the thread is unpinned when the guard is dropped: call `keep` to leave it pinned"]
#[derive(Debug)]
pub struct PinGuard {
    /// `None` once given up: nothing is put back.
    before: Option<CpuSet>,
    granted: CpuSet,
    /// Not `Send`: dropping it elsewhere would change another thread's mask.
    thread: PhantomData<*mut ()>,
}

impl PinGuard {
    /// The CPUs the kernel granted.
    pub fn cpus(&self) -> &CpuSet {
        &self.granted
    }

    /// Leaves the thread pinned for good.
    pub fn keep(mut self) {
        self.before = None;
    }

    /// Puts the old mask back now, and says whether that worked. (Dropping the guard does the same, and has nobody to
    /// tell: it fails where the cpuset no longer holds any of the old CPUs, and then the kernel's own choice stands.)
    pub fn restore(mut self) -> Result<()> {
        let before = self.before.take().unwrap_or_default();
        sys::setaffinity(0, &before).map_err(|os| refused(&before, os))
    }
}

impl Drop for PinGuard {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            let _ = sys::setaffinity(0, &before);
        }
    }
}

/// A thread of this process, by the kernel's number: lets one thread watch over the masks of all workers.
///
/// The number may be used again after the thread has ended: ask only about threads known to live.
///
/// ```
/// use heddle_numa::affinity::{self, Thread};
/// assert_eq!(Thread::current().allowed_cpus()?, affinity::allowed_cpus()?);
/// # Ok::<(), heddle_numa::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Thread(sys::RawTid);

impl Thread {
    const CALLING: Thread = Thread(0);

    /// The calling thread.
    pub fn current() -> Thread {
        Thread(sys::gettid())
    }

    /// The thread of this process with that number (what `gettid` says there).
    pub fn numbered(number: u32) -> Thread {
        Thread(number as sys::RawTid)
    }

    /// The CPUs the thread may run on now.
    pub fn allowed_cpus(self) -> Result<CpuSet> {
        sys::getaffinity(self.0).map_err(|os| {
            let advice = "has the thread ended, or is the system not Linux?";
            Error::system(format!("cannot read the affinity mask of thread {}: {advice}", self.0), os)
        })
    }

    /// Pins the thread to these CPUs, without a guard, and returns what the kernel granted.
    pub fn pin(self, cpus: &CpuSet) -> Result<CpuSet> {
        if cpus.is_empty() {
            return Err(Error::new(Kind::Invalid, "a thread cannot be pinned to no CPU: pass at least one"));
        }
        sys::setaffinity(self.0, cpus).map_err(|os| refused(cpus, os))?;
        if sys::MASK_IS_READABLE { self.allowed_cpus() } else { Ok(cpus.clone()) }
    }
}
