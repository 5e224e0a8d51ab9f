//! The fibers of a scope, as its owner lends to them, so that whoever waits for the owner also hastens
//! those for whom the owner waits; and as it cancels them.
//!
//! | field     | used by                                                                        |
//! |-----------|--------------------------------------------------------------------------------|
//! | `front`   | see its own table                                                              |
//! | `known`   | the owner, and its home while it is suspended and lends: so one thread         |
//! | `lent`    | the same: what is lent to each of `known`; 4: nothing                          |
//! | `look_at` | the same: at so many it is seen who has ended                                  |
//! | `others`  | who makes a fiber and is not the owner counts it; the owner sets it back       |
//!
//! The owner notes each fiber that it makes in a vector of its own, which costs a few nanoseconds and
//! no atomic. Fibers that others make in the scope come by an inbox. Each of them is held, as a resumer
//! holds, until it is seen that it has ended; that is looked at whenever there are twice as many as were
//! left the last time, so that what is kept is at most twice what lives, or 64.
//!
//! Nothing is lent while the owner runs, and nothing where all fibers are as urgent as the owner
//! that waits for them. Else each of them is lent to, which takes as many steps as there are fibers.

use super::cancel::cancel;
use super::current;
use super::front::Front;
use super::loan;
use super::resumer::Resumer;
use crate::fiber::FiberRef;
use crate::fiber::awaited::Awaited;
use crate::fiber::loans::Lender;
use crate::primitive::{AtomicPtr, AtomicUsize, Ordering};
use crate::queue::inbox::{Node, Taken};
use std::cell::{Cell, UnsafeCell};
use std::ptr::{self, NonNull};

/// It is seen who has ended when there are as many, or more. Picked for a cost that is not felt.
const LOOK_MIN: usize = 64;
/// No level that anybody lends.
const NOTHING: usize = 4;

/// See the module's documentation.
pub(crate) struct Kin {
    /// `None`: a thread.
    owner: Option<FiberRef>,
    thread: usize,
    front: Front<Note>,
    known: UnsafeCell<Vec<FiberRef>>,
    lent: Cell<usize>,
    look_at: Cell<usize>,
    others: AtomicUsize,
}

// SAFETY: `known`, `lent` and `look_at` are used by the owner's thread only, or that of its home.
unsafe impl Sync for Kin {}
// SAFETY: as above; what it holds may be released anywhere.
unsafe impl Send for Kin {}

/// A fiber that was not made by the owner.
struct Note {
    link: AtomicPtr<Note>,
    fiber: FiberRef,
}

// SAFETY: one cell a note.
unsafe impl Node for Note {
    unsafe fn link<'a>(node: NonNull<Note>) -> &'a AtomicPtr<Note> {
        // SAFETY: the node is alive, by the contract.
        unsafe { &(*node.as_ptr()).link }
    }
}

impl Kin {
    /// Of a scope that this fiber opens, which runs; or this thread.
    pub(crate) fn new(owner: Option<FiberRef>) -> Kin {
        Kin {
            owner,
            thread: current::thread_mark(),
            front: Front::new(),
            known: UnsafeCell::default(),
            lent: Cell::new(NOTHING),
            look_at: Cell::new(LOOK_MIN),
            others: AtomicUsize::new(0),
        }
    }

    /// A fiber was made in the scope, with a hold that is ours.
    #[inline]
    pub(crate) fn made(&self, fiber: FiberRef, owner: &Resumer) {
        let level = fiber.loans.base();
        if self.is_owner() {
            self.front.made(level);
            self.know(fiber);
        } else {
            self.arrive(fiber, level, owner);
        }
    }

    /// Does the owner call this?
    #[inline]
    pub(crate) fn is_owner(&self) -> bool {
        match current::in_fiber() {
            Some((_, running)) => self.owner == Some(running),
            None => self.owner.is_none() && self.thread == current::thread_mark(),
        }
    }

    #[cold]
    fn arrive(&self, fiber: FiberRef, level: usize, owner: &Resumer) {
        let note = Box::new(Note { link: AtomicPtr::new(ptr::null_mut()), fiber });
        // SAFETY: a new note, which the owner takes back.
        let lend = unsafe { self.front.arrive(NonNull::from(Box::leak(note)), level) };
        let many = (self.others.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(LOOK_MIN);
        if lend || many {
            owner.resume();
        }
    }

    /// A fiber of the scope has another level of its own.
    pub(crate) fn lowered(&self, level: usize, owner: &Resumer) {
        if self.front.lowered(level) {
            owner.resume();
        }
    }

    /// The owner waits for them, and has this level. Only for the owner, and for its home while it is
    /// suspended.
    pub(crate) fn wait_at(&self, level: usize) {
        let (arrived, least) = self.front.wait_at(level);
        self.know_all(arrived);
        let lend = if level < least { level } else { NOTHING };
        let before = self.lent.replace(lend);
        if before != lend {
            self.with_known(|known| known.iter().for_each(|&fiber| loan::exchange(fiber, before, lend)));
        }
    }

    fn know_all(&self, arrived: Taken<Note>) {
        for fiber in notes(arrived) {
            loan::lend(fiber, self.lent.get());
            self.know(fiber);
        }
    }

    /// Notes those that have arrived. Only for the owner.
    pub(crate) fn gather(&self) {
        self.know_all(self.front.take_all());
    }

    /// Asks all to end, once. Only for the owner, while it does not lend.
    pub(crate) fn cancel_all(&self) {
        if !self.front.cancel() {
            return;
        }
        self.gather();
        // Destructors of what never starts run here, and may make more; so nothing is borrowed meanwhile.
        let known = self.with_known(std::mem::take);
        known.iter().for_each(|&fiber| cancel(fiber));
        self.with_known(|new| new.extend(known));
    }

    /// Were all asked to end?
    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.front.is_cancelled()
    }

    #[inline]
    fn know(&self, fiber: FiberRef) {
        let count = self.with_known(|known| {
            known.push(fiber);
            known.len()
        });
        if count >= self.look_at.get() {
            self.forget_ended();
        }
    }

    #[cold]
    fn forget_ended(&self) {
        let left = self.with_known(|known| {
            known.retain(|fiber| {
                let ended = fiber.state.is_finished();
                if ended {
                    release(*fiber);
                }
                !ended
            });
            known.len()
        });
        self.look_at.set((2 * left).max(LOOK_MIN));
    }

    /// All have ended. Only for the owner.
    pub(crate) fn close(&self) {
        self.with_known(std::mem::take).into_iter().for_each(release);
        notes(self.front.take_all()).for_each(release);
    }

    fn with_known<R>(&self, f: impl FnOnce(&mut Vec<FiberRef>) -> R) -> R {
        // SAFETY: this is the owner's thread, or that of its home, and no `f` comes back here.
        f(unsafe { &mut *self.known.get() })
    }
}

impl Lender for Kin {
    fn level_is(&self, level: usize) {
        self.wait_at(level);
    }

    fn waits_for(&self) -> Awaited {
        let left = |known: &mut Vec<FiberRef>| {
            known.iter().filter(|fiber| !fiber.state.is_finished()).map(|fiber| fiber.id.0).collect()
        };
        Awaited::Scope(self.with_known(left))
    }
}

fn notes(taken: Taken<Note>) -> impl Iterator<Item = FiberRef> {
    // SAFETY: a note was a box when it was put in.
    taken.map(|note| unsafe { Box::from_raw(note.as_ptr()) }.fiber)
}

/// Gives up the hold on a fiber.
fn release(fiber: FiberRef) {
    if fiber.state.release() {
        // SAFETY: that was the last hold.
        unsafe { fiber.free() };
    }
}
