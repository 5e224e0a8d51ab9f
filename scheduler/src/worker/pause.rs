//! Background workers that pause, so that a control group's CPU quota lasts for the other lanes: at their next
//! dispatch or checkpoint, until the monitor lets them go on. When that is, is the policy's
//! ([`policy::quota`](crate::policy::quota)).
//!
//! Paused, a worker takes no work, so whoever is up or asleep and may is told of what it sees. One whose fiber
//! was lent a level above its lane does not pause: somebody there waits for it.

use super::Worker;
use super::crew::Crew;
use super::shared::Shared;
use crate::lane::Lane;
use std::time::Duration;

/// It goes on for a dispatch after so long in any case: the monitor may be kept, by a hook.
const PAUSE_MAX: Duration = Duration::from_secs(1);

impl Shared {
    /// Which seats of the background crew pause: by the monitor.
    pub(crate) fn hold(&self, crew: &Crew, pauses: impl Fn(usize) -> bool) {
        let mut any = false;
        for (seat, worker) in crew.everyone().enumerate() {
            if pauses(seat) {
                crew.beacon.hold(seat);
                any = true;
            } else if crew.beacon.is_held(seat) && crew.beacon.let_go(seat) {
                self.unpark(worker);
            }
        }
        crew.beacon.set_make_way(any);
    }
}

impl Worker {
    fn must_pause(&self) -> bool {
        self.lane == Lane::Background
            && self.beacon().is_held(self.seat)
            && !self.remote().need.is_up()
            && !self.shared.is_stopping()
    }

    /// Parks for as long as it has to. The result is whether it had to; then it is no searcher any more.
    #[cold]
    pub(super) fn pause(&self, searching: bool) -> bool {
        if !self.must_pause() {
            return false;
        }
        self.pass_on(searching);
        self.shared.before_sleep();
        let counters = &self.remote().counters;
        // So that others do not leave it a CPU that it would not use.
        let running = counters.show_idle();
        self.beacon().step_aside(self.seat);
        while self.must_pause() {
            if !self.remote().park(Some(PAUSE_MAX)) {
                break;
            }
        }
        self.beacon().step_back(self.seat);
        if self.current().is_some() {
            counters.show_again(running);
        }
        true
    }
}
