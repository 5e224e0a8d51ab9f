//! The monitor: a thread of each scheduler that sees to what workers cannot, as they are kept or must not do it.
//!
//! | file       | what it does                                                              |
//! |------------|---------------------------------------------------------------------------|
//! | `mod.rs`   | when to look, when to sleep                                               |
//! | [`hogs`]   | workers that do not come back: finding, marking and reporting them        |
//! | [`spares`] | workers in their stead: when, how many, and when no more                  |
//! | [`steward`]| stacks for the background lane                                            |
//! | [`warden`] | CPUs that go away and come back                                           |
//! | [`purse`]  | a CPU quota that must last for all lanes                                  |
//! | [`usher`]  | a CPU for who was lent a level above its lane, where nobody makes way     |
//!
//! It looks twice in [`hog_after`](crate::Builder::hog_after) while something runs and for [`LINGER`] after;
//! then it sleeps, without a timer, until a worker gets up ([`vigil`](crate::worker::vigil)). It waits for no
//! lock that a worker may hold, and what it tells others is in atomics: a background thread that the kernel has
//! stopped does not keep it from helping the other lanes.

mod hogs;
mod purse;
mod spares;
mod steward;
mod usher;
mod warden;

use crate::worker::shared::Shared;
use hogs::Hogs;
use purse::Purse;
use spares::Spares;
use std::time::{Duration, Instant};
use steward::Steward;
use usher::Usher;
use warden::Warden;

/// How long it goes on looking when nothing runs any more, so that what runs a thousand times a second does
/// not wake it each time.
const LINGER: Duration = Duration::from_secs(1);

/// The longest time between two looks while something runs.
const PERIOD_MAX: Duration = Duration::from_secs(1);

/// What came of an attempt to give a spare its thread.
pub(crate) enum Manned {
    /// It has one.
    Yes,
    /// The system refused.
    Refused,
    /// The scheduler is being started or stopped.
    NotNow,
}

/// Makes and ends threads, on behalf of the monitor.
pub(crate) trait Staff {
    /// Makes a thread for a spare, whose seat is vacant.
    fn man(&self, worker: usize) -> Manned;

    /// Joins the threads of spares that have gone.
    fn collect(&self);
}

/// What the thread does, until all workers have left. There is a `hog_after`.
pub(crate) fn run(shared: &Shared, staff: &dyn Staff, hog_after: Duration) {
    shared.watchman.begin();
    let period = (hog_after / 2).min(PERIOD_MAX);
    let mut hogs = Hogs::new(shared, hog_after);
    let mut spares = Spares::new(hog_after);
    let mut steward = Steward::new(shared);
    let mut purse = Purse::new(period);
    let mut usher = Usher::new(shared);
    let mut warden = Warden::new(Instant::now());
    let mut busy = Instant::now();
    while !shared.all_have_left() {
        let now = Instant::now();
        steward.look(shared);
        warden.look(shared, now);
        let sighted = hogs.look(shared, now);
        spares.look(shared, &hogs, staff, now);
        let soon = purse.look(shared, &hogs, now);
        if sighted || !shared.is_all_quiet() {
            busy = now;
        }
        if now - busy < LINGER {
            if hogs.call_roll(shared) {
                usher.wait(shared, hogs::ANSWER);
                hogs.end_roll_call(shared, false);
            }
            usher.wait(shared, soon.unwrap_or(period));
            hogs.end_roll_call(shared, true);
        } else {
            steward.rest(shared);
            shared.watchman.sleep(|| shared.is_all_quiet() && !shared.all_have_left());
            busy = Instant::now();
        }
    }
    hogs.forget(shared);
    steward.rest(shared);
}
