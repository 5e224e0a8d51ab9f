//! A scheduler, as users hold it: made by [`builder`], fed by [`spawn`], ended by [`threads`].
//!
//! | file         | what it has                                                     |
//! |--------------|-----------------------------------------------------------------|
//! | `mod.rs`     | [`Scheduler`]: start, stop, stats, `wait_all`                   |
//! | [`threads`]  | starting and stopping the workers' threads                      |
//! | [`builder`]  | options and their checks                                        |
//! | [`spawn`]    | `go` in its forms                                               |
//! | [`scope`]    | fibers that borrow                                              |
//! | [`waiting`]  | who waits for what, and whether that can ever end               |
//! | [`try_scope`] | fibers that borrow, and may fail                               |

pub(crate) mod threads;
pub(crate) mod builder;
pub(crate) mod spawn;
pub(crate) mod spawner;
pub(crate) mod scope;
pub(crate) mod waiting;
pub(crate) mod try_scope;

use crate::config::Config;
use crate::error::{Cancelled, Error};
use crate::numa_stats::StackPages;
use crate::stats::Stats;
use crate::suspend::{Resumer, suspend};
use crate::worker::shared::Shared;
use crate::worker::{current, registry};
use builder::Builder;
use heddle_numa::{CpuId, NodeId};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr;
use std::sync::{Arc, OnceLock};
use threads::Threads;

/// A scheduler of fibers. See the [crate's documentation](crate).
///
/// Dropping it stops it, as [`stop`](Self::stop) does; from inside one of its own fibers, as
/// [`stop_soon`](Self::stop_soon).
pub struct Scheduler {
    pub(crate) shared: Arc<Shared>,
    threads: Threads,
}

impl Scheduler {
    /// Options, then [`build`](Builder::build).
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// A scheduler with all defaults, running.
    ///
    /// # Errors
    /// The system refused to create a thread.
    pub fn new() -> Result<Scheduler, Error> {
        Builder::new().build()
    }

    pub(crate) fn from_config(config: Config) -> Result<Scheduler, Error> {
        let (shared, deques) = Shared::new(config)?;
        let scheduler = Scheduler { shared: Arc::new(shared), threads: Threads::new(deques) };
        registry::add(&scheduler.shared);
        scheduler.start()?;
        Ok(scheduler)
    }

    /// The scheduler of the whole process, built with all defaults when first asked for. It is never
    /// dropped; stop it if its threads should end.
    ///
    /// # Panics
    /// If the system refuses to create its threads.
    pub fn instance() -> &'static Scheduler {
        static INSTANCE: OnceLock<Scheduler> = OnceLock::new();
        INSTANCE.get_or_init(|| Scheduler::new().expect("the process-wide scheduler needs its threads"))
    }

    /// Starts a scheduler that was stopped; one that runs is left alone.
    ///
    /// # Errors
    /// The system refused to create a thread: then the scheduler is stopped again. Or this was called
    /// by a fiber of the scheduler that is still stopping.
    pub fn start(&self) -> Result<(), Error> {
        self.threads.start(&self.shared)
    }

    /// Stops: fibers that have not started never will, those that wait are cancelled (their blocking
    /// call returns an error or unwinds, destructors run), those that run go on to their next blocking
    /// call. Returns when all have ended and the threads are gone. What is queued later ends with a
    /// typed error. Stopping twice, or from several threads, is the same as once.
    ///
    /// # Errors
    /// From inside one of its own fibers, for whose end it would wait.
    pub fn stop(&self) -> Result<(), Error> {
        self.threads.stop(&self.shared)
    }

    /// Begins to stop, without waiting for the end. May be called anywhere.
    pub fn stop_soon(&self) {
        self.shared.begin_stop();
    }

    /// Does it take fibers?
    pub fn is_running(&self) -> bool {
        self.shared.is_running()
    }

    /// How many workers each of its lanes has.
    pub fn workers(&self) -> usize {
        self.shared.config.workers
    }

    /// Ties a worker, in all lanes, to a CPU of a node, as the option of the same name does
    /// ([`Builder::set_worker_affinity`]); on a running scheduler too. Fibers that have started stay on their thread.
    ///
    /// # Errors
    /// There is no such worker, CPU or node, or the CPU is not on the node, or not ours to use. Or (`is_busy`) the node
    /// is another one than now and fibers have started on that worker, whose stacks are on the old node.
    ///
    /// ```
    /// use heddle_scheduler::{CpuId, NodeId, Scheduler};
    /// let scheduler = Scheduler::builder().workers(1).build()?;
    /// let error = scheduler.set_worker_affinity(7, CpuId(0), NodeId(0)).unwrap_err();
    /// assert!(error.to_string().contains("worker 7"));
    /// # Ok::<(), heddle_scheduler::Error>(())
    /// ```
    pub fn set_worker_affinity(&self, worker: usize, cpu: CpuId, node: NodeId) -> Result<(), Error> {
        self.shared.move_worker(worker, cpu, node)
    }

    /// Asks the kernel where the memory of all fibers' stacks is: for each node with workers, on which nodes the pages
    /// are that its fibers have touched. It looks at every page, some 100 ns each,
    /// and new stacks wait meanwhile: for tests and for finding out, not for a Background fiber that may be stopped in it.
    ///
    /// # Errors
    /// The system does not say.
    pub fn stack_pages(&self) -> Result<Vec<StackPages>, heddle_numa::Error> {
        self.shared.stack_pages()
    }

    /// What happens and has happened in it.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Waits until there is no fiber left, other than those that are themselves in `wait_all`.
    ///
    /// # Errors
    /// The waiting fiber was cancelled, or cannot wait because a panic unwinds it.
    pub fn wait_all(&self) -> Result<(), Cancelled> {
        let here = current::in_fiber();
        if current::cannot_wait() {
            return Err(Cancelled(()));
        }
        let inside = here.is_some_and(|(worker, _)| ptr::eq(&*worker.shared, &*self.shared));
        let shared = &*self.shared;
        let waiting = shared.quiet.enter(Resumer::current(), inside, shared);
        let mut outcome = Ok(());
        while outcome.is_ok() && !shared.quiet.is_released(&waiting) {
            outcome = suspend();
        }
        shared.quiet.leave(waiting);
        outcome
    }
}

// A panic in a fiber is caught at its root and leaves no part of the scheduler half changed.
impl UnwindSafe for Scheduler {}
impl RefUnwindSafe for Scheduler {}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler")
            .field("name", &self.shared.config.name)
            .field("workers", &self.workers())
            .field("running", &self.is_running())
            .finish()
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        if self.stop().is_err() {
            self.stop_soon();
        }
    }
}
