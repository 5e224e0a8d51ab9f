//! The twin of `scheduler/src/sync/wait.rs`: who waits is a thread of loom's. It parks where a fiber suspends, and leaves
//! at once where it was given a time or was [cancelled](cancel), so that each server meets it in the middle of that.

use super::latch::Latch;
use super::line::{Line, Place};
use crate::error::Cancelled;
use loom::thread::{self, Thread};
use std::cell::{Cell, OnceCell};
use std::time::Instant;

loom::thread_local! {
    static LEVEL: Cell<usize> = Cell::new(2);
    static CANCELLED: Cell<bool> = Cell::new(false);
    static ID: u64 = NEXT.with(|next| next.replace(next.get() + 1));
}

std::thread_local! {
    static NEXT: Cell<u64> = const { Cell::new(1) };
}

/// The calling thread is as urgent as that from now on.
pub(crate) fn set_level(level: usize) {
    LEVEL.with(|mine| mine.set(level));
}

/// The calling thread is cancelled where it next waits.
pub(crate) fn cancel() {
    CANCELLED.with(|mine| mine.set(true));
}

pub(crate) fn is_cancelled() -> bool {
    CANCELLED.with(Cell::get)
}

pub(crate) struct Who(Thread);

impl Who {
    pub(crate) fn caller() -> (Who, usize) {
        (Who(thread::current()), level())
    }
}

impl Who {
    /// For futures, of which there are none here.
    pub(crate) fn swap_waker(&self, _other: &mut Option<std::task::Waker>) -> bool {
        false
    }
}

pub(crate) fn level() -> usize {
    LEVEL.with(Cell::get)
}

#[must_use = "they sleep on"]
#[derive(Default)]
pub(crate) struct Wakes(Vec<Thread>);

impl Wakes {
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn call(self) {
        self.0.iter().for_each(Thread::unpark);
    }

    pub(crate) fn add(&mut self, who: &Who) {
        self.0.push(who.0.clone());
    }
}

pub(crate) trait Side {
    type State;
    type Value;
    const WHAT: &'static str = "";
    fn line(state: &mut Self::State) -> &mut Line<Self::Value>;
    fn holders(_state: &Self::State) -> Vec<u64> {
        Vec::new()
    }
    fn settle(_state: &mut Self::State, _wakes: &mut Wakes) {}
    fn settled(_latch: &Latch<Self::State>) {}
}

#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    Served,
    TimedOut,
    Cancelled,
}

impl Waited {
    /// Was it served, before the time was over?
    #[inline]
    pub(crate) fn in_time(self) -> Result<bool, Cancelled> {
        match self {
            Waited::Served => Ok(true),
            Waited::TimedOut => Ok(false),
            Waited::Cancelled => Err(Cancelled(())),
        }
    }
}

pub(crate) fn wait_unless<S: Side>(
    latch: &Latch<S::State>,
    value: S::Value,
    due: Option<Instant>,
    has: impl FnOnce(&mut S::State, usize) -> bool,
) -> Waited {
    value_unless::<S>(latch, value, due, has).0
}

/// The same, with what has become of the value of one who has waited.
pub(crate) fn value_unless<S: Side>(
    latch: &Latch<S::State>,
    value: S::Value,
    due: Option<Instant>,
    has: impl FnOnce(&mut S::State, usize) -> bool,
) -> (Waited, Option<S::Value>) {
    let place = OnceCell::new();
    latch.with(|state| {
        if !has(state, level()) {
            let (who, level) = Who::caller();
            let place = place.get_or_init(|| Place::new(who, value));
            // SAFETY: it stays in this frame, and we wait until it is not in line.
            unsafe { S::line(state).push(place, level) };
        }
    });
    let waited = match place.get() {
        Some(place) => {
            S::settled(latch);
            let waited = wait::<S>(latch, place, due);
            // The frame goes: loom sees whether anybody else is still at the place.
            // SAFETY: it is ours, and not in line.
            unsafe { place.with_value(|_| ()) };
            waited
        }
        None => Waited::Served,
    };
    (waited, place.into_inner().map(Place::into_value))
}

/// Gets in line with `value`, does something, and waits. The result has what became of the value.
pub(crate) fn wait_after<S: Side>(
    latch: &Latch<S::State>,
    value: S::Value,
    due: Option<Instant>,
    first: impl FnOnce(),
) -> (Waited, S::Value) {
    /// Also when it unwinds: the place is in a frame that is about to go.
    struct InLine<'a, S: Side>(&'a Latch<S::State>, &'a Place<S::Value>);
    impl<S: Side> Drop for InLine<'_, S> {
        fn drop(&mut self) {
            leave::<S>(self.0, self.1);
        }
    }
    let (who, level) = Who::caller();
    let place = Place::new(who, value);
    // SAFETY: it stays in this frame, and we wait until it is not in line.
    latch.with(|state| unsafe { S::line(state).push(&place, level) });
    S::settled(latch);
    let in_line = InLine::<S>(latch, &place);
    first();
    std::mem::forget(in_line);
    let waited = wait::<S>(latch, &place, due);
    (waited, {
        // SAFETY: it is ours, and not in line; loom sees whether anybody else is still there.
        unsafe { place.with_value(|_| ()) };
        place.into_value()
    })
}

/// No two have the same, and none has 0.
pub(crate) fn identity() -> u64 {
    ID.with(|id| *id)
}

pub(crate) fn wait<S: Side>(
    latch: &Latch<S::State>,
    place: &Place<S::Value>,
    due: Option<Instant>,
) -> Waited {
    let over = if is_cancelled() { Some(Waited::Cancelled) } else { due.map(|_| Waited::TimedOut) };
    while !place.is_served() {
        match over {
            Some(over) if leave::<S>(latch, place) => return over,
            Some(_) => return Waited::Served,
            None => thread::park(),
        }
    }
    Waited::Served
}

pub(crate) fn leave<S: Side>(latch: &Latch<S::State>, place: &Place<S::Value>) -> bool {
    let mut wakes = Wakes::default();
    let left = latch.with(|state| {
        // SAFETY: it was pushed there.
        let left = unsafe { S::line(state).remove(place) };
        if left {
            S::settle(state, &mut wakes);
        }
        left
    });
    wakes.call();
    S::settled(latch);
    left
}

pub(crate) fn move_to<S: Side>(latch: &Latch<S::State>, place: &Place<S::Value>, level: usize) {
    let mut wakes = Wakes::default();
    latch.with(|state| {
        // SAFETY: it was pushed there.
        if unsafe { S::line(state).move_to(place, level) } {
            S::settle(state, &mut wakes);
        }
    });
    wakes.call();
    S::settled(latch);
}

/// What a cancelled fiber unwinds with.
pub(crate) struct Unwound;

pub(crate) fn unwind() -> ! {
    std::panic::resume_unwind(Box::new(Unwound))
}

pub(crate) fn or_unwind<T>(outcome: Result<T, Cancelled>) -> T {
    outcome.unwrap_or_else(|Cancelled(())| unwind())
}
