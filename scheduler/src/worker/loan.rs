//! Lending: who waits passes its level on to whom it waits for, until that is done.
//!
//! | who waits                       | lends to                                    | until                            |
//! |---------------------------------|---------------------------------------------|----------------------------------|
//! | a fiber in `join`               | the fiber it joins                          | its end, or the joiner is cancelled |
//! | whoever waits for a `Mutex`     | the fiber that has it                       | it unlocks (`sync/raw_lock.rs`)  |
//! | a fiber at the end of its scope | each fiber of the scope that is less urgent | all have ended ([`kin`](super::kin)) |
//!
//! A fiber's word of loans says what was lent to it (`fiber/loans.rs`), and its level follows. A thread
//! that waits lends nothing: it has no priority that we know.
//!
//! # Chains
//!
//! Where the one who is lent to waits itself, its own loan follows its level. That is done at its home,
//! by the dispatch loop, when the letter arrives that every change of a started fiber's level sends
//! there: so the waiting fiber is suspended, what it lends to is named in its own frame
//! ([`while_lending`]), and no lock is needed. Each step is a letter, never a recursion, so a chain may be as long as it
//! likes; it takes each home's next look into its mailbox. A step is taken only where a level has
//! really changed, and a level changes at most four times in one direction: so a ring of fibers that
//! wait for each other comes to rest too.

use super::current;
use super::registry;
use super::shared::Shared;
use crate::fiber::FiberRef;
use crate::fiber::awaited::Awaited;
use crate::fiber::carrier::Carrier;
use crate::fiber::loans::{self, Changed, Lender};
use crate::fiber::state::{By, LevelChange, SetLevel};
use std::cell::Cell;
use std::ptr::NonNull;

/// Lends `level` to `fiber`, which somebody keeps alive. Each loan is taken back, at the level that it
/// has then, or ends with the fiber.
#[inline]
pub(crate) fn lend(fiber: FiberRef, level: usize) {
    settle_after(fiber, fiber.loans.lend(level));
}

/// Ends a loan.
pub(crate) fn take_back(fiber: FiberRef, level: usize) {
    settle_after(fiber, fiber.loans.take_back(level));
}

/// A loan is of another level from now on.
pub(crate) fn exchange(fiber: FiberRef, from: usize, to: usize) {
    settle_after(fiber, fiber.loans.exchange(from, to));
}

/// Changes the fiber's own level.
pub(crate) fn set_base(fiber: FiberRef, level: usize) {
    settle_after(fiber, fiber.loans.set_base(level));
}

/// Also where somebody else has changed the level, who may be stopped before it came to the rest.
#[inline]
fn settle_after(fiber: FiberRef, changed: Changed) {
    if changed == Changed(true) || !fiber.state.is_settled_at(fiber.loans.level()) {
        settle(fiber);
    }
}

/// The loan of a fiber that waits for the end of another one.
pub(crate) struct Loan {
    to: FiberRef,
    level: Cell<usize>,
}

impl Loan {
    /// `from` lends to `to`, whose handle it has.
    #[inline]
    pub(crate) fn new(to: FiberRef, from: FiberRef) -> Loan {
        let level = from.state.level();
        lend(to, level);
        Loan { to, level: Cell::new(level) }
    }

    /// Not needed where the other has ended.
    #[cold]
    pub(crate) fn take_back(&self) {
        take_back(self.to, self.level.get());
    }
}

impl Lender for Loan {
    fn level_is(&self, level: usize) {
        let before = self.level.replace(level);
        if before != level {
            exchange(self.to, before, level);
        }
    }

    fn waits_for(&self) -> Awaited {
        Awaited::End(self.to.id.0)
    }
}

/// Lets the running fiber wait by `wait`, while `lender` hears of each change of its level.
#[inline(always)]
pub(crate) fn while_lending<R>(lender: &(dyn Lender + 'static), wait: impl FnOnce() -> R) -> R {
    /// Also when it unwinds: the lender is in a frame that is about to go.
    struct Over<'a>(Option<&'a Carrier>);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            if let Some(carrier) = self.0 {
                carrier.lender.set(None);
            }
        }
    }
    let carrier = current::worker().and_then(|worker| worker.current());
    if let Some(carrier) = carrier {
        carrier.lender.set(Some(NonNull::from(lender)));
    }
    let _over = Over(carrier);
    wait()
}

/// The level of a fiber that does not run has changed, and this is its home: if it waits and lends,
/// so has what it lends.
#[inline]
pub(crate) fn pass_on(carrier: &Carrier, level: usize) {
    if let Some(lender) = carrier.lender.get() {
        // SAFETY: it is in the frame of `while_lending`, on this carrier's stack, which does not run.
        unsafe { lender.as_ref() }.level_is(level);
    }
}

/// The effective level has changed: queues and counters follow.
#[cold]
pub(crate) fn settle(fiber: FiberRef) {
    if let Some((worker, running)) = current::in_fiber()
        && running == fiber
    {
        let level = loans::settle_at_home(&fiber.loans, &fiber.state);
        worker.turns.level_changed();
        if let Some(carrier) = worker.current() {
            worker.recount(carrier, level);
            worker.remote().counters.show_running(carrier.shown.get().at(level));
        }
        worker.forget_boost();
        return;
    }
    let by = current::by();
    with_scheduler(fiber, |shared| {
        loans::settle(&fiber.loans, &fiber.state, by, |level, change| {
            let change = match change.then {
                SetLevel::Order => order(shared, fiber, level),
                _ => change,
            };
            if let Some(before) = change.left {
                shared.counters.count_move(before, level);
            }
            match change.then {
                SetLevel::Done | SetLevel::Order => {}
                SetLevel::PushTicket => shared.queue_ticket(fiber.make_ticket(level), level),
                SetLevel::PostTo(home) => loan_changed(shared, home, fiber, by, true),
                SetLevel::Posted(home) => loan_changed(shared, home, fiber, by, false),
            }
        });
    });
}

/// Changes the level of a fiber that has not started, by a thread that may be stopped anywhere: there is a
/// ticket before there is need of it.
fn order(shared: &Shared, fiber: FiberRef, level: usize) -> LevelChange {
    let order = fiber.make_order(level);
    shared.queue_ticket(order, level);
    let change = fiber.state.set_level(level, By::Order);
    order.close_order(fiber);
    change
}

/// A started fiber counts as more or less urgent than before, and this is its home: with `letter`, it
/// is told by a letter, else one is on its way. The fiber takes its new place there when the home looks
/// into its mailbox. A home in a less urgent lane is helped besides ([`boost`](super::boost)).
fn loan_changed(shared: &Shared, home: usize, fiber: FiberRef, by: By, letter: bool) {
    if letter {
        shared.post(home, fiber, by);
    } else {
        shared.boost(home, fiber.state.level());
    }
}

/// Calls `f` with the scheduler of a fiber that may have ended; not if the scheduler is gone, as then
/// the fiber has ended too.
pub(crate) fn with_scheduler(fiber: FiberRef, f: impl FnOnce(&Shared)) {
    if fiber.state.is_finished() {
        return;
    }
    match current::worker() {
        Some(worker) if current::is_of(&worker.shared, fiber) => f(&worker.shared),
        _ => {
            if let Some(shared) = registry::find(fiber.shared) {
                f(&shared);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fiber::loans::Loans;

    #[test]
    fn a_count_that_is_full_stays_full_and_its_neighbours_are_left_alone() {
        let loans = Loans::new(3);
        for _ in 0..200 {
            let _ = loans.lend(1);
        }
        assert_eq!(loans.lend(0), Changed(true));
        for _ in 0..200 {
            let _ = loans.take_back(1);
        }
        assert_eq!(loans.take_back(0), Changed(true));
        assert_eq!((loans.level(), loans.base()), (1, 3));
    }

    #[test]
    fn each_loan_counts_until_it_is_taken_back() {
        let loans = Loans::new(4);
        for level in (0..4).rev() {
            assert_eq!(loans.lend(level), Changed(true));
            assert_eq!(loans.lend(level), Changed(false));
        }
        assert_eq!(loans.lend(4), Changed(false), "nobody is less urgent");
        for level in 0..4 {
            assert_eq!(loans.level(), level);
            assert_eq!(loans.take_back(level), Changed(false));
            assert_eq!(loans.take_back(level), Changed(true));
        }
        assert_eq!(loans.level(), 4);
        assert_eq!(loans.set_base(2), Changed(true));
        assert_eq!(loans.exchange(4, 1), Changed(true));
        assert_eq!(loans.exchange(1, 3), Changed(true));
        assert_eq!(loans.level(), 2);
    }
}
