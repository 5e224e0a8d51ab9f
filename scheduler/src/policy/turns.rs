//! Which level goes next, at a price that a dispatch of 50 ns can pay.
//!
//! The [ledger](super::ledger) needs the clock, which costs a third of such a dispatch. So a decision is
//! kept until the levels that have work change, or so many dispatches are over that the clock should be
//! looked at again; until then the question costs two compares:
//!
//! ```text
//! next(waiting, tick) -> Some(level)   serve it                      two compares
//!                     -> None          look(waiting, tick, clock) -> level
//! missed(level)                        there was nothing: ask again, without that level
//! rest()                               there is nothing anywhere: the worker goes to sleep
//! was_away(time)                       it stood aside
//!
//! level_changed()                      the priority of the fiber that runs is another one
//! should_look(level, waiting)          in a checkpoint: a few loads
//! interrupt(level, ...)                does the fiber that runs go on? Another level may be owed time,
//!                                      a more urgent one may have come, its slice may be over
//! ```
//!
//! *When the clock is looked at*: never while one level alone has work; else after as many
//! dispatches as fill about a quantum by what that level's fibers took last, at most
//! [`LOOK_MAX`](super::LOOK_MAX), and when another level is served than before or the competition begins or
//! ends. So all time between two looks is that of one level.

use super::ledger::{Choice, Ledger};
use super::{LOOK_MAX, OWED_MAX, Terms, several};
use crate::priority::LEVELS;
use std::cell::{Cell, RefCell};

/// What a fiber that runs on does at a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checkpoint {
    GoOn,
    /// Another level goes first; the fiber goes on when its own has its turn again: behind those that were resumed or
    /// made room before, ahead of those that yielded. (In front of all, a few that make room again and again would keep
    /// the others from ever going on.)
    MakeRoom,
    /// Its slice is over: it goes behind its equals.
    GoLast,
}

/// One worker's turns. See the module's documentation.
pub(crate) struct Turns {
    /// The levels that had work at the last decision; 0: there was none.
    known: Cell<u32>,
    /// The decision: this level is served.
    level: Cell<usize>,
    /// It goes ahead of a more urgent one.
    owed: Cell<bool>,
    /// The decision is good before this dispatch.
    until: Cell<u64>,
    /// The first dispatch since the last look.
    looked: Cell<u64>,
    /// How many dispatches of a level fill a quantum, or the most that we wait for.
    pace: [Cell<u64>; LEVELS],
    /// All levels that had work since the last look.
    seen: Cell<u32>,
    /// Those that had none for a moment since then.
    lost: Cell<u32>,
    /// Checkpoints, when the next one looks at the clock, and the steps of that.
    checks: Cell<u64>,
    check_at: Cell<u64>,
    check_pace: Cell<u64>,
    /// The dispatch whose slice this is, and when it was first seen.
    slice: Cell<(u64, u64)>,
    ledger: RefCell<Ledger>,
}

impl Turns {
    pub(crate) fn new() -> Turns {
        Turns {
            known: Cell::new(0),
            level: Cell::new(0),
            owed: Cell::new(false),
            until: Cell::new(0),
            looked: Cell::new(0),
            pace: std::array::from_fn(|_| Cell::new(1)),
            seen: Cell::new(0),
            lost: Cell::new(0),
            checks: Cell::new(0),
            check_at: Cell::new(1),
            check_pace: Cell::new(1),
            slice: Cell::new((u64::MAX, 0)),
            ledger: RefCell::new(Ledger::new()),
        }
    }

    /// The level to serve at dispatch number `tick`, where the levels in `waiting` have work, at least
    /// one. `None`: [`look`](Self::look) at the clock for that.
    #[inline]
    pub(crate) fn next(&self, waiting: u32, tick: u64) -> Option<usize> {
        self.stays(waiting, tick).or_else(|| self.change(waiting, tick))
    }

    /// The same level as before, if nothing says that it may be another one's turn.
    #[inline(always)]
    pub(crate) fn stays(&self, waiting: u32, tick: u64) -> Option<usize> {
        (waiting == self.known.get() && tick < self.until.get()).then(|| self.level.get())
    }

    /// Other levels have work than before, or it is time to look at the clock.
    #[cold]
    fn change(&self, waiting: u32, tick: u64) -> Option<usize> {
        let (known, level) = (self.known.get(), self.level.get());
        let stays = self.owed.get() && waiting & 1 << level != 0;
        let next = if stays { level } else { waiting.trailing_zeros() as usize };
        if !several(known) && !several(waiting) {
            // Nobody waits for anybody.
            self.level.set(next);
            self.seen.set(waiting);
            self.until.set(u64::MAX);
        } else if tick >= self.until.get() || next != level || several(known) != several(waiting) {
            return None;
        } else {
            self.seen.set(self.seen.get() | waiting);
        }
        self.known.set(waiting);
        self.lost.set(self.lost.get() | known & !waiting);
        Some(next)
    }

    /// The same as [`next`](Self::next), with the time: which level to serve.
    #[cold]
    pub(crate) fn look(&self, terms: &Terms, waiting: u32, tick: u64, now: u64) -> usize {
        let since = tick.saturating_sub(self.looked.get());
        if since > 0 {
            let time = now.saturating_sub(self.ledger.borrow().looked());
            let pace = &self.pace[self.level.get()];
            pace.set(paced(pace.get(), since, time, terms.quantum, LOOK_MAX));
        }
        self.decide(terms, waiting, since > 0, now, |_| tick)
    }

    /// There was nothing of the level after all, or others took it.
    #[cold]
    pub(crate) fn missed(&self, terms: &Terms, level: usize) {
        self.ledger.borrow_mut().drop_credit(terms, self.known.get() & !(1 << level));
        self.lost.set(self.lost.get() | 1 << level);
        self.owed.set(self.owed.get() && self.level.get() != level);
        self.until.set(0);
    }

    /// There is nothing to run anywhere: nobody is owed or owes anything.
    pub(crate) fn rest(&self) {
        if self.known.replace(0) != 0 {
            *self.ledger.borrow_mut() = Ledger::new();
            self.seen.set(0);
            self.lost.set(0);
            self.owed.set(false);
            self.until.set(0);
        }
    }

    /// The worker stood aside, or waited, for so long: that time is nobody's.
    pub(crate) fn was_away(&self, time: u64) {
        self.ledger.borrow_mut().skip(time);
    }

    /// In a checkpoint, where the levels in `waiting` have work besides the fiber that runs: is there
    /// reason to ask [`interrupt`](Self::interrupt)?
    #[inline]
    pub(crate) fn should_look(&self, level: usize, waiting: u32) -> bool {
        let checks = self.checks.get() + 1;
        self.checks.set(checks);
        let competes = several(waiting | 1 << level);
        let above = waiting & ((1 << level) - 1);
        competes != several(self.known.get())
            || (above != 0 && !self.owed.get())
            || (waiting != 0 && checks >= self.check_at.get())
    }

    /// Should the fiber of `level` that runs, as dispatch number `tick`, make room? The levels in `waiting`
    /// have work besides it; `equals` says whether its own is one of them.
    #[cold]
    pub(crate) fn interrupt(
        &self,
        terms: &Terms,
        level: usize,
        waiting: u32,
        tick: u64,
        now: u64,
    ) -> Checkpoint {
        let equals = waiting & 1 << level != 0;
        let time = now.saturating_sub(self.ledger.borrow().looked());
        let checks = self.checks.replace(0).max(1);
        self.check_pace.set(paced(self.check_pace.get(), checks, time, terms.quantum, LOOK_MAX));
        self.check_at.set(self.check_pace.get());
        let (dispatch, from) = self.slice.get();
        if dispatch != tick {
            self.slice.set((tick, now));
        }
        // It holds for this dispatch if the fiber goes on, else from the next one.
        let first = |next| if next == level { tick } else { tick + 1 };
        let next = self.decide(terms, waiting | 1 << level, true, now, first);
        let slice_is_over = dispatch == tick && now.saturating_sub(from) >= terms.slice;
        match () {
            () if next != level => Checkpoint::MakeRoom,
            () if equals && slice_is_over => Checkpoint::GoLast,
            () => Checkpoint::GoOn,
        }
    }

    /// When `level`, which waits, had its last turn here or began to wait.
    pub(crate) fn since(&self, level: usize) -> u64 {
        self.ledger.borrow().since(level)
    }

    /// The priority of the fiber that runs has changed: its next checkpoint should know.
    pub(crate) fn level_changed(&self) {
        self.check_at.set(0);
    }

    /// Settles the account and decides. What was decided before was `served`, or is given up before it was;
    /// what is decided now holds from the dispatch that `first` says.
    fn decide(
        &self,
        terms: &Terms,
        waiting: u32,
        served: bool,
        now: u64,
        first: impl Fn(usize) -> u64,
    ) -> usize {
        let mut ledger = self.ledger.borrow_mut();
        ledger.settle(terms, self.seen.get(), self.level.get(), served, now);
        ledger.drop_credit(terms, waiting & !self.lost.replace(0));
        let choice = if several(waiting) {
            ledger.choose(terms, waiting, now)
        } else {
            Choice { level: waiting.trailing_zeros() as usize, owed: false }
        };
        self.seen.set(waiting);
        self.known.set(waiting);
        self.looked.set(first(choice.level));
        self.level.set(choice.level);
        self.owed.set(choice.owed);
        let pace = self.pace[choice.level].get().min(if choice.owed { OWED_MAX } else { LOOK_MAX });
        self.until.set(if several(waiting) { first(choice.level) + pace } else { u64::MAX });
        choice.level
    }
}

/// How many make up `period`, when `count` of them took `time`: at most twice as many as before, since the
/// next may be longer, and at most `most`.
fn paced(before: u64, count: u64, time: u64, period: u64, most: u64) -> u64 {
    let fit = period.saturating_mul(count) / time.max(1);
    fit.clamp(1, (2 * before).min(most))
}

#[cfg(test)]
mod tests {
    use super::super::Weights;
    use super::*;
    use crate::policy::MAX_WAIT;

    const MS: u64 = 1_000_000;

    fn terms(weights: [u32; 5]) -> Terms {
        Terms::new(Weights::new(weights), [MAX_WAIT; 5], |time| time.as_nanos() as u64)
    }

    /// A worker whose levels in `busy` always have work, of fibers of so many ns, for so long: the
    /// time that each level got, and its longest wait.
    fn drive(terms: &Terms, busy: u32, ns: [u64; 5], total: u64) -> ([u64; 5], [u64; 5]) {
        let turns = Turns::new();
        let (mut now, mut tick) = (0, 0);
        let (mut got, mut wait, mut last) = ([0; 5], [0; 5], [0; 5]);
        while now < total {
            tick += 1;
            let level = turns.next(busy, tick).unwrap_or_else(|| turns.look(terms, busy, tick, now));
            wait[level] = wait[level].max(now - last[level]);
            now += ns[level];
            got[level] += ns[level];
            last[level] = now;
        }
        (got, wait)
    }

    #[test]
    fn under_full_load_the_shares_are_the_weights() {
        for weights in [[16, 8, 4, 2, 1], [1, 1, 1, 1, 1], [1, 2, 4, 8, 16], [100, 1, 50, 1, 3]] {
            let long =
                [[MS; 5], [5 * MS; 5], [3000, 4000, 9 * MS, 20_000, 8000], [5 * MS, 5000, 5000, MS, 5000]];
            let short = [[50; 5], [500, 300, 100, 2000, 50]];
            let times = long.map(|ns| (ns, 6_000 * MS)).into_iter().chain(short.map(|ns| (ns, 60 * MS)));
            for (ns, total) in times {
                // Their longest wait would give levels of few long fibers more than their share.
                let terms = Terms { max_wait: [u64::MAX; 5], ..terms(weights) };
                let (got, _) = drive(&terms, 0b11111, ns, total);
                let (total, sum) = (got.iter().sum::<u64>() as f64, weights.iter().sum::<u32>());
                for level in 0..5 {
                    let (share, due) =
                        (got[level] as f64 / total, f64::from(weights[level]) / f64::from(sum));
                    assert!((share - due).abs() < 0.01, "{weights:?} {ns:?} {level}: {share} of {due}");
                }
            }
        }
    }

    #[test]
    fn a_level_of_weight_zero_is_served_at_its_longest_wait() {
        let (got, wait) = drive(&terms([0; 5]), 0b11111, [10_000; 5], 10_000 * MS);
        assert!(got[0] > 9_800 * MS, "strict priority otherwise: {got:?}");
        for level in 1..5 {
            assert!((49 * MS..52 * MS).contains(&wait[level]), "{wait:?}");
        }
    }

    #[test]
    fn one_level_alone_never_looks_at_the_clock() {
        let turns = Turns::new();
        turns.look(&terms([1; 5]), 0b100, 1, 5);
        assert!((2..1000).all(|tick| turns.next(0b100, tick) == Some(2)));
        // Nor do levels that take turns without waiting for each other.
        assert!((1000..2000).all(|tick| turns.next(1 << (tick % 5), tick) == Some(tick as usize % 5)));
    }

    #[test]
    fn a_more_urgent_level_goes_first_at_once_when_nobody_is_owed_anything() {
        let (turns, terms) = (Turns::new(), terms([16, 8, 4, 2, 1]));
        assert_eq!(turns.look(&terms, 0b10000, 1, 0), 4);
        let level = turns.next(0b10001, 2).unwrap_or_else(|| turns.look(&terms, 0b10001, 2, 100));
        assert_eq!(level, 0);
    }

    #[test]
    fn a_level_that_goes_empty_loses_its_credit_to_those_that_wait() {
        let (turns, terms) = (Turns::new(), terms([1, 0, 1, 0, 0]));
        assert_eq!(turns.look(&terms, 0b101, 1, 0), 0);
        // Level 0 runs for 10 ms, of which half belongs to level 2.
        assert_eq!(turns.look(&terms, 0b101, 2, 10 * MS), 2);
        assert_eq!(turns.ledger.borrow().credit(2), 5 * MS as i64);
        turns.look(&terms, 0b001, 3, 10 * MS + 1);
        assert_eq!((turns.ledger.borrow().credit(2), turns.ledger.borrow().credit(0)), (0, 0));
    }

    #[test]
    fn a_fiber_that_runs_on_makes_room_at_the_end_of_its_slice_and_for_who_is_owed() {
        let terms = terms([0, 0, 3, 1, 0]);
        let runs_for = |waiting: u32| {
            let turns = Turns::new();
            let mut now = 0;
            turns.look(&terms, 0b00100 | waiting, 1, now);
            loop {
                now += 1000;
                if turns.should_look(2, waiting)
                    && turns.interrupt(&terms, 2, waiting, 1, now) != Checkpoint::GoOn
                {
                    return now;
                }
                if now > 100 * MS {
                    return now;
                }
            }
        };
        assert!(runs_for(0) > 100 * MS, "nobody else waits");
        assert!((10 * MS..11 * MS).contains(&runs_for(0b00100)), "an equal waits");
        let owed = runs_for(0b01000);
        assert!((190_000..400_000).contains(&owed), "a quarter of the time is the other's: {owed}");
        assert_eq!(runs_for(0b00001), 1000, "a more urgent one waits");
    }
}
