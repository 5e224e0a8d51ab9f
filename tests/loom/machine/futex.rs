//! What `scheduler/src/machine/futex` offers, by loom: a lock makes comparing the word and falling
//! asleep one step, as the kernel does.

use loom::sync::{Condvar, Mutex};
use std::cell::Cell;
use std::time::Duration;

loom::thread_local! {
    static FROZEN: Cell<bool> = Cell::new(false);
}

/// From now on the calling thread never comes to the end of a wake: it was frozen before the call to
/// the system.
pub(crate) fn freeze() {
    FROZEN.with(|frozen| frozen.set(true));
}

/// Was it?
pub(crate) fn is_frozen() -> bool {
    FROZEN.with(Cell::get)
}

pub(crate) struct Futex {
    pub(crate) word: loom::sync::atomic::AtomicU32,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Futex {
    pub(crate) fn new(word: u32) -> Futex {
        Futex {
            word: loom::sync::atomic::AtomicU32::new(word),
            lock: Mutex::new(()),
            changed: Condvar::new(),
        }
    }

    /// With a timeout, the time is up at once.
    pub(crate) fn wait(&self, expected: u32, timeout: Option<Duration>) {
        let guard = self.lock.lock().unwrap();
        if self.word.load(loom::sync::atomic::Ordering::Relaxed) == expected && timeout.is_none() {
            drop(self.changed.wait(guard).unwrap());
        }
    }

    pub(crate) fn wake(&self) {
        if !is_frozen() {
            drop(self.lock.lock().unwrap());
            self.changed.notify_one();
        }
    }
}
