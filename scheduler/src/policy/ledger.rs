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
//! * A level that goes empty loses its credit: nobody hoards. It keeps its debt, else one that takes
//!   much at a time and is empty now and then would leave those below it with nothing.
//! * A level that is alone pays nothing. Its credit is served down by the time that it had, and debts
//!   of others are paid off meanwhile, at the rates of their weights.
//! * Credit and debt are bounded ([`CREDIT_MAX`](super::CREDIT_MAX)).
//!
//! *Why it works*: let Q be the quantum and G the longest time between two looks. Let P be the sum of
//! all positive credits. A level that is served because nobody else is owed a quantum leaves P below
//! (L - 1) Q + G, with L levels. A level that is served out of its credit raises P only by as much as it
//! goes into debt, less than G, and is not served so again before it has come out of debt. So
//! P <= (L - 1) (Q + G) at any time, which bounds each credit (promise 2), and how long a level is passed
//! over by less urgent ones, which are served only out of P (promise 1).

use super::{Terms, levels_of};
use crate::priority::LEVELS;

/// Longer intervals count as this, seconds: more than any credit, and products with weights stay below 2^62.
const INTERVAL_MAX: u64 = 1 << 32;

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
    /// The dispatches since the last look.
    ran: [u64; LEVELS],
    /// The last look.
    looked: u64,
}

impl Ledger {
    pub(crate) const fn new() -> Ledger {
        Ledger { credit: [0; LEVELS], since: [NEVER; LEVELS], ran: [0; LEVELS], looked: 0 }
    }

    /// When the clock was looked at last.
    pub(crate) fn looked(&self) -> u64 {
        self.looked
    }

    /// So many fibers of `level` were dispatched.
    #[inline]
    pub(crate) fn count(&mut self, level: usize, dispatches: u64) {
        self.ran[level] += dispatches;
    }

    /// Only levels in `waiting` have work now: the others lose what they are owed.
    pub(crate) fn drop_credit(&mut self, waiting: u32) {
        for level in levels_of(!waiting & super::ALL_LEVELS) {
            self.credit[level] = self.credit[level].min(0);
            self.since[level] = NEVER;
        }
    }

    /// A level that was to be served had nothing after all, or others took it.
    pub(crate) fn missed(&mut self, level: usize) {
        self.drop_credit(super::ALL_LEVELS & !(1 << level));
    }

    /// Looks at the clock: the time since the last look passed while the levels in `waiting` had work,
    /// and is charged to those that ran.
    pub(crate) fn settle(&mut self, terms: &Terms, waiting: u32, now: u64) {
        let dispatches: u64 = self.ran.iter().sum();
        // Where the clock is slower than a dispatch, a dispatch still costs something.
        let time = now.saturating_sub(self.looked).clamp(dispatches.max(1), INTERVAL_MAX);
        self.looked = now;
        let weights = terms.weight_of(waiting);
        if waiting & waiting.wrapping_sub(1) == 0 {
            self.settle_alone(terms, time);
        } else if weights > 0 && dispatches > 0 {
            for level in levels_of(waiting) {
                self.credit[level] += (PARTS * time * terms.weights[level] / weights) as i64;
            }
            for level in 0..LEVELS {
                if self.ran[level] > 0 {
                    let ran = u128::from(PARTS * time) * u128::from(self.ran[level]);
                    self.credit[level] -= (ran / u128::from(dispatches)) as i64;
                }
            }
        }
        let most = (PARTS * terms.credit_max) as i64;
        for level in 0..LEVELS {
            self.credit[level] = self.credit[level].clamp(-most, most);
            if self.ran[level] > 0 && self.since[level] != NEVER {
                self.since[level] = now;
            }
            self.ran[level] = 0;
        }
    }

    /// The same for a time in which only one level had work.
    fn settle_alone(&mut self, terms: &Terms, time: u64) {
        let all = terms.weight_of(super::ALL_LEVELS).max(1);
        for (level, credit) in self.credit.iter_mut().enumerate() {
            *credit = match *credit {
                // Only one that has work is owed something: it was served.
                owed @ 1.. => (owed - (PARTS * time) as i64).max(0),
                debt => (debt + (PARTS * time * terms.weights[level] / all) as i64).min(0),
            };
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
        let level = overdue.or(creditor).unwrap_or(top);
        Choice { level, owed: level != top }
    }

    #[cfg(test)]
    pub(crate) fn credit(&self, level: usize) -> i64 {
        self.credit[level] / PARTS as i64
    }
}
