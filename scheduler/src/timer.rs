//! The timers of a worker: what is to happen to its fibers, and when. The structure is [`Wheel`]; here is the clock.

use crate::fiber::FiberRef;
use crate::machine::clock;
use crate::wheel::{Key, Wheel};
use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

/// The real clock is looked at so often at least while a timer is pending, in ns of the cheap one. That one is
/// known to a ten-thousandth or so: in this time it is wrong by 100 ns.
const TRUSTED: u64 = 1_000_000;

/// What a timer does when it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Resumes the fiber.
    Resume,
    /// The time of a section that the fiber is in is over.
    Expire,
    /// The fiber's deadline has come.
    Cancel,
}

/// A fiber and what is to happen to it; it stays until then, or until the timer is cleared.
#[derive(Clone, Copy)]
pub(crate) struct Alarm {
    pub(crate) fiber: FiberRef,
    pub(crate) then: Then,
}

/// Belongs to one thread.
pub(crate) struct Timers {
    wheel: RefCell<Wheel<Alarm>>,
    /// Those that are due, while they are dealt with.
    due: RefCell<Vec<Alarm>>,
    empty: Cell<bool>,
    /// Until then, in ticks, the real clock need not be asked.
    look_at: Cell<u64>,
    /// The wheel's zero.
    start: Instant,
}

/// Names a timer that was set.
pub(crate) type TimerKey = Key;

impl Timers {
    pub(crate) fn new() -> Timers {
        Timers {
            wheel: RefCell::new(Wheel::new()),
            due: RefCell::default(),
            empty: Cell::new(true),
            look_at: Cell::new(0),
            start: Instant::now(),
        }
    }

    /// Is there one that may be due? For the dispatch path: it reads the cheap clock, if any.
    #[inline(always)]
    pub(crate) fn may_be_due(&self) -> bool {
        !self.empty.get() && self.is_late()
    }

    #[inline(never)]
    fn is_late(&self) -> bool {
        self.look_at.get() <= clock::ticks()
    }

    /// Resumes `fiber` at `due`; the fiber stays until then or until [`clear`](Self::clear).
    pub(crate) fn set(&self, due: Instant, fiber: FiberRef) -> TimerKey {
        self.set_alarm(due, Alarm { fiber, then: Then::Resume })
    }

    /// The same for anything that may be done to a fiber.
    pub(crate) fn set_alarm(&self, due: Instant, alarm: Alarm) -> TimerKey {
        let mut wheel = self.wheel.borrow_mut();
        let due = self.nanos(due);
        if due < wheel.soonest() {
            self.look_at.set(0);
        }
        self.empty.set(false);
        wheel.set(due, alarm)
    }

    /// Forgets a timer, whether it has fired or not.
    pub(crate) fn clear(&self, key: TimerKey) {
        let mut wheel = self.wheel.borrow_mut();
        wheel.clear(key);
        self.empty.set(wheel.is_empty());
    }

    /// Calls `act` for each timer that is due, earliest first. It may set and clear others.
    pub(crate) fn fire(&self, act: impl Fn(Alarm)) {
        let mut due = self.due.take();
        {
            let mut wheel = self.wheel.borrow_mut();
            let now = self.nanos(Instant::now());
            wheel.take_due(now, &mut due);
            self.empty.set(wheel.is_empty());
            let left = wheel.soonest().saturating_sub(now).min(TRUSTED);
            self.look_at.set(clock::ticks() + clock::ticks_in(Duration::from_nanos(left)));
        }
        for alarm in due.drain(..) {
            act(alarm);
        }
        self.due.replace(due);
    }

    /// How long until the next one is due.
    pub(crate) fn until_next(&self) -> Option<Duration> {
        if self.empty.get() {
            return None;
        }
        let next = self.wheel.borrow_mut().next_due()?;
        let left = next.saturating_sub(self.nanos(Instant::now()));
        if left == 0 {
            self.look_at.set(0);
        }
        Some(Duration::from_nanos(left))
    }

    /// A time on the wheel. What was due before the scheduler began is overdue, and the wheel's end, in 584 years,
    /// is never.
    fn nanos(&self, time: Instant) -> u64 {
        time.saturating_duration_since(self.start).as_nanos().try_into().unwrap_or(u64::MAX)
    }
}
