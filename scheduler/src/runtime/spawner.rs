//! A name for a scheduler that can be kept and sent: for libraries that make fibers later, from wherever they are
//! called.

use super::Scheduler;
use super::spawn::FiberBuilder;
use crate::handle::JoinHandle;
use crate::priority::Priority;
use crate::worker::shared::Shared;
use std::fmt;
use std::sync::Arc;

/// Makes fibers of one scheduler, from any thread or fiber. It does not keep the scheduler running: once that has
/// stopped, `join` returns the error.
///
/// ```
/// use heddle_scheduler::{Priority, Scheduler};
/// let scheduler = Scheduler::builder().workers(1).build()?;
/// let spawner = scheduler.spawner();
/// let elsewhere = std::thread::spawn(move || {
///     let answer = spawner.go_with_priority(Priority::High, || 6 * 7).join();
///     (spawner, answer)
/// });
/// let (spawner, answer) = elsewhere.join().unwrap();
/// assert_eq!(answer.unwrap(), 42);
/// drop(scheduler);
/// assert!(spawner.fiber().go(|| ()).join().is_err());
/// # Ok::<(), heddle_scheduler::Error>(())
/// ```
#[derive(Clone)]
pub struct Spawner(Arc<Shared>);

impl Scheduler {
    /// A name for this scheduler that can be kept and sent.
    pub fn spawner(&self) -> Spawner {
        Spawner(self.shared.clone())
    }
}

impl Spawner {
    /// Options for one fiber, as [`Scheduler::fiber`].
    pub fn fiber(&self) -> FiberBuilder<'_> {
        FiberBuilder::new(&self.0)
    }

    /// As [`Scheduler::go_with_priority`].
    pub fn go_with_priority<F, T>(&self, priority: Priority, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.fiber().priority(priority).go(f)
    }

    /// Does the scheduler still run fibers?
    pub fn is_running(&self) -> bool {
        self.0.is_running()
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawner").field("is_running", &self.is_running()).finish()
    }
}
