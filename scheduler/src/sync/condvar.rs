//! Waiting for a change of what a mutex protects.

use super::latch::Latch;
use super::line::Line;
use super::mutex::MutexGuard;
use super::wait::{self, Side, Wakes, or_unwind};
use crate::error::Cancelled;
use crate::primitive::constructor;
use std::fmt;
use std::time::{Duration, Instant};

/// Lets those who have a [`Mutex`](super::Mutex) wait, without it, until somebody says that something has changed.
///
/// They are notified by priority, and among equals in the order in which they came. A notification that was on its way to
/// a fiber which was cancelled, or whose time was over, goes to the next: none is lost. Different calls may be with
/// different mutexes.
///
/// ```
/// use heddle_scheduler::{Scheduler, sync::{Condvar, Mutex}};
///
/// static STOCK: Mutex<u32> = Mutex::new(0);
/// static MORE: Condvar = Condvar::new();
///
/// let scheduler = Scheduler::builder().workers(2).build()?;
/// let customer = scheduler.go(|| {
///     let mut stock = MORE.wait_while(STOCK.lock(), |stock| *stock < 3);
///     *stock -= 3;
/// });
/// for _ in 0..3 {
///     *STOCK.lock() += 1;
///     MORE.notify_one();
/// }
/// customer.join().unwrap();
/// assert_eq!(*STOCK.lock(), 0);
/// # Ok::<(), heddle_scheduler::Error>(())
/// ```
///
/// A fiber that is cancelled while it waits unwinds, and does not have the lock then.
pub struct Condvar {
    latch: Latch<Line<Told>>,
}

/// Was the time over, when a wait ended?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// The time was over, and nobody has notified us.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

/// What somebody in line was told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    /// Something that one of all should know.
    Alone,
    WithAll,
}

struct Waiting;

impl Side for Waiting {
    type State = Line<Told>;
    type Value = Told;

    const WHAT: &'static str = "a Condvar";

    fn line(state: &mut Line<Told>) -> &mut Line<Told> {
        state
    }
}

impl Condvar {
    constructor! {
        /// Nobody waits.
        pub fn new() -> Condvar {
            Condvar { latch: Latch::new(Line::new()) }
        }
    }

    /// Frees the lock, waits until it is notified, and locks again. It may come back without a notification: look whether
    /// that has changed for which you wait, or call [`wait_while`](Self::wait_while), which does. A fiber that is
    /// cancelled while it waits unwinds, without the lock.
    pub fn wait<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        or_unwind(self.wait_or_cancelled(guard))
    }

    /// As [`wait`](Self::wait), but a fiber that is cancelled gets an error instead of unwinding, and not the lock.
    ///
    /// # Errors
    /// The fiber is cancelled.
    pub fn wait_or_cancelled<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
    ) -> Result<MutexGuard<'a, T>, Cancelled> {
        self.wait_some(guard, None).map(|(guard, _)| guard)
    }

    /// Waits while `condition` says so of what the lock protects.
    pub fn wait_while<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'a, T> {
        while condition(&mut guard) {
            guard = self.wait(guard);
        }
        guard
    }

    /// As [`wait`](Self::wait), for so long at most, and then as long as it takes to lock again.
    pub fn wait_timeout<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        time: Duration,
    ) -> (MutexGuard<'a, T>, WaitTimeoutResult) {
        // Past the end of the clock is for ever.
        let (guard, in_time) = or_unwind(self.wait_some(guard, Instant::now().checked_add(time)));
        (guard, WaitTimeoutResult(!in_time))
    }

    /// As [`wait_while`](Self::wait_while), for so long at most. The time was over if the condition still says so.
    pub fn wait_timeout_while<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        time: Duration,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> (MutexGuard<'a, T>, WaitTimeoutResult) {
        let due = Instant::now().checked_add(time);
        let mut in_time = true;
        loop {
            if !condition(&mut guard) {
                return (guard, WaitTimeoutResult(false));
            }
            if !in_time {
                return (guard, WaitTimeoutResult(true));
            }
            (guard, in_time) = or_unwind(self.wait_some(guard, due));
        }
    }

    /// Lets the most urgent of those who wait go on.
    pub fn notify_one(&self) {
        let mut wakes = Wakes::default();
        self.latch.with(|line| line.serve(|told| *told = Told::Alone, &mut wakes));
        wakes.call();
    }

    /// Lets all who wait go on.
    pub fn notify_all(&self) {
        let mut wakes = Wakes::default();
        self.latch.with(|line| line.serve_all(|told| *told = Told::WithAll, &mut wakes));
        wakes.call();
    }

    /// With the lock again; and was it notified?
    fn wait_some<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        due: Option<Instant>,
    ) -> Result<(MutexGuard<'a, T>, bool), Cancelled> {
        let mutex = MutexGuard::mutex(&guard);
        let (waited, told) = wait::wait_after::<Waiting>(&self.latch, Told::Nothing, due, || drop(guard));
        let in_time = waited.in_time()?;
        match mutex.lock_or_cancelled() {
            Ok(guard) => Ok((guard, in_time)),
            Err(cancelled) => {
                // It was told something that it cannot act on.
                if told == Told::Alone {
                    self.notify_one();
                }
                Err(cancelled)
            }
        }
    }
}

impl Default for Condvar {
    fn default() -> Self {
        Condvar::new()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.latch.with(|line| line.len());
        f.debug_struct("Condvar").field("waiting", &waiting).finish()
    }
}
