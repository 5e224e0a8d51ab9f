//! Time, and the calls that give the CPU away.

use crate::error::{Cancelled, Error};
use crate::fiber::FiberId;
use crate::fiber::carrier::Carrier;
use crate::machine::thread::own_cpu_time;
use crate::policy::turns::Checkpoint;
use crate::priority::Priority;
use crate::suspend::{suspend, unwind_cancelled};
use crate::worker::{current, family};
use heddle_numa::NodeId;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Sleeps: a fiber suspends, a thread blocks. A fiber that is cancelled unwinds; while a panic
/// unwinds it returns at once. A time of zero is a [`checkpoint`].
pub fn sleep(time: Duration) {
    if current::in_fiber().is_none() {
        return std::thread::sleep(time);
    }
    match Instant::now().checked_add(time) {
        Some(due) => sleep_until(due),
        None => sleep_for_ever(),
    }
}

/// Sleeps until then, and never wakes earlier: as [`sleep`]. A moment that is past is a [`checkpoint`].
///
/// ```
/// use std::time::{Duration, Instant};
/// let due = Instant::now() + Duration::from_millis(2);
/// heddle_scheduler::sleep_until(due);
/// assert!(Instant::now() >= due);
/// ```
pub fn sleep_until(due: Instant) {
    let Some((worker, fiber)) = current::in_fiber() else {
        while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            std::thread::sleep(left);
        }
        return;
    };
    if std::thread::panicking() {
        return;
    }
    if Instant::now() >= due {
        return checkpoint();
    }
    let key = worker.timers.set(due, fiber);
    let mut outcome = Ok(());
    while outcome == Ok(()) && Instant::now() < due {
        outcome = suspend();
    }
    worker.timers.clear(key);
    if let Err(Cancelled(())) = outcome {
        unwind_cancelled();
    }
}

/// Past the end of the clock: until the fiber is cancelled, or its time is over.
#[cold]
pub(crate) fn sleep_for_ever() {
    if current::in_fiber().is_none() {
        return std::thread::sleep(Duration::MAX);
    }
    if !std::thread::panicking() {
        while suspend().is_ok() {}
        unwind_cancelled();
    }
}

/// Lets all other runnable fibers of this priority, and all more urgent ones, go first. A fiber that
/// is cancelled unwinds. Outside of any fiber it yields the thread.
#[inline(always)]
pub fn yield_now() {
    if try_yield_now().is_err() {
        unwind_cancelled();
    }
}

/// As [`yield_now`], but a fiber that is cancelled gets an error instead of unwinding: for code that is
/// called through frames that cannot unwind, as those of C are.
///
/// # Errors
/// The fiber is cancelled.
#[inline(always)]
pub fn try_yield_now() -> Result<(), Cancelled> {
    if let Some(carrier) = begin_yield()? {
        // SAFETY: we run on it.
        unsafe { carrier.suspend() };
        if carrier.is_interrupted() {
            return Err(Cancelled(()));
        }
    }
    Ok(())
}

/// Queues the current fiber. The switch itself is in the caller's frame, see
/// [`prepare_park`](crate::worker::Worker::prepare_park).
#[inline(never)]
fn begin_yield<'a>() -> Result<Option<&'a Carrier>, Cancelled> {
    let Some((worker, carrier)) = current::on_carrier() else {
        std::thread::yield_now();
        return Ok(None);
    };
    if carrier.is_interrupted() {
        return Err(Cancelled(()));
    }
    if std::thread::panicking() {
        return Ok(None);
    }
    worker.prepare_yield(carrier, false);
    Ok(Some(carrier))
}

/// Lets more urgent fibers go first, if there are any, and less urgent ones that are owed time; and its
/// equals, once it has run for [`policy::SLICE`](crate::policy::SLICE). For long computations, as often as
/// every microsecond: it costs a few loads when nobody waits. A fiber that is cancelled unwinds.
#[inline]
pub fn checkpoint() {
    if try_checkpoint().is_err() {
        unwind_cancelled();
    }
}

/// As [`checkpoint`], but a fiber that is cancelled gets an error instead of unwinding.
///
/// # Errors
/// The fiber is cancelled.
#[inline]
pub fn try_checkpoint() -> Result<(), Cancelled> {
    let Some((worker, fiber)) = current::in_fiber() else { return Ok(()) };
    if worker.should_look(fiber.state.level()) || fiber.state.is_called() || worker.has_unannounced() {
        return checkpoint_slowly();
    }
    Ok(())
}

/// Might a [`checkpoint`] suspend the fiber? For code that has something to do before it may be suspended.
///
/// ```
/// assert!(!heddle_scheduler::checkpoint_is_due()); // outside of any fiber
/// ```
#[inline]
pub fn checkpoint_is_due() -> bool {
    current::in_fiber()
        .is_some_and(|(worker, fiber)| worker.should_look(fiber.state.level()) || fiber.state.is_called())
}

#[cold]
fn checkpoint_slowly() -> Result<(), Cancelled> {
    let Some((worker, carrier)) = current::on_carrier() else { return Ok(()) };
    if let Some(fiber) = carrier.fiber()
        && !carrier.is_interrupted()
        && !std::thread::panicking()
    {
        let outcome = worker.checkpoint(fiber.state.level());
        if outcome != Checkpoint::GoOn {
            worker.prepare_yield(carrier, outcome == Checkpoint::MakeRoom);
            // SAFETY: we run on it.
            unsafe { carrier.suspend() };
        }
    }
    if carrier.is_interrupted() { Err(Cancelled(())) } else { Ok(()) }
}

/// Changes the priority of the current fiber. While somebody more urgent waits for it, it counts as
/// urgent as that one, see [`JoinHandle::priority`](crate::JoinHandle::priority).
///
/// # Errors
/// Outside of any fiber.
pub fn set_priority(priority: Priority) -> Result<(), Error> {
    let (_, fiber) = current::in_fiber().ok_or(Error::outside("set_priority()"))?;
    family::set_priority(fiber, priority);
    Ok(())
}

/// How much CPU time the calling thread has had: for limits on what code runs, where a lane above may
/// take the CPU at any moment. It costs a system call, 0.2 us. Differences of it mean something, if both
/// are of one thread, which a fiber that [moves](crate::movable) may have left between them. Where the system does not tell, it is the time that has passed.
///
/// ```
/// let before = heddle_scheduler::thread_time();
/// assert!(heddle_scheduler::thread_time() >= before);
/// ```
pub fn thread_time() -> Duration {
    Duration::from_nanos(own_cpu_time())
}

/// What is known about a fiber that runs; see [`current()`].
#[derive(Clone, Debug)]
pub struct FiberInfo {
    id: FiberId,
    name: Option<Arc<String>>,
    priority: Priority,
    base_priority: Priority,
    worker: usize,
    node: Option<NodeId>,
    cancelled: bool,
    interrupted: bool,
    deadline: Option<Instant>,
}

impl FiberInfo {
    /// Its number.
    pub fn id(&self) -> FiberId {
        self.id
    }

    /// Its name, if it was given one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref().map(String::as_str)
    }

    /// Its priority when this was asked: its own, or that of somebody more urgent who waits for it.
    pub fn priority(&self) -> Priority {
        self.priority
    }

    /// Its own priority, without what is lent to it.
    pub fn base_priority(&self) -> Priority {
        self.base_priority
    }

    /// The number of the worker that it runs on: from its start to its end, unless it [moves](crate::movable).
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// The memory node where its worker is, when this was asked; `None` where nodes are not minded.
    pub fn node(&self) -> Option<NodeId> {
        self.node
    }

    /// Was it asked to end?
    pub fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    /// When it is cancelled; see [`FiberBuilder::deadline`](crate::FiberBuilder::deadline). An earlier one of a
    /// [`timeout`](crate::timeout) does not count.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Would its next blocking call return at once: because the fiber was cancelled, or because the time of a
    /// [`timeout`](crate::timeout) that it is in is over? In a [shield](crate::shielded) neither counts.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted
    }
}

/// The current fiber; `None` outside of any.
pub fn current() -> Option<FiberInfo> {
    let (worker, fiber) = current::in_fiber()?;
    let interrupted = worker.current().is_some_and(Carrier::is_interrupted);
    Some(FiberInfo {
        id: fiber.id,
        name: fiber.name().cloned(),
        deadline: fiber.extras.as_ref().and_then(|extras| extras.deadline),
        priority: fiber.priority(),
        base_priority: fiber.base_priority(),
        worker: worker.index,
        node: worker.shared.config.sites.all()[worker.site.get()].node,
        cancelled: fiber.state.is_cancelled(),
        interrupted,
    })
}
