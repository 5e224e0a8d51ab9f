//! Something that has happened, or has not.

use super::latch::Latch;
use super::line::Line;
use super::wait::{self, Side, Wakes, or_unwind};
use crate::error::Cancelled;
use crate::primitive::constructor;
use std::fmt;
use std::time::{Duration, Instant};

/// Set or not: whoever waits for it goes on when it is set, and nobody waits until it is reset.
///
/// ```
/// use heddle_scheduler::{Scheduler, sync::Event};
///
/// static READY: Event = Event::new();
///
/// let scheduler = Scheduler::builder().workers(2).build()?;
/// let waiting: Vec<_> = (0..10).map(|n| scheduler.go(move || { READY.wait(); n })).collect();
/// READY.set();
/// assert_eq!(waiting.into_iter().map(|fiber| fiber.join().unwrap()).sum::<i32>(), 45);
/// # Ok::<(), heddle_scheduler::Error>(())
/// ```
pub struct Event {
    latch: Latch<State>,
}

struct State {
    set: bool,
    /// Empty while it is set.
    line: Line<()>,
}

struct Waiting;

impl Side for Waiting {
    type State = State;
    type Value = ();

    const WHAT: &'static str = "an Event";

    fn line(state: &mut State) -> &mut Line<()> {
        &mut state.line
    }
}

impl Event {
    constructor! {
        /// Not set.
        pub fn new() -> Event {
            Event { latch: Latch::new(State { set: false, line: Line::new() }) }
        }
    }

    /// Sets it: all who wait go on, also if it is reset at once. What was done before is seen by them.
    pub fn set(&self) {
        let mut wakes = Wakes::default();
        self.latch.with(|state| {
            state.set = true;
            state.line.serve_all(|()| (), &mut wakes);
        });
        wakes.call();
    }

    /// Not set any more: who comes from now on waits.
    pub fn reset(&self) {
        self.latch.with(|state| state.set = false);
    }

    /// Is it set at this moment?
    pub fn is_set(&self) -> bool {
        self.latch.with(|state| state.set)
    }

    /// Waits until it is set. A fiber that is cancelled while it waits unwinds.
    pub fn wait(&self) {
        or_unwind(self.wait_or_cancelled());
    }

    /// As [`wait`](Self::wait), but a fiber that is cancelled gets an error instead of unwinding.
    ///
    /// # Errors
    /// The fiber is cancelled, and would have to wait.
    pub fn wait_or_cancelled(&self) -> Result<(), Cancelled> {
        self.wait_some(None).map(|_| ())
    }

    /// Waits for so long at most; was it set? A fiber that is cancelled while it waits unwinds.
    #[must_use = "the time may have been over"]
    pub fn wait_for(&self, time: Duration) -> bool {
        // Past the end of the clock is for ever.
        or_unwind(self.wait_some(Instant::now().checked_add(time)))
    }

    /// Waits until then at most; was it set? A fiber that is cancelled while it waits unwinds.
    #[must_use = "the time may have been over"]
    pub fn wait_until(&self, due: Instant) -> bool {
        or_unwind(self.wait_some(Some(due)))
    }

    fn wait_some(&self, due: Option<Instant>) -> Result<bool, Cancelled> {
        wait::wait_unless::<Waiting>(&self.latch, (), due, |state, _| state.set).in_time()
    }
}

impl Default for Event {
    fn default() -> Self {
        Event::new()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (set, waiting) = self.latch.with(|state| (state.set, state.line.len()));
        f.debug_struct("Event").field("set", &set).field("waiting", &waiting).finish()
    }
}
