//! Who can be resumed, held for as long as one likes.

use super::shared::Shared;
use super::sleeper::{self, Sleeper};
use super::{Worker, current};
use crate::fiber::FiberRef;
use crate::fiber::state::By;
use std::fmt;
use std::ptr;
use std::sync::Arc;

/// Gives one fiber, or one thread, its token, from anywhere. See
/// [`suspend`](crate::suspend::suspend).
pub struct Resumer(Who);

enum Who {
    Fiber(FiberRef, Arc<Shared>),
    Thread(Arc<Sleeper>),
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
            None => Who::Thread(sleeper::this_thread()),
        })
    }

    /// Of the thread, also where a fiber runs on it.
    pub(crate) fn of_thread() -> Resumer {
        Resumer(Who::Thread(sleeper::this_thread()))
    }

    /// Of that thread.
    pub(crate) fn thread(sleeper: Arc<Sleeper>) -> Resumer {
        Resumer(Who::Thread(sleeper))
    }

    /// # Safety
    /// The fiber waits for this thread, so it has not ended and its scheduler exists.
    pub(crate) unsafe fn of(fiber: FiberRef) -> Resumer {
        fiber.state.hold();
        let shared = fiber.shared.cast::<Shared>();
        // SAFETY: it comes from the `Arc` of a scheduler, by `Arc::as_ptr`, which exists.
        let shared = unsafe {
            Arc::increment_strong_count(shared);
            Arc::from_raw(shared)
        };
        Resumer(Who::Fiber(fiber, shared))
    }

    /// Gives the token, and if it is a fiber's makes its blocking call look at the fiber's sections: what says that one
    /// of them is called off was written before.
    pub(crate) fn call_off(&self) {
        match &self.0 {
            Who::Thread(thread) => thread.unpark(),
            Who::Fiber(fiber, shared) => match current::worker() {
                Some(worker) if current::is_home(worker, *fiber) => {
                    fiber.state.expire();
                    worker.resume_here(*fiber);
                }
                worker => {
                    let by = worker.map_or(By::Anyone, Worker::reaches_by);
                    if let Some(home) = fiber.state.call_off(by) {
                        shared.post(home, *fiber, by);
                    }
                }
            },
        }
    }

    /// Gives the token. What this thread did before is visible to the one that takes it.
    pub fn resume(&self) {
        match &self.0 {
            Who::Thread(thread) => thread.unpark(),
            Who::Fiber(fiber, shared) => match current::worker() {
                Some(worker) if current::is_home(worker, *fiber) => worker.resume_here(*fiber),
                worker => {
                    let by = worker.map_or(By::Anyone, Worker::reaches_by);
                    if let Some(home) = fiber.state.resume(by) {
                        shared.post(home, *fiber, by);
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
            (Who::Thread(a), Who::Thread(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl fmt::Debug for Resumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Who::Fiber(fiber, _) => write!(f, "Resumer(fiber {})", fiber.id),
            Who::Thread(thread) => write!(f, "Resumer({:?})", thread.id),
        }
    }
}
