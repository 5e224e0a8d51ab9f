//! Which level is owed time: an account per worker.
//!
//! Time that passes while several levels have work belongs to them in proportion to their weights, and
//! is charged to those that ran. What a level is owed is its *credit*, what it had too much its debt, a
//! negative credit; with all of them waiting the credits add up to zero.
//!
//! ```text
//! work at levels   time passes   H ran          H        N        B
//! H, N, B          130 us        weights 8:4:1  +80-130  +40      +10
//!                                               = -50    = 40     = 10      nobody is owed a quantum: H
//! H, N, B           65 us        H ran          -75      60       15        N is, and goes ahead of H
//! ```
//!
//! * The most urgent level whose credit has reached a quantum goes next; if there is none, the most
//!   urgent that has work. A level that has waited longer than its longest wait goes before both.
//! * Credits and debts always add up to zero. A level that goes empty loses what it is owed (nobody
//!   hoards) to those that still wait, by their weights. It keeps what it owes, else one that takes
//!   much at a time and is empty now and then would leave those below it with nothing.
//! * A level that is alone uses up its credit, and what it is not owed it has for nothing.
//! * The same holds for a level that has its turn because it is overdue. Were it charged, levels that always
//!   are, as those without weight, would leave the others with claims that nobody pays.
//! * Where one of them passes [`CREDIT_MAX`](super::CREDIT_MAX), all are scaled down.
//!
//! *Why it works*: let Q be the quantum, G the longest time between two looks, and L the number of levels
//! that compete. Let P be the sum of all credits, which is the sum of all debts. A level that is
//! served because nobody else is owed a quantum leaves P at less than (L - 1) Q + G. One that is served out of
//! its credit raises P by less than G - Q, by going into debt, and is not served so again before it has
//! come out of debt, which lowers P by as much. So P < L (Q + G) at any time. That bounds each credit (promise
//! 2), and how long a level is passed over by less urgent ones, which are served only out of P (promise 1).

use super::{ALL_LEVELS, Terms, levels_of, several};
use crate::priority::LEVELS;

/// Credits are kept in parts of a tick: a share of a short interval is few ticks, and what is cut off
/// adds up.
const PARTS: u64 = 256;

/// `since` of a level that does not wait.
const NEVER: u64 = u64::MAX;

/// Who goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) level: usize,
    /// It goes ahead of a more urgent level, as it is owed time: until the next look at the clock, not
    /// longer.
    pub(crate) owed: bool,
}

/// See the module's documentation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ledger {
    /// In [`PARTS`] of a tick.
    credit: [i64; LEVELS],
    /// When a level that waits had its last turn, or began to wait.
    since: [u64; LEVELS],
    /// The last look.
    looked: u64,
    /// The level that has had its turn since then because it was overdue.
    overdue: Option<usize>,
}

impl Ledger {
    pub(crate) const fn new() -> Ledger {
        Ledger { credit: [0; LEVELS], since: [NEVER; LEVELS], looked: 0, overdue: None }
    }

    /// When a level that waits had its last turn, or began to wait.
    pub(crate) fn since(&self, level: usize) -> u64 {
        self.since[level]
    }

    /// When the clock was looked at last.
    pub(crate) fn looked(&self) -> u64 {
        self.looked
    }

    /// So much of the time since the last look is nobody's.
    pub(crate) fn skip(&mut self, time: u64) {
        self.looked = self.looked.saturating_add(time);
    }

    /// Only levels in `waiting` have work now: the others lose what they are owed to them.
    pub(crate) fn drop_credit(&mut self, terms: &Terms, waiting: u32) {
        let mut lost = 0;
        for level in levels_of(!waiting & ALL_LEVELS) {
            lost += self.credit[level].max(0);
            self.credit[level] = self.credit[level].min(0);
            self.since[level] = NEVER;
        }
        if lost > 0 {
            if !self.give(terms, waiting, lost) {
                self.forgive(lost);
            }
            self.scale_down((PARTS * terms.credit_max) as i64);
        }
    }

    /// So much less is owed by those that owe, in proportion to their debts.
    fn forgive(&mut self, amount: i64) {
        if amount == 0 {
            return;
        }
        let debts = |credit: &[i64; LEVELS]| credit.iter().map(|&credit| credit.min(0)).sum::<i64>();
        let (mut amount, mut debt) = (i128::from(amount), -i128::from(debts(&self.credit)));
        for credit in self.credit.iter_mut().filter(|credit| **credit < 0) {
            let owes = -i128::from(*credit);
            let part = amount.min(debt) * owes / debt;
            *credit += part as i64;
            (amount, debt) = (amount - part, debt - owes);
        }
    }

    /// Takes `time` from what `level` is owed, and forgives as much.
    fn use_up(&mut self, level: usize, time: i64) {
        let used = self.credit[level].clamp(0, time);
        self.credit[level] -= used;
        self.forgive(used);
    }

    /// Looks at the clock: since the last look the levels in `waiting` had work, and `ran` had its turn, if
    /// it was `served` at all.
    pub(crate) fn settle(&mut self, terms: &Terms, waiting: u32, ran: usize, served: bool, now: u64) {
        // Where the clock is slower than a dispatch, a dispatch still costs something.
        let time = now.saturating_sub(self.looked).clamp(1, terms.credit_max);
        let time = (PARTS * time) as i64;
        self.looked = now;
        if self.overdue.take().is_some() || !several(waiting) {
            self.use_up(ran, time);
        } else if self.give(terms, waiting, time) {
            self.credit[ran] -= time;
            self.scale_down((PARTS * terms.credit_max) as i64);
        }
        if served && self.since[ran] != NEVER {
            self.since[ran] = now;
        }
    }

    /// Gives `amount` to those that wait, by their weights. What the divisions cut off goes to the next, so
    /// that all still adds up to zero. `false`: they have no weight.
    fn give(&mut self, terms: &Terms, waiting: u32, amount: i64) -> bool {
        let (mut left, mut weights) = (amount, terms.weight_of(waiting) as i64);
        if weights == 0 {
            return false;
        }
        for level in levels_of(waiting) {
            let weight = terms.weights[level] as i64;
            if weight > 0 {
                // At most all credits, 2^40 parts on any clock, times a million.
                let part = left * weight / weights;
                self.credit[level] += part;
                (left, weights) = (left - part, weights - weight);
            }
        }
        true
    }

    /// Nobody is owed or owes more than `most`.
    fn scale_down(&mut self, most: i64) {
        let largest = self.credit.iter().map(|credit| credit.abs()).max().unwrap_or(0);
        if largest <= most {
            return;
        }
        for credit in &mut self.credit {
            *credit = (i128::from(*credit) * i128::from(most) / i128::from(largest)) as i64;
        }
        let rest: i64 = self.credit.iter().sum();
        if let Some(any) = self.credit.iter_mut().find(|credit| **credit * rest.signum() > 0) {
            *any -= rest;
        }
    }

    /// Who goes next, of the levels in `waiting`, of which there is at least one. The account is
    /// [settled](Self::settle) up to `now`.
    pub(crate) fn choose(&mut self, terms: &Terms, waiting: u32, now: u64) -> Choice {
        let top = waiting.trailing_zeros() as usize;
        let mut overdue = None;
        let mut oldest = NEVER;
        let mut creditor = None;
        for level in levels_of(waiting) {
            if self.since[level] == NEVER {
                self.since[level] = now;
            }
            let since = self.since[level];
            if now.saturating_sub(since) >= terms.max_wait[level] && since < oldest {
                (overdue, oldest) = (Some(level), since);
            }
            if creditor.is_none() && self.credit[level] >= (PARTS * terms.quantum) as i64 {
                creditor = Some(level);
            }
        }
        self.overdue = overdue;
        let level = overdue.or(creditor).unwrap_or(top);
        Choice { level, owed: level != top }
    }

    #[cfg(test)]
    pub(crate) fn credit(&self, level: usize) -> i64 {
        self.credit[level] / PARTS as i64
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MAX_WAIT, Weights};
    use super::*;

    #[test]
    fn whatever_happens_credits_and_debts_add_up_to_zero_and_have_a_bound() {
        let random = crate::machine::random::Random::new(7);
        let terms =
            Terms::new(Weights::new([5, 0, 3, 1, 1]), [MAX_WAIT; 5], |time| time.as_nanos() as u64 / 7);
        let (mut ledger, mut now, mut waiting) = (Ledger::new(), 0, 0b11111);
        for _ in 0..100_000 {
            now += [30, 1000, 100_000, 10_000_000][random.below(4)] + random.below(1000) as u64;
            ledger.settle(&terms, waiting, random.below(5), true, now);
            waiting = 1 + random.below(31) as u32;
            ledger.drop_credit(&terms, waiting);
            let choice = ledger.choose(&terms, waiting, now);
            if random.below(10) == 0 {
                ledger.drop_credit(&terms, waiting & !(1 << choice.level));
            }
            assert_eq!(ledger.credit.iter().sum::<i64>(), 0, "{ledger:?}");
            assert!(ledger.credit.iter().all(|credit| credit.unsigned_abs() <= PARTS * terms.credit_max));
        }
    }
}
