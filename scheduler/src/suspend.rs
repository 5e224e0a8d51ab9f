//! The waist: all blocking is built on two verbs, [`suspend`] and [`Resumer::resume`].
//!
//! Each fiber, and each thread, has one *token*. `resume` gives it; `suspend` takes it, and waits for
//! it if it is not there. A second `resume` before the next `suspend` is the same as one. A fiber
//! that is cancelled gets a token too, so whoever waits for something looks at that thing again after
//! each `suspend`:
//!
//! ```
//! use heddle_scheduler::suspend::{Resumer, suspend};
//! use std::sync::atomic::{AtomicBool, Ordering};
//! use std::sync::Arc;
//!
//! let scheduler = heddle_scheduler::Scheduler::builder().workers(1).build()?;
//! let ready = Arc::new(AtomicBool::new(false));
//! let (give, get) = std::sync::mpsc::channel();
//! let waiter = scheduler.go({
//!     let ready = ready.clone();
//!     move || {
//!         give.send(Resumer::current()).unwrap();
//!         while !ready.load(Ordering::Acquire) {
//!             suspend()?;
//!         }
//!         Ok::<_, heddle_scheduler::Cancelled>("resumed")
//!     }
//! });
//! let resumer = get.recv().unwrap();
//! ready.store(true, Ordering::Release);
//! resumer.resume();
//! assert_eq!(waiter.join().unwrap(), Ok("resumed"));
//! # Ok::<(), heddle_scheduler::Error>(())
//! ```

use crate::error::Cancelled;
use crate::fiber::CancelUnwind;
use crate::fiber::carrier::Carrier;
use crate::fiber::sections::{ElapsedUnwind, Interruption};
use crate::worker::current;
use crate::worker::sleeper::park_thread;

pub use crate::worker::resumer::Resumer;

/// Waits for the token of the current fiber; outside of any fiber, of the thread.
///
/// It may return without one having been given, so callers check what they wait for. In a fiber that
/// is cancelled, or in a [`timeout`](crate::timeout) that is over, it returns [`Cancelled`], at once and each
/// time: the caller returns an error, or unwinds with [`cancel_point`]. While a panic unwinds a fiber cannot suspend, and this returns at
/// once.
#[inline(always)]
pub fn suspend() -> Result<(), Cancelled> {
    if let Some(carrier) = begin_suspend()? {
        // SAFETY: we run on it.
        unsafe { carrier.suspend() };
        if carrier.is_interrupted() {
            return Err(Cancelled(()));
        }
    }
    Ok(())
}

/// All of `suspend` but the switch, which is in the caller's frame, see
/// [`prepare_park`](crate::worker::Worker::prepare_park).
#[inline(never)]
fn begin_suspend<'a>() -> Result<Option<&'a Carrier>, Cancelled> {
    let Some((worker, carrier)) = current::on_carrier() else {
        if !current::cannot_wait() {
            park_thread(None);
        }
        return Ok(None);
    };
    if carrier.is_interrupted() {
        return Err(Cancelled(()));
    }
    if std::thread::panicking() {
        return Ok(None);
    }
    Ok(worker.prepare_park(carrier).then_some(carrier))
}

/// As [`suspend`], also for a fiber that is cancelled: for those who must wait.
pub(crate) fn suspend_shielded() {
    match current::on_carrier() {
        Some((worker, carrier)) => {
            if worker.prepare_park(carrier) {
                // SAFETY: we run on it.
                unsafe { carrier.suspend() };
            }
        }
        None => park_thread(None),
    }
}

/// Lets others run, also in a fiber that is cancelled: for those who must wait.
#[cold]
pub(crate) fn yield_shielded() {
    match current::in_fiber().and_then(|(worker, _)| Some((worker, worker.current()?))) {
        Some((worker, carrier)) if !std::thread::panicking() => {
            worker.prepare_yield(carrier, false);
            // SAFETY: we run on it.
            unsafe { carrier.suspend() };
        }
        _ => std::thread::yield_now(),
    }
}

/// Unwinds the current fiber if it was cancelled: destructors run, and its
/// [`join`](crate::JoinHandle::join) says so; or unwinds it as far as the [`timeout`](crate::timeout) whose time
/// is over. Blocking calls that return no error do this.
pub fn cancel_point() {
    if let Some((_, carrier)) = current::on_carrier()
        && carrier.is_interrupted()
    {
        unwind_cancelled();
    }
}

/// A blocking call has returned [`Cancelled`], and unwinds instead of telling its caller.
#[cold]
pub(crate) fn unwind_cancelled() {
    if std::thread::panicking() {
        return;
    }
    let carrier = current::on_carrier().map(|(_, carrier)| carrier);
    match carrier.and_then(Carrier::interruption) {
        Some(Interruption::Elapsed(section)) => std::panic::resume_unwind(Box::new(ElapsedUnwind(section))),
        _ => std::panic::resume_unwind(Box::new(CancelUnwind {
            too_late: carrier.is_some_and(|c| c.too_late.get()),
        })),
    }
}

/// The same for a call that tells its caller of a cancellation, but not of the end of a section's time.
#[cold]
pub(crate) fn unwind_if_elapsed() {
    let interruption = current::on_carrier().and_then(|(_, carrier)| carrier.interruption());
    if matches!(interruption, Some(Interruption::Elapsed(_))) {
        unwind_cancelled();
    }
}
