//! Scopes whose fibers may fail: the first error ends them all.
//!
//! ```text
//!   a fiber fails (any thread)              the owner
//!   claims the place of the first error     in its body: a blocking call unwinds, as the body is a section
//!   `failed` := true                          that was called off (fiber/sections.rs)
//!   calls the owner's section off           cancels the others, waits for their ends, returns the error
//! ```
//!
//! It is the owner that cancels, as it alone knows them all without a lock: who fails may be a thread of the background
//! lane, for which nobody may wait. An owner that computes does so at its next blocking call.

use super::Scheduler;
use super::scope::{Scope, ScopedJoinHandle, unseen_panic};
use crate::error::{Error, JoinError};
use crate::fiber::sections::{ElapsedUnwind, End, Inside};
use crate::fiber::{CancelUnwind, FiberId};
use crate::primitive::{AtomicBool, Ordering};
use crate::priority::Priority;
use crate::suspend::{suspend_shielded, unwind_cancelled};
use crate::worker::current;
use crate::worker::family::ScopeState;
use crate::worker::shared::Shared;
use std::any::Any;
use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

/// The first error.
///
/// | field   | written by                       | read by                            |
/// |---------|----------------------------------|------------------------------------|
/// | `taken` | whoever fails                    | the same                           |
/// | `error` | the one who has set `taken`      | the owner, when all have ended     |
struct First<E> {
    taken: AtomicBool,
    error: UnsafeCell<Option<E>>,
}

// SAFETY: the cell is written by one, and read by the owner after the end of that one's fiber.
unsafe impl<E: Send> Sync for First<E> {}

impl<E> First<E> {
    fn note(&self, error: E) {
        if !self.taken.swap(true, Ordering::Relaxed) {
            // SAFETY: nobody else has found it free, and the owner waits for us.
            unsafe { *self.error.get() = Some(error) };
        }
    }
}

/// A scope for fibers that may fail. See [`Scheduler::try_scope`].
pub struct TryScope<'scope, 'env: 'scope, E> {
    scope: Scope<'scope, 'env>,
    first: First<E>,
}

/// A fiber of such a scope, and its value to come.
pub struct TryJoinHandle<'scope, T>(ScopedJoinHandle<'scope, Option<T>>);

/// What the body unwinds with where its owner is a thread.
struct CalledOff(Arc<ScopeState>);

impl<T> TryJoinHandle<'_, T> {
    /// Waits for the fiber, and returns its value. If a fiber of the scope has failed, the body that asks for another
    /// one's value has nothing to do any more: then this unwinds it, and the scope returns the error.
    ///
    /// # Errors
    /// As [`JoinHandle::join`](crate::JoinHandle::join). In other fibers than the one that opened the scope, or in a
    /// [shield](crate::shielded), also that the fiber has failed: its error is the scope's.
    pub fn join(self) -> Result<T, JoinError> {
        let state = self.0.state.clone();
        let cancel_if_failed = || {
            if state.has_failed() && state.is_owner() {
                state.cancel_all();
            }
        };
        let error = match self.0.join_meanwhile(cancel_if_failed) {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => JoinError::failed(),
            Err(error) => error,
        };
        if state.has_failed() && !error.is_panic() && state.is_owner() && !std::thread::panicking() {
            match current::on_carrier() {
                Some((_, carrier)) if carrier.is_interrupted() => unwind_cancelled(),
                Some(_) => {}
                None => resume_unwind(Box::new(CalledOff(state))),
            }
        }
        Err(error)
    }
}

impl<T> TryJoinHandle<'_, T> {
    /// As [`JoinHandle::cancel`](crate::JoinHandle::cancel). That is no failure: the others go on.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// Has the fiber ended? Then [`join`](Self::join) does not wait.
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    /// The fiber's number.
    pub fn id(&self) -> FiberId {
        self.0.id()
    }

    /// As [`JoinHandle::priority`](crate::JoinHandle::priority).
    pub fn priority(&self) -> Priority {
        self.0.priority()
    }

    /// As [`JoinHandle::set_priority`](crate::JoinHandle::set_priority).
    pub fn set_priority(&self, priority: Priority) {
        self.0.set_priority(priority);
    }
}

impl<T> fmt::Debug for TryJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'scope, E> TryScope<'scope, '_, E> {
    /// Makes a fiber that may borrow what outlives the scope, with the priority of its maker. If it returns an error,
    /// the scope's other fibers are cancelled.
    pub fn go<F, T>(&'scope self, f: F) -> TryJoinHandle<'scope, T>
    where
        F: FnOnce() -> Result<T, E> + Send + 'scope,
        T: Send + 'scope,
        E: Send + 'scope,
    {
        TryJoinHandle(self.scope.go(move || self.attempt(f)))
    }

    /// The same with a priority of its own.
    pub fn go_with_priority<F, T>(&'scope self, priority: Priority, f: F) -> TryJoinHandle<'scope, T>
    where
        F: FnOnce() -> Result<T, E> + Send + 'scope,
        T: Send + 'scope,
        E: Send + 'scope,
    {
        TryJoinHandle(self.scope.go_with_priority(priority, move || self.attempt(f)))
    }

    /// What each fiber does.
    fn attempt<T>(&self, f: impl FnOnce() -> Result<T, E>) -> Option<T> {
        let state = &self.scope.state;
        match catch_unwind(AssertUnwindSafe(f)) {
            Ok(Ok(value)) => Some(value),
            Ok(Err(error)) => {
                self.first.note(error);
                state.fail();
                None
            }
            Err(payload) => {
                if !payload.is::<CancelUnwind>() {
                    // Also where somebody joins it and goes on as if nothing had been.
                    state.note_panic();
                    state.fail();
                }
                resume_unwind(payload)
            }
        }
    }
}

impl<E> fmt::Debug for TryScope<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryScope").field("pending", &self.scope.state.pending()).finish()
    }
}

/// Is this what the body was unwound with because the scope has failed?
fn is_ours(payload: &(dyn Any + Send), inside: Option<&Inside<'_>>, state: &Arc<ScopeState>) -> bool {
    let elapsed = payload.downcast_ref::<ElapsedUnwind>();
    let called_off = payload.downcast_ref::<CalledOff>();
    elapsed.zip(inside).is_some_and(|(ElapsedUnwind(section), inside)| inside.is(*section))
        || called_off.is_some_and(|CalledOff(other)| Arc::ptr_eq(other, state))
}

fn open<'env, F, R, E>(shared: &Arc<Shared>, f: F) -> Result<R, E>
where
    F: for<'scope> FnOnce(&'scope TryScope<'scope, 'env, E>) -> Result<R, E>,
    E: Send + 'env,
{
    let (state, children) = ScopeState::open();
    let first = First { taken: AtomicBool::new(false), error: UnsafeCell::new(None) };
    let scope = TryScope {
        scope: Scope { state: state.clone(), shared, scope: PhantomData, env: PhantomData },
        first,
    };
    let carrier = current::on_carrier().map(|(_, carrier)| carrier);
    let section = carrier.map(|carrier| carrier.sections.section(End::CalledOff(state.failure())));
    let inside = carrier.zip(section.as_ref());
    // SAFETY: it is dropped at the end of this function, whatever happens; nothing from here to the end of the
    // scope's fibers unwinds.
    let inside = inside.map(|(carrier, section)| unsafe { Inside::enter(carrier, section) });
    let body = match catch_unwind(AssertUnwindSafe(|| f(&scope))) {
        Ok(Ok(value)) => Ok(Some(value)),
        Ok(Err(error)) => {
            scope.first.note(error);
            Ok(None)
        }
        Err(payload) if is_ours(&*payload, inside.as_ref(), &state) => Ok(None),
        Err(payload) => Err(payload),
    };
    if !matches!(body, Ok(Some(_))) {
        state.cancel_all();
    }
    // SAFETY: the owner's share is given up here, once, as any fiber's: it makes no more of them.
    unsafe { ScopeState::child_ended(children) };
    // Not while a panic unwinds: then all fibers were run in place, and have ended.
    state.wait(suspend_shielded);
    // Nobody calls it off any more.
    drop(inside);
    let value = body.unwrap_or_else(|payload| resume_unwind(payload));
    if state.has_panicked() {
        unseen_panic();
    }
    if state.is_cancelled() && carrier.is_some_and(|carrier| carrier.is_interrupted()) {
        unwind_cancelled();
    }
    // SAFETY: all who could write it have ended.
    let first = unsafe { (*scope.first.error.get()).take() };
    match (first, value) {
        (Some(error), _) => Err(error),
        (None, Some(value)) => Ok(value),
        (None, None) => unreachable!("a body ends without a value for an error, a panic or a cancellation"),
    }
}

impl Scheduler {
    /// Opens a [scope](Self::scope) whose fibers return `Result`: the first error cancels the others, and is returned when
    /// all have ended. `f` itself is interrupted at its blocking call, where it runs in a fiber; its own error counts
    /// as a fiber's. A panic goes before errors, and a cancellation of the owner too.
    ///
    /// ```
    /// use heddle_scheduler::{Scheduler, sleep};
    /// use std::time::Duration;
    ///
    /// let scheduler = Scheduler::builder().workers(2).build()?;
    /// let words = ["17", "4", "x", "8"];
    /// let sum = scheduler.try_scope(|s| {
    ///     let slow = s.go(|| Ok(sleep(Duration::from_secs(3600)))); // cancelled
    ///     let numbers: Vec<_> = words.iter().map(|word| s.go(|| word.parse::<u32>())).collect();
    ///     slow.join().unwrap();
    ///     Ok(numbers.into_iter().map(|number| number.join().unwrap()).sum::<u32>())
    /// });
    /// assert_eq!(sum.unwrap_err().to_string(), "invalid digit found in string");
    /// # Ok::<(), heddle_scheduler::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first that a fiber, or `f`, has returned.
    ///
    /// # Panics
    /// If `f` does, or one of the fibers.
    pub fn try_scope<'env, F, R, E>(&self, f: F) -> Result<R, E>
    where
        F: for<'scope> FnOnce(&'scope TryScope<'scope, 'env, E>) -> Result<R, E>,
        E: Send + 'env,
    {
        open(&self.shared, f)
    }
}

/// Opens such a scope on the scheduler of the current fiber. See [`Scheduler::try_scope`].
///
/// # Errors
/// Outside of any fiber; use [`Scheduler::try_scope`] there. Inside: what that returns.
pub fn try_scope<'env, F, R, E>(f: F) -> Result<Result<R, E>, Error>
where
    F: for<'scope> FnOnce(&'scope TryScope<'scope, 'env, E>) -> Result<R, E>,
    E: Send + 'env,
{
    let (worker, _) = current::in_fiber().ok_or(Error::outside("try_scope()"))?;
    // Not by the worker's own reference: the fiber may leave it.
    let shared = worker.shared.clone();
    Ok(open(&shared, f))
}
