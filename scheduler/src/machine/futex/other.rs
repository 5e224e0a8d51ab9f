//! A lock and a condition variable. The lock is held for a moment only, but held it is: where threads
//! can be frozen in the middle, that is on Linux, the real thing is used.

use crate::steps::AtomicU32;
use parking_lot::{Condvar, Mutex};
use std::sync::atomic::Ordering;
use std::time::Duration;

pub(crate) struct Futex {
    pub(crate) word: AtomicU32,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Futex {
    pub(crate) fn new(word: u32) -> Futex {
        Futex { word: AtomicU32::new(word), lock: Mutex::new(()), changed: Condvar::new() }
    }

    /// Sleeps if the word is `expected`, until woken, until the time is up, or for no reason.
    pub(crate) fn wait(&self, expected: u32, timeout: Option<Duration>) {
        let mut guard = self.lock.lock();
        if self.word.load(Ordering::Relaxed) != expected {
            return;
        }
        match timeout {
            None => self.changed.wait(&mut guard),
            Some(time) => {
                self.changed.wait_for(&mut guard, time);
            }
        }
    }

    /// Wakes one who sleeps on the word.
    pub(crate) fn wake(&self) {
        // Who has compared the word and does not sleep yet has the lock.
        drop(self.lock.lock());
        self.changed.notify_one();
    }
}
