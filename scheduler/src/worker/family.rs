//! The fibers of a scope, as the one who waits for them sees them: how many there are.

use super::current;
use super::kin::Kin;
use super::loan;
use super::resumer::Resumer;
use crate::fiber::FiberRef;
use crate::primitive::{AtomicBool, AtomicUsize, Ordering};
use crate::priority::Priority;
use std::sync::Arc;

/// What a scope's fibers and its owner share. The owner has one strong reference, all fibers together
/// another, which the last one drops.
pub(crate) struct ScopeState {
    /// Fibers that have not ended, and one for the owner while it may make more.
    pending: AtomicUsize,
    /// All have ended.
    done: AtomicBool,
    panicked: AtomicBool,
    owner: Resumer,
    /// Where the owner is a fiber: those it lends to.
    kin: Option<Kin>,
}

impl ScopeState {
    /// The state of a scope that the caller opens. The pointer is the fibers' reference, which
    /// [`child_ended`](Self::child_ended) takes back.
    pub(crate) fn open() -> (Arc<ScopeState>, *const ScopeState) {
        let state = Arc::new(ScopeState {
            pending: AtomicUsize::new(1),
            done: AtomicBool::new(false),
            panicked: AtomicBool::new(false),
            owner: Resumer::current(),
            kin: current::in_fiber().map(|(_, owner)| Kin::new(owner)),
        });
        (state.clone(), Arc::into_raw(state))
    }

    /// One more fiber.
    pub(crate) fn child_made(&self) {
        self.pending.fetch_add(1, Ordering::Relaxed);
    }

    /// Does the owner lend to its fibers? Then each is made with a hold, which [`keep`](Self::keep) takes.
    #[inline]
    pub(crate) fn lends(&self) -> bool {
        self.kin.is_some()
    }

    /// A fiber was made, with a hold if the owner lends.
    #[inline]
    pub(crate) fn keep(&self, fiber: FiberRef) {
        if let Some(kin) = &self.kin {
            kin.made(fiber, &self.owner);
        }
    }

    /// A fiber of the scope, which has not ended or has a handle, has this level of its own from now on.
    pub(crate) fn child_moved(&self, level: usize) {
        if let Some(kin) = &self.kin {
            kin.lowered(level, &self.owner);
        }
    }

    /// Waits until all have ended, by `suspend`, and meanwhile lends to them. Only for the owner, once.
    pub(crate) fn wait(&self, suspend: impl Fn()) {
        let until_done = |look: &dyn Fn()| {
            while !self.is_done() {
                look();
                // It may be over by now, and then there is a token.
                suspend();
            }
        };
        match (&self.kin, current::in_fiber()) {
            (Some(kin), Some((_, me))) => {
                loan::while_lending(kin, || until_done(&|| kin.wait_at(me.state.level())));
                kin.close();
            }
            _ => until_done(&|| ()),
        }
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
