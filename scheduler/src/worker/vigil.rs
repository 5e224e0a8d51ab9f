//! How the monitor's thread sleeps while nothing runs, and is woken when something does.
//!
//! ```text
//!  a worker that gets up                   the monitor, when it has long seen nobody up
//!  G1 say that it is awake (the beacon)    M1 say ASLEEP
//!  G2 light barrier                        M2 heavy barrier
//!  G3 ASLEEP? unpark the monitor           M3 is anybody awake? then it stays up
//!                                          M4 park until unparked, then say UP
//! ```
//!
//! *It does not sleep while a worker is awake*: the barriers order G1 before G3 and M1 before M3, so that
//! G3 sees ASLEEP or M3 sees the worker. Only the monitor changes the word, and every worker that sees
//! ASLEEP unparks it: one that the kernel has stopped before it did keeps nobody else from it.

use crate::primitive::{AtomicU32, Ordering, heavy_barrier, light_barrier};

const UP: u32 = 0;
const ASLEEP: u32 = 1;

/// See the module's documentation.
pub(crate) struct Vigil(AtomicU32);

impl Vigil {
    pub(crate) fn new() -> Vigil {
        Vigil(AtomicU32::new(UP))
    }

    /// G2 and G3: the caller has said that it is awake. `true`: unpark the monitor.
    #[inline]
    #[must_use]
    pub(crate) fn should_wake(&self) -> bool {
        light_barrier();
        self.0.load(Ordering::Relaxed) == ASLEEP
    }

    /// M1 to M4. `all_quiet` looks whether nobody is awake; `park` returns when somebody has unparked the
    /// monitor.
    pub(crate) fn sleep(&self, all_quiet: impl Fn() -> bool, park: impl FnOnce()) {
        self.0.store(ASLEEP, Ordering::Relaxed);
        heavy_barrier();
        if all_quiet() {
            park();
        }
        self.0.store(UP, Ordering::Relaxed);
    }
}
