//! Leaving the CPU to the lanes below, when they are owed time: the kernel alone would give a background
//! thread beside an ordinary one 0.3 %. How long is the policy's ([`policy::aside`](crate::policy::aside)).
//!
//! Threads are not tied to CPUs, so a worker looks at a few neighbours in each lane, which stand for what
//! runs beside it, and takes its part of what they owe together. It stands aside by parking with a time-out; the ordinary lane's are woken by
//! what is `High` or more urgent ([`beacon`](super::beacon)).

use super::Worker;
use super::remote::Remote;
use crate::lane::Lane;
use crate::machine::clock;
use crate::policy;
use crate::policy::aside::{Aside, Window};
use std::cell::Cell;
use std::time::Duration;

/// How many workers of each lane a worker looks at: each costs a system call every time, 0.2 us.
const NEIGHBOURS: usize = 8;

/// What a worker knows about the lanes below. It belongs to the worker's thread.
pub(super) struct Patience {
    account: Cell<Aside>,
    /// When it looked last, in ticks; 0: there was nobody below.
    looked: Cell<u64>,
    /// What the clocks of the threads of its lane and of those below said then, and how much time those of its
    /// lane had left to them, in ticks.
    before: Cell<[u64; 3]>,
    /// After how many dispatches to look again.
    pace: Cell<u64>,
    /// After how many checkpoints to look again, of so many; and when that was last, in ticks.
    checks: Cell<u32>,
    check_pace: Cell<u32>,
    checked: Cell<u64>,
}

/// A worker whose fiber runs on looks at the lanes at least after so many checkpoints. It adapts to about once in the longest
/// time for which it stands aside.
const CHECKS_MAX: u32 = 64;

impl Patience {
    pub(super) fn new() -> Patience {
        Patience {
            account: Cell::new(Aside::new()),
            looked: Cell::new(0),
            before: Cell::new([0; 3]),
            pace: Cell::new(1),
            checks: Cell::new(CHECKS_MAX),
            check_pace: Cell::new(CHECKS_MAX),
            checked: Cell::new(0),
        }
    }

    /// In a checkpoint: is it time to look at the lanes?
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        let left = self.checks.get();
        self.checks.set(left.saturating_sub(1));
        left == 0
    }
}

impl Worker {
    /// In a checkpoint: the fiber may run for long without a dispatch.
    pub(super) fn look_at_lanes(&self) {
        let patience = &self.aside;
        if patience.checks.get() != 0 {
            return;
        }
        if self.shared.crews.iter().all(|crew| crew.lane <= self.lane || crew.seats.is_empty()) {
            return patience.checks.set(u32::MAX);
        }
        let now = clock::ticks();
        let early = now.saturating_sub(patience.checked.get()) < self.shared.config.terms.aside_max;
        let pace = patience.check_pace.get();
        let pace = if early { 2 * pace } else { pace / 2 }.clamp(1, CHECKS_MAX);
        patience.check_pace.set(pace);
        patience.checks.set(pace);
        if !early {
            patience.checked.set(now);
            self.stand_aside_if_owed(self.remote().counters.dispatches.get());
        }
    }

    /// Every few dispatches. Sets when to do the next chores.
    pub(super) fn stand_aside_if_owed(&self, tick: u64) {
        let below = self.levels_below();
        let patience = &self.aside;
        if below == 0 {
            patience.looked.set(0);
            patience.account.set(Aside::new());
            return;
        }
        let (now, looked) = (clock::ticks(), patience.looked.get());
        let terms = &self.shared.config.terms;
        if looked != 0 {
            let time = now.saturating_sub(looked);
            if time < terms.aside_min {
                let pace = (2 * patience.pace.get()).min(policy::INBOX_INTERVAL);
                patience.pace.set(pace);
                self.chores_at.set(tick + pace);
                return;
            }
            patience.pace.set((patience.pace.get() / 2).max(1));
        }
        self.chores_at.set(tick + patience.pace.get());
        patience.looked.set(now);
        let clocks = self.clocks();
        let before = patience.before.replace(clocks);
        if looked == 0 {
            return;
        }
        let busy = self.busy_here();
        let [mine, used, left] = std::array::from_fn(|k| clocks[k].saturating_sub(before[k]) / busy);
        let here = self.ready_mask.get() | self.fresh_mask.get() | self.running_mask();
        let own = here | self.beacon().levels();
        let window =
            Window { mine, below: used, above: 0, aside: left, was_last: busy > 1 && self.was_last() };
        let mut account = patience.account.get();
        let time = account.ask(terms, window, own, below, now);
        patience.account.set(account);
        if time > 0 && own != 0 {
            self.stand_aside(time);
        }
    }

    fn stand_aside(&self, time: u64) {
        if let Some(below) = self.who_waits_below() {
            self.shared.bring_here(below);
        }
        let away = self.park_aside(time, || true);
        self.turns.was_away(away);
    }

    /// Parks for `time`, if `still` there is reason to when others can see it. How long it was.
    pub(super) fn park_aside(&self, time: u64, still: impl FnOnce() -> bool) -> u64 {
        self.shared.before_sleep();
        let (start, taken) = (clock::ticks(), self.time_of(|lane| lane <= self.lane));
        let counters = &self.remote().counters;
        self.beacon().step_aside(self.seat);
        if still() && !self.remote().has_mail() && !self.shared.is_stopping() {
            counters.asides.add(1);
            counters.aside_at.set(start);
            self.rest_aside(start + time);
        }
        self.beacon().step_back(self.seat);
        let away = clock::ticks() - start;
        counters.aside_ticks.add(away);
        // What our equals use was not left to those below either, if they are where we were.
        let taken = self.time_of(|lane| lane <= self.lane).saturating_sub(taken);
        counters.left_ticks.add(away.min((self.cpus_here() * away).saturating_sub(taken)));
        away
    }

    /// Parks until then, or until somebody unparks us, or until something pressing has come from outside.
    fn rest_aside(&self, until: u64) {
        loop {
            let left = Duration::from_nanos(clock::nanos(until.saturating_sub(clock::ticks())));
            if !self.io.is_awaited() {
                self.remote().park(Some(left));
                return;
            }
            let before = self.ready_mask.get();
            if self.park_in_poller(Some(left)) || left.is_zero() {
                return;
            }
            let more = self.ready_mask.get() & !before;
            if more != 0 && self.beacon().is_pressing(more.trailing_zeros() as usize) {
                return;
            }
        }
    }

    /// A worker that can use our CPU: of the next lane below that has one with something to run.
    fn who_waits_below(&self) -> Option<usize> {
        let first = self.seat - self.seat % NEIGHBOURS;
        self.shared.crews.iter().filter(|crew| crew.lane > self.lane).find_map(|crew| {
            let worker = |seat: usize| crew.worker(first + seat);
            let wants = |seat: usize| {
                !crew.beacon.stands_aside(first + seat)
                    && self.shared.remotes[worker(seat)].counters.busy_level().is_some()
            };
            let seats = crew.seats.len().saturating_sub(first).min(NEIGHBOURS);
            policy::aside::whom_to_bring(self.seat - first, seats, wants).map(worker)
        })
    }

    /// The levels that have work in the lanes below, as far as our neighbours show.
    fn levels_below(&self) -> u32 {
        let mut below = 0;
        for lane in [Lane::Ordinary, Lane::Background].into_iter().filter(|&lane| lane > self.lane) {
            // Mostly all of them sleep.
            let beacon = &self.shared.crews[lane as usize].beacon;
            if beacon.is_anyone_up() {
                let running = self.neighbours(lane).filter_map(|remote| remote.counters.busy_level());
                let running = running.fold(0, |mask, level| mask | 1 << level);
                below |= if running == 0 { 0 } else { running | beacon.levels() };
            }
        }
        below
    }

    fn neighbours(&self, lane: Lane) -> impl Iterator<Item = &Remote> {
        let seats = &self.shared.crews[lane as usize].seats;
        let first = self.seat - self.seat % NEIGHBOURS;
        self.shared.remotes[seats.clone()].iter().skip(first).take(NEIGHBOURS).map(|remote| &**remote)
    }

    /// CPU times in ticks: of our neighbours in our lane and in those below; and how much those in our lane have
    /// left to them.
    fn clocks(&self) -> [u64; 3] {
        let left = self.neighbours(self.lane).map(|remote| remote.counters.left_ticks.get()).sum();
        [self.time_of(|lane| lane == self.lane), self.time_of(|lane| lane > self.lane), left]
    }

    /// The CPU time in ticks of our neighbours in some lanes.
    fn time_of(&self, which: impl Fn(Lane) -> bool) -> u64 {
        let lanes = Lane::ALL.into_iter().filter(|&lane| which(lane));
        let time = lanes.flat_map(|lane| self.neighbours(lane)).map(Remote::cpu_time).sum();
        clock::ticks_in(Duration::from_nanos(time))
    }

    /// Of our lane's neighbours that are busy, have we stood aside last?
    fn was_last(&self) -> bool {
        let busy = self.neighbours(self.lane).filter(|remote| remote.counters.busy_level().is_some());
        let latest = busy.map(|remote| remote.counters.aside_at.get()).max().unwrap_or(0);
        latest != 0 && latest == self.remote().counters.aside_at.get()
    }

    /// How many CPUs our neighbours have, about: with few workers more than there are of these.
    fn cpus_here(&self) -> u64 {
        let (workers, cpus) = (self.crew().seats.len(), self.shared.config.cpus.len().max(1));
        (workers.min(NEIGHBOURS) * cpus).div_ceil(workers) as u64
    }

    /// How many of our lane's neighbours are busy, and share what is owed.
    fn busy_here(&self) -> u64 {
        let busy = self.neighbours(self.lane).filter(|remote| remote.counters.busy_level().is_some()).count();
        busy.max(1) as u64
    }
}
