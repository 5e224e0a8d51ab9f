//! Fibers and futures: a fiber waits for a future ([`block_on`]), and a future for a fiber ([`JoinFuture`]).
//! `docs/async.md` shows both beside tokio; [`bell`](crate::bell) says why no wake-up is lost.

use crate::bell::{Bell, Wakes};
use crate::error::{Cancelled, JoinError};
use crate::fiber::FiberRef;
use crate::handle::JoinHandle;
use crate::priority::Priority;
use crate::runtime::Scheduler;
use crate::runtime::spawn::go_here;
use crate::suspend::{Resumer, suspend, unwind_cancelled};
use crate::worker::awaiting::{Awaiting, End, Polled, Slot};
use crate::worker::current;
use crate::worker::sleeper::park_thread;
use crate::worker::wake::Waiter;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::{Pin, pin};
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

impl Wakes for Resumer {
    fn wake(&self) {
        self.resume();
    }
}

impl Wake for Bell<Resumer> {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

/// Waits for a future and returns its output: in a fiber this suspends, and others run; elsewhere it
/// blocks the thread.
///
/// A fiber that is cancelled while it waits unwinds, and the future is dropped. A future that is ready is not
/// waited for. Where nothing can wait (in a destructor while a panic unwinds the fiber) this blocks the thread, so
/// it must not need the fibers of this thread.
///
/// The future is polled here and nowhere else, so it may borrow and need not be `Send`. One that needs the reactor of
/// an async runtime is polled there instead: `block_on(handle.spawn(future))`.
///
/// ```
/// use heddle_scheduler::{Scheduler, block_on};
///
/// let scheduler = Scheduler::builder().workers(1).build()?;
/// let answer = scheduler.run(|| {
///     let seven = heddle_scheduler::go(|| 7);
///     block_on(async { 6 * seven.await.unwrap() })
/// });
/// assert_eq!(answer, 42);
/// # Ok::<(), heddle_scheduler::Error>(())
/// ```
pub fn block_on<F: IntoFuture>(future: F) -> F::Output {
    match try_block_on(future) {
        Ok(output) => output,
        Err(Cancelled(())) => {
            unwind_cancelled();
            unreachable!("a fiber that a panic unwinds is not told of a cancellation")
        }
    }
}

/// As [`block_on`], but a fiber that is cancelled gets an error instead of unwinding.
///
/// # Errors
/// The fiber is cancelled, and the future was pending: it is dropped.
pub fn try_block_on<F: IntoFuture>(future: F) -> Result<F::Output, Cancelled> {
    let mut future = pin!(future.into_future());
    let blocks = current::cannot_wait();
    let resumer = if blocks { Resumer::of_thread() } else { Resumer::current() };
    let bell = Arc::new(Bell::new(resumer));
    let waker = Waker::from(bell.clone());
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Ok(output);
        }
        bell.wait(|| {
            if blocks {
                park_thread(None);
                Ok(())
            } else {
                suspend()
            }
        })?;
    }
}

impl Scheduler {
    /// Runs a future as a fiber of the given priority, which waits for it by [`block_on`]: so it has what fibers
    /// have, a number, a place in the statistics, a priority that can be changed, cancellation, which drops the future.
    ///
    /// One that is pending costs a stack, of which the touched pages are resident: 4.4 KiB with a small
    /// future (measured), where a task of an async runtime costs some hundred bytes. Futures by the ten thousand belong there.
    ///
    /// ```
    /// use heddle_scheduler::{Priority, Scheduler};
    /// let scheduler = Scheduler::builder().workers(1).build()?;
    /// let handle = scheduler.spawn_future(Priority::High, async { 6 * 7 });
    /// assert_eq!(handle.join().unwrap(), 42);
    /// # Ok::<(), heddle_scheduler::Error>(())
    /// ```
    pub fn spawn_future<F>(&self, priority: Priority, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.go_with_priority(priority, move || block_on(future))
    }
}

/// [`Scheduler::spawn_future`] on the current fiber's scheduler. Outside of any fiber, the handle's `join` returns
/// the error.
pub fn spawn_future<F>(priority: Priority, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    go_here(Some(priority), "spawn_future()", move || block_on(future))
}

/// The end of a fiber as a future: what `handle.await` waits for, in any executor.
///
/// Dropping it is dropping the handle: the fiber goes on by itself. Waiting in this way lends no priority, as an
/// executor has none; in a fiber, [`join`](JoinHandle::join) does.
///
/// ```
/// use heddle_scheduler::{Scheduler, block_on};
/// let scheduler = Scheduler::builder().workers(1).build()?;
/// let handle = scheduler.go(|| "woven");
/// assert_eq!(block_on(handle).unwrap(), "woven");
/// # Ok::<(), heddle_scheduler::Error>(())
/// ```
#[must_use = "a future does nothing until it is polled"]
pub struct JoinFuture<T> {
    /// `None`: the result was taken.
    handle: Option<JoinHandle<T>>,
    /// From the first poll that has to wait.
    awaiting: Option<Awaiting<Waker>>,
}

// A result is not in here but in the fiber, so nothing is pinned.
impl<T> Unpin for JoinFuture<T> {}

impl<T> IntoFuture for JoinHandle<T> {
    type Output = Result<T, JoinError>;
    type IntoFuture = JoinFuture<T>;

    fn into_future(self) -> JoinFuture<T> {
        JoinFuture { handle: Some(self), awaiting: None }
    }
}

impl<T> JoinFuture<T> {
    /// The handle, to change the fiber's priority or to cancel it; `None` when its result was taken.
    pub fn handle(&self) -> Option<&JoinHandle<T>> {
        self.handle.as_ref()
    }
}

/// The handle's part of the protocol.
impl End<Waker> for FiberRef {
    fn is_over(&self) -> bool {
        FiberRef::is_over(*self)
    }

    fn register(&self, slot: NonNull<Slot<Waker>>) -> bool {
        self.set_waiter(Waiter::Future(slot).into_word());
        self.state.register_waiter()
    }

    fn unregister(&self) -> bool {
        self.state.unregister_waiter()
    }
}

impl<T> Future for JoinFuture<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    /// If it is polled again after it was ready.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let handle = this.handle.as_ref().expect("a JoinFuture was polled after it was ready");
        let fiber = handle.fiber();
        if !fiber.is_over() {
            match this.awaiting.get_or_insert_with(Awaiting::new).poll(&fiber, context.waker()) {
                Polled::Over => {}
                Polled::Waits => return Poll::Pending,
                Polled::Soon => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
        // Over, so nobody uses the slot.
        drop(this.awaiting.take().map(|awaiting| awaiting.close(&fiber)));
        let handle = this.handle.take().expect("it was there just now");
        Poll::Ready(handle.join())
    }
}

impl<T> Drop for JoinFuture<T> {
    fn drop(&mut self) {
        let Some(handle) = self.handle.take() else { return };
        let slot = self.awaiting.take().map(|awaiting| awaiting.close(&handle.fiber()));
        // Where the fiber has ended this waits until it is over, so that nobody uses the slot.
        drop(handle);
        drop(slot);
    }
}

impl<T> fmt::Debug for JoinFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinFuture").field("handle", &self.handle).finish()
    }
}
