//! Who waits here, and whether anything here could still wake somebody: what a worker tells about itself for
//! [`Scheduler::who_waits`](crate::Scheduler::who_waits), between two fibers.

use super::Worker;
use crate::fiber::awaited::Awaited;
use crate::fiber::{FiberId, FiberRef};
use crate::priority::Priority;
use std::sync::Arc;

/// A fiber that is suspended.
pub(crate) struct Suspended {
    pub(crate) id: FiberId,
    pub(crate) name: Option<Arc<String>>,
    pub(crate) priority: Priority,
    pub(crate) awaited: Awaited,
}

/// What a worker says.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) suspended: Vec<Suspended>,
    /// Something is to be run, or will be when a time or a descriptor's news has come.
    pub(crate) busy: bool,
    pub(crate) dispatches: u64,
}

impl Worker {
    /// See the module's documentation. Nothing of ours runs.
    pub(crate) fn tell(&self) -> Told {
        let mut suspended = Vec::new();
        self.each_suspended(|fiber, awaited| {
            let (id, name, priority) = (fiber.id, fiber.name().cloned(), fiber.priority());
            suspended.push(Suspended { id, name, priority, awaited });
        });
        let runnable = self.ready_mask.get() | self.fresh_mask.get();
        Told {
            suspended,
            busy: runnable != 0 || self.timers.until_next().is_some() || self.io.is_awaited(),
            dispatches: self.remote().counters.dispatches.get(),
        }
    }

    fn each_suspended(&self, mut f: impl FnMut(FiberRef, Awaited)) {
        // SAFETY: the vector belongs to this thread, and what is called here does not change it.
        for &carrier in unsafe { &*self.carriers.get() } {
            // SAFETY: carriers in the vector are alive.
            let carrier = unsafe { &*carrier };
            let Some(fiber) = carrier.fiber().filter(|_| carrier.parked.get()) else { continue };
            // SAFETY: the lender is in the fiber's frame, which does not run.
            let awaited = carrier.lender.get().map(|lender| unsafe { lender.as_ref() }.waits_for());
            f(fiber, awaited.unwrap_or(Awaited::Unsaid));
        }
    }
}
