//! What the owner of a scope and those who make fibers in it, or change them, tell each other while the
//! owner waits.
//!
//! | field      | written by                                  | read by                           |
//! |------------|---------------------------------------------|-----------------------------------|
//! | `arrived`  | who makes a fiber and is not the owner      | the owner takes all               |
//! | `waits_at` | the owner: its level while it waits         | who makes a fiber or lowers one   |
//! | `least`    | who makes a fiber or lowers one             | the owner                         |
//! | `cancelled`| the owner, once                             | who has made a fiber; the owner   |
//!
//! The owner lends its level only where some fiber of the scope is less urgent, which is rare. So
//! each side first says what it has to say and then looks at what the other has said:
//!
//! ```text
//!   the owner waits            somebody makes or lowers a fiber
//!   waits_at := level          arrived, least := the fiber and its level
//!   fence                      fence
//!   look at arrived, least     waits_at is more urgent? wake the owner, who looks again
//! ```
//!
//! With a fence on both sides at least one of the two sees the other. By the same fence, the owner that cancels all and
//! somebody who makes one more:
//!
//! ```text
//!   the owner cancels all      somebody makes a fiber
//!   cancelled := true          arrived := the fiber
//!   fence                      fence
//!   cancel those in arrived    cancelled? cancel it
//! ```

use crate::primitive::{AtomicBool, AtomicU32, Ordering, fence};
use crate::queue::inbox::{Inbox, Node, Taken};
use std::ptr::NonNull;

/// The owner does not wait.
const NOT_WAITING: u32 = u32::MAX;

/// See the module's documentation.
pub(crate) struct Front<T: Node> {
    arrived: Inbox<T>,
    waits_at: AtomicU32,
    least: AtomicU32,
    cancelled: AtomicBool,
}

impl<T: Node> Front<T> {
    /// Of a scope without fibers.
    pub(crate) fn new() -> Front<T> {
        let (waits_at, least) = (AtomicU32::new(NOT_WAITING), AtomicU32::new(0));
        Front { arrived: Inbox::new(), waits_at, least, cancelled: AtomicBool::new(false) }
    }

    /// The owner itself has made a fiber of this level.
    #[inline]
    pub(crate) fn made(&self, level: usize) {
        if self.least.load(Ordering::Relaxed) < level as u32 {
            self.least.fetch_max(level as u32, Ordering::Relaxed);
        }
    }

    /// Somebody else has made a fiber of this level. `true`: wake the owner.
    ///
    /// # Safety
    /// As for [`Inbox::push`]; nobody closes it.
    #[must_use]
    pub(crate) unsafe fn arrive(&self, node: NonNull<T>, level: usize) -> bool {
        // SAFETY: the caller's promise.
        let refused = unsafe { self.arrived.push(node) };
        debug_assert!(refused.is_ok());
        self.lowered(level)
    }

    /// A fiber has this level of its own from now on. `true`: wake the owner.
    #[must_use]
    pub(crate) fn lowered(&self, level: usize) -> bool {
        self.least.fetch_max(level as u32, Ordering::Relaxed);
        // ORDERING: SeqCst pairs with the fences of `wait_at` and `cancel`.
        fence(Ordering::SeqCst);
        self.waits_at.load(Ordering::Relaxed) < level as u32
    }

    /// The owner waits, at this level. The result is what has arrived, and the least urgent level of
    /// any fiber's own.
    pub(crate) fn wait_at(&self, level: usize) -> (Taken<T>, usize) {
        self.waits_at.store(level as u32, Ordering::Relaxed);
        // ORDERING: SeqCst pairs with the fence of `lowered`.
        fence(Ordering::SeqCst);
        (self.arrived.take_all(), self.least.load(Ordering::Relaxed) as usize)
    }

    /// All fibers are to be cancelled: the caller, who is the owner, does that to those that it knows and those that
    /// [have arrived](Self::take_all), makers to those that they have made. `false`: it has done so before.
    pub(crate) fn cancel(&self) -> bool {
        let is_first = !self.cancelled.swap(true, Ordering::Relaxed);
        // ORDERING: SeqCst pairs with the fence of `lowered`, between a fiber's arrival and the look of its maker at
        // `cancelled`: either we see the fiber, or its maker sees this.
        fence(Ordering::SeqCst);
        is_first
    }

    /// Were all cancelled? Whoever has made a fiber asks after [it has arrived](Self::arrive).
    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// All that has arrived.
    pub(crate) fn take_all(&self) -> Taken<T> {
        self.arrived.take_all()
    }
}
