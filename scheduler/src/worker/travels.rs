//! How many fibers are on their way from one worker to another, as asked by who may leave when the scheduler stops: a fiber
//! that roams is nobody's, and must not be left behind.
//!
//! | field      | written by | read by                        |
//! |------------|------------|--------------------------------|
//! | `departed` | the worker | workers that would like to leave |
//! | `arrived`  | the worker | the same                       |
//!
//! ```text
//!  who departs                           who may leave, or falls asleep because it may not
//!  D3 departed += 1                      L1 the phase is STOPPING
//!     fence                              L2 fence
//!     the phase is STOPPING? it stays:   L3 sum of departed = sum of arrived? then no fiber roams, and none will
//!     departed -= 1
//!  R4 arrived += 1
//! ```
//!
//! *Nobody leaves while a fiber roams.* With a fence on both sides D3 sees STOPPING, or L3 the departure. So all that
//! have departed are in the sum of L3, whatever else it sees: those that have departed and stayed after all only make it larger. No
//! more have arrived than have departed. So if the two are equal all have arrived, and as none departs after L2, no fiber will
//! roam any more.
//!
//! *Nobody sleeps on account of one that has arrived.* Who finds the sums unequal sleeps. They become equal by R4, or by a fiber that stays;
//! whoever makes that step, and knows that the scheduler stops, tells all workers, and if it comes to know that later, it does so then. The
//! beacon orders this with the sleeper's last look, as it does mail.

use crate::primitive::{AtomicU64, Ordering, fence};

/// One worker's. See the module's documentation.
pub(crate) struct Travels {
    departed: AtomicU64,
    arrived: AtomicU64,
}

impl Travels {
    pub(crate) fn new() -> Travels {
        Travels { departed: AtomicU64::new(0), arrived: AtomicU64::new(0) }
    }

    /// D3: a fiber of ours is about to depart. `false`: it stays, as the scheduler stops.
    #[must_use]
    pub(crate) fn begin(&self, is_stopping: impl Fn() -> bool) -> bool {
        add(&self.departed, 1);
        // ORDERING: SeqCst pairs with the fence of `are_over`.
        fence(Ordering::SeqCst);
        let departs = !is_stopping();
        if !departs {
            self.call_off();
        }
        departs
    }

    /// It stays after all.
    pub(crate) fn call_off(&self) {
        add(&self.departed, u64::MAX);
    }

    /// R4: one is ours that roamed.
    pub(crate) fn end(&self) {
        add(&self.arrived, 1);
    }

    /// L2, L3: does no fiber roam, and will none? Asked after STOPPING was seen.
    pub(crate) fn are_over<'a>(all: impl Iterator<Item = &'a Travels>) -> bool {
        // ORDERING: SeqCst pairs with the fence of `begin`.
        fence(Ordering::SeqCst);
        let under_way = |sum: u64, travels: &Travels| {
            let departed = travels.departed.load(Ordering::Relaxed);
            sum.wrapping_add(departed).wrapping_sub(travels.arrived.load(Ordering::Relaxed))
        };
        all.fold(0, under_way) == 0
    }
}

/// Only by the thread whose count it is.
fn add(count: &AtomicU64, n: u64) {
    count.store(count.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
}
