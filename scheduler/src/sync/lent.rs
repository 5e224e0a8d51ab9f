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

impl Lent {
    /// Nobody has it.
    pub(super) const fn new() -> Lent {
        Lent { owner: Owner::NOBODY, turn: 0, lent: 0 }
    }

    /// Does that fiber have it?
    pub(super) fn is_owned_by(&self, owner: Owner) -> bool {
        owner.is_fiber() && self.owner == owner
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

impl Debt {
    /// Takes all loans back.
    ///
    /// # Safety
    /// The owner has not [forgotten](Owner::forget) what it had.
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
