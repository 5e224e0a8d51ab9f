//! Scopes: fibers that borrow from the one that opened the scope, which waits for all of them.

use super::Scheduler;
use super::spawn::{Origin, spawn, spawn_in_place};
use crate::error::{Error, JoinError};
use crate::handle::{self, JoinHandle};
use crate::priority::Priority;
use crate::suspend::{suspend_shielded, unwind_cancelled};
use crate::worker::current;
use crate::worker::family::ScopeState;
use crate::worker::shared::Shared;
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

/// A scope for fibers that borrow. See [`Scheduler::scope`].
pub struct Scope<'scope, 'env: 'scope> {
    pub(super) state: Arc<ScopeState>,
    pub(super) shared: &'scope Arc<Shared>,
    pub(super) scope: PhantomData<&'scope mut &'scope ()>,
    pub(super) env: PhantomData<&'env mut &'env ()>,
}

/// A fiber of a scope, and its result to come.
pub struct ScopedJoinHandle<'scope, T> {
    inner: ManuallyDrop<JoinHandle<T>>,
    pub(super) state: Arc<ScopeState>,
    scope: PhantomData<&'scope ()>,
}

impl<T> ScopedJoinHandle<'_, T> {
    /// As [`JoinHandle::join`].
    ///
    /// # Errors
    /// As [`JoinHandle::join`].
    pub fn join(self) -> Result<T, JoinError> {
        self.join_meanwhile(|| ())
    }

    /// The same; a *thread* that waits does `meanwhile` before it blocks and whenever it is woken.
    pub(super) fn join_meanwhile(mut self, meanwhile: impl Fn()) -> Result<T, JoinError> {
        // SAFETY: it is taken once, as `self` is forgotten right after, less its other field.
        let inner = unsafe { ManuallyDrop::take(&mut self.inner) };
        let this = ManuallyDrop::new(self);
        // SAFETY: read out of a value that is never dropped.
        drop(unsafe { std::ptr::read(&this.state) });
        inner.join_meanwhile(meanwhile)
    }
}

impl<T> std::ops::Deref for ScopedJoinHandle<'_, T> {
    type Target = JoinHandle<T>;

    fn deref(&self) -> &JoinHandle<T> {
        &self.inner
    }
}

impl<T> Drop for ScopedJoinHandle<'_, T> {
    fn drop(&mut self) {
        // SAFETY: the handle is ours, and the inner one is not dropped besides.
        if unsafe { handle::release(self.inner.fiber()) } {
            self.state.note_panic();
        }
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<'scope> Scope<'scope, '_> {
    /// Makes a fiber that may borrow what outlives the scope, with the priority of its maker.
    pub fn go<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        self.start(None, f)
    }

    /// The same with a priority of its own.
    pub fn go_with_priority<F, T>(&'scope self, priority: Priority, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        self.start(Some(priority), f)
    }

    fn start<F, T>(&'scope self, priority: Option<Priority>, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        self.state.child_made();
        let scope = Arc::as_ptr(&self.state).cast();
        let origin = Origin { scope, kept: true, ..Origin::plain(priority) };
        // SAFETY: what the closure and its result borrow outlives the scope, which waits for the
        // fiber's end, by when its result is dropped or belongs to the handle.
        let fiber = unsafe {
            // Where nobody can wait, the fiber's work is done at once.
            if current::cannot_wait() {
                spawn_in_place(self.shared, origin, f)
            } else {
                spawn(self.shared, origin, f)
            }
        };
        self.state.keep(fiber);
        // SAFETY: the handle of a new fiber, whose result is a `T`.
        let inner = ManuallyDrop::new(unsafe { JoinHandle::new(fiber) });
        ScopedJoinHandle { inner, state: self.state.clone(), scope: PhantomData }
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("pending", &self.state.pending()).finish()
    }
}

fn open<'env, F, R>(shared: &Arc<Shared>, f: F) -> R
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
{
    let (state, children) = ScopeState::open();
    let scope = Scope { state, shared, scope: PhantomData, env: PhantomData };
    let result = catch_unwind(AssertUnwindSafe(|| f(&scope)));
    if result.is_err() {
        scope.state.cancel_all();
    }
    // SAFETY: the owner's share is given up here, once, as any fiber's: it makes no more of them.
    unsafe { ScopeState::child_ended(children) };
    // Not while a panic unwinds: then all fibers were run in place, and have ended.
    scope.state.wait(suspend_shielded);
    match result {
        Ok(_) if scope.state.has_panicked() => unseen_panic(),
        Ok(value) => {
            if scope.state.is_cancelled() {
                unwind_cancelled();
            }
            value
        }
        Err(panic) => resume_unwind(panic),
    }
}

#[cold]
pub(super) fn unseen_panic() -> ! {
    panic!("a fiber of the scope panicked, and its handle was not joined")
}

impl Scheduler {
    /// Opens a scope: its fibers may borrow from here, and have all ended when this returns.
    ///
    /// If a fiber panics whose handle was dropped without a join, this panics, after all fibers have ended.
    /// If `f` panics, or unwinds because it is cancelled or the time of a [`timeout`](crate::timeout) is over, the
    /// scope's fibers are cancelled; it goes on when all have ended. The same if that happens while this waits at the end:
    /// then this unwinds instead of returning, as not all may have done their work. In a [shield](crate::shielded)
    /// they are left alone.
    ///
    /// ```
    /// let scheduler = heddle_scheduler::Scheduler::builder().workers(2).build()?;
    /// let mut numbers = vec![3, 1, 2];
    /// let (low, high) = numbers.split_at_mut(1);
    /// scheduler.scope(|s| {
    ///     s.go(|| low[0] *= 10);
    ///     s.go(|| high.sort());
    /// });
    /// assert_eq!(numbers, [30, 1, 2]);
    /// # Ok::<(), heddle_scheduler::Error>(())
    /// ```
    pub fn scope<'env, F, R>(&self, f: F) -> R
    where
        F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
    {
        open(&self.shared, f)
    }

    /// Runs `f` as a fiber and waits for its result: how a thread enters the scheduler, where
    /// [`join`](crate::join) and blocking calls are cheap. `f` may borrow.
    ///
    /// # Panics
    /// If `f` panics, or the scheduler is stopped before it could start.
    pub fn run<F, R>(&self, f: F) -> R
    where
        F: FnOnce() -> R + Send,
        R: Send,
    {
        self.scope(|s| match s.go(f).join() {
            Ok(value) => value,
            Err(error) => match error.into_panic() {
                Err(error) if error.is_interrupted() => {
                    unwind_cancelled();
                    panic!("Scheduler::run: {error}")
                }
                Ok(panic) => resume_unwind(panic),
                Err(error) => panic!("Scheduler::run: {error}"),
            },
        })
    }
}

/// Opens a scope on the scheduler of the current fiber. See [`Scheduler::scope`].
///
/// # Errors
/// Outside of any fiber; use [`Scheduler::scope`] there.
pub fn scope<'env, F, R>(f: F) -> Result<R, Error>
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
{
    let (worker, _) = current::in_fiber().ok_or(Error::outside("scope()"))?;
    // Not by the worker's own reference: the fiber may leave it.
    let shared = worker.shared.clone();
    Ok(open(&shared, f))
}
