//! Claims that are not plain: what was popped is a ticket, is stale, or leads to a fiber whose level was set by a thread that may
//! have been stopped in the middle of that. Such a thread may have written what the loans said long ago, and take a loan away
//! that has come since. Whoever pops a ticket of such a fiber therefore settles first:
//!
//! ```text
//!  from below                 a lender, of another lane         whoever pops a ticket
//!  the loans say 3
//!    ... stopped ...          lend: the loans say 0
//!                             the level is 0; a ticket of 0
//!  the level is 3, UNSURE
//!    ... stopped ...                                            of 0: UNSURE? settle: the level is 0; claim
//!                                                               or of 3: the same, and the ticket is stale
//! ```
//!
//! So each loan that has a ticket is kept, by whichever ticket is popped first. An order (`fiber/state.rs`) that is out of date is
//! carried out nevertheless, as its maker relies on that; then the new home hears of the level, as of any other change.

use super::Worker;
use super::loan;
use crate::error::JoinError;
use crate::fiber::FiberRef;
use crate::fiber::state::Claim;

impl Worker {
    #[cold]
    pub(super) fn claim_by_ticket(&self, ticket: FiberRef, level: usize) -> Option<FiberRef> {
        let fiber = ticket.resolve();
        if !ticket.is_order() {
            return match fiber.state.claim_by_ticket(level, self.index) {
                Claim::Won => Some(fiber),
                claim => self.not_won(claim, fiber, level, false),
            };
        }
        let (claim, left) = fiber.state.claim_ordered(level, self.index);
        if let Some(before) = left {
            self.shared.counters.count_move(before, level);
        }
        match claim {
            Claim::Won => Some(self.made_sure(fiber)),
            claim => self.not_won(claim, fiber, level, false),
        }
    }

    /// It is not to be started as it is. `by_itself`: it was popped by itself, not by a ticket.
    #[cold]
    pub(super) fn not_won(
        &self,
        claim: Claim,
        fiber: FiberRef,
        level: usize,
        by_itself: bool,
    ) -> Option<FiberRef> {
        match claim {
            Claim::Won => return Some(self.made_sure(fiber)),
            Claim::Unsure => {
                // What was popped is a hold.
                loan::settle(fiber);
                let claim = fiber.state.claim_surely(level, self.index, by_itself);
                return self.not_won(claim, fiber, level, by_itself);
            }
            Claim::Stale => {}
            Claim::Cancelled => self.fail(fiber, level, JoinError::cancelled()),
            // SAFETY: that was the last hold.
            Claim::StaleFree => unsafe { fiber.free() },
        }
        None
    }

    /// A fiber that we have just claimed may have been set to a level that is out of date once more before that: then we are told,
    /// as its home.
    fn made_sure(&self, fiber: FiberRef) -> FiberRef {
        if fiber.loans.level() != fiber.state.level() {
            loan::settle(fiber);
        }
        fiber
    }
}
