//! Join handles: to wait for a fiber, to change its priority, to cancel it.

use crate::error::JoinError;
use crate::fiber::{FiberId, FiberRef};
use crate::priority::Priority;
use crate::suspend::{suspend, suspend_shielded, unwind_if_elapsed, yield_shielded};
use crate::worker::cancel::cancel;
use crate::worker::loan::Loan;
use crate::worker::wake::{ThreadWaiter, Waiter};
use crate::worker::{current, family, loan};
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::{self, NonNull};

/// A fiber that was started with [`go`](crate::Scheduler::go), and its result to come.
///
/// Dropping it lets the fiber go on by itself; its result is then dropped where it ends.
pub struct JoinHandle<T> {
    fiber: FiberRef,
    result: PhantomData<T>,
}

// SAFETY: the handle gives its result, which is `Send`, to whoever joins; everything else it does is
// by the fiber's state.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: a shared handle gives no access to the result.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

// A handle is used whole or not at all.
impl<T> UnwindSafe for JoinHandle<T> {}
impl<T> RefUnwindSafe for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// # Safety
    /// `fiber`'s handle belongs to the caller, and its result is a `T`.
    pub(crate) unsafe fn new(fiber: FiberRef) -> JoinHandle<T> {
        JoinHandle { fiber, result: PhantomData }
    }

    /// Waits for the fiber's end and returns its result. In a fiber this suspends, and lends the waiting
    /// fiber's priority to the other; elsewhere it blocks the thread, which has no priority to lend.
    ///
    /// # Errors
    /// The fiber panicked, was cancelled, or was never started (see [`JoinError`]); or the *waiting*
    /// fiber was cancelled, joined itself, or is unwinding from a panic.
    ///
    /// In a [`timeout`](crate::timeout) whose time is over it unwinds to that; the other fiber goes on, detached.
    #[inline]
    pub fn join(self) -> Result<T, JoinError> {
        if !self.fiber.is_over() {
            wait(self.fiber, || ())?;
        }
        self.take()
    }

    /// The same; a *thread* that waits does `meanwhile` before it blocks and whenever it is woken.
    pub(crate) fn join_meanwhile(self, meanwhile: impl Fn()) -> Result<T, JoinError> {
        if !self.fiber.is_over() {
            wait(self.fiber, meanwhile)?;
        }
        self.take()
    }

    /// The result of a fiber that is over.
    #[inline]
    fn take(self) -> Result<T, JoinError> {
        let this = ManuallyDrop::new(self);
        // SAFETY: it has ended, and the handle is ours and goes here, once.
        unsafe { this.fiber.take_result() }
    }

    /// Has the fiber ended? Then [`join`](Self::join) does not wait.
    pub fn is_finished(&self) -> bool {
        self.fiber.is_over()
    }

    /// The fiber's number.
    pub fn id(&self) -> FiberId {
        self.fiber.id
    }

    /// The priority that it counts with now: its own, or that of the most urgent fiber that waits for
    /// it (by joining it, at the end of its scope, or for a [`Mutex`](crate::sync::Mutex) that it
    /// holds), through any number of others.
    pub fn priority(&self) -> Priority {
        self.fiber.priority()
    }

    /// Its own priority, without what is lent to it.
    pub fn base_priority(&self) -> Priority {
        self.fiber.base_priority()
    }

    /// Changes the fiber's own priority, at once: also while it is queued, waits or runs.
    pub fn set_priority(&self, priority: Priority) {
        family::set_priority(self.fiber, priority);
    }

    /// Asks the fiber to end. If it has not started it never will, and is over when this returns; a fiber of
    /// the background lane leaves that to the lane that the other is queued in, where it is over when
    /// its turn has come. If it has started, its next blocking call, or the one it is in, returns an error or
    /// unwinds.
    pub fn cancel(&self) {
        cancel(self.fiber);
    }

    pub(crate) fn fiber(&self) -> FiberRef {
        self.fiber
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and goes now.
        let unseen_panic = unsafe { release(self.fiber) };
        let _ = unseen_panic;
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("id", &self.id())
            .field("priority", &self.priority())
            .field("finished", &self.is_finished())
            .finish()
    }
}

/// Gives up the handle of a fiber. `true`: it had ended by a panic that nobody has seen.
///
/// # Safety
/// The handle is the caller's, and not used after this.
#[inline]
pub(crate) unsafe fn release(fiber: FiberRef) -> bool {
    if !fiber.state.is_finished() && fiber.state.release_handle_of_running() {
        return false;
    }
    // It has ended; whoever ended it may be about to say that it is done with it.
    while !fiber.is_over() {
        std::hint::spin_loop();
    }
    // SAFETY: after the end the result is the handle's.
    let unseen_panic = unsafe { fiber.drop_result() };
    if fiber.state.release_handle_of_finished() {
        // SAFETY: that was the last hold.
        unsafe { fiber.free() };
    }
    unseen_panic
}

/// Waits for the end of `fiber`, as somebody who can be cancelled.
fn wait(fiber: FiberRef, meanwhile: impl Fn()) -> Result<(), JoinError> {
    if current::cannot_wait() && !fiber.state.is_finished() {
        return Err(JoinError::cannot_wait());
    }
    let Some((_, me)) = current::in_fiber() else {
        wait_as_thread(fiber, meanwhile);
        return Ok(());
    };
    if ptr::eq(me.as_ptr(), fiber.as_ptr()) {
        return Err(JoinError::joins_itself());
    }
    fiber.set_waiter(Waiter::Fiber(me).into_word());
    if fiber.state.register_waiter() {
        let loan = Loan::new(fiber, me);
        let interrupted = loan::while_lending(&loan, || {
            while !fiber.state.is_finished() {
                if suspend().is_err() {
                    // Else it has ended meanwhile, and its finisher is waking us.
                    return fiber.state.unregister_waiter();
                }
            }
            false
        });
        if interrupted {
            loan.take_back();
            unwind_if_elapsed();
            return Err(JoinError::interrupted());
        }
    }
    wait_until_over(fiber);
    Ok(())
}

/// The end is certain or has come; the finisher may be in the middle of waking us, and may be stopped there:
/// so a fiber lets others run meanwhile.
pub(crate) fn wait_until_over(fiber: FiberRef) {
    let mut spins = 0_u32;
    while !fiber.is_over() {
        spins += 1;
        if spins.is_multiple_of(64) { yield_shielded() } else { std::hint::spin_loop() }
    }
}

/// Waits for the end of `fiber`, whatever happens to the waiter: if that is interrupted, so is the fiber. Not while
/// a panic unwinds.
pub(crate) fn wait_for(fiber: FiberRef) {
    let Some((_, me)) = current::in_fiber() else { return wait_as_thread(fiber, || ()) };
    fiber.set_waiter(Waiter::Fiber(me).into_word());
    if fiber.state.register_waiter() {
        let loan = Loan::new(fiber, me);
        loan::while_lending(&loan, || {
            let mut cancelled = false;
            while !fiber.state.is_finished() {
                // Nobody wants its result any more.
                if !cancelled && current::on_carrier().is_some_and(|(_, carrier)| carrier.is_interrupted()) {
                    cancelled = true;
                    cancel(fiber);
                    continue;
                }
                suspend_shielded();
            }
        });
    }
    wait_until_over(fiber);
}

fn wait_as_thread(fiber: FiberRef, meanwhile: impl Fn()) {
    let waiter = ThreadWaiter::new();
    fiber.set_waiter(Waiter::Thread(NonNull::from(&waiter)).into_word());
    if fiber.state.register_waiter() {
        waiter.wait(meanwhile);
    }
    wait_until_over(fiber);
}
