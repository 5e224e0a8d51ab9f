//! Nothing to run: search for a while, then sleep until there is something. The protocol with those
//! who make work is in [`beacon`](super::beacon); the end of a worker is here too.

use super::beacon::Beacon;
use super::{Work, Worker};
use crate::fiber::carrier::Carrier;
use crate::lane::Lane;
use crate::machine::clock;
use crate::priority::LEVELS;
use crate::queue::inbox::Inbox;
use std::time::Duration;

/// How long a worker looks for work before it sleeps: about what the wake-up would cost, so that
/// looking never more than doubles the cost of a wait. Never where workers outnumber CPUs.
pub(crate) const SPIN_MAX: Duration = Duration::from_micros(30);

/// The first part of that time, this share, a worker watches without being counted as a searcher:
/// registering would cost two transfers of a cache line, as much as the hand-off it waits for.
const GLANCE_SHARE: u64 = 8;

/// A sleep that is shorter than so many times the longest spin says that spinning pays here.
const SHORT_SLEEP: u64 = 4;

impl Worker {
    /// Finds work, however long it takes. `None`: the scheduler stops and nothing is left here.
    #[cold]
    pub(super) fn idle(&self) -> Option<Work> {
        self.remote().counters.show_idle();
        self.remote().mark.forget_name();
        if !self.is_settled() {
            self.settle();
        }
        self.pause(false);
        if self.io.is_awaited() {
            self.poll_io();
        }
        // Most waits for another worker are short: then nobody needs to know that we looked.
        if let Some(work) = self.look().or_else(|| self.watch(GLANCE_SHARE)) {
            return Some(work);
        }
        let searching = self.beacon().start_searching(self.seat, self.crew().workers_at(self.site.get()));
        self.publish_warm();
        self.search(searching)
    }

    /// The same, as a searcher or not.
    #[cold]
    pub(super) fn search(&self, mut searching: bool) -> Option<Work> {
        loop {
            if self.shared.is_stopping() {
                self.begin_stop();
            }
            self.shared.before_sleep();
            if self.pause(searching) {
                searching = false;
            }
            let leaving = self.is_leaving();
            let found = self.look().or_else(|| if searching && !leaving { self.watch(1) } else { None });
            if let Some(work) = found {
                return Some(self.found(work, searching));
            }
            if self.may_leave() {
                if searching {
                    let _ = self.beacon().stop_searching(self.seat);
                }
                return None;
            }
            if leaving {
                if self.try_to_leave(searching) {
                    return None;
                }
                searching = false;
            }
            // Branches of fibers that wait here would otherwise wait with them.
            if self.promote_for_holder() {
                continue;
            }
            self.turns.rest();
            self.forget_boost();
            searching = self.sleep(searching, leaving);
            self.shared.watchman.stir();
        }
    }

    fn found(&self, work: Work, searching: bool) -> Work {
        if searching && self.beacon().stop_searching(self.seat) {
            // Others would help with forked branches too, which nobody sees before somebody asks.
            self.beacon().raise_hunger();
            if self.visible_levels() != 0 {
                self.wake_one();
            }
        } else if self.lane == Lane::Urgent && self.beacon().has_sleepers() {
            // Nobody searches here, and those who sleep have asked once, if ever.
            self.beacon().raise_hunger();
        }
        work
    }

    fn wake_one(&self) {
        if let Some(sleeper) = self.beacon().wake_one(self.site.get()) {
            self.unpark(sleeper);
        }
    }

    /// Watches the mailbox and the beacon for a while: the spin time, or a `share`th of it. The spin time
    /// is halved when nothing came, and the longest again when something did: where work comes seldom,
    /// looking for it would only keep a CPU from those who make it.
    fn watch(&self, share: u64) -> Option<Work> {
        let spin = self.spin.get() / share;
        if spin == 0 || self.stopping.get() || self.keeps_others_waiting() {
            return None;
        }
        let start = clock::ticks();
        let mut found = None;
        let mut now = start;
        while found.is_none() && now - start < spin {
            self.beacon().raise_hunger();
            std::hint::spin_loop();
            if self.polls_now() {
                self.poll_io();
            }
            if self.remote().has_mail()
                || self.beacon().has_news()
                || self.timers.may_be_due()
                || self.ready_mask.get() != 0
            {
                if self.shared.is_stopping() {
                    self.begin_stop();
                }
                found = self.look();
            }
            now = clock::ticks();
        }
        self.remote().counters.spin_ticks.add(now - start);
        if found.is_some() {
            self.spin.set(self.shared.config.spin_ticks);
        } else if share == 1 {
            self.spin.set(spin / 2);
        }
        found
    }

    /// Would a spinning thread of ours keep a lower lane from its CPU?
    fn keeps_others_waiting(&self) -> bool {
        match self.lane {
            Lane::Urgent => true,
            Lane::Ordinary => self.shared.crews[Lane::Background as usize].beacon.is_anyone_up(),
            Lane::Background => false,
        }
    }

    /// Looks everywhere once, most urgent first.
    fn look(&self) -> Option<Work> {
        self.look_once().or_else(|| self.look_until_far(|| self.look_once()))
    }

    fn look_once(&self) -> Option<Work> {
        if !self.is_settled() {
            // We, or others, were moved while we slept.
            self.settle();
        }
        if let Some(work) = self.next() {
            return Some(work);
        }
        let levels = self.beacon().levels();
        let mut waiting = (0..LEVELS).filter(|level| levels & 1 << level != 0);
        let work = waiting.find_map(|level| self.take_elsewhere(level, levels >> level > 1));
        if work.is_none() && !self.held_back.get() {
            self.reach.rest();
        }
        if work.is_some() && !self.is_settled() {
            // Moved since we looked, and before that work was made: it begins where we are now.
            self.settle();
        }
        work
    }

    /// Sleeps until woken. `true`: woken as a searcher. Work is no reason to get up for a spare that was told
    /// to leave.
    fn sleep(&self, searching: bool, leaving: bool) -> bool {
        let beacon = &self.beacon();
        beacon.lie_down(self.seat, searching);
        let visible = self.visible_levels();
        beacon.remember(visible);
        let levels = if leaving { 0 } else { visible };
        if self.io.is_awaited() {
            self.poll_io();
        }
        let must_rise = levels != 0
            || self.ready_mask.get() != 0
            || self.remote().has_mail()
            || self.is_leaving() != leaving
            || (self.shared.is_stopping() && (!self.stopping.get() || self.may_leave()));
        if must_rise {
            // More may have been queued that nobody was woken for, as we searched: we still do.
            return beacon.rise(self.seat) || (searching && levels != 0 && beacon.search_on(self.seat));
        }
        self.give_back();
        self.remote().counters.parks.add(1);
        let asleep = clock::ticks();
        let searcher = self.park(beacon);
        if clock::ticks() - asleep < SHORT_SLEEP * self.shared.config.spin_ticks {
            // Looking a little longer would have paid.
            self.spin.set(self.shared.config.spin_ticks);
        }
        searcher
    }

    /// Parks the thread until somebody wakes it, a timer is due, or what a fiber waits for has come. `true`: as a
    /// searcher.
    fn park(&self, beacon: &Beacon) -> bool {
        loop {
            match self.timers.until_next() {
                Some(Duration::ZERO) => return beacon.rise(self.seat),
                wait if self.io.is_awaited() => {
                    self.park_in_poller(wait);
                    if self.ready_mask.get() != 0 {
                        return beacon.rise(self.seat);
                    }
                }
                wait => drop(self.remote().park(wait)),
            }
            if let Some(searcher) = beacon.wake_up(self.seat) {
                return searcher;
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
        if self.has_moved.get() {
            // Somebody who saw a fiber roam before it came here may be asleep on account of that.
            self.shared.call_all();
        }
    }

    fn may_leave(&self) -> bool {
        self.stopping.get()
            && self.remote().counters.live.get() == 0
            && self.deques.iter().all(crossbeam_deque::Worker::is_empty)
            && (0..LEVELS).all(|level| self.remote().piles(level).into_iter().all(Inbox::looks_empty))
            && !self.shared.has_roamers()
    }
}
