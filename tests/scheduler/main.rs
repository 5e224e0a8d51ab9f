//! The scheduler's claims, each over {1, 2, 4, 8, 64} workers and with a look for leaks after, unless
//! the claim is about one size only. The names of the tests are the claims.

mod spawn;
mod unannounced;
mod scopes;
mod try_scopes;
mod quiet;
mod hooks;
mod counts;
mod types;
mod idle;
mod fairness;
mod movable;
mod limits;
mod stop;
mod suspends;
mod sleep;
mod locals;
mod forks;
mod parallel;
mod futures;
mod blocking;
mod cancel;
mod timeouts;
mod deadlines;
mod priority;
mod inheritance;
mod mutex;
mod semaphore;
mod rw_locks;
mod primitives;
mod broadcasts;
mod channels;
mod declared;
mod selects;
mod deadlocks;
mod hogs;
mod steward;
mod quota;
mod placement;
mod nodes;
mod lanes;
mod lane_hogs;
mod shares;

use heddle_scheduler::Scheduler;
use heddle_tests::{Rig, eventually};
use std::sync::Arc;

/// Stops another scheduler of a test and checks it, when fibers have let go of it: the last owner
/// must not be a fiber, whose drop of it could not wait.
fn retire_when_sole(scheduler: Arc<Scheduler>) {
    eventually(|| Arc::strong_count(&scheduler) == 1);
    Rig::retire(&scheduler);
}

/// Waits until so many fibers of each level wait.
fn until_suspended(scheduler: &Scheduler, expected: [u64; 5]) {
    eventually(|| {
        let levels = scheduler.stats().levels;
        std::array::from_fn(|level| levels[level].suspended) == expected
    });
}
