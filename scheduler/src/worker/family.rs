//! The fibers of a scope, as the one who waits for them sees them: how many there are.

use super::cancel::cancel;
use super::current;
use super::kin::Kin;
use super::loan;
use super::resumer::Resumer;
use crate::fiber::FiberRef;
use crate::primitive::{AtomicBool, AtomicUsize, Ordering};
use crate::priority::Priority;
use std::ptr::NonNull;
use std::sync::Arc;

/// What a scope's fibers and its owner share. The owner has one strong reference, all fibers together
/// another, which the last one drops.
pub(crate) struct ScopeState {
    /// Fibers that have not ended, and one for the owner while it may make more.
    pending: AtomicUsize,
    /// All have ended.
    done: AtomicBool,
    panicked: AtomicBool,
    /// A fiber of it has failed, so that the others are in vain.
    failed: AtomicBool,
    owner: Resumer,
    kin: Kin,
}

impl ScopeState {
    /// The state of a scope that the caller opens. The pointer is the fibers' reference, which
    /// [`child_ended`](Self::child_ended) takes back.
    pub(crate) fn open() -> (Arc<ScopeState>, *const ScopeState) {
        let state = Arc::new(ScopeState {
            pending: AtomicUsize::new(1),
            done: AtomicBool::new(false),
            panicked: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            owner: Resumer::current(),
            kin: Kin::new(current::in_fiber().map(|(_, owner)| owner)),
        });
        (state.clone(), Arc::into_raw(state))
    }

    /// One more fiber.
    pub(crate) fn child_made(&self) {
        self.pending.fetch_add(1, Ordering::Relaxed);
    }

    /// A fiber was made, with a hold that is taken here. The caller has its handle.
    #[inline]
    pub(crate) fn keep(&self, fiber: FiberRef) {
        self.kin.made(fiber, &self.owner);
        // After it was made known: see `front`.
        if self.kin.is_cancelled() {
            cancel(fiber);
        }
    }

    /// A fiber of the scope, which has not ended or has a handle, has this level of its own from now on.
    pub(crate) fn child_moved(&self, level: usize) {
        self.kin.lowered(level, &self.owner);
    }

    /// Waits until all have ended, by `suspend`, and meanwhile lends to them. If the owner is interrupted, or one of
    /// them fails, they are cancelled. Only for the owner, once.
    pub(crate) fn wait(&self, suspend: impl Fn()) {
        while !self.wait_or_cancel(&suspend) {
            self.cancel_all();
        }
        self.kin.close();
    }

    /// The same until they are to be cancelled: `false`.
    fn wait_or_cancel(&self, suspend: impl Fn()) -> bool {
        let until_done = |look: &dyn Fn(), is_interrupted: &dyn Fn() -> bool| {
            while !self.is_done() {
                look();
                if !self.is_cancelled() && (self.has_failed() || is_interrupted()) {
                    return false;
                }
                // It may be over by now, and then there is a token.
                suspend();
            }
            true
        };
        match current::on_carrier().and_then(|(_, carrier)| Some((carrier, carrier.fiber()?))) {
            Some((carrier, me)) => loan::while_lending(&self.kin, || {
                until_done(&|| self.kin.wait_at(me.state.level()), &|| carrier.is_interrupted())
            }),
            None => until_done(&|| self.kin.gather(), &|| false),
        }
    }

    /// Cancels all fibers that it has, and that it will have. Only for the owner.
    #[cold]
    pub(crate) fn cancel_all(&self) {
        self.kin.cancel_all();
    }

    /// Were its fibers cancelled, all together?
    pub(crate) fn is_cancelled(&self) -> bool {
        self.kin.is_cancelled()
    }

    /// A fiber of it has failed: its owner is to cancel the others. Called by the fiber.
    #[cold]
    pub(crate) fn fail(&self) {
        // ORDERING: Release pairs with the acquire of `has_failed`, and of the owner's section.
        self.failed.store(true, Ordering::Release);
        self.owner.call_off();
    }

    /// What calls the owner's section off.
    pub(crate) fn failure(&self) -> NonNull<AtomicBool> {
        NonNull::from(&self.failed)
    }

    /// Has a fiber of it failed?
    pub(crate) fn has_failed(&self) -> bool {
        // ORDERING: Acquire pairs with the release of `fail`.
        self.failed.load(Ordering::Acquire)
    }

    /// Does the owner call this?
    pub(crate) fn is_owner(&self) -> bool {
        self.kin.is_owner()
    }

    /// How many have not ended, the owner included.
    pub(crate) fn pending(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }

    /// Have all ended?
    pub(crate) fn is_done(&self) -> bool {
        // ORDERING: Acquire pairs with the release of `all_ended`.
        self.done.load(Ordering::Acquire)
    }

    /// Did a fiber panic, and nobody looked at its result?
    pub(crate) fn has_panicked(&self) -> bool {
        self.panicked.load(Ordering::Relaxed)
    }

    /// A fiber of the scope has ended, and its result is where it belongs.
    ///
    /// # Safety
    /// `scope` is the state of the fiber's scope; called once for each fiber.
    #[inline]
    pub(crate) unsafe fn child_ended(scope: *const ScopeState) {
        // SAFETY: the fibers' reference keeps it alive until the last has been here.
        let state = unsafe { &*scope };
        // ORDERING: AcqRel: what each fiber did is visible to the last, and by `done` to the owner.
        if state.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
            // SAFETY: as above; we are the last.
            unsafe { ScopeState::all_ended(scope) };
        }
    }

    #[cold]
    unsafe fn all_ended(scope: *const ScopeState) {
        // SAFETY: the fibers' reference, which was turned into a pointer when the scope was opened.
        let state = unsafe { Arc::from_raw(scope) };
        // ORDERING: Release pairs with the acquire of `wait`.
        state.done.store(true, Ordering::Release);
        state.owner.resume();
    }

    /// A fiber panicked, and nobody looked at its result.
    pub(crate) fn note_panic(&self) {
        self.panicked.store(true, Ordering::Relaxed);
    }
}

/// Changes the fiber's own priority. Only for the fiber itself, and for its handle.
pub(crate) fn set_priority(fiber: FiberRef, priority: Priority) {
    loan::set_base(fiber, priority.level());
    let scope = fiber.scope.cast::<ScopeState>();
    if !scope.is_null() {
        // SAFETY: a scope is there while a fiber of it has not ended, or has a handle.
        unsafe { (*scope).child_moved(priority.level()) };
    }
}
