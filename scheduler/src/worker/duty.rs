//! What the seat of a spare worker is up to: it is manned when needed and vacated when not, while others
//! queue work and wake workers.
//!
//! ```text
//! state     meaning                                       who changes it
//! VACANT    there is no thread                            the monitor -> SERVING, then makes the thread
//! SERVING   it works as any other                         the monitor -> LEAVING
//! LEAVING   it takes nothing new, and goes when its       the monitor -> SERVING (it is needed after all)
//!           own fibers have ended                         the spare -> GONE, without a live fiber
//! GONE      nothing is left in it; the thread ends        whoever has joined the thread -> VACANT
//! ```
//!
//! A spare that leaves may have been woken for work that it does not take, or others may have left the
//! waking to it: so it first announces what it can see, as if it had queued that itself. `LEAVING` is
//! announced to a sleeping spare like mail ([`beacon`](super::beacon)), `SERVING` like work.

use crate::primitive::{AtomicU32, Ordering};

const VACANT: u32 = 0;
const SERVING: u32 = 1;
const LEAVING: u32 = 2;
const GONE: u32 = 3;

/// See the module's documentation. The orders of memory are those of the thread's start and end, and
/// of the beacon.
pub(crate) struct Duty(AtomicU32);

impl Duty {
    pub(crate) fn new() -> Duty {
        Duty(AtomicU32::new(VACANT))
    }

    fn is(&self, state: u32) -> bool {
        self.0.load(Ordering::Relaxed) == state
    }

    fn change(&self, from: u32, to: u32) -> bool {
        self.0.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// A thread is about to be made. `false`: there is one.
    #[must_use]
    pub(crate) fn begin(&self) -> bool {
        self.change(VACANT, SERVING)
    }

    /// It is not needed. `true`: it was serving, and is now to be told.
    #[must_use]
    pub(crate) fn dismiss(&self) -> bool {
        self.change(SERVING, LEAVING)
    }

    /// It is needed after all. `false`: it has gone.
    #[must_use]
    pub(crate) fn recall(&self) -> bool {
        self.change(LEAVING, SERVING)
    }

    /// The spare, which has no live fiber, goes. `false`: it was recalled.
    #[must_use]
    pub(crate) fn leave(&self) -> bool {
        self.change(LEAVING, GONE)
    }

    /// There is no thread any more.
    pub(crate) fn vacate(&self) {
        self.0.store(VACANT, Ordering::Relaxed);
    }

    pub(crate) fn is_vacant(&self) -> bool {
        self.is(VACANT)
    }

    pub(crate) fn is_serving(&self) -> bool {
        self.is(SERVING)
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.is(LEAVING)
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.is(GONE)
    }
}
