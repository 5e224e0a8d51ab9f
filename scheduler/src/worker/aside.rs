//! Leaving the CPU to the lanes below, when they are owed time: the kernel alone would give a background
//! thread beside an ordinary one 0.3 %. How long is the policy's ([`policy::aside`](crate::policy::aside)).
//!
//! A worker looks at those with its seat in the other lanes: with as many seats in each lane, they
//! stand for what runs beside it. It stands aside by parking with a time-out; the ordinary lane's are woken by
//! what is `High` or more urgent ([`beacon`](super::beacon)).

use super::Worker;
use crate::lane::Lane;
use crate::machine::clock;
use crate::machine::thread::CpuClock;
use crate::policy;
use crate::policy::aside::{Aside, Window};
use std::cell::Cell;
use std::time::Duration;

/// What a worker knows about the lanes below. It belongs to the worker's thread.
pub(super) struct Patience {
    account: Cell<Aside>,
    /// When it looked last, in ticks; 0: there was nobody below.
    looked: Cell<u64>,
    /// What the clocks of its own thread, the threads below and those above said then, in ns.
    before: Cell<[u64; 3]>,
    /// How long it has stood aside since, in ticks.
    away: Cell<u64>,
    /// After how many dispatches to look again.
    pace: Cell<u64>,
}

impl Patience {
    pub(super) fn new() -> Patience {
        Patience {
            account: Cell::new(Aside::new()),
            looked: Cell::new(0),
            before: Cell::new([0; 3]),
            away: Cell::new(0),
            pace: Cell::new(1),
        }
    }
}

impl Worker {
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
        let away = patience.away.replace(0);
        if looked == 0 {
            return;
        }
        let [mine, below_time, above] = std::array::from_fn(|k| {
            clock::ticks_in(Duration::from_nanos(clocks[k].saturating_sub(before[k])))
        });
        let own = self.ready_mask.get() | self.fresh_mask.get() | self.beacon().levels();
        let window = Window { mine, below: below_time, above, aside: away };
        let mut account = patience.account.get();
        let time = account.ask(terms, window, own, below, now);
        patience.account.set(account);
        if time > 0 && own != 0 {
            self.stand_aside(time);
        }
    }

    fn stand_aside(&self, time: u64) {
        let start = clock::ticks();
        let counters = &self.remote().counters;
        counters.asides.add(1);
        self.beacon().step_aside(self.seat);
        if !self.remote().has_mail() && !self.shared.is_stopping() {
            self.remote().park(Some(Duration::from_nanos(clock::nanos(time))));
        }
        self.beacon().step_back(self.seat);
        let away = clock::ticks() - start;
        counters.aside_ticks.add(away);
        self.aside.away.set(away);
        self.turns.was_away(away);
    }

    /// The levels that have work in the lanes below, at our seat.
    fn levels_below(&self) -> u32 {
        self.others(|lane| lane > self.lane)
            .filter_map(|(lane, index)| {
                let running = self.shared.remotes[index].counters.running.get() as u32;
                let crew = &self.shared.crews[lane as usize];
                (running != 0).then(|| crew.beacon.levels() | (1 << running) >> 1)
            })
            .fold(0, |mask, levels| mask | levels)
    }

    /// The workers with our seat in other lanes.
    fn others(&self, which: impl Fn(Lane) -> bool) -> impl Iterator<Item = (Lane, usize)> {
        let lanes = Lane::ALL.into_iter().filter(move |&lane| which(lane));
        lanes.filter_map(|lane| {
            let seats = &self.shared.crews[lane as usize].seats;
            (self.seat < seats.len()).then(|| (lane, seats.start + self.seat))
        })
    }

    /// CPU times: our thread's, and those of the threads below and above at our seat.
    fn clocks(&self) -> [u64; 3] {
        let sum = |which: &dyn Fn(Lane) -> bool| {
            self.others(which).map(|(_, index)| self.shared.remotes[index].cpu_time()).sum()
        };
        [CpuClock::of_this_thread().read(), sum(&|lane| lane > self.lane), sum(&|lane| lane < self.lane)]
    }
}
