//! How one waits in a [`Line`], and is woken: as a fiber, which suspends; as a thread, which blocks; as a future's
//! task, which is polled again.
//!
//! ```text
//!   under the latch      not to be had now: the place is pushed
//!   wait                 suspends until it is served
//!   cancelled, too late  under the latch: leaves the line, or finds that it was served
//! ```
//!
//! So nobody is lost, and nothing: who was served while it was cancelled has what it waited for, and says so. It learns
//! of the cancellation at its next blocking call.

use super::latch::Latch;
use super::line::{Line, Place, Served};
use crate::error::Cancelled;
use crate::fiber::FiberRef;
use crate::fiber::awaited::Awaited;
use crate::fiber::carrier::Carrier;
use crate::fiber::loans::Lender;
use crate::primitive::UnsafeCell;
use crate::priority::Priority;
use crate::suspend::{Resumer, suspend, unwind_cancelled};
use crate::worker::sleeper::{Sleeper, park_thread, this_thread};
use crate::worker::{Worker, current, loan};
use std::cell::OnceCell;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

/// Who waits at a place.
pub(crate) enum Who {
    Fiber(FiberRef),
    Thread(Arc<Sleeper>),
    Task(TaskWaker),
}

/// The waker of a future that waits: changed and taken under the latch.
pub(crate) struct TaskWaker(UnsafeCell<Option<Waker>>);

impl Who {
    /// The caller, and the level at which it waits. A thread that is no fiber's, or where a fiber cannot suspend, counts
    /// as Normal.
    #[inline]
    pub(crate) fn caller() -> (Who, usize) {
        match current::in_fiber() {
            Some((_, fiber)) if !std::thread::panicking() => (Who::Fiber(fiber), fiber.state.level()),
            _ => (Who::Thread(this_thread()), Priority::Normal.level()),
        }
    }

    /// A future that waits, as urgent as whoever polls it first.
    pub(crate) fn task(waker: &Waker) -> (Who, usize) {
        let level = current::in_fiber().map_or(Priority::Normal.level(), |(_, fiber)| fiber.state.level());
        (Who::Task(TaskWaker(UnsafeCell::new(Some(waker.clone())))), level)
    }

    /// Another waker for a future, which is in line; the caller has the latch. `false`: it was woken.
    pub(crate) fn swap_waker(&self, other: &mut Option<Waker>) -> bool {
        let Who::Task(TaskWaker(waker)) = self else { return false };
        // SAFETY: the latch is the caller's.
        waker.with_mut(|waker| std::mem::swap(unsafe { &mut *waker }, other));
        other.is_some()
    }
}

/// The level at which the caller would wait.
#[inline]
pub(crate) fn level() -> usize {
    current::in_fiber().map_or(Priority::Normal.level(), |(_, fiber)| fiber.state.level())
}

/// Those who were served, to be woken when the latch is free.
///
/// A fiber whose home this thread is was queued at once: it cannot run before we return. So it cannot end either, and
/// needs no hold, whatever those do who are woken later: a waker of somebody else's may suspend us.
#[must_use = "they sleep on"]
#[derive(Default)]
pub(crate) struct Wakes {
    count: usize,
    first: Option<Wake>,
    others: Vec<Wake>,
}

/// What wakes somebody elsewhere.
enum Wake {
    Resumer(Resumer),
    Task(Waker),
}

impl Wake {
    fn call(self) {
        match self {
            Wake::Resumer(resumer) => resumer.resume(),
            Wake::Task(waker) => waker.wake(),
        }
    }
}

impl Wakes {
    /// How many were served.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Wakes them; also those who come after a waker that panics.
    #[inline(always)]
    pub(crate) fn call(self) {
        if self.first.is_some() {
            self.call_all();
        } else {
            // There is nothing in it, which its destructor would have to find out.
            std::mem::forget(self);
        }
    }

    #[cold]
    fn call_all(self) {
        struct Rest(std::vec::IntoIter<Wake>);
        impl Drop for Rest {
            fn drop(&mut self) {
                self.0.by_ref().for_each(Wake::call);
            }
        }
        let _rest = Rest(self.others.into_iter());
        self.first.into_iter().for_each(Wake::call);
    }

    /// Who waits is being served. It is in line, or was just now, and the latch is ours: so it is there.
    #[inline]
    pub(crate) fn add(&mut self, who: &Who) {
        self.count += 1;
        match who {
            Who::Fiber(fiber) => match current::worker() {
                Some(worker) if current::is_home(worker, *fiber) => worker.resume_here(*fiber),
                // SAFETY: it waits until it sees that it was served, which it was not told yet.
                _ => self.add_other(Wake::Resumer(unsafe { Resumer::of(*fiber) })),
            },
            Who::Thread(thread) => self.add_other(Wake::Resumer(Resumer::thread(thread.clone()))),
            Who::Task(TaskWaker(waker)) => {
                // SAFETY: the latch is ours.
                let waker = waker.with_mut(|waker| unsafe { (*waker).take() });
                waker.into_iter().for_each(|waker| self.add_other(Wake::Task(waker)));
            }
        }
    }

    #[cold]
    fn add_other(&mut self, wake: Wake) {
        match self.first {
            None => self.first = Some(wake),
            Some(_) => self.others.push(wake),
        }
    }
}

/// One of the lines of a primitive.
pub(crate) trait Side {
    /// What is behind its latch.
    type State;
    /// What waits there has this with it.
    type Value;

    /// What one waits for there, as a report says it.
    const WHAT: &'static str;

    /// The line.
    fn line(state: &mut Self::State) -> &mut Line<Self::Value>;

    /// The fibers that have to do something before anybody in the line is served, by their numbers, as far as they are known.
    fn holders(_state: &Self::State) -> Vec<u64> {
        Vec::new()
    }

    /// Somebody has left the line, or has got another place: others may have what they wait for.
    fn settle(_state: &mut Self::State, _wakes: &mut Wakes) {}

    /// Somebody has come, has left or has got another place, and the latch is free again.
    #[inline]
    fn settled(_latch: &Latch<Self::State>) {}
}

/// How a wait has ended.
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

/// Waits with `value` in the line, unless `has` finds under the latch that there is no need to; it is told the level.
#[inline]
pub(crate) fn wait_unless<S: Side>(
    latch: &Latch<S::State>,
    value: S::Value,
    due: Option<Instant>,
    has: impl FnOnce(&mut S::State, usize) -> bool,
) -> Waited {
    value_unless::<S>(latch, value, due, has).0
}

/// The same, with what has become of the value of one who has waited.
#[inline]
pub(crate) fn value_unless<S: Side>(
    latch: &Latch<S::State>,
    value: S::Value,
    due: Option<Instant>,
    has: impl FnOnce(&mut S::State, usize) -> bool,
) -> (Waited, Option<S::Value>) {
    // Written by way of a shared reference: the line's pointer to it has to stay good beside ours.
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
            wait::<S>(latch, place, due)
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
    // What was lent to us may have ended meanwhile, or more.
    if matches!(place.who(), Who::Fiber(_)) {
        move_to::<S>(latch, &place, self::level());
    }
    let waited = wait::<S>(latch, &place, due);
    (waited, place.into_value())
}

/// The fiber, or else the thread, that calls: no two have the same at a time, and none has 0.
pub(crate) fn identity() -> u64 {
    thread_local! {
        static HERE: u8 = const { 0 };
    }
    match current::in_fiber() {
        Some((_, fiber)) => fiber.id.0 << 1 | 1,
        // An address below 2^63, of two bytes at least where the threads are two.
        None => HERE.with(|here| (&raw const *here).addr() as u64) << 1,
    }
}

/// Waits until the place, which is in line, is served; until `due` if there is such a time; until the fiber is
/// cancelled. After that it is not in line.
///
/// Where there is no such time a fiber is switched away from in the caller's frame: what returns between a switch and the next is
/// predicted wrongly, which costs more than all else here.
#[inline(always)]
pub(crate) fn wait<S: Side>(
    latch: &Latch<S::State>,
    place: &Place<S::Value>,
    due: Option<Instant>,
) -> Waited {
    if due.is_some() || !matches!(place.who(), Who::Fiber(_)) {
        return wait_otherwise::<S>(latch, place, due);
    }
    let moves = Moves::new::<S>(latch, place);
    while let Some(carrier) = prepare_wait(place.served(), &moves) {
        // SAFETY: we run on it.
        unsafe { carrier.suspend() };
        if place.is_served() {
            carrier.lender.set(None);
            return Waited::Served;
        }
    }
    // It may have been served just now.
    if place.is_served() || !leave::<S>(latch, place) { Waited::Served } else { Waited::Cancelled }
}

/// All of a round of waiting but the switch: until then the line is told of each change of our level. `None`: there is no need to
/// wait, as the place was served, or must be none, as the fiber was cancelled.
#[inline(always)]
fn prepare_wait<'a>(served: &Served, moves: &Moves) -> Option<&'a Carrier> {
    let (worker, carrier) = current::on_carrier()?;
    let lender: &(dyn Lender + 'static) = moves;
    carrier.lender.set(Some(NonNull::from(lender)));
    if !carrier.may_be_interrupted() && worker.prepare_park(carrier) {
        return Some(carrier);
    }
    prepare_again(worker, carrier, served)
}

/// There was a token, perhaps of something before; or the fiber is called off.
#[cold]
#[inline(never)]
fn prepare_again<'a>(worker: &Worker, carrier: &'a Carrier, served: &Served) -> Option<&'a Carrier> {
    while !served.get() && !carrier.is_interrupted() {
        if worker.prepare_park(carrier) {
            return Some(carrier);
        }
    }
    carrier.lender.set(None);
    None
}

/// For a time at most, or as a thread.
#[cold]
fn wait_otherwise<S: Side>(latch: &Latch<S::State>, place: &Place<S::Value>, due: Option<Instant>) -> Waited {
    match (place.who(), due) {
        (Who::Fiber(fiber), Some(due)) => wait_until::<S>(latch, place, *fiber, due),
        _ => wait_as_thread::<S>(latch, place, due),
    }
}

/// Leaves the line. `false`: it has been served.
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

fn wait_until<S: Side>(
    latch: &Latch<S::State>,
    place: &Place<S::Value>,
    me: FiberRef,
    due: Instant,
) -> Waited {
    let moves = Moves::new::<S>(latch, place);
    let timer = current::worker().map(|worker| (worker, worker.timers.set(due, me)));
    let waited = loan::while_lending(&moves, || {
        loop {
            let late = Instant::now() >= due;
            let outcome = if late { Ok(()) } else { suspend() };
            if place.is_served() {
                return Waited::Served;
            }
            let over = if outcome.is_err() { Waited::Cancelled } else { Waited::TimedOut };
            if late || outcome.is_err() {
                return if leave::<S>(latch, place) { over } else { Waited::Served };
            }
        }
    });
    if let Some((worker, key)) = timer {
        worker.timers.clear(key);
    }
    waited
}

fn wait_as_thread<S: Side>(latch: &Latch<S::State>, place: &Place<S::Value>, due: Option<Instant>) -> Waited {
    while !place.is_served() {
        let left = due.map(|due| due.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return if leave::<S>(latch, place) { Waited::TimedOut } else { Waited::Served };
        }
        park_thread(left);
    }
    Waited::Served
}

/// Tells a line when the level of a fiber in it changes. What is lent by that is the line's business.
pub(crate) struct Moves {
    latch: *const (),
    place: *const (),
    line: &'static LineOf,
}

/// What a line is asked, whatever it is made of.
struct LineOf {
    tell: unsafe fn(*const (), *const (), usize),
    holders: unsafe fn(*const ()) -> Vec<u64>,
    what: &'static str,
}

impl Moves {
    fn new<S: Side>(latch: &Latch<S::State>, place: &Place<S::Value>) -> Moves {
        Moves {
            latch: (&raw const *latch).cast(),
            place: (&raw const *place).cast(),
            line: const { &LineOf { tell: moved::<S>, holders: holders::<S>, what: S::WHAT } },
        }
    }
}

impl Lender for Moves {
    fn level_is(&self, level: usize) {
        // SAFETY: whoever waits, in whose frame this is, borrows the latch and has the place.
        unsafe { (self.line.tell)(self.latch, self.place, level) };
    }

    fn waits_for(&self) -> Awaited {
        // SAFETY: as above.
        let holders = unsafe { (self.line.holders)(self.latch) };
        Awaited::Thing { what: self.line.what, address: self.latch.addr(), holders }
    }
}

/// # Safety
/// They are what [`Moves::new`] was given, and still there.
unsafe fn moved<S: Side>(latch: *const (), place: *const (), level: usize) {
    // SAFETY: the caller's promise.
    unsafe { move_to::<S>(&*latch.cast(), &*place.cast(), level) };
}

/// # Safety
/// It is what [`Moves::new`] was given, and still there.
unsafe fn holders<S: Side>(latch: *const ()) -> Vec<u64> {
    // SAFETY: the caller's promise.
    let latch: &Latch<S::State> = unsafe { &*latch.cast() };
    latch.with(|state| S::holders(state))
}

/// Who waits has another level now.
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

/// Unwinds a fiber that was cancelled while it waited.
#[cold]
pub(crate) fn unwind() -> ! {
    unwind_cancelled();
    unreachable!("while a panic unwinds a fiber waits without hearing of its cancellation")
}

/// The value, or unwinds.
#[inline]
pub(crate) fn or_unwind<T>(outcome: Result<T, Cancelled>) -> T {
    match outcome {
        Ok(value) => value,
        Err(Cancelled(())) => unwind(),
    }
}
