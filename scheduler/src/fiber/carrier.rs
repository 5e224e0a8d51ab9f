//! A carrier: a stack with a coroutine on it that runs one fiber after another. A fiber has a carrier
//! from its first run to its end; a fiber that never suspends leaves its carrier warm for the next.
//!
//! ```text
//!   worker's thread                         carrier's stack
//!   dispatch loop  -- coroutine.resume -->  loop { run the fiber; suspend(Ended) }
//!                  <-- Ended --------------
//!   or             <-- Suspended ----------   the fiber called suspend() or yield_now()
//! ```
//!
//! Everything in a carrier belongs to its worker's thread: no field is atomic. The ready lists of a
//! worker link carriers, since only started fibers can be resumed. One whose fiber moves goes with it, as a whole
//! (`worker/roam.rs`).

use super::extras::Heritage;
use super::loans::Lender;
use super::locals::Locals;
use super::memory::{StackMemory, Stacks};
use super::sections::Sections;
use super::shown::Shown;
use super::{FiberRef, Header};
use crate::fiber::branches::Branches;
use crate::wheel::Key as TimerKey;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use std::cell::{Cell, UnsafeCell};
use std::ptr::{self, NonNull};

/// Why a carrier gave the thread back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switch {
    Suspended,
    Ended,
    /// It is suspended, and may go on at another worker.
    Leaving,
}

/// Which list of the worker a carrier is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Queued {
    No,
    /// It was resumed.
    Ready,
    /// It yielded, and waits for the others of its level.
    Yielded,
}

/// See the module's documentation.
pub(crate) struct Carrier {
    coroutine: UnsafeCell<Coroutine<(), Switch, (), StackMemory>>,
    yielder: Cell<*const Yielder<(), Switch>>,
    /// The fiber it runs; null: none.
    pub(crate) fiber: Cell<*mut Header>,
    /// That fiber, as it is shown while it runs.
    pub(crate) shown: Cell<Shown>,
    pub(crate) next: Cell<*mut Carrier>,
    pub(crate) previous: Cell<*mut Carrier>,
    pub(crate) queued: Cell<Queued>,
    /// The level of the list it is in.
    pub(crate) level: Cell<u8>,
    /// The level at which the statistics have its fiber.
    pub(crate) counted: Cell<u8>,
    /// The fiber waits for a token.
    pub(crate) parked: Cell<bool>,
    /// A token that came while it did not wait.
    pub(crate) token: Cell<bool>,
    /// It is in the worker's list of suspended fibers with branches to give away.
    pub(crate) holds_branches: Cell<bool>,
    /// The branches of `join` that nobody has taken yet.
    pub(crate) forks: Branches,
    /// What its fiber waits for and lends to, in the fiber's own frame.
    pub(crate) lender: Cell<Option<NonNull<dyn Lender>>>,
    /// The parts of its fiber's code that have a time limit or a shield, and are running.
    pub(crate) sections: Sections,
    /// What fibers that its fiber makes begin with.
    pub(crate) heritage: Heritage,
    /// Its fiber's own values.
    pub(crate) locals: Locals,
    /// Cancels its fiber at the deadline.
    pub(crate) deadline: Cell<Option<TimerKey>>,
    /// That has been done.
    pub(crate) too_late: Cell<bool>,
    /// When it became ready, in ticks; 0 where it is not timed.
    pub(crate) stamp: Cell<u64>,
    /// The worker that it left last, while its fiber moves.
    pub(crate) left: Cell<usize>,
    /// Its stack belongs to another site than that of its worker, to which it moved.
    pub(crate) is_foreign: Cell<bool>,
    /// The site of its stack.
    pub(crate) site: u16,
    /// Its fiber ended by a panic.
    pub(crate) panicked: Cell<bool>,
    /// Where it is in the worker's list of carriers.
    pub(crate) index: Cell<usize>,
    /// Addresses of the guard, for the report of an overflow.
    pub(crate) guard: std::ops::Range<usize>,
}

impl Carrier {
    /// A carrier on this stack.
    pub(crate) fn new(memory: StackMemory) -> Box<Carrier> {
        let (guard, site) = (memory.guard_range(), memory.site());
        let mut carrier = Box::<Carrier>::new_uninit();
        let this = SendPtr(carrier.as_mut_ptr());
        let coroutine = Coroutine::with_stack(memory, move |yielder, ()| {
            // SAFETY: the coroutine is first resumed when the carrier is complete, and it never
            // outlives the carrier's heap block.
            unsafe { serve(this.get(), yielder) }
        });
        carrier.write(Carrier {
            coroutine: UnsafeCell::new(coroutine),
            yielder: Cell::new(ptr::null()),
            fiber: Cell::new(ptr::null_mut()),
            shown: Cell::new(Shown::NOBODY),
            next: Cell::new(ptr::null_mut()),
            previous: Cell::new(ptr::null_mut()),
            queued: Cell::new(Queued::No),
            level: Cell::new(0),
            counted: Cell::new(0),
            parked: Cell::new(false),
            token: Cell::new(false),
            holds_branches: Cell::new(false),
            forks: Branches::new(),
            lender: Cell::new(None),
            sections: Sections::new(),
            heritage: Heritage::new(),
            locals: Locals::new(),
            deadline: Cell::new(None),
            too_late: Cell::new(false),
            stamp: Cell::new(0),
            left: Cell::new(0),
            is_foreign: Cell::new(false),
            site,
            panicked: Cell::new(false),
            index: Cell::new(0),
            guard,
        });
        // SAFETY: written just now.
        unsafe { carrier.assume_init() }
    }

    /// Runs the fiber on this carrier until it suspends or ends.
    ///
    /// # Safety
    /// `carrier` is alive, on the thread of its worker, and no carrier runs there.
    #[inline(always)]
    pub(crate) unsafe fn resume(carrier: *mut Carrier) -> Switch {
        // SAFETY: the caller's promise; nobody else refers to the coroutine itself, as the fiber
        // inside reaches only the other fields.
        match unsafe { (*(*carrier).coroutine.get()).resume(()) } {
            CoroutineResult::Yield(switch) => switch,
            CoroutineResult::Return(()) => Switch::Ended,
        }
    }

    /// Gives the thread back to the dispatch loop, until the carrier is resumed.
    ///
    /// # Safety
    /// The caller runs on this carrier.
    #[inline(always)]
    pub(crate) unsafe fn suspend(&self) {
        // SAFETY: the caller's promise.
        unsafe { self.switch(Switch::Suspended) }
    }

    /// The same, for a reason.
    ///
    /// # Safety
    /// The caller runs on this carrier. Where it is `Leaving`, it may come back on another thread: what is in the frames
    /// of this stack must be fit for that.
    #[inline(always)]
    pub(crate) unsafe fn switch(&self, why: Switch) {
        // SAFETY: the yielder lives in the frame of `serve`, below us on this very stack.
        unsafe { (*self.yielder.get()).suspend(why) }
    }

    /// The fiber on it.
    pub(crate) fn fiber(&self) -> Option<FiberRef> {
        let header = self.fiber.get();
        // SAFETY: a fiber on a carrier has started and not ended, so it is alive.
        (!header.is_null()).then(|| unsafe { FiberRef::from_ptr(header) })
    }

    /// Looks whether an unguarded stack was overrun.
    #[inline]
    pub(crate) fn check(&self, stacks: &Stacks) {
        if stacks.guard() == super::memory::StackGuard::Canary {
            // The canary is read through a copy of the bounds: the coroutine may be running.
            stacks.check_canary_at(self.guard.start);
        }
    }

    /// Ends the coroutine and gives its stack back.
    pub(crate) fn retire(self, stacks: &Stacks) {
        debug_assert!(self.fiber.get().is_null());
        let mut coroutine = self.coroutine.into_inner();
        if coroutine.started() {
            // Without a fiber, `serve` returns.
            let _ = coroutine.resume(());
        } else {
            // SAFETY: never resumed, its closure has nothing to drop.
            unsafe { coroutine.force_reset() };
        }
        stacks.give(coroutine.into_stack());
    }
}

/// What a carrier's coroutine does.
unsafe fn serve(carrier: *const Carrier, yielder: &Yielder<(), Switch>) {
    // SAFETY: see `Carrier::new`; all fields used here belong to this thread.
    let carrier = unsafe { &*carrier };
    carrier.yielder.set(yielder);
    while let Some(fiber) = carrier.fiber() {
        // SAFETY: the worker claimed it and put it here once.
        let panicked = unsafe { fiber.run() };
        if !carrier.locals.is_empty() {
            carrier.locals.close();
        }
        carrier.panicked.set(panicked);
        yielder.suspend(Switch::Ended);
    }
}

#[derive(Clone, Copy)]
struct SendPtr(*mut Carrier);

impl SendPtr {
    /// A method, so that closures capture the whole and not the field.
    fn get(self) -> *const Carrier {
        self.0
    }
}
