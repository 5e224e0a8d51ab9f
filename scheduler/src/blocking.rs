//! Calls that block their thread, from fibers, which suspend meanwhile: made by the threads of the [`pool`](crate::pool).
//!
//! The function and its result are in the frame of the fiber that calls, so it may borrow, and the frame stays until
//! the call has ended, or was taken back before it began. Nothing else ends the wait: a fiber that is cancelled
//! in the middle waits for the end.

use crate::error::Cancelled;
use crate::handle::JoinHandle;
use crate::lane::Lane;
use crate::pool::call::Call;
use crate::priority::Priority;
use crate::runtime::Scheduler;
use crate::runtime::spawn::{go_here, help_out};
use crate::suspend::{Resumer, suspend, suspend_shielded, unwind_cancelled};
use crate::worker::current;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;

/// What a call needs and makes. See [`Call`] for who uses it when.
struct Frame<F, R> {
    function: Option<F>,
    result: Option<Result<R, Box<dyn Any + Send>>>,
}

/// # Safety
/// `frame` is a frame of this type, which the caller owns; its function has not been called.
unsafe fn make<F: FnOnce() -> R, R>(frame: *mut ()) {
    // SAFETY: the caller's promise.
    let frame = unsafe { &mut *frame.cast::<Frame<F, R>>() };
    let function = frame.function.take().expect("a call is made once");
    frame.result = Some(catch_unwind(AssertUnwindSafe(function)));
}

/// Calls `f` where it may block the thread: on a thread of a pool, while the fiber is suspended. For files, name
/// lookups, databases and libraries that block.
///
/// `f` may borrow. It runs outside of any fiber, on a thread with other thread-locals. Its panic comes out
/// of here. Calls wait for a thread in the order of the priority that their fiber had; a thread is made if none is
/// free, up to [`Builder::blocking_threads`](crate::Builder::blocking_threads).
///
/// A fiber that is cancelled, or whose [`timeout`](crate::timeout) is over, takes the call back and unwinds, if the call has not begun. Else it waits for the end, and
/// returns the result: what was done is not lost, and the next blocking call unwinds. So
/// [`stop`](crate::Scheduler::stop) waits for the calls that have begun.
///
/// Outside of any fiber, and where nothing can wait, `f` is called in place.
///
/// ```
/// use heddle_scheduler::{Scheduler, blocking};
/// let scheduler = Scheduler::builder().workers(1).build()?;
/// let length = scheduler.run(|| {
///     let path = String::from("Cargo.toml");
///     blocking(|| std::fs::read_to_string(&path).map(|text| text.len()))
/// });
/// assert!(length.unwrap() > 0);
/// # Ok::<(), heddle_scheduler::Error>(())
/// ```
pub fn blocking<F, R>(f: F) -> R
where
    F: FnOnce() -> R + Send,
    R: Send,
{
    match try_blocking(f) {
        Ok(result) => result,
        Err(Cancelled(())) => {
            unwind_cancelled();
            unreachable!("a fiber that a panic unwinds makes the call in place")
        }
    }
}

/// As [`blocking`], but a fiber that is cancelled before the call has begun gets an error instead of unwinding.
///
/// # Errors
/// The fiber is cancelled, and `f` was dropped instead of called.
pub fn try_blocking<F, R>(f: F) -> Result<R, Cancelled>
where
    F: FnOnce() -> R + Send,
    R: Send,
{
    let Some((worker, fiber)) = current::in_fiber() else { return Ok(f()) };
    let interrupted = || current::on_carrier().is_some_and(|(_, carrier)| carrier.is_interrupted());
    if current::cannot_wait() {
        return Ok(f());
    }
    if interrupted() {
        return Err(Cancelled(()));
    }
    let pool = &worker.shared.blocking;
    if pool.is_none() {
        return Ok(f());
    }
    let mut frame = Frame { function: Some(f), result: None };
    let place = ptr::from_mut(&mut frame).cast();
    let (level, me) = (fiber.state.level(), Resumer::current());
    // SAFETY: `wait` returns only when the call has ended or was taken back, and does not unwind; the function and
    // its result may be sent.
    let call = unsafe { Call::new(level, place, make::<F, R>, me, Resumer::resume) };
    if pool.submit(&call) {
        if worker.lane == Lane::Background {
            let pool = pool.clone();
            help_out(&worker.shared, move || pool.grow());
        } else {
            pool.grow();
        }
    }
    wait(&call)?;
    match frame.result.expect("a call that has ended has a result") {
        Ok(result) => Ok(result),
        Err(panic) => resume_unwind(panic),
    }
}

/// Waits for the end. The error: it was taken back.
fn wait(call: &Call<Resumer>) -> Result<(), Cancelled> {
    while !call.has_ended() {
        if suspend().is_err() {
            if call.take_back() {
                return Err(Cancelled(()));
            }
            while !call.has_ended() {
                suspend_shielded();
            }
        }
    }
    Ok(())
}

impl Scheduler {
    /// Calls `f` on a thread of the pool, as a fiber of that priority that waits for it does: see
    /// [`blocking`]. The handle's `join` returns the result, or the error where the scheduler is stopped.
    ///
    /// ```
    /// use heddle_scheduler::{Priority, Scheduler};
    /// let scheduler = Scheduler::builder().workers(1).build()?;
    /// let listing = scheduler.spawn_blocking(Priority::Low, || std::fs::read_dir(".").map(Iterator::count));
    /// assert!(listing.join().unwrap().unwrap() > 0);
    /// # Ok::<(), heddle_scheduler::Error>(())
    /// ```
    pub fn spawn_blocking<F, R>(&self, priority: Priority, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.go_with_priority(priority, move || blocking(f))
    }
}

/// [`Scheduler::spawn_blocking`] on the current fiber's scheduler. Outside of any fiber, the handle's `join` returns
/// the error.
pub fn spawn_blocking<F, R>(priority: Priority, f: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    go_here(Some(priority), "spawn_blocking()", move || blocking(f))
}
