//! The options of a scheduler, as its parts read them: checked by [`Builder`](crate::Builder).

use crate::fiber::FiberId;
use crate::fiber::memory::StackGuard;
use crate::hog::Hog;
use crate::lane::{Lane, Lanes};
use crate::policy::Terms;
use crate::priority::Priority;
use crate::site::Sites;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What happens when [`Builder::max_fibers`](crate::Builder::max_fibers) is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtLimit {
    /// The new fiber fails: its `join` returns the error. `try_go` returns it at once.
    #[default]
    Fail,
    /// `go` waits until a fiber has ended. `try_go` still fails at once.
    Wait,
}

/// A fiber panicked: what the panic hook is told.
#[derive(Debug)]
#[non_exhaustive]
pub struct PanicReport<'a> {
    /// Which fiber.
    pub id: FiberId,
    /// Its name, if it has one.
    pub name: Option<&'a str>,
    /// Its priority.
    pub priority: Priority,
    /// What it panicked with, if that was text.
    pub message: &'a str,
}

pub(crate) type HogHook = Arc<dyn Fn(&Hog) + Send + Sync>;

pub(crate) type WorkerHook = Arc<dyn Fn(usize) + Send + Sync>;

/// The user's panic hook. If it panics itself, that was reported by the process's own hook.
#[derive(Clone)]
pub(crate) struct PanicHook(pub(crate) Arc<dyn Fn(&PanicReport<'_>) + Send + Sync>);

impl PanicHook {
    pub(crate) fn call(&self, report: &PanicReport<'_>) {
        let _ = catch_unwind(AssertUnwindSafe(|| (self.0)(report)));
    }
}

/// Functions of the user's that workers call.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) start: Option<WorkerHook>,
    pub(crate) stop: Option<WorkerHook>,
    pub(crate) panic: Option<PanicHook>,
    pub(crate) hog: Option<HogHook>,
}

impl Hooks {
    pub(crate) fn call_start(&self, worker: usize) {
        call_quietly(&self.start, worker);
    }

    pub(crate) fn call_hog(&self, hog: &Hog) {
        if let Some(hook) = &self.hog {
            let _ = catch_unwind(AssertUnwindSafe(|| hook(hog)));
        }
    }

    pub(crate) fn call_stop(&self, worker: usize) {
        call_quietly(&self.stop, worker);
    }
}

/// A hook that panics was reported by the process's panic hook; the worker goes on.
fn call_quietly(hook: &Option<WorkerHook>, worker: usize) {
    if let Some(hook) = hook {
        let _ = catch_unwind(AssertUnwindSafe(|| hook(worker)));
    }
}

/// Checked options.
#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) name: String,
    /// In each lane.
    pub(crate) workers: usize,
    /// In each lane.
    pub(crate) spares: usize,
    /// Where the system's files about control groups are.
    pub(crate) quota_root: PathBuf,
    /// `None`: there is no monitor.
    pub(crate) hog_after: Option<Duration>,
    pub(crate) lanes: Lanes,
    /// Where its workers belong.
    pub(crate) sites: Sites,
    /// The CPUs that the process may use.
    pub(crate) cpus: Vec<usize>,
    pub(crate) stack_size: usize,
    pub(crate) stack_guard: StackGuard,
    pub(crate) max_stacks: usize,
    pub(crate) warm_stacks: usize,
    pub(crate) max_fibers: Option<usize>,
    pub(crate) at_limit: AtLimit,
    pub(crate) spin_ticks: u64,
    /// The durations and shares of the policy, in ticks.
    pub(crate) terms: Terms,
    pub(crate) lend_ticks: u64,
    pub(crate) tiny_ticks: u64,
    /// How long to look near before going far.
    pub(crate) far_ticks: u64,
    pub(crate) hooks: Hooks,
    /// The threads for blocking calls: how many at most, and how long one is idle before it ends.
    pub(crate) blocking: (usize, Duration),
    /// Files go through the kernel's rings, where it has them.
    pub(crate) rings: bool,
}

impl Config {
    /// `name-3`, `name-u3`, `name-b3`, and with an `s` before the number those of spares: the system shows 15
    /// characters.
    pub(crate) fn thread_name(&self, lane: Lane, seat: usize) -> String {
        let lane = match lane {
            Lane::Ordinary => "",
            Lane::Urgent => "u",
            Lane::Background => "b",
        };
        match seat.checked_sub(self.workers) {
            None => format!("{}-{lane}{seat}", self.name),
            Some(spare) => format!("{}-{lane}s{spare}", self.name),
        }
    }
}
