//! A work-stealing scheduler of stackful fibers with five priorities.
//!
//! A *fiber* is a function that runs on a stack of its own and can wait in the middle, anywhere, at
//! the cost of a few nanoseconds: blocking code that is cheap. A [`Scheduler`] runs fibers on a few
//! threads, the most urgent first.
//!
//! ```
//! use heddle_scheduler::{Priority, Scheduler, go, sleep};
//! use std::time::Duration;
//!
//! let scheduler = Scheduler::builder().workers(2).build()?;
//! let background = scheduler.go_with_priority(Priority::Background, || {
//!     let parts: Vec<_> = (0..100).map(|n| go(move || n * n)).collect();  // inherit Background
//!     parts.into_iter().map(|part| part.join().unwrap()).sum::<u64>()
//! });
//! let urgent = scheduler.go_with_priority(Priority::Critical, || {
//!     sleep(Duration::from_millis(1));  // suspends the fiber, not the thread
//!     "first"
//! });
//! assert_eq!(urgent.join().unwrap(), "first");
//! assert_eq!(background.join().unwrap(), 328_350);
//! # Ok::<(), heddle_scheduler::Error>(())
//! ```
//!
//! # What to know
//!
//! * A fiber that has started stays on its thread until it ends, unless its code vouches for its stack ([`movable`]);
//!   those that have not are stolen by workers that have nothing to do. So closures are `Send`, and what they do need not be.
//! * A fiber gives its thread away when it blocks ([`suspend`](mod@suspend), [`sleep`],
//!   [`JoinHandle::join`], [`yield_now`]) and at [`checkpoint`]s. `std::sync::Mutex` and other calls
//!   that block the *thread* delay every fiber on it ([`blocking`](blocking()) makes them elsewhere), and a lock of that kind must not be held across
//!   a suspension.
//! * A crate that keeps something in a thread-local for the time of a call (`scoped-tls` and the
//!   like) and calls back into code that suspends will meet another fiber's value there.
//! * Panics end their fiber and reach whoever joins it. With `panic = "abort"` they end the process,
//!   and cancelling a fiber that has started does too.
//!
//! # Where the unsafe code is
//!
//! In `fiber` (objects, stacks, the state word), `queue` (lists linked through what they hold),
//! `worker` (the dispatch loop, the reactor), `runtime` (ends and scopes), `fork` (branches in frames), `sync` (places in
//! frames), `pool` and `blocking` (calls in frames), `parallel` (vectors and slices that many write), `local`, and at the
//! system calls in `machine` and `io`. `docs/design.md` has the argument why it is sound.

#[cfg(not(heddle_steps))]
#[path = "steps/off.rs"]
mod steps;
#[cfg(heddle_steps)]
#[path = "steps/on.rs"]
pub mod steps;
mod priority;
mod lane;
pub mod policy;
mod error;
mod machine;
mod wheel;
pub mod simulation;
mod primitive;
mod queue;
mod fiber;
mod hog;
mod site;
mod io_stats;
mod stats;
mod numa_stats;
mod config;
mod timer;
mod pool;
mod worker;
mod monitor;
pub mod suspend;
mod handle;
pub mod sync;
mod fork;
mod local;
mod runtime;
mod time;
pub mod movable;
mod section;
mod interval;
pub mod parallel;
mod bell;
mod future;
mod blocking;
#[cfg(target_os = "linux")]
pub mod io;

/// The example in the README is compiled and run by the tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

pub use blocking::{blocking, spawn_blocking, try_blocking};
pub use config::{AtLimit, PanicReport};
pub use error::{Cancelled, Elapsed, Error, JoinError};
pub use fiber::FiberId;
pub use fiber::memory::StackGuard;
pub use fork::{Fork, both, join};
pub use future::{JoinFuture, block_on, spawn_future, try_block_on};
pub use handle::JoinHandle;
/// What the machine looks like, and where a thread and a page live: the whole crate.
pub use heddle_numa as numa;
pub use heddle_numa::{CpuId, Nearness, NodeId, Placement, Topology};
pub use hog::{Hog, HogKind, MonitorState, MonitorStats, QuotaStats};
pub use interval::{Interval, MissedTicks, interval, interval_at};
pub use io_stats::IoStats;
pub use lane::{Lane, Lanes, Raise};
pub use local::{AccessError, ContextLocal, FiberLocal};
pub use machine::thread::ThreadPolicy;
pub use movable::{checkpoint_movable, try_checkpoint_movable, try_yield_movable, yield_movable};
pub use numa_stats::{NodeStats, NumaStats, StackPages, StealStats};
pub use pool::BlockingStats;
pub use priority::{ParsePriorityError, Priority};
pub use runtime::Scheduler;
pub use runtime::builder::Builder;
pub use runtime::scope::{Scope, ScopedJoinHandle, scope};
pub use runtime::spawn::{FiberBuilder, announce, go, go_with_priority};
pub use runtime::spawner::Spawner;
pub use runtime::try_scope::{TryJoinHandle, TryScope, try_scope};
pub use runtime::waiting::{AwaitedThing, Report, WaitingFiber};
pub use section::{deadline, shielded, timeout};
pub use site::{Numa, NumaState, Pinning};
pub use stats::{Inversions, LaneStats, LevelStats, StackStats, Stats, Waits, WorkerStats};
pub use time::{
    FiberInfo, checkpoint, checkpoint_is_due, current, set_priority, sleep, sleep_until, thread_time,
    try_checkpoint, try_yield_now, yield_now,
};
