//! A pair of barriers of which the frequent side costs nothing.
//!
//! Whoever queues work asks "does anybody sleep?" after publishing it, and whoever is about to sleep
//! says so before a last look for work. Each side stores, then loads what the other stores, which
//! takes a full fence on both sides. Queueing happens ten million times a second, going to sleep a
//! thousand times: so the sleeper's fence is `membarrier(2)`, which makes every running thread of
//! the process execute one, and the other side needs only to keep the compiler from reordering.
//!
//! Where the system call is missing, both sides are ordinary full fences.

use crate::steps::{AtomicBool, fence, system_call};
use std::sync::atomic::{Ordering, compiler_fence};

/// Whether `membarrier` has been registered for this process.
static ASYMMETRIC: AtomicBool = AtomicBool::new(false);

/// Orders an earlier store of this thread before a later load, against [`heavy_barrier`].
#[inline]
pub(crate) fn light_barrier() {
    if ASYMMETRIC.load(Ordering::Relaxed) {
        // ORDERING: SeqCst, for the compiler; the processor's part is done by `heavy_barrier`.
        compiler_fence(Ordering::SeqCst);
    } else {
        // ORDERING: SeqCst pairs with the fence of `heavy_barrier`.
        fence(Ordering::SeqCst);
    }
}

/// Orders an earlier store of this thread before a later load, against [`light_barrier`].
pub(crate) fn heavy_barrier() {
    if !ASYMMETRIC.load(Ordering::Relaxed) || !system::membarrier() {
        // ORDERING: SeqCst pairs with the fence of `light_barrier`.
        fence(Ordering::SeqCst);
    }
}

/// Chooses the kind of barrier; called before a scheduler's first thread exists.
pub(crate) fn prepare() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| ASYMMETRIC.store(system::register(), Ordering::Relaxed));
}

#[cfg(target_os = "linux")]
mod system {
    fn call(command: libc::c_int) -> bool {
        // SAFETY: the call takes three integers and touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }

    pub(super) fn register() -> bool {
        call(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) && membarrier()
    }

    pub(super) fn membarrier() -> bool {
        super::system_call("membarrier");
        let done = call(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED);
        // Once registered it cannot fail; were it to, a missed wake-up would hang the program.
        assert!(done || !super::ASYMMETRIC.load(super::Ordering::Relaxed), "membarrier was withdrawn");
        done
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn register() -> bool {
        false
    }

    pub(super) fn membarrier() -> bool {
        false
    }
}
