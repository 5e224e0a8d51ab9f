//! A value whose instances are counted, to be captured and returned by fibers: the count must be zero
//! in the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many [`Tracked`] values there are, and were.
#[derive(Clone, Default)]
pub struct Census(Arc<Counts>);

#[derive(Default)]
struct Counts {
    live: AtomicUsize,
    made: AtomicUsize,
}

impl Census {
    /// With nobody in it.
    pub fn new() -> Census {
        Census::default()
    }

    /// A value that is counted here until it is dropped.
    pub fn track(&self) -> Tracked {
        self.0.live.fetch_add(1, Ordering::SeqCst);
        self.0.made.fetch_add(1, Ordering::SeqCst);
        Tracked(self.clone())
    }

    /// How many values there are.
    pub fn live(&self) -> usize {
        self.0.live.load(Ordering::SeqCst)
    }

    /// How many there ever were.
    pub fn made(&self) -> usize {
        self.0.made.load(Ordering::SeqCst)
    }
}

/// Counted from [`Census::track`] to its drop. A clone counts as another one.
pub struct Tracked(Census);

impl Clone for Tracked {
    fn clone(&self) -> Tracked {
        self.0.track()
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let before = self.0.0.live.fetch_sub(1, Ordering::SeqCst);
        if before == 0 {
            // A panic could be contained by the very runtime that is under test.
            eprintln!("a tracked value was dropped twice");
            std::process::abort();
        }
    }
}
