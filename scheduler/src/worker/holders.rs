//! Branches that nobody has taken, of fibers that are suspended here: the worker turns them into fibers
//! when it has nothing else to do, as they would otherwise wait with their makers.

use super::Worker;
use crate::fiber::carrier::Carrier;
use crate::fiber::{self, Making};
use std::ptr;

impl Worker {
    #[cold]
    pub(super) fn remember_holder(&self, carrier: &Carrier) {
        carrier.holds_branches.set(true);
        // SAFETY: as in `carrier`.
        unsafe { (*self.holders.get()).push(ptr::from_ref(carrier).cast_mut()) };
    }

    #[cold]
    pub(super) fn forget_holder(&self, carrier: &Carrier) {
        carrier.holds_branches.set(false);
        // SAFETY: as in `carrier`.
        let holders = unsafe { &mut *self.holders.get() };
        if let Some(index) = holders.iter().rposition(|&holder| ptr::eq(holder, carrier)) {
            holders.swap_remove(index);
        }
    }

    /// Turns the oldest waiting branch of a suspended fiber of ours into a fiber. `false`: none has.
    pub(crate) fn promote_for_holder(&self) -> bool {
        // SAFETY: as in `carrier`; promotion does not reach `holders`.
        let Some(&holder) = (unsafe { (*self.holders.get()).first() }) else { return false };
        // SAFETY: a holder is a suspended carrier with a fiber.
        let carrier = unsafe { &*holder };
        self.promote_oldest(carrier);
        if carrier.forks.is_empty() {
            self.forget_holder(carrier);
        }
        true
    }

    /// Turns the oldest waiting branch of the fiber on `carrier` into a fiber of the same priority.
    pub(crate) fn promote_oldest(&self, carrier: &Carrier) {
        let Some(parent) = carrier.fiber() else { return };
        let Some(branch) = carrier.forks.take_oldest() else { return };
        // Its own, without what is lent to it: the branch is lent to when it is waited for.
        let level = parent.loans.base();
        if let Some(limit) = &self.shared.limit {
            limit.enter_beyond();
        }
        let extras = carrier.heritage.get().and_then(|_| carrier.heritage.at(branch.address()));
        let making = Making { extras, ..self.making(level) };
        // SAFETY: the joiner's frame, where the note is, stays until this fiber has ended.
        let fiber = unsafe { fiber::make(move || branch.call(), making) };
        // SAFETY: as above.
        unsafe { branch.note() }.promoted.set(fiber.as_ptr());
        self.push_fresh(fiber, level);
    }
}
