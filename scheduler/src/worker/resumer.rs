//! Who can be resumed, held for as long as one likes.

use super::current;
use super::shared::Shared;
use crate::fiber::FiberRef;
use std::fmt;
use std::ptr;
use std::sync::Arc;
use std::thread::Thread;

/// Gives one fiber, or one thread, its token, from anywhere. See
/// [`suspend`](crate::suspend::suspend).
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

    /// Of the thread, also where a fiber runs on it.
    pub(crate) fn of_thread() -> Resumer {
        Resumer(Who::Thread(std::thread::current()))
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
