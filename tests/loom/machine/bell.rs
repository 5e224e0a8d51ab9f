//! What `scheduler/src/machine/bell` and a poller that watches it offer, by loom: rings are counted as edges, and whoever
//! polls takes them all.

use super::futex::is_frozen;
use loom::cell::UnsafeCell;
use loom::sync::{Condvar, Mutex};

pub(crate) struct Bell {
    /// Written when it is opened, read by who rings: loom sees whether the one comes before the other.
    opened: UnsafeCell<bool>,
    rings: Mutex<u32>,
    changed: Condvar,
}

impl Bell {
    pub(crate) fn new() -> Bell {
        Bell { opened: UnsafeCell::new(false), rings: Mutex::new(0), changed: Condvar::new() }
    }

    pub(crate) fn open(&self) {
        // SAFETY: only the owner does, before it says that it polls.
        self.opened.with_mut(|opened| unsafe { *opened = true });
    }

    pub(crate) fn ring(&self) {
        // SAFETY: who rings has seen that the owner polls.
        assert!(self.opened.with(|opened| unsafe { *opened }), "it is rung before it is there");
        if !is_frozen() {
            *self.rings.lock().unwrap() += 1;
            self.changed.notify_one();
        }
    }

    /// Looks at the poller, and sleeps there if `asleep` and there has been no ring since the last look.
    pub(crate) fn poll(&self, asleep: bool) {
        let mut rings = self.rings.lock().unwrap();
        while asleep && *rings == 0 {
            rings = self.changed.wait(rings).unwrap();
        }
        *rings = 0;
    }
}
