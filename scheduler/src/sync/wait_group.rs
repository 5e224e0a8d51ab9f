//! Waiting for any number of others to be done.

use super::latch::Latch;
use super::line::Line;
use super::wait::{self, Side, Waited, Wakes, or_unwind};
use crate::error::Cancelled;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Its clones are with those who work; who waits goes on when all of them were dropped.
///
/// ```
/// use heddle_scheduler::{Scheduler, sync::WaitGroup};
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// static DONE: AtomicU32 = AtomicU32::new(0);
///
/// let scheduler = Scheduler::builder().workers(2).build()?;
/// let group = WaitGroup::new();
/// for _ in 0..10 {
///     let group = group.clone();
///     drop(scheduler.go(move || {
///         DONE.fetch_add(1, Ordering::Relaxed);
///         drop(group);
///     }));
/// }
/// group.wait();
/// assert_eq!(DONE.load(Ordering::Relaxed), 10);
/// # Ok::<(), heddle_scheduler::Error>(())
/// ```
pub struct WaitGroup {
    inner: Arc<Inner>,
}

struct Inner {
    latch: Latch<State>,
}

struct State {
    /// How many [`WaitGroup`]s there are, without those that wait.
    count: usize,
    line: Line<()>,
}

struct Waiting;

impl Side for Waiting {
    type State = State;
    type Value = ();

    const WHAT: &'static str = "the end of a WaitGroup";

    fn line(state: &mut State) -> &mut Line<()> {
        &mut state.line
    }
}

impl Inner {
    fn come(&self) {
        self.latch.with(|state| state.count += 1);
    }

    fn go(&self) {
        let mut wakes = Wakes::default();
        self.latch.with(|state| {
            state.count -= 1;
            if state.count == 0 {
                state.line.serve_all(|()| (), &mut wakes);
            }
        });
        wakes.call();
    }
}

impl WaitGroup {
    /// A group with this one in it.
    pub fn new() -> WaitGroup {
        let state = State { count: 1, line: Line::new() };
        WaitGroup { inner: Arc::new(Inner { latch: Latch::new(state) }) }
    }

    /// Drops this one and waits until all others were dropped, or wait too. A fiber that is cancelled while it waits
    /// unwinds.
    pub fn wait(self) {
        or_unwind(self.wait_or_cancelled());
    }

    /// As [`wait`](Self::wait), but a fiber that is cancelled gets an error instead of unwinding.
    ///
    /// # Errors
    /// The fiber is cancelled, and would have to wait.
    pub fn wait_or_cancelled(self) -> Result<(), Cancelled> {
        self.wait_some(None).in_time().map(|_| ())
    }

    /// Waits for so long at most. A fiber that is cancelled while it waits unwinds.
    ///
    /// # Errors
    /// The time is over: the group, with this one in it, to wait again.
    pub fn wait_timeout(self, time: Duration) -> Result<(), WaitGroup> {
        let inner = self.inner.clone();
        // Past the end of the clock is for ever.
        if or_unwind(self.wait_some(Instant::now().checked_add(time)).in_time()) {
            return Ok(());
        }
        inner.come();
        Err(WaitGroup { inner })
    }

    fn wait_some(self, due: Option<Instant>) -> Waited {
        let inner = self.inner.clone();
        drop(self);
        wait::wait_unless::<Waiting>(&inner.latch, (), due, |state, _| state.count == 0)
    }
}

impl Clone for WaitGroup {
    fn clone(&self) -> WaitGroup {
        self.inner.come();
        WaitGroup { inner: self.inner.clone() }
    }
}

impl Drop for WaitGroup {
    fn drop(&mut self) {
        self.inner.go();
    }
}

impl Default for WaitGroup {
    fn default() -> Self {
        WaitGroup::new()
    }
}

impl fmt::Debug for WaitGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, waiting) = self.inner.latch.with(|state| (state.count, state.line.len()));
        f.debug_struct("WaitGroup").field("count", &count).field("waiting", &waiting).finish()
    }
}
