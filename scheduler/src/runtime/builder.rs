//! Options of a scheduler, and their checks.

use super::Scheduler;
use crate::config::{AtLimit, Config, Hooks, PanicHook, PanicReport};
use crate::error::Error;
use crate::fiber::memory::{StackGuard, page_size};
use crate::fiber::state::HOMES_MAX;
use crate::hog::Hog;
use crate::lane::{LANES, Lanes};
use crate::machine::clock;
use crate::machine::thread::allowed_cpus;
use crate::policy::{self, Terms, Weights};
use crate::pool::staff::THREADS_MAX;
use crate::priority::{LEVELS, Priority};
use crate::site::{Numa, Pinning, Sites, Wishes};
use crate::worker::SPIN_MAX;
use heddle_numa::{CpuId, NodeId, Placement, Topology};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A panic that prints a backtrace fits, in a debug build too (a process test shows it); picked beyond
/// that. Only the pages that a fiber touches are resident, so size costs addresses and page tables.
const STACK_SIZE_DEFAULT: usize = 128 * 1024;
/// A panic and its message fit.
const STACK_SIZE_MIN: usize = 16 * 1024;
/// More would be a mistake; a thread's is 8 MiB.
const STACK_SIZE_MAX: usize = 1 << 30;
/// A worker that starts and ends fibers by the thousand finds its next stack warm, at a few hundred
/// KiB a worker. Picked, not measured.
const WARM_STACKS_DEFAULT: usize = 64;

/// Five times what a computation should take between two checkpoints, and below what a person notices.
/// Picked, not measured.
const HOG_AFTER_DEFAULT: Duration = Duration::from_millis(10);
/// The monitor looks twice as often, at some microseconds a look.
const HOG_AFTER_MIN: Duration = Duration::from_millis(1);
/// More threads of one lane would not be better off for it. Picked.
const SPARES_MAX: usize = 1024;

/// Enough for a few hundred calls that wait at once, and no more than a system has room for. Picked, as others do.
const BLOCKING_DEFAULT: usize = 512;
/// An idle thread costs its stack's pages; making another 20 to 50 us. Picked, as others do.
const BLOCKING_IDLE_DEFAULT: Duration = Duration::from_secs(10);

/// As many as have numbers, in all lanes.
const WORKERS_MAX: usize = HOMES_MAX / LANES;

/// Options of a [`Scheduler`].
///
/// ```
/// let scheduler = heddle_scheduler::Scheduler::builder()
///     .name("solver")
///     .workers(2)
///     .stack_size(256 * 1024)
///     .max_fibers(100_000)
///     .build()?;
/// assert_eq!(scheduler.workers(), 2);
/// # Ok::<(), heddle_scheduler::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "options do nothing until build()"]
pub struct Builder {
    name: String,
    workers: Option<usize>,
    spares: Option<usize>,
    hog_after: Duration,
    quota_root: PathBuf,
    lanes: Lanes,
    wishes: Wishes,
    weights: Weights,
    max_waits: [Duration; LEVELS],
    stack_size: usize,
    stack_guard: StackGuard,
    max_stacks: usize,
    warm_stacks: usize,
    max_fibers: Option<usize>,
    at_limit: AtLimit,
    spin: Option<Duration>,
    hooks: Hooks,
    blocking: (usize, Duration),
    rings: bool,
}

impl Builder {
    pub(super) fn new() -> Builder {
        Builder {
            name: "heddle".to_owned(),
            workers: None,
            spares: None,
            hog_after: HOG_AFTER_DEFAULT,
            quota_root: PathBuf::from("/"),
            wishes: Wishes::default(),
            lanes: Lanes::three(),
            weights: Weights::default(),
            max_waits: [policy::MAX_WAIT; LEVELS],
            stack_size: STACK_SIZE_DEFAULT,
            stack_guard: StackGuard::Auto,
            max_stacks: usize::MAX,
            warm_stacks: WARM_STACKS_DEFAULT,
            max_fibers: None,
            at_limit: AtLimit::Fail,
            spin: None,
            hooks: Hooks::default(),
            blocking: (BLOCKING_DEFAULT, BLOCKING_IDLE_DEFAULT),
            rings: true,
        }
    }

    /// How many threads run fibers at the same time, in each lane. Default: one for each CPU that the process may use, no more than the
    /// control group's quota allows.
    pub fn workers(mut self, workers: usize) -> Builder {
        self.workers = Some(workers);
        self
    }

    /// A fiber that runs for longer than this, without a blocking call of this crate or a
    /// [`checkpoint`](crate::checkpoint) that lets others go first, is a [`Hog`]: others
    /// take what waits for its worker and has not started, [`spares`](Self::spares) help out, and
    /// [`stats`](crate::Stats::hogs) and [`on_hog`](Self::on_hog) tell. At least 1 ms; default 10 ms.
    ///
    /// It is noticed by a thread of its own, the monitor (`name-m`), which looks twice in this time and sleeps while
    /// nothing runs. With `Duration::ZERO` or `Duration::MAX` there is none.
    pub fn hog_after(mut self, time: Duration) -> Builder {
        self.hog_after = time;
        self
    }

    /// How many workers may be added to each lane while fibers keep its own: one for each that blocks its thread,
    /// so that no CPU idles, and one more where all of a lane's workers are kept. At most 1024; default as
    /// many as there are workers. Threads are made when work waits for them and not before, run only
    /// fibers that have not started, and end when they are not needed and their own fibers have ended.
    pub fn spares(mut self, spares: usize) -> Builder {
        self.spares = Some(spares);
        self
    }

    /// How the priorities are divided among threads that the kernel schedules against each other: one, two
    /// or three [`Lanes`]. Default three.
    pub fn lanes(mut self, lanes: impl Into<Lanes>) -> Builder {
        self.lanes = lanes.into();
        self
    }

    /// Whether it matters on which NUMA node workers, stacks and work are. Default [`Numa::Auto`].
    ///
    /// Where it does, workers are spread over the nodes and stay there, each node has queues of its own for work
    /// that belongs to it ([`Scheduler::go_on`], [`FiberBuilder::near`](crate::FiberBuilder::near), and what comes
    /// from a thread that is there), stacks have their memory on the node of their worker, and idle workers look for
    /// work on their own node before they look elsewhere.
    pub fn numa(mut self, numa: Numa) -> Builder {
        self.wishes.numa = numa;
        self
    }

    /// [`numa`](Self::numa) in a word: `true` is [`Numa::Auto`], `false` is [`Numa::Off`].
    pub fn enable_numa_awareness(self, yes: bool) -> Builder {
        self.numa(if yes { Numa::Auto } else { Numa::Off })
    }

    /// How workers are laid out over the machine. Default [`Placement::Spread`].
    ///
    /// ```
    /// use heddle_scheduler::{Placement, Scheduler};
    /// let scheduler = Scheduler::builder().workers(1).placement(Placement::Pack).build()?;
    /// # Ok::<(), heddle_scheduler::Error>(())
    /// ```
    pub fn placement(mut self, placement: Placement) -> Builder {
        self.wishes.placement = placement;
        self
    }

    /// To what workers' threads are tied. Default [`Pinning::Auto`].
    pub fn pinning(mut self, pinning: Pinning) -> Builder {
        self.wishes.pinning = pinning;
        self
    }

    /// Ties a worker, in all lanes, to a CPU of a node. `worker` is from 0 on, below the number of workers. The
    /// last word for a worker counts.
    ///
    /// ```
    /// use heddle_scheduler::{CpuId, NodeId, Scheduler};
    /// let wrong = Scheduler::builder().workers(1).set_worker_affinity(0, CpuId(1_000_000), NodeId(0)).build();
    /// assert!(wrong.unwrap_err().to_string().contains("CPU 1000000"));
    /// ```
    pub fn set_worker_affinity(mut self, worker: usize, cpu: CpuId, node: NodeId) -> Builder {
        self.wishes.affinities.push((worker, cpu, node));
        self
    }

    /// What the machine looks like, for those who have asked already, or know better. Default:
    /// [`Topology::detect`].
    pub fn topology(mut self, machine: Topology) -> Builder {
        self.wishes.machine = Some(Arc::new(machine));
        self
    }

    /// The share of the time that each priority gets at least while it has work: see [`Weights`]. Default
    /// 16, 8, 4, 2, 1.
    pub fn weights(mut self, weights: impl Into<Weights>) -> Builder {
        self.weights = weights.into();
        self
    }

    /// The longest that a priority with work waits for a turn, whatever its weight, as long as those that
    /// run reach blocking calls or checkpoints. Default 50 ms for each.
    pub fn max_wait(mut self, priority: Priority, wait: Duration) -> Builder {
        self.max_waits[priority.level()] = wait;
        self
    }

    /// Bytes of stack that each fiber can use, 16 KiB to 1 GiB; rounded up to whole pages. Default
    /// 128 KiB. Pages that are never touched cost no memory.
    pub fn stack_size(mut self, bytes: usize) -> Builder {
        self.stack_size = bytes;
        self
    }

    /// What protects the memory below a stack. Default: the best that the kernel has.
    pub fn stack_guard(mut self, guard: StackGuard) -> Builder {
        self.stack_guard = guard;
        self
    }

    /// The most stacks that may exist, which bounds how many fibers can be started and not ended. One
    /// more fails with an error. Default: no bound but memory.
    pub fn max_stacks(mut self, stacks: usize) -> Builder {
        self.max_stacks = stacks;
        self
    }

    /// How many stacks each worker keeps warm for its next fibers; others give their pages back.
    /// Default 64.
    pub fn warm_stacks(mut self, stacks: usize) -> Builder {
        self.warm_stacks = stacks;
        self
    }

    /// The most fibers that may exist at once, started or not. Counting them costs each start and
    /// end a counter that all share, so there is no limit by default.
    pub fn max_fibers(mut self, fibers: usize) -> Builder {
        self.max_fibers = Some(fibers);
        self
    }

    /// What happens at the limit on fibers. Default: the new fiber fails.
    pub fn at_limit(mut self, policy: AtLimit) -> Builder {
        self.at_limit = policy;
        self
    }

    /// How long a worker without work looks for some before it sleeps, at most 1 ms. Looking burns
    /// CPU time and saves the next fiber the 20 to 40 us of a thread's wake-up. Default: 30 us; and
    /// zero where there are more workers than CPUs.
    pub fn spin(mut self, time: Duration) -> Builder {
        self.spin = Some(time);
        self
    }

    /// The name of the scheduler; its threads are called `name-0`, `name-1`..., with a `u` before the number
    /// in the urgent lane and a `b` in the background lane; an `s` stands for spare, and `name-m` is the monitor.
    /// Default "heddle".
    pub fn name(mut self, name: impl Into<String>) -> Builder {
        self.name = name.into();
        self
    }

    /// Called on each worker's thread before its first fiber, with the worker's number: the ordinary lane's
    /// come first, then the urgent lane's, then the background lane's, then the spares'.
    pub fn on_thread_start(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> Builder {
        self.hooks.start = Some(Arc::new(hook));
        self
    }

    /// Called on each worker's thread after its last fiber, with the worker's number.
    pub fn on_thread_stop(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> Builder {
        self.hooks.stop = Some(Arc::new(hook));
        self
    }

    /// Called for each fiber that has panicked, after the process's own panic hook, on its worker's
    /// thread.
    pub fn on_panic(mut self, hook: impl Fn(&PanicReport<'_>) + Send + Sync + 'static) -> Builder {
        self.hooks.panic = Some(PanicHook(Arc::new(hook)));
        self
    }

    /// How many threads there may be for [`blocking`](crate::blocking()) calls, and how long one waits for a call before it ends.
    /// They are made when calls wait and all others are busy, have the ordinary lane's policy, and are called
    /// `name-x0`, `name-x1`... With none, calls are made in place. Default 512 and 10 s; at most 32767.
    ///
    /// ```
    /// use heddle_scheduler::Scheduler;
    /// use std::time::Duration;
    /// let scheduler = Scheduler::builder().workers(1).blocking_threads(4, Duration::from_secs(1)).build()?;
    /// assert_eq!(scheduler.stats().blocking.threads, 0);
    /// # Ok::<(), heddle_scheduler::Error>(())
    /// ```
    pub fn blocking_threads(mut self, threads: usize, idle_for: Duration) -> Builder {
        self.blocking = (threads, idle_for);
        self
    }

    /// Whether files are read and written by rings of the kernel (io_uring), where it has them. Without, and where it has
    /// none, such calls are made on the threads for [`blocking`](crate::blocking()) calls. Default true.
    ///
    /// ```
    /// use heddle_scheduler::{Scheduler, io::fs};
    /// let scheduler = Scheduler::builder().workers(1).rings(false).build()?;
    /// assert!(scheduler.run(|| fs::read("/proc/self/stat")).is_ok());
    /// assert_eq!(scheduler.stats().io.operations, 0);
    /// # Ok::<(), heddle_scheduler::Error>(())
    /// ```
    #[cfg(target_os = "linux")]
    pub fn rings(mut self, yes: bool) -> Builder {
        self.rings = yes;
        self
    }

    /// Below which directory the monitor looks for the control group's quota, for tests. Default `/`.
    #[doc(hidden)]
    pub fn quota_root(mut self, root: impl Into<PathBuf>) -> Builder {
        self.quota_root = root.into();
        self
    }

    /// Called for each hog when it is noticed, on the monitor's thread, which looks at nothing else meanwhile. See
    /// [`hog_after`](Self::hog_after).
    pub fn on_hog(mut self, hook: impl Fn(&Hog) + Send + Sync + 'static) -> Builder {
        self.hooks.hog = Some(Arc::new(hook));
        self
    }

    /// Builds the scheduler and starts it.
    ///
    /// # Errors
    /// An option cannot work, or the system refused to create a thread. The message says which.
    pub fn build(self) -> Result<Scheduler, Error> {
        Scheduler::from_config(self.check()?)
    }

    fn check(mut self) -> Result<Config, Error> {
        if self.wishes.machine.is_none() {
            self.wishes.machine = Topology::detect().ok().map(Arc::new);
        }
        let cpus = match &self.wishes.machine {
            Some(machine) => heddle_numa::default_workers(machine),
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        let workers = self.workers.unwrap_or(cpus);
        if workers == 0 {
            return Err(Error::config(
                "workers(0): a scheduler needs at least one worker; leave the option out \
                                      for one per CPU",
            ));
        }
        if workers > WORKERS_MAX {
            return Err(Error::config(format!("workers({workers}): at most {WORKERS_MAX} are possible")));
        }
        let hog_after = check_hog_after(self.hog_after)?;
        let spares = check_spares(self.spares, workers, hog_after.is_some())?;
        self.lanes.check().map_err(Error::config)?;
        if !(STACK_SIZE_MIN..=STACK_SIZE_MAX).contains(&self.stack_size) {
            return Err(Error::config(format!(
                "stack_size({}): a fiber's stack has {} KiB to {} MiB; untouched pages cost no memory",
                self.stack_size,
                STACK_SIZE_MIN / 1024,
                STACK_SIZE_MAX >> 20
            )));
        }
        if self.max_stacks == 0 {
            return Err(Error::config(
                "max_stacks(0): no fiber could ever start; leave the option out for no bound",
            ));
        }
        if self.max_fibers == Some(0) {
            return Err(Error::config(
                "max_fibers(0): no fiber could ever exist; leave the option out for no limit",
            ));
        }
        if self.blocking.0 > THREADS_MAX {
            return Err(Error::config(format!(
                "blocking_threads({}): at most {THREADS_MAX} are possible",
                self.blocking.0
            )));
        }
        if self.name.contains('\0') {
            return Err(Error::config("name: a thread's name cannot contain a zero byte"));
        }
        let spin = self.spin.unwrap_or(if workers > cpus { Duration::ZERO } else { SPIN_MAX });
        if spin > Duration::from_millis(1) {
            return Err(Error::config(format!("spin({spin:?}): at most 1 ms; a longer wait should sleep")));
        }
        Ok(Config {
            name: self.name,
            workers,
            spares,
            hog_after,
            quota_root: self.quota_root,
            lanes: self.lanes,
            sites: Sites::plan(&self.wishes, workers, spares)?,
            cpus: allowed_cpus(),
            stack_size: self.stack_size.next_multiple_of(page_size()),
            stack_guard: self.stack_guard,
            max_stacks: self.max_stacks,
            warm_stacks: self.warm_stacks,
            max_fibers: self.max_fibers,
            at_limit: self.at_limit,
            spin_ticks: clock::ticks_in(spin),
            terms: Terms::new(self.weights, self.max_waits, clock::ticks_in),
            lend_ticks: clock::ticks_in(policy::LEND_MAX),
            tiny_ticks: clock::ticks_in(policy::TINY),
            far_ticks: clock::ticks_in(policy::FAR_BACKOFF),
            hooks: self.hooks,
            blocking: self.blocking,
            rings: self.rings,
        })
    }
}

/// `None`: no monitor.
fn check_hog_after(time: Duration) -> Result<Option<Duration>, Error> {
    match time {
        Duration::ZERO | Duration::MAX => Ok(None),
        short if short < HOG_AFTER_MIN => Err(Error::config(format!(
            "hog_after({short:?}): at least {HOG_AFTER_MIN:?}, or Duration::ZERO for no monitor"
        ))),
        time => Ok(Some(time)),
    }
}

/// How many spares each lane has, which without a monitor nobody would call.
fn check_spares(asked: Option<usize>, workers: usize, monitored: bool) -> Result<usize, Error> {
    let room = (WORKERS_MAX - workers).min(SPARES_MAX);
    match asked {
        Some(spares) if spares > room => Err(Error::config(format!(
            "spares({spares}): at most {room} are possible beside {workers} workers"
        ))),
        _ if !monitored => Ok(0),
        Some(spares) => Ok(spares),
        None => Ok(workers.min(room)),
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("workers", &self.workers)
            .field("lanes", &self.lanes)
            .field("stack_size", &self.stack_size)
            .field("stack_guard", &self.stack_guard)
            .finish_non_exhaustive()
    }
}
