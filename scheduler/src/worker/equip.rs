//! Fibers with extras, at the start and at the end: names, deadlines, contexts.

use super::Worker;
use crate::fiber::FiberRef;
use crate::fiber::carrier::Carrier;
use crate::fiber::extras;
use crate::fiber::shown::Shown;
use crate::timer::{Alarm, Then};
use std::time::Instant;

/// Has its deadline passed? Then it is not started.
#[cold]
pub(super) fn is_too_late(fiber: FiberRef) -> bool {
    let deadline = fiber.extras.as_ref().and_then(|extras| extras.deadline);
    deadline.is_some_and(|deadline| deadline <= Instant::now())
}

impl Worker {
    /// A fiber with extras is about to start on `carrier`.
    #[cold]
    pub(super) fn equip(&self, fiber: FiberRef, carrier: &Carrier) {
        let Some(extras) = &fiber.extras else { return };
        carrier.shown.set(Shown::new(fiber.id, extras.name.is_some()));
        carrier.heritage.replace(extras::inheritable(extras));
        if let Some(deadline) = extras.deadline {
            let key = self.timers.set_alarm(deadline, Alarm { fiber, then: Then::Cancel });
            carrier.deadline.set(Some(key));
        }
    }

    /// It has ended.
    #[cold]
    pub(super) fn strip(&self, carrier: &Carrier) {
        drop(carrier.heritage.replace(None));
        carrier.too_late.set(false);
        if let Some(key) = carrier.deadline.take() {
            self.timers.clear(key);
        }
    }

    /// The deadline of a started fiber has come.
    #[cold]
    pub(super) fn cancel_too_late(&self, fiber: FiberRef) {
        if !fiber.state.is_cancelled() {
            // SAFETY: the timer is cleared at the fiber's end, so it is on its carrier.
            unsafe { &*fiber.carrier.get() }.too_late.set(true);
            fiber.state.cancel_at_home();
        }
        self.resume_here(fiber);
    }
}
