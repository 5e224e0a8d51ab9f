//! Nothing to run: search for a while, then sleep until there is something. The protocol with those
//! who make work is in [`beacon`](super::beacon); the end of a worker is here too.

use super::{Work, Worker};
use crate::fiber::carrier::Carrier;
use crate::machine::clock;
use crate::priority::LEVELS;
use std::time::Duration;

/// How long a worker looks for work before it sleeps: about what the wake-up would cost, so that
/// looking never more than doubles the cost of a wait. Never where workers outnumber CPUs.
pub(crate) const SPIN_MAX: Duration = Duration::from_micros(30);

impl Worker {
    /// Finds work, however long it takes. `None`: the scheduler stops and nothing is left here.
    #[cold]
    pub(super) fn idle(&self) -> Option<Work> {
        let mut searching = self.shared.beacon.start_searching(self.shared.remotes.len());
        self.publish_warm();
        self.remote().counters.running.set(0);
        loop {
            if !self.shared.is_running() {
                self.begin_stop();
            }
            if let Some(work) = self.search(searching) {
                return Some(self.found(work, searching));
            }
            if self.may_leave() {
                if searching {
                    let _ = self.shared.beacon.stop_searching();
                }
                return None;
            }
            // Branches of fibers that wait here would otherwise wait with them.
            if self.promote_for_holder() {
                continue;
            }
            searching = match self.sleep(searching) {
                Ok(searching) => searching,
                Err(work) => return Some(work),
            };
        }
    }

    fn found(&self, work: Work, searching: bool) -> Work {
        if searching && self.shared.beacon.stop_searching() {
            // Others would help with forked branches too, which nobody sees before somebody asks.
            self.shared.beacon.raise_hunger();
            if self.visible_levels() != 0 {
                self.wake_one();
            }
        }
        work
    }

    fn wake_one(&self) {
        if let Some(sleeper) = self.shared.beacon.wake_one() {
            self.shared.unpark(sleeper);
        }
    }

    /// Looks everywhere; as a searcher, again and again for a while.
    fn search(&self, searching: bool) -> Option<Work> {
        if let Some(work) = self.look() {
            return Some(work);
        }
        let spin = self.shared.config.spin_ticks;
        if !searching || spin == 0 || self.stopping.get() {
            return None;
        }
        let start = clock::ticks();
        let mut found = None;
        let mut now = start;
        while found.is_none() && now - start < spin {
            self.shared.beacon.raise_hunger();
            for _ in 0..8 {
                std::hint::spin_loop();
            }
            if self.remote().has_mail() || self.shared.beacon.levels() != 0 {
                found = self.look();
            }
            now = clock::ticks();
        }
        self.remote().counters.spin_ticks.add(now - start);
        found
    }

    /// Looks everywhere once, most urgent first.
    fn look(&self) -> Option<Work> {
        if let Some(work) = self.next() {
            return Some(work);
        }
        let levels = self.shared.beacon.levels();
        (0..LEVELS).filter(|level| levels & 1 << level != 0).find_map(|level| self.take_elsewhere(level))
    }

    /// Sleeps until woken. `Ok(true)`: woken as a searcher.
    fn sleep(&self, searching: bool) -> Result<bool, Work> {
        let beacon = &self.shared.beacon;
        beacon.lie_down(self.index, searching);
        let levels = self.visible_levels();
        beacon.remember(levels);
        let must_rise = levels != 0
            || self.remote().has_mail()
            || (!self.shared.is_running() && (!self.stopping.get() || self.may_leave()));
        if must_rise {
            return Ok(beacon.rise(self.index));
        }
        self.remote().counters.parks.add(1);
        loop {
            match self.timers.until_next() {
                None => std::thread::park(),
                Some(Duration::ZERO) => return Ok(beacon.rise(self.index)),
                Some(wait) => std::thread::park_timeout(wait),
            }
            if let Some(searcher) = beacon.wake_up(self.index) {
                return Ok(searcher);
            }
        }
    }

    /// The scheduler has been told to stop: whatever waits here is told to end.
    #[cold]
    pub(super) fn begin_stop(&self) {
        if self.stopping.replace(true) {
            return;
        }
        // SAFETY: the vector belongs to this thread; resuming only changes lists of carriers.
        let carriers: Vec<*mut Carrier> = unsafe { (*self.carriers.get()).clone() };
        for carrier in carriers {
            // SAFETY: carriers in the vector are alive.
            if let Some(fiber) = unsafe { (*carrier).fiber() } {
                fiber.state.cancel_at_home();
                self.resume_here(fiber);
            }
        }
    }

    fn may_leave(&self) -> bool {
        self.stopping.get()
            && self.remote().counters.live.get() == 0
            && self.deques.iter().all(crossbeam_deque::Worker::is_empty)
    }
}
