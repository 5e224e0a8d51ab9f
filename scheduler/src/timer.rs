//! The timers of a worker: fibers that sleep at home, by the moment at which they wake.

use crate::fiber::FiberRef;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Belongs to one thread.
pub(crate) struct Timers {
    entries: RefCell<BTreeMap<(Instant, u64), FiberRef>>,
    next_key: Cell<u64>,
    empty: Cell<bool>,
}

/// Names a timer that was set.
pub(crate) type TimerKey = (Instant, u64);

impl Timers {
    pub(crate) fn new() -> Timers {
        Timers { entries: RefCell::default(), next_key: Cell::new(0), empty: Cell::new(true) }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.empty.get()
    }

    /// Wakes `fiber` at `due`; the fiber stays until then or until [`clear`](Self::clear).
    pub(crate) fn set(&self, due: Instant, fiber: FiberRef) -> TimerKey {
        let key = (due, self.next_key.replace(self.next_key.get() + 1));
        self.entries.borrow_mut().insert(key, fiber);
        self.empty.set(false);
        key
    }

    /// Forgets a timer, whether it has fired or not.
    pub(crate) fn clear(&self, key: TimerKey) {
        let mut entries = self.entries.borrow_mut();
        entries.remove(&key);
        self.empty.set(entries.is_empty());
    }

    /// Calls `wake` for each timer that is due, earliest first.
    pub(crate) fn fire(&self, wake: impl Fn(FiberRef)) {
        let now = Instant::now();
        let mut entries = self.entries.borrow_mut();
        while let Some(first) = entries.first_entry()
            && first.key().0 <= now
        {
            wake(first.remove());
        }
        self.empty.set(entries.is_empty());
    }

    /// How long until the next one is due.
    pub(crate) fn until_next(&self) -> Option<Duration> {
        let entries = self.entries.borrow();
        let (&(due, _), _) = entries.first_key_value()?;
        Some(due.saturating_duration_since(Instant::now()))
    }
}
