//! One call: a function and its result are in the caller's frame, which stays until the call has ended or was
//! taken back; this is beside it, as the queue may know of it for longer.
//!
//! ```text
//! state     who changes it                         the frame belongs to
//! QUEUED    a thread -> BEGUN, the caller -> BACK  nobody
//! BEGUN     the thread -> ENDED                    the thread
//! ENDED     nobody                                 the caller
//! BACK      nobody; the queue passes it over       the caller
//! ```

use crate::primitive::{AtomicPtr, AtomicU32, Ordering};
use crate::queue::inbox::{Inbox, Node};
use std::ptr::{self, NonNull};
use std::sync::Arc;

const QUEUED: u32 = 0;
const BEGUN: u32 = 1;
const ENDED: u32 = 2;
const BACK: u32 = 3;

/// See the module's documentation. `W` is who waits.
pub(crate) struct Call<W> {
    link: AtomicPtr<Call<W>>,
    state: AtomicU32,
    pub(crate) level: usize,
    frame: *mut (),
    make: unsafe fn(*mut ()),
    waiter: W,
    wake: fn(&W),
}

// SAFETY: the frame is used by one at a time, by the state; what is in it may be sent, by the promise of `new`.
unsafe impl<W: Send + Sync> Send for Call<W> {}
// SAFETY: as above.
unsafe impl<W: Send + Sync> Sync for Call<W> {}

// SAFETY: one cell a call.
unsafe impl<W> Node for Call<W> {
    unsafe fn link<'a>(node: NonNull<Call<W>>) -> &'a AtomicPtr<Call<W>> {
        // SAFETY: the node is alive, by the contract.
        unsafe { &(*node.as_ptr()).link }
    }
}

impl<W> Call<W> {
    /// A call of `make(frame)`; then `wake(waiter)`.
    ///
    /// # Safety
    /// The frame stays until this has ended or was taken back; `make` may be called with it once, on any thread,
    /// and does not unwind.
    pub(crate) unsafe fn new(
        level: usize,
        frame: *mut (),
        make: unsafe fn(*mut ()),
        waiter: W,
        wake: fn(&W),
    ) -> Arc<Call<W>> {
        let (link, state) = (AtomicPtr::new(ptr::null_mut()), AtomicU32::new(QUEUED));
        Arc::new(Call { link, state, level, frame, make, waiter, wake })
    }

    /// Puts it into an inbox, once.
    pub(crate) fn queue(self: &Arc<Self>, inbox: &Inbox<Call<W>>) {
        let node = Arc::into_raw(self.clone()).cast_mut();
        // SAFETY: it comes from an `Arc` that the inbox has now, is in no other list, and may be sent.
        let queued = unsafe { inbox.push(NonNull::new_unchecked(node)) };
        queued.expect("the inboxes of calls are never closed");
    }

    /// What was taken out of an inbox.
    pub(crate) fn unqueue(node: NonNull<Call<W>>) -> Arc<Call<W>> {
        // SAFETY: it was put in by `queue`.
        unsafe { Arc::from_raw(node.as_ptr()) }
    }

    /// For a thread: is it to be made, by the caller of this?
    pub(crate) fn begin(&self) -> bool {
        // What the caller wrote into the frame came with the queue.
        self.state.compare_exchange(QUEUED, BEGUN, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Makes it.
    ///
    /// # Safety
    /// `begin` has said so; once.
    pub(crate) unsafe fn make(&self) {
        // SAFETY: the promise of `new`, and of the caller.
        unsafe { (self.make)(self.frame) };
    }

    /// It has ended: the frame is the caller's again, who is woken.
    pub(crate) fn end(&self) {
        // ORDERING: Release pairs with the acquire of `has_ended`: the result.
        self.state.store(ENDED, Ordering::Release);
        (self.wake)(&self.waiter);
    }

    /// For the caller: has it ended?
    pub(crate) fn has_ended(&self) -> bool {
        // ORDERING: Acquire pairs with the release of `end`.
        self.state.load(Ordering::Acquire) == ENDED
    }

    /// For the caller: takes it back, if it has not begun. Then the frame is the caller's again.
    #[must_use]
    pub(crate) fn take_back(&self) -> bool {
        self.state.compare_exchange(QUEUED, BACK, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}
