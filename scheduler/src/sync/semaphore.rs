//! Permits: so many at a time.
//!
//! Those who wait are served strictly in their order: who wants many permits is not overtaken for ever by those who
//! want one. Only who is more urgent than all who wait may take what is there.

use super::latch::Latch;
use super::line::Line;
use super::wait::{self, Side, Waited, Wakes, or_unwind};
use crate::error::Cancelled;
use crate::primitive::constructor;
use std::fmt;
use std::time::{Duration, Instant};

/// A number of permits, which are taken and given back.
///
/// ```
/// use heddle_scheduler::{Scheduler, sleep, sync::Semaphore};
/// use std::time::Duration;
///
/// static CONNECTIONS: Semaphore = Semaphore::new(2);
///
/// let scheduler = Scheduler::builder().workers(2).build()?;
/// scheduler.scope(|s| {
///     for _ in 0..10 {
///         s.go(|| {
///             let _permit = CONNECTIONS.acquire(); // two fibers at a time
///             sleep(Duration::from_micros(100));
///         });
///     }
/// });
/// assert_eq!(CONNECTIONS.available(), 2);
/// # Ok::<(), heddle_scheduler::Error>(())
/// ```
pub struct Semaphore {
    latch: Latch<State>,
}

struct State {
    free: usize,
    /// Each with how many it wants.
    line: Line<usize>,
}

/// The right to do what a [`Semaphore`] limits, until it is dropped.
#[must_use = "the permits go back when this is dropped"]
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
    count: usize,
}

struct Waiting;

impl Side for Waiting {
    type State = State;
    type Value = usize;

    const WHAT: &'static str = "permits of a Semaphore";

    fn line(state: &mut State) -> &mut Line<usize> {
        &mut state.line
    }

    fn settle(state: &mut State, wakes: &mut Wakes) {
        while state.serve(wakes) {}
    }
}

impl State {
    /// Takes so many, if nobody goes before one of `level`. None at all can always be had.
    #[inline]
    fn take(&mut self, count: usize, level: usize) -> bool {
        let has = count == 0 || (self.free >= count && !self.line.is_before(level));
        if has {
            self.free -= count;
        }
        has
    }

    /// Serves the first in line, if there are permits enough.
    #[inline]
    fn serve(&mut self, wakes: &mut Wakes) -> bool {
        let free = self.free;
        let served = self.line.serve_if(|&count| count <= free, |&mut count| count, wakes);
        self.free -= served.unwrap_or(0);
        served.is_some()
    }
}

impl Semaphore {
    constructor! {
        /// With so many permits.
        pub fn new(permits: usize) -> Semaphore {
            Semaphore { latch: Latch::new(State { free: permits, line: Line::new() }) }
        }
    }

    /// Waits for a permit. A fiber that is cancelled while it waits unwinds.
    #[inline]
    pub fn acquire(&self) -> Permit<'_> {
        or_unwind(self.acquire_or_cancelled())
    }

    /// As [`acquire`](Self::acquire), but a fiber that is cancelled gets an error instead of unwinding.
    ///
    /// # Errors
    /// The fiber is cancelled, and would have to wait.
    #[inline]
    pub fn acquire_or_cancelled(&self) -> Result<Permit<'_>, Cancelled> {
        self.acquire_many_or_cancelled(1)
    }

    /// Waits for so many permits at once. More than there are in all are waited for until somebody has
    /// [added](Self::add) them; none at all can be had at once, whoever waits.
    pub fn acquire_many(&self, count: usize) -> Permit<'_> {
        or_unwind(self.acquire_many_or_cancelled(count))
    }

    /// As [`acquire_many`](Self::acquire_many), but a fiber that is cancelled gets an error.
    ///
    /// # Errors
    /// The fiber is cancelled, and would have to wait.
    pub fn acquire_many_or_cancelled(&self, count: usize) -> Result<Permit<'_>, Cancelled> {
        match self.take(count, None) {
            Waited::Served | Waited::TimedOut => Ok(Permit { semaphore: self, count }),
            Waited::Cancelled => Err(Cancelled(())),
        }
    }

    /// Takes a permit if there is one for us.
    #[inline]
    pub fn try_acquire(&self) -> Option<Permit<'_>> {
        self.try_acquire_many(1)
    }

    /// Takes so many permits if they are there for us.
    pub fn try_acquire_many(&self, count: usize) -> Option<Permit<'_>> {
        let level = wait::level();
        let taken = self.latch.with(|state| state.take(count, level));
        taken.then(|| Permit { semaphore: self, count })
    }

    /// Waits for a permit for so long at most. A fiber that is cancelled while it waits unwinds.
    pub fn try_acquire_for(&self, time: Duration) -> Option<Permit<'_>> {
        // Past the end of the clock is for ever.
        self.try_acquire_many_until(1, Instant::now().checked_add(time))
    }

    /// Waits for a permit until then at most. A fiber that is cancelled while it waits unwinds.
    pub fn try_acquire_until(&self, due: Instant) -> Option<Permit<'_>> {
        self.try_acquire_many_until(1, Some(due))
    }

    fn try_acquire_many_until(&self, count: usize, due: Option<Instant>) -> Option<Permit<'_>> {
        match self.take(count, due) {
            Waited::Served => Some(Permit { semaphore: self, count }),
            Waited::TimedOut => None,
            Waited::Cancelled => wait::unwind(),
        }
    }

    /// So many permits more than before: also those of a permit that was [forgotten](Permit::forget).
    ///
    /// # Panics
    /// If there are more than `usize::MAX` then.
    #[inline]
    pub fn add(&self, permits: usize) {
        let mut wakes = Wakes::default();
        self.latch.with(|state| {
            state.free = state.free.checked_add(permits).expect("a semaphore has at most usize::MAX permits");
            Waiting::settle(state, &mut wakes);
        });
        wakes.call();
    }

    /// How many permits nobody has at this moment.
    pub fn available(&self) -> usize {
        self.latch.with(|state| state.free)
    }

    #[inline]
    fn take(&self, count: usize, due: Option<Instant>) -> Waited {
        wait::wait_unless::<Waiting>(&self.latch, count, due, |state, level| state.take(count, level))
    }
}

impl Permit<'_> {
    /// How many permits it is.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Does not give them back: there are fewer from now on.
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.semaphore.add(self.count);
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (free, waiting) = self.latch.with(|state| (state.free, state.line.len()));
        f.debug_struct("Semaphore").field("available", &free).field("waiting", &waiting).finish()
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("count", &self.count).finish()
    }
}
