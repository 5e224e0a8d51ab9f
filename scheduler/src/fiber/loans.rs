//! What a fiber's level is made of: the *base* that its owner chose, and the *loans* of those who wait
//! for it. It counts as urgent as the most urgent of them.
//!
//! # The word
//!
//! ```text
//! bits  0..3   base    the level chosen by whoever made it, or by set_priority
//! bits  3..10  how many lend Critical
//! bits 10..17  how many lend High
//! bits 17..24  how many lend Normal
//! bits 24..31  how many lend Low
//! ```
//!
//! Lending Background means nothing, as no fiber is less urgent. A count that has reached 127 stays
//! there: nobody has so many waiters of one level that are counted one by one, and to be urgent for
//! too long is the lesser evil.
//!
//! # Settling
//!
//! The level that queues and workers go by is in the state word (`fiber/state.rs`), and follows this
//! one: whoever changes the effective level here *settles*, that is, sets it there until both agree.
//!
//! ```text
//!   A: change the loans          B: change the loans
//!   A: set the level in state    B: set the level in state
//!   A: loans still say so?       B: loans still say so?      no: again
//! ```
//!
//! Setting the level is a read-modify-write of the state word even where it has that level already,
//! so these are in one order, and each sees what the earlier ones knew: the last to set the level has
//! seen every change of the loans whose maker went before it, and whoever changes them later goes
//! after it. A change that leaves the effective level as it was needs no settling, unless the level is not
//! there yet, or its home may not have been told: whoever changed it may be stopped before that.
//!
//! A thread of the background lane may be stopped between its look at the loans and its write, and after that write, which then
//! says what was true long ago. So from there a started fiber only becomes more urgent; the rest its home does, which settles
//! with each letter ([`settle_told`]).

use super::awaited::Awaited;
use super::state::{By, LevelChange, State};
use crate::primitive::{AtomicU32, Ordering};

const BASE: u32 = 0b111;
const COUNT_SHIFT: u32 = 3;
const COUNT_BITS: u32 = 7;
const COUNT: u32 = (1 << COUNT_BITS) - 1;

/// The levels that can be lent: all but the last.
const LENDABLE: usize = 4;

const fn shift(level: usize) -> u32 {
    COUNT_SHIFT + COUNT_BITS * level as u32
}

const fn more(word: u32, level: usize) -> u32 {
    if level >= LENDABLE || (word >> shift(level)) & COUNT == COUNT {
        return word;
    }
    word + (1 << shift(level))
}

const fn less(word: u32, level: usize) -> u32 {
    if level >= LENDABLE || (word >> shift(level)) & COUNT == COUNT {
        return word;
    }
    debug_assert!((word >> shift(level)) & COUNT != 0, "a loan is taken back once");
    word - (1 << shift(level))
}

const fn level_of(word: u32) -> usize {
    let base = (word & BASE) as usize;
    let lent = ((word >> COUNT_SHIFT).trailing_zeros() / COUNT_BITS) as usize;
    if lent < base { lent } else { base }
}

/// Somebody who waits, and lends its level to whom it waits for. It is told when that changes.
pub(crate) trait Lender {
    /// The waiting fiber now has this level. Called at its home, while it is suspended; it may be told
    /// what it knows already.
    fn level_is(&self, level: usize);

    /// What it waits for. Called as the other.
    fn waits_for(&self) -> Awaited {
        Awaited::Unsaid
    }
}

/// The effective level has changed: the caller settles.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Changed(pub(crate) bool);

/// The word. See the module's documentation.
pub(crate) struct Loans(AtomicU32);

impl Loans {
    /// Nobody lends.
    pub(crate) fn new(base: usize) -> Loans {
        Loans(AtomicU32::new(base as u32))
    }

    /// One more loan.
    #[inline]
    pub(crate) fn lend(&self, level: usize) -> Changed {
        self.change(|word| more(word, level))
    }

    /// A loan ends.
    #[inline]
    pub(crate) fn take_back(&self, level: usize) -> Changed {
        self.change(|word| less(word, level))
    }

    /// A loan is of another level now, without being gone in between.
    pub(crate) fn exchange(&self, from: usize, to: usize) -> Changed {
        self.change(|word| more(less(word, from), to))
    }

    /// Another base.
    pub(crate) fn set_base(&self, base: usize) -> Changed {
        self.change(|word| (word & !BASE) | base as u32)
    }

    /// All transitions are this one. Nothing but the word itself is passed on by it: what orders it
    /// with others is the state word, see [`settle`].
    #[inline]
    fn change(&self, next: impl Fn(u32) -> u32) -> Changed {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let new = next(word);
            match self.0.compare_exchange_weak(word, new, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Changed(level_of(word) != level_of(new)),
                Err(now) => word = now,
            }
        }
    }

    /// What the owner chose.
    #[inline]
    pub(crate) fn base(&self) -> usize {
        (self.0.load(Ordering::Relaxed) & BASE) as usize
    }

    /// The base, or the most urgent loan.
    #[inline]
    pub(crate) fn level(&self) -> usize {
        level_of(self.0.load(Ordering::Relaxed))
    }
}

/// Makes the level in the state word what the loans say, as somebody elsewhere than at the fiber's
/// home. `act` does what each change of it leaves to do.
pub(crate) fn settle(loans: &Loans, state: &State, by: By, mut act: impl FnMut(usize, LevelChange)) {
    loop {
        let level = loans.level();
        act(level, state.set_level(level, by));
        if loans.level() == level {
            return;
        }
    }
}

/// The same for the home, which has opened a letter that says `level`.
#[inline]
pub(crate) fn settle_told(loans: &Loans, state: &State, level: usize) {
    if loans.level() != level {
        settle_at_home(loans, state);
    }
}

/// The same for the fiber itself, which runs, and for its home. The result is its level.
pub(crate) fn settle_at_home(loans: &Loans, state: &State) -> usize {
    loop {
        let level = loans.level();
        state.set_level_at_home(level);
        if loans.level() == level {
            return level;
        }
    }
}
