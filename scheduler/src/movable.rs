//! Giving the CPU away, and going on wherever there is one: [`yield_now`](crate::yield_now) and
//! [`checkpoint`](crate::checkpoint) for code of which all is known that is on the stack.
//!
//! A fiber that has started stays with its worker, as nobody can know what is on its stack. Where somebody does, these
//! let it change workers in the middle: a thousand of them share all CPUs evenly, whichever worker has started them, and
//! one whose priority is changed across lanes is in the right lane from its next such call on. How it is done is in
//! `worker/roam.rs`, why it is sound in `docs/design.md`.
//!
//! # The contract
//!
//! The call may return on another thread than that on which it was made. Who makes it vouches for every frame of the fiber,
//! from its closure down to the call, and for all that these frames own or lead to:
//!
//! 1. Nothing in them depends on the thread: no address of a thread-local, none borrowed or set for the time of a
//!    call, no guard of a lock that belongs to a thread (`std::sync::MutexGuard`), no handle of a thread's own
//!    (`Rc` shared with what stays on the thread, a CUDA context, a COM apartment, a floating-point mode).
//! 2. What they own could be sent to another thread: it is `Send`, or all that refers to it moves along. This includes
//!    the fiber's own [`fiber_local!`](crate::fiber_local) values.
//! 3. No compiler keeps an address of a thread-local across the call: code between two such calls that reads a
//!    thread-local does so in a function that is not inlined into a frame which lives across them.
//! 4. No destructor or panic is under way in them: while a panic unwinds the call does nothing, but a frame that caught
//!    one and holds its payload is fine.
//!
//! Of this crate's functions that call the user's, all may be among the frames, between the fiber's closure and the call:
//! [`timeout`](crate::timeout()), [`shielded`](crate::shielded()), [`scope`](crate::scope()), [`join`](crate::join()),
//! [`block_on`](crate::block_on()), [`ContextLocal::scope`](crate::ContextLocal::scope),
//! [`FiberLocal::with`](crate::FiberLocal::with), and the guards of [`sync`](crate::sync): they keep nothing of a worker
//! across such a call. Not the closures that the runtime calls on a worker's own stack (hooks): there it does nothing.
//!
//! What a fiber blocks in between, a mutex, a timer, a descriptor, keeps it at the worker where it blocked, as any other
//! fiber.

use crate::error::Cancelled;
use crate::fiber::carrier::{Carrier, Switch};
use crate::policy::turns::Checkpoint;
use crate::suspend::unwind_cancelled;
use crate::worker::current;

/// As [`yield_now`](crate::yield_now): lets all other runnable fibers of this priority, and all more urgent ones, go
/// first. It goes to the end of the line of its priority, where any worker of the lane takes it that comes first, and may
/// return on another thread. A fiber that is cancelled unwinds. Outside of any fiber it yields the thread.
///
/// Where nobody else wants the CPU, it is an ordinary yield.
///
/// # Safety
/// The [contract](crate::movable#the-contract): every frame of the fiber is fit to go on on another thread.
///
/// ```
/// use heddle_scheduler::{Scheduler, yield_movable};
///
/// let scheduler = Scheduler::builder().workers(2).build()?;
/// let counters: Vec<_> = (0..8).map(|_| scheduler.go(|| {
///     let mut count = 0_u64;
///     for _ in 0..1000 {
///         count += 1;
///         // SAFETY: there is nothing on this stack but a number.
///         unsafe { yield_movable() };
///     }
///     count
/// })).collect();
/// assert_eq!(counters.into_iter().map(|counter| counter.join().unwrap()).sum::<u64>(), 8000);
/// # Ok::<(), heddle_scheduler::Error>(())
/// ```
#[inline(always)]
pub unsafe fn yield_movable() {
    // SAFETY: the caller's promise.
    if unsafe { try_yield_movable() }.is_err() {
        unwind_cancelled();
    }
}

/// As [`yield_movable`], but a fiber that is cancelled gets an error instead of unwinding: for code that is called
/// through frames that cannot unwind, as those of C are.
///
/// # Errors
/// The fiber is cancelled.
///
/// # Safety
/// As for [`yield_movable`].
#[inline(always)]
pub unsafe fn try_yield_movable() -> Result<(), Cancelled> {
    match begin_yield()? {
        // SAFETY: we run on it; the caller's promise.
        Some((carrier, why)) => unsafe { leave(carrier, why) },
        None => Ok(()),
    }
}

/// As [`checkpoint`](crate::checkpoint), and where that gives the CPU away it is as [`yield_movable`]: the fiber may go on
/// on another thread. It does, besides, where its priority belongs to another lane than its worker's by now. It costs a few
/// loads when nobody waits. A fiber that is cancelled unwinds.
///
/// # Safety
/// As for [`yield_movable`].
///
/// ```
/// use heddle_scheduler::{Priority, Scheduler, checkpoint_movable};
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use std::sync::Arc;
///
/// let scheduler = Scheduler::builder().workers(1).build()?;
/// let begun = Arc::new(AtomicBool::new(false));
/// let report = scheduler.go_with_priority(Priority::Background, {
///     let begun = begun.clone();
///     move || {
///         let first = heddle_scheduler::current().unwrap().worker();
///         begun.store(true, Ordering::Relaxed);
///         while heddle_scheduler::current().unwrap().worker() == first {
///             // SAFETY: two numbers and a flag behind an `Arc` are on this stack.
///             unsafe { checkpoint_movable() };
///         }
///         "it goes on in the urgent lane"
///     }
/// });
/// while !begun.load(Ordering::Relaxed) {
///     std::thread::yield_now();
/// }
/// report.set_priority(Priority::Critical);
/// assert_eq!(report.join().unwrap(), "it goes on in the urgent lane");
/// # Ok::<(), heddle_scheduler::Error>(())
/// ```
#[inline]
pub unsafe fn checkpoint_movable() {
    // SAFETY: the caller's promise.
    if unsafe { try_checkpoint_movable() }.is_err() {
        unwind_cancelled();
    }
}

/// As [`checkpoint_movable`], but a fiber that is cancelled gets an error instead of unwinding.
///
/// # Errors
/// The fiber is cancelled.
///
/// # Safety
/// As for [`yield_movable`].
#[inline]
pub unsafe fn try_checkpoint_movable() -> Result<(), Cancelled> {
    if !should_look() {
        return Ok(());
    }
    match begin_checkpoint()? {
        // SAFETY: we run on it; the caller's promise.
        Some((carrier, why)) => unsafe { leave(carrier, why) },
        None => Ok(()),
    }
}

/// The switch, in the caller's frame, see [`prepare_park`](crate::worker::Worker::prepare_park). No worker is known in it,
/// as it may be another one after; the carrier is the fiber's own.
///
/// # Safety
/// As for [`Carrier::switch`].
#[inline(always)]
unsafe fn leave(carrier: &Carrier, why: Switch) -> Result<(), Cancelled> {
    // SAFETY: the caller's promise.
    unsafe { carrier.switch(why) };
    if carrier.is_interrupted() { Err(Cancelled(())) } else { Ok(()) }
}

/// How the running fiber gives its CPU away; `None`: it does not.
type Leave<'a> = Option<(&'a Carrier, Switch)>;

/// All of a yield but the switch.
#[inline(never)]
fn begin_yield<'a>() -> Result<Leave<'a>, Cancelled> {
    let Some((worker, carrier)) = current::on_carrier() else {
        std::thread::yield_now();
        return Ok(None);
    };
    if carrier.is_interrupted() {
        return Err(Cancelled(()));
    }
    let Some(fiber) = carrier.fiber().filter(|_| !std::thread::panicking()) else { return Ok(None) };
    if worker.is_better_left(fiber.state.level()) {
        return Ok(Some((carrier, Switch::Leaving)));
    }
    worker.prepare_yield(carrier, false);
    Ok(Some((carrier, Switch::Suspended)))
}

/// Is there reason to look closer?
#[inline(never)]
fn should_look() -> bool {
    let Some((worker, fiber)) = current::in_fiber() else { return false };
    let level = fiber.state.level();
    // Equals that may move are for all to run.
    worker.note_relay(level);
    worker.should_look(level) || fiber.state.is_called() || !worker.serves(level) || worker.has_unannounced()
}

/// All of a checkpoint but the switch.
#[cold]
#[inline(never)]
fn begin_checkpoint<'a>() -> Result<Leave<'a>, Cancelled> {
    let Some((worker, carrier)) = current::on_carrier() else { return Ok(None) };
    if carrier.is_interrupted() {
        return Err(Cancelled(()));
    }
    let Some(fiber) = carrier.fiber().filter(|_| !std::thread::panicking()) else { return Ok(None) };
    let level = fiber.state.level();
    let outcome = worker.checkpoint(level);
    if outcome == Checkpoint::GoOn && worker.serves(level) {
        // A section may have ended meanwhile.
        return if carrier.is_interrupted() { Err(Cancelled(())) } else { Ok(None) };
    }
    if worker.is_better_left(level) {
        return Ok(Some((carrier, Switch::Leaving)));
    }
    worker.prepare_yield(carrier, outcome == Checkpoint::MakeRoom);
    Ok(Some((carrier, Switch::Suspended)))
}
