//! Parts of a fiber's code with a time limit ([`timeout`], [`deadline`]), and parts in which it must not be
//! interrupted ([`shielded`]). They run in the current fiber, so what they use need not be `Send`. How a blocking call
//! knows is in `fiber/sections.rs`.
//!
//! | what happens inside                      | what the section does                                               |
//! |------------------------------------------|---------------------------------------------------------------------|
//! | it returns a value                       | returns it, however late                                            |
//! | its time is over, and it blocks          | unwinds it from there, and returns [`Elapsed`]                      |
//! | the time of an outer section is over     | unwinds, to the outer one                                           |
//! | the fiber is cancelled, or its scheduler stops | unwinds, to the end of the fiber                              |
//! | a panic                                  | passes it on                                                        |
//! | a call that returns [`Cancelled`](crate::Cancelled) instead of unwinding | gives the call that; the section's own code decides |

use crate::error::Elapsed;
use crate::fiber::sections::{ElapsedUnwind, End, Inside, Section};
use crate::timer::{Alarm, Then};
use crate::worker::current;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

/// Runs `f` in the current fiber, for so long at most: when the time is over, its blocking call unwinds, or its
/// next one (a [`checkpoint`](crate::checkpoint) is one), destructors run, and this returns [`Elapsed`].
///
/// What returns after the time is over has its value all the same: a value is never thrown away. Nothing is
/// interrupted that does not block. Sections nest: an inner one does not catch the end of an outer one's time. If the fiber
/// is cancelled that goes before.
///
/// Fibers that `f` has made go on, unless they are of a [scope](crate::scope) in it, which is cancelled: see there.
///
/// Outside of any fiber there is nobody who could interrupt the thread: `f` runs to its end, and its value is returned.
///
/// ```
/// use heddle_scheduler::{Scheduler, sleep, timeout};
/// use std::time::Duration;
///
/// let scheduler = Scheduler::builder().workers(1).build()?;
/// scheduler.run(|| {
///     let mut log = vec!["begin"];
///     let outcome = timeout(Duration::from_millis(1), || {
///         log.push("inside");
///         sleep(Duration::from_secs(3600));
///         log.push("never");
///     });
///     assert!(outcome.is_err());
///     assert_eq!(log, ["begin", "inside"]);
///     assert_eq!(timeout(Duration::from_secs(3600), || 6 * 7), Ok(42));
/// });
/// # Ok::<(), heddle_scheduler::Error>(())
/// ```
///
/// # Errors
/// The time was over, and `f` was unwound.
pub fn timeout<F, R>(time: Duration, f: F) -> Result<R, Elapsed>
where
    F: FnOnce() -> R,
{
    match Instant::now().checked_add(time) {
        Some(due) => deadline(due, f),
        // Past the end of the clock.
        None => Ok(f()),
    }
}

/// As [`timeout`], until a moment. One that is past gives `f` the time until it first blocks.
///
/// # Errors
/// As for [`timeout`].
pub fn deadline<F, R>(due: Instant, f: F) -> Result<R, Elapsed>
where
    F: FnOnce() -> R,
{
    /// Clears the timer, also when something unwinds: at the worker where the fiber is by then.
    struct Set<'a>(&'a Section);
    impl Drop for Set<'_> {
        fn drop(&mut self) {
            if let Some(key) = self.0.timer.take()
                && let Some(worker) = current::worker()
            {
                worker.timers.clear(key);
            }
        }
    }
    let Some((worker, carrier)) = current::on_carrier() else { return Ok(f()) };
    let Some(fiber) = carrier.fiber() else { return Ok(f()) };
    let section = carrier.sections.section(End::At(due));
    // SAFETY: it is dropped at the end of this function, whatever happens.
    let inside = unsafe { Inside::enter(carrier, &section) };
    let _timer = Set(&section);
    if due <= Instant::now() {
        fiber.state.expire();
    } else {
        section.timer.set(Some(worker.timers.set_alarm(due, Alarm { fiber, then: Then::Expire })));
    }
    catch_unwind(AssertUnwindSafe(f)).or_else(|payload| match payload.downcast_ref::<ElapsedUnwind>() {
        Some(ElapsedUnwind(section)) if inside.is(*section) => Err(Elapsed(())),
        _ => resume_unwind(payload),
    })
}

/// Runs `f` in the current fiber without interruptions: that the fiber is cancelled, or that the time of a
/// [`timeout`] around this is over, is not seen inside, only at the first blocking call after it. A timeout inside it
/// works as ever. For what must not be left half done, as the last message of a protocol; a scheduler that stops waits
/// for it.
///
/// Outside of any fiber it calls `f`.
///
/// ```
/// use heddle_scheduler::{Scheduler, shielded, suspend::cancel_point, sync::Event};
/// use std::sync::{Arc, mpsc};
///
/// let scheduler = Scheduler::builder().workers(1).build()?;
/// let (report, reports) = mpsc::channel();
/// let cancelled = Arc::new(Event::new());
/// let seen = cancelled.clone();
/// let fiber = scheduler.go(move || {
///     shielded(|| {
///         report.send("begun").unwrap();
///         seen.wait(); // cancelled in here
///         report.send("done").unwrap();
///     });
///     cancel_point();
///     report.send("never").unwrap();
/// });
/// assert_eq!(reports.recv(), Ok("begun"));
/// fiber.cancel();
/// cancelled.set();
/// assert!(fiber.join().unwrap_err().is_cancelled());
/// assert_eq!(reports.iter().collect::<Vec<_>>(), ["done"]);
/// # Ok::<(), heddle_scheduler::Error>(())
/// ```
pub fn shielded<F, R>(f: F) -> R
where
    F: FnOnce() -> R,
{
    let Some((_, carrier)) = current::on_carrier() else { return f() };
    let section = carrier.sections.section(End::Shield);
    // SAFETY: it is dropped at the end of this function, whatever happens.
    let _inside = unsafe { Inside::enter(carrier, &section) };
    f()
}
