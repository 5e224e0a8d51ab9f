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
use crate::fiber::carrier::Carrier;
use crate::fiber::{CancelUnwind, FiberRef};
use crate::runtime::Shared;
use crate::worker::current;
use std::fmt;
use std::ptr;
use std::sync::Arc;
use std::thread::Thread;

/// Waits for the token of the current fiber; outside of any fiber, of the thread.
///
/// It may return without one having been given, so callers check what they wait for. In a fiber that
/// is cancelled it returns [`Cancelled`], at once and each time: the caller returns an error, or
/// unwinds with [`cancel_point`]. While a panic unwinds a fiber cannot suspend, and this returns at
/// once.
#[inline(always)]
pub fn suspend() -> Result<(), Cancelled> {
    if let Some(carrier) = begin_suspend()? {
        // SAFETY: we run on it.
        unsafe { carrier.suspend() };
        if carrier.is_cancelled() {
            return Err(Cancelled(()));
        }
    }
    Ok(())
}

/// All of `suspend` but the switch, which is in the caller's frame, see
/// [`prepare_park`](crate::worker::Worker::prepare_park).
#[inline(never)]
fn begin_suspend<'a>() -> Result<Option<&'a Carrier>, Cancelled> {
    let Some((worker, fiber)) = current::in_fiber() else {
        std::thread::park();
        return Ok(None);
    };
    if fiber.state.is_cancelled() {
        return Err(Cancelled(()));
    }
    if std::thread::panicking() {
        return Ok(None);
    }
    Ok(worker.prepare_park())
}

/// As [`suspend`], also for a fiber that is cancelled: for those who must wait.
pub(crate) fn suspend_shielded() {
    match current::in_fiber() {
        Some((worker, _)) => {
            if let Some(carrier) = worker.prepare_park() {
                // SAFETY: we run on it.
                unsafe { carrier.suspend() };
            }
        }
        None => std::thread::park(),
    }
}

/// Unwinds the current fiber if it was cancelled: destructors run, and its
/// [`join`](crate::JoinHandle::join) says so. Blocking calls that return no error do this.
pub fn cancel_point() {
    if let Some((_, fiber)) = current::in_fiber()
        && fiber.state.is_cancelled()
    {
        unwind_cancelled();
    }
}

#[cold]
pub(crate) fn unwind_cancelled() {
    if !std::thread::panicking() {
        std::panic::resume_unwind(Box::new(CancelUnwind));
    }
}

/// Gives one fiber, or one thread, its token, from anywhere. See [`suspend`].
pub struct Resumer(Who);

enum Who {
    Fiber(FiberRef, Arc<Shared>),
    Thread(Thread),
}

// SAFETY: the fiber is kept alive by a hold, and resuming it is done by its state's transitions.
unsafe impl Sync for Who {}

impl Resumer {
    /// Of the current fiber; outside of any, of the thread.
    pub fn current() -> Resumer {
        Resumer(match current::in_fiber() {
            Some((worker, fiber)) => {
                fiber.state.hold();
                Who::Fiber(fiber, worker.shared.clone())
            }
            None => Who::Thread(std::thread::current()),
        })
    }

    /// Gives the token. What this thread did before is visible to the one that takes it.
    pub fn resume(&self) {
        match &self.0 {
            Who::Thread(thread) => thread.unpark(),
            Who::Fiber(fiber, shared) => match current::worker() {
                Some(worker) if current::is_home(worker, *fiber) => worker.resume_here(*fiber),
                _ => {
                    if let Some(home) = fiber.state.resume() {
                        shared.post(home, *fiber);
                    }
                }
            },
        }
    }
}

impl Clone for Resumer {
    fn clone(&self) -> Resumer {
        Resumer(match &self.0 {
            Who::Fiber(fiber, shared) => {
                fiber.state.hold();
                Who::Fiber(*fiber, shared.clone())
            }
            Who::Thread(thread) => Who::Thread(thread.clone()),
        })
    }
}

impl Drop for Resumer {
    fn drop(&mut self) {
        if let Who::Fiber(fiber, _) = &self.0
            && fiber.state.release()
        {
            // SAFETY: that was the last hold.
            unsafe { fiber.free() };
        }
    }
}

impl PartialEq for Resumer {
    /// Do both resume the same?
    fn eq(&self, other: &Resumer) -> bool {
        match (&self.0, &other.0) {
            (Who::Fiber(a, _), Who::Fiber(b, _)) => ptr::eq(a.as_ptr(), b.as_ptr()),
            (Who::Thread(a), Who::Thread(b)) => a.id() == b.id(),
            _ => false,
        }
    }
}

impl fmt::Debug for Resumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Who::Fiber(fiber, _) => write!(f, "Resumer(fiber {})", fiber.id),
            Who::Thread(thread) => write!(f, "Resumer({:?})", thread.id()),
        }
    }
}
