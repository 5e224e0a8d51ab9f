//! What the owner of a scope and those who make fibers in it, or change them, tell each other while the
//! owner waits.
//!
//! | field      | written by                                  | read by                           |
//! |------------|---------------------------------------------|-----------------------------------|
//! | `arrived`  | who makes a fiber and is not the owner      | the owner takes all               |
//! | `waits_at` | the owner: its level while it waits         | who makes a fiber or lowers one   |
//! | `least`    | who makes a fiber or lowers one             | the owner                         |
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
//! With a fence on both sides at least one of the two sees the other.

use crate::primitive::{AtomicU32, Ordering, fence};
use crate::queue::inbox::{Inbox, Node, Taken};
use std::ptr::NonNull;

/// The owner does not wait.
const NOT_WAITING: u32 = u32::MAX;

/// See the module's documentation.
pub(crate) struct Front<T: Node> {
    arrived: Inbox<T>,
    waits_at: AtomicU32,
    least: AtomicU32,
}

impl<T: Node> Front<T> {
    /// Of a scope without fibers.
    pub(crate) fn new() -> Front<T> {
        Front { arrived: Inbox::new(), waits_at: AtomicU32::new(NOT_WAITING), least: AtomicU32::new(0) }
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
        // ORDERING: SeqCst pairs with the fence of `wait_at`.
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

    /// All that has arrived.
    pub(crate) fn take_all(&self) -> Taken<T> {
        self.arrived.take_all()
    }
}
