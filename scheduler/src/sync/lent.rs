//! What those in line have lent to the one for whom they wait: behind the same latch as the line.
//!
//! | field   | what it is                                                                       |
//! |---------|----------------------------------------------------------------------------------|
//! | `owner` | who has the thing; nobody, where nobody has it or many have                      |
//! | `turn`  | goes up with each change of that                                                 |
//! | `lent`  | bit k: the owner was lent level k, which is taken back from it when it leaves    |
//!
//! To lend is too long for the latch: it may post a letter and wake a thread. So it is done beside it, by a [`Loan`]:
//!
//! ```text
//!   under the latch   the owner is not lent the level of the first in line: hold it, note the turn
//!   beside it         lend
//!   under the latch   the same turn: the bit, the loan stays.  Another: take it back; look again
//! ```
//!
//! Each level is lent once at most, however many wait, and not taken back before the owner leaves. Who comes between the
//! two looks finds the bit missing and lends, too, and one of the two takes its loan back.
//!
//! # An owner that stays
//!
//! A lock is soon given up. Where the owner stays while those in line come and go, as the receiver of a channel does, what it
//! was lent has to [follow](Lent::follow) them: it is the level of the first in line, no more and no less. Whoever has changed the
//! line takes one step after the other until there is none left to take:
//!
//! ```text
//!   the first in line has a level that was not lent     a loan, as above
//!   levels were lent that the first does not have       under the latch: their bits go; beside it: take them back
//! ```
//!
//! A bit is set only after its loan was made, and cleared before that is taken back, so nothing is taken back that was not
//! lent yet. Who lends for one that has left the line meanwhile finds that by its own next look. A step has a hold on the
//! owner, who may leave at any time.

use super::owner::Owner;

/// Levels from here on are not lent: nobody is less urgent.
const NOT_LENT: usize = 4;

/// See the module's documentation.
pub(super) struct Lent {
    owner: Owner,
    turn: u64,
    lent: u8,
}

/// A level on its way to the owner, who is kept alive meanwhile.
#[must_use = "it has a hold"]
pub(super) struct Loan {
    to: Owner,
    level: usize,
    turn: u64,
}

/// What is to be taken back from one who has left.
#[must_use = "it would stay as urgent as that"]
pub(super) struct Debt {
    owner: Owner,
    lent: u8,
}

/// What brings nearer to each other what was lent and what is to be lent. See the module's documentation.
#[must_use = "it has a hold"]
pub(super) enum Step {
    Lend(Loan),
    /// With a hold.
    TakeBack(Debt),
}

impl Lent {
    /// Nobody has it.
    pub(super) const fn new() -> Lent {
        Lent { owner: Owner::NOBODY, turn: 0, lent: 0 }
    }

    /// Does that fiber have it?
    pub(super) fn is_owned_by(&self, owner: Owner) -> bool {
        owner.is_fiber() && self.owner == owner
    }

    /// Is that the owner?
    pub(super) fn belongs_to(&self, owner: Owner) -> bool {
        self.owner == owner
    }

    /// The owner's number, if it is a fiber. The caller has the latch.
    pub(super) fn owner_number(&self) -> Option<u64> {
        // SAFETY: the latch is the caller's.
        unsafe { self.owner.number() }
    }

    /// It is the owner from now on, until [`leaves`](Self::leaves).
    #[inline]
    pub(super) fn comes(&mut self, owner: Owner) {
        self.owner = owner;
        self.turn = self.turn.wrapping_add(1);
        debug_assert_eq!(self.lent, 0, "who left has taken its debt along");
    }

    /// The owner gives it up.
    #[inline]
    pub(super) fn leaves(&mut self) -> Debt {
        let debt = Debt { owner: self.owner, lent: std::mem::take(&mut self.lent) };
        self.owner = Owner::NOBODY;
        self.turn = self.turn.wrapping_add(1);
        debt
    }

    /// What the first in line, of that level, has to lend.
    pub(super) fn offer(&self, first: Option<usize>) -> Option<Loan> {
        let level = first.filter(|&level| level < NOT_LENT)?;
        if !self.owner.is_fiber() || self.lent & ((2 << level) - 1) != 0 {
            return None;
        }
        // SAFETY: the latch is the caller's.
        unsafe { self.owner.hold() };
        Some(Loan { to: self.owner, level, turn: self.turn })
    }

    /// Is there a step to take, where the first in line has that level?
    #[inline]
    pub(super) fn is_off(&self, first: Option<usize>) -> bool {
        self.owner.is_fiber() && self.lent != due(first)
    }

    /// The next step towards what the first in line, of that level, has to lend to an owner that stays.
    pub(super) fn follow(&mut self, first: Option<usize>) -> Option<Step> {
        if !self.is_off(first) {
            return None;
        }
        let due = due(first);
        if let Some(level) = first.filter(|_| self.lent & due != due) {
            // SAFETY: the latch is the caller's.
            unsafe { self.owner.hold() };
            return Some(Step::Lend(Loan { to: self.owner, level, turn: self.turn }));
        }
        Some(self.owe(due))
    }

    /// Another owner, or none. What the one before was lent is taken back.
    pub(super) fn passes_to(&mut self, owner: Owner) -> Option<Step> {
        let step = (self.lent != 0).then(|| self.owe(0));
        self.comes(owner);
        step
    }

    /// All but that is taken back.
    fn owe(&mut self, stays: u8) -> Step {
        // SAFETY: the latch is the caller's.
        unsafe { self.owner.hold() };
        let lent = self.lent & !stays;
        self.lent &= stays;
        Step::TakeBack(Debt { owner: self.owner, lent })
    }

    /// Keeps a loan. `false`: it is not needed.
    fn keep(&mut self, loan: &Loan) -> bool {
        let bit = 1 << loan.level;
        let keeps = self.turn == loan.turn && self.lent & bit == 0;
        if keeps {
            self.lent |= bit;
        }
        keeps
    }
}

impl Loan {
    /// Lends. `with` calls what it gets under the latch.
    pub(super) fn lend(self, with: impl FnOnce(&mut dyn FnMut(&mut Lent))) {
        // SAFETY: we have a hold.
        unsafe { self.to.lend(self.level) };
        let mut kept = false;
        with(&mut |lent| kept = lent.keep(&self));
        // SAFETY: as above, and it ends here.
        unsafe {
            if !kept {
                self.to.take_back(self.level);
            }
            self.to.release();
        }
    }
}

impl Step {
    /// Takes it. `with` calls what it gets under the latch.
    pub(super) fn take(self, with: impl FnOnce(&mut dyn FnMut(&mut Lent))) {
        match self {
            Step::Lend(loan) => loan.lend(with),
            Step::TakeBack(debt) => {
                let owner = debt.owner;
                // SAFETY: there is a hold, and it ends here.
                unsafe {
                    debt.settle();
                    owner.release();
                }
            }
        }
    }
}

/// The bits that should be set where the first in line has that level.
#[inline]
fn due(first: Option<usize>) -> u8 {
    first.filter(|&level| level < NOT_LENT).map_or(0, |level| 1 << level)
}

impl Debt {
    /// Takes all loans back.
    ///
    /// # Safety
    /// The owner has not [forgotten](Owner::forget) what it had, or there is a hold.
    #[inline]
    pub(super) unsafe fn settle(self) {
        if self.lent != 0 {
            for level in (0..NOT_LENT).filter(|level| self.lent & (1 << level) != 0) {
                // SAFETY: the caller's promise.
                unsafe { self.owner.take_back(level) };
            }
        }
    }
}
