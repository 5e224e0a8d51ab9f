//! The engine's question "may I go on?", and the answer.
//!
//! QuickJS asks at jumps back and calls: at each [`tune::EVERY`](super::tune)th, and more often where those take long. The answer is given on the script's own stack,
//! below the engine's frames, which has two consequences:
//!
//! * To give the CPU away, the fiber simply suspends here ([`give_way`]). Nothing has to be told to the engine: it
//!   keeps nothing in thread-locals, and the stack stays as it is.
//! * **Nothing may unwind through the engine.** So the calls of the scheduler that are used here return an error in a fiber that
//!   was cancelled, and the script is ended by the answer instead. The engine then throws an error that no `catch` sees.
//!
//! A stop is final: once there is a reason, every later answer is no. Engine code exists that turns
//! the error into a rejected promise and goes on (`new Promise(executor)`), so what counts is
//! [`Watch::stopped`], not the script's result.
//!
//! # Time
//!
//! What a script may have is CPU time of its own: a lane above may take the CPU from it at any moment, and that is not the
//! script's. Asking a thread how much it had costs 200 ns, and there are half a million questions a second. So:
//!
//! | moment                          | what is done                                                                |
//! |---------------------------------|-----------------------------------------------------------------------------|
//! | a question                      | one look at a cheap clock: is it `look_at`?                                 |
//! | `look_at`: the earliest moment at which the slice or the time can be over | the thread is asked; `used` grows by what it had |
//! | before the fiber may suspend    | `used` grows by the time that has passed: less than a slice, or it would be `look_at` |
//! | after it was suspended          | the thread is asked where it counts from: it may be another thread          |
//!
//! A thread's times are never compared with another thread's.

use super::clock;
use super::population::Population;
use crate::limits::Limits;
use heddle_scheduler::{
    Cancelled, checkpoint_is_due, thread_time, try_checkpoint_movable, try_yield_movable,
};
use std::cell::Cell;
use std::ptr::NonNull;
use std::time::Duration;

/// Why a script was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Its time was up.
    Time,
    /// Its fiber was cancelled.
    Cancelled,
}

/// Longer without a question is counted: a built-in that takes this long holds up its equals for five slices.
const LATE: Duration = Duration::from_millis(10);
/// Jumps and calls before the first question of a script: it may do nothing but call built-ins that take milliseconds.
const AT_FIRST: i32 = 16;
/// Questions need not come more often.
const SOON_NANOS: u64 = 100_000;
/// A call that takes longer has been away. A switch to another fiber and back takes 0.2 us, and what that does more.
const AWAY_NANOS: u64 = 2_000;

/// Who watches one isolate. All fields belong to the thread in the isolate. Times are in nanoseconds, moments in ticks of the
/// cheap clock.
pub(crate) struct Watch {
    stop: Cell<Option<Stop>>,
    /// CPU time that the script may have; `u64::MAX`: for ever.
    limit: Cell<u64>,
    /// CPU time that it has had, up to `from`.
    used: Cell<u64>,
    from: Cell<From>,
    /// See the module.
    look_at: Cell<u64>,
    /// When `used` is this, the script lets its equals run.
    slice_end: Cell<u64>,
    slice: u64,
    /// When the engine asked last.
    asked: Cell<u64>,
    late: u64,
    late_count: Cell<u32>,
    /// The fiber is cancelled, and may clean up.
    cleaning: Cell<bool>,
    /// Where the engine counts down to its next question, and from where.
    counter: Cell<Option<NonNull<i32>>>,
    every: Cell<i32>,
    /// Ticks between two questions that are few enough.
    soon: u64,
}

/// Since when CPU time is not in `used` yet.
#[derive(Clone, Copy, Debug)]
struct From {
    moment: u64,
    /// What the thread had had then, if it was asked.
    had: Option<u64>,
}

impl Watch {
    pub(crate) fn new(limits: &Limits) -> Watch {
        Watch {
            stop: Cell::new(None),
            limit: Cell::new(u64::MAX),
            used: Cell::new(0),
            from: Cell::new(From { moment: 0, had: None }),
            look_at: Cell::new(0),
            slice_end: Cell::new(0),
            slice: nanos_in(limits.slice),
            asked: Cell::new(0),
            late: clock::ticks_in(nanos_in(LATE)),
            late_count: Cell::new(0),
            cleaning: Cell::new(false),
            counter: Cell::new(None),
            every: Cell::new(AT_FIRST),
            soon: clock::ticks_in(SOON_NANOS),
        }
    }

    /// The engine counts there.
    pub(super) fn set_counter(&self, counter: Option<NonNull<i32>>) {
        self.counter.set(counter);
    }

    /// A script starts now, and may run for `time`.
    pub(crate) fn arm(&self, time: Duration) {
        self.stop.set(None);
        self.cleaning.set(false);
        self.limit.set(nanos_in(time));
        self.used.set(0);
        self.slice_end.set(self.slice);
        let now = clock::ticks();
        self.from.set(From { moment: now, had: None });
        self.asked.set(now);
        self.plan(now);
        self.every.set(AT_FIRST);
        self.set_interval();
    }

    /// A script that was cancelled while it waited may run what cleans up, for so long.
    pub(crate) fn clean_up<R>(&self, time: Duration, f: impl FnOnce() -> R) -> R {
        self.arm(time);
        self.cleaning.set(true);
        let result = f();
        self.cleaning.set(false);
        self.stop.set(Some(Stop::Cancelled));
        result
    }

    /// Why the script must end, if it must.
    pub(crate) fn stopped(&self) -> Option<Stop> {
        self.stop.get()
    }

    /// How often it was [`LATE`] since the last call of this.
    pub(crate) fn take_late(&self) -> u32 {
        self.late_count.take()
    }

    /// May the script go on? Gives the CPU away first, if somebody more urgent waits or the slice is
    /// over. Never unwinds.
    #[must_use]
    pub(crate) fn may_go_on(&self, population: &Population) -> bool {
        let now = clock::ticks();
        self.adapt(now.saturating_sub(self.asked.get()));
        if now < self.look_at.get() && !checkpoint_is_due() && self.stop.get().is_none() {
            self.asked.set(now);
            return true;
        }
        self.look(now, population)
    }

    /// Counts as a jump or a call of a script does. `false`: it is time for a question.
    #[inline]
    pub(super) fn count_down(&self) -> bool {
        let Some(counter) = self.counter.get() else { return false };
        // SAFETY: as in `set_interval`.
        unsafe {
            let left = counter.read() - 1;
            counter.write(left);
            left > 0
        }
    }

    /// The engine's next question is to come at its next jump or call.
    pub(super) fn ask_soon(&self) {
        if let Some(counter) = self.counter.get() {
            // SAFETY: as in `set_interval`.
            unsafe { counter.write(1) };
        }
    }

    /// Where the engine took long from one question to the next, it asks after fewer jumps; up to
    /// [`tune::EVERY`](super::tune) as long as it is quick.
    #[inline]
    fn adapt(&self, gap: u64) {
        let every = self.every.get();
        if gap > self.soon {
            let fewer = (every as u64).saturating_mul(self.soon) / gap;
            self.every.set((fewer as i32).max(1));
        } else if every < super::tune::EVERY {
            self.every.set((2 * every).min(super::tune::EVERY));
        }
        self.set_interval();
    }

    fn set_interval(&self) {
        if let Some(counter) = self.counter.get() {
            // SAFETY: the counter of the context that we watch; the engine is not running while we answer.
            unsafe { counter.write(self.every.get()) };
        }
    }

    #[cold]
    fn look(&self, now: u64, population: &Population) -> bool {
        if self.stop.get().is_some() {
            return false;
        }
        if now < self.look_at.get() {
            return self.go_away(now, || give_way(false));
        }
        let had = self.account(now);
        if now.saturating_sub(self.asked.get()) >= self.late {
            self.count_late(now, had);
        }
        if self.used.get() >= self.limit.get() {
            self.stop.set(Some(Stop::Time));
            return false;
        }
        let slice_over = self.used.get() >= self.slice_end.get();
        if slice_over {
            self.slice_end.set(self.used.get().saturating_add(self.slice));
        }
        self.go_away(now, || give_way(slice_over && population.has_room()))
    }

    /// Asks the thread how much it had, and adds that. What it had since the last time, by its own count.
    fn account(&self, now: u64) -> u64 {
        let (from, had) = (self.from.get(), nanos_in(thread_time()));
        let passed = clock::nanos(now.saturating_sub(from.moment));
        let more = match from.had {
            Some(before) => had.saturating_sub(before).min(passed),
            // Not more than would have made us ask before.
            None => passed.min(self.slice),
        };
        self.used.set(self.used.get().saturating_add(more));
        self.from.set(From { moment: now, had: Some(had) });
        more
    }

    /// The engine did not ask for long. Was it the engine, or was the CPU somebody else's?
    fn count_late(&self, now: u64, had: u64) {
        let since_account = clock::nanos(now.saturating_sub(self.asked.get()));
        if had.min(since_account) >= nanos_in(LATE) {
            self.late_count.set(self.late_count.get().saturating_add(1));
        }
    }

    /// Calls what may suspend the fiber.
    fn go_away(&self, now: u64, away: impl FnOnce() -> Result<(), Cancelled>) -> bool {
        let passed = clock::nanos(now.saturating_sub(self.from.get().moment));
        let outcome = away();
        let back = clock::ticks();
        self.used.set(self.used.get().saturating_add(passed.min(self.slice)));
        // It may be another thread by now; where it cannot have been long, asking costs more than it tells.
        let was_away = clock::nanos(back.saturating_sub(now)) >= AWAY_NANOS;
        let had = was_away.then(|| nanos_in(thread_time()));
        self.from.set(From { moment: back, had });
        self.asked.set(back);
        self.plan(back);
        if outcome.is_err() && !self.cleaning.get() {
            self.stop.set(Some(Stop::Cancelled));
        }
        self.stop.get().is_none()
    }

    /// Does something that takes no CPU time of the script's.
    pub(crate) fn away<R>(&self, f: impl FnOnce() -> R) -> R {
        let mut result = None;
        let now = clock::ticks();
        self.go_away(now, || {
            result = Some(f());
            Ok(())
        });
        self.slice_end.set(self.used.get().saturating_add(self.slice));
        self.plan(clock::ticks());
        result.expect("it was called")
    }

    /// The script itself lets others run: also equals, or more urgent ones only.
    pub(crate) fn give_way_now(&self, to_equals: bool) {
        if self.go_away(clock::ticks(), || give_way(to_equals)) {
            self.slice_end.set(self.used.get().saturating_add(self.slice));
        }
    }

    /// When something can be over at the earliest.
    fn plan(&self, now: u64) {
        let left = self.slice_end.get().min(self.limit.get()).saturating_sub(self.used.get());
        self.look_at.set(now.saturating_add(clock::ticks_in(left)));
    }
}

/// The one place where a script's fiber is suspended in the middle. It may go on on another thread.
fn give_way(to_equals: bool) -> Result<(), Cancelled> {
    // SAFETY: every frame of such a fiber is the engine's, which keeps nothing of the thread, or one of the bridge's that are
    // gone through in docs/design.md, "Scripts that move". No code of a host's user is among them: the engine asks only while
    // it runs a script, and what natives call of the user's (the console's sink) does not enter the engine.
    unsafe { if to_equals { try_yield_movable() } else { try_checkpoint_movable() } }
}

fn nanos_in(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
