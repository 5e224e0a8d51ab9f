//! The engine's question "may I go on?", and the answer.
//!
//! QuickJS asks at every 10,000th jump back or call, and at the first. The answer is given on the
//! script's own stack, below the engine's frames, which has two consequences:
//!
//! * To give the CPU away, the fiber simply suspends here. Nothing has to be told to the engine: it
//!   keeps nothing in thread-locals, and the stack stays as it is.
//! * **Nothing may unwind through the engine.** The scheduler's calls unwind a fiber that was
//!   cancelled, so they are called under `catch_unwind`, and the script is ended by the answer
//!   instead. The engine then throws an error that no `catch` sees.
//!
//! A stop is final: once there is a reason, every later answer is no. Engine code exists that turns
//! the error into a rejected promise and goes on (`new Promise(executor)`), so what counts is
//! [`Watch::stopped`], not the script's result.

use super::population::Population;
use crate::limits::Limits;
use heddle_scheduler::{checkpoint, current, thread_time, yield_now};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// Why a script was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Its time was up.
    Time,
    /// Its fiber was cancelled.
    Cancelled,
}

/// Who watches one isolate. All fields belong to the thread in the isolate. Times are CPU times of that
/// thread: a lane above may take the CPU from a script at any moment, which is not the script's.
pub(crate) struct Watch {
    stop: Cell<Option<Stop>>,
    /// When the time is up; `None`: never. Moved by the time that was given away.
    deadline: Cell<Option<Duration>>,
    /// When the script lets its equals run.
    slice_end: Cell<Duration>,
    slice: Duration,
}

impl Watch {
    pub(crate) fn new(limits: &Limits) -> Watch {
        Watch {
            stop: Cell::new(None),
            deadline: Cell::new(None),
            slice_end: Cell::new(Duration::ZERO),
            slice: limits.slice,
        }
    }

    /// A script starts now, and may run for `time`.
    pub(crate) fn arm(&self, time: Duration) {
        let now = thread_time();
        self.stop.set(None);
        self.deadline.set(now.checked_add(time));
        self.slice_end.set(now + self.slice);
    }

    /// Why the script must end, if it must.
    pub(crate) fn stopped(&self) -> Option<Stop> {
        self.stop.get()
    }

    /// May the script go on? Gives the CPU away first, if somebody more urgent waits or the slice is
    /// over. Never unwinds.
    #[must_use]
    pub(crate) fn may_go_on(&self, population: &Population) -> bool {
        if self.stop.get().is_some() {
            return false;
        }
        if is_cancelled() {
            self.stop.set(Some(Stop::Cancelled));
            return false;
        }
        let now = thread_time();
        if self.deadline.get().is_some_and(|deadline| deadline <= now) {
            self.stop.set(Some(Stop::Time));
            return false;
        }
        self.give_way(now, population);
        self.stop.get().is_none()
    }

    fn give_way(&self, now: Duration, population: &Population) {
        let slice_over = self.slice_end.get() <= now;
        let take_turns = slice_over && population.has_room();
        // What unwinds is the mark of a cancelled fiber; it is caught above the engine's frames.
        let outcome = catch_unwind(AssertUnwindSafe(|| if take_turns { yield_now() } else { checkpoint() }));
        if outcome.is_err() || is_cancelled() {
            self.stop.set(Some(Stop::Cancelled));
        }
        let back = thread_time();
        if let Some(deadline) = self.deadline.get() {
            self.deadline.set(deadline.checked_add(back - now));
        }
        if slice_over {
            self.slice_end.set(back + self.slice);
        }
    }
}

fn is_cancelled() -> bool {
    current().is_some_and(|fiber| fiber.is_interrupted())
}
