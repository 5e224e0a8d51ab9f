//! Counters that only their worker writes, the histogram of waiting times, and the snapshot that
//! users see. Counting costs a load and a store in the worker's own cache, so it is always on.

use crate::fiber::FiberId;
use crate::fiber::memory::StackGuard;
use crate::fiber::shown::Shown;
use crate::hog::{Hog, MonitorStats};
use crate::io_stats::{IoCounters, IoStats};
use crate::lane::Lane;
use crate::machine::clock;
use crate::machine::thread::ThreadPolicy;
use crate::numa_stats::NumaStats;
use crate::pool::BlockingStats;
use crate::priority::{LEVELS, Priority};
use heddle_numa::NodeId;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that one thread writes and any thread reads.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds; only by the thread that owns it.
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Sets it; only by the thread that owns it.
    #[inline]
    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// Adds one, after everything this thread did before; only by the thread that owns it.
    #[inline]
    pub(crate) fn publish_one(&self) {
        // ORDERING: Release pairs with the acquire of `get_acquire`: whoever sees the count sees
        // what was counted.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }

    /// The same, from any thread.
    pub(crate) fn publish_one_shared(&self) {
        // ORDERING: Release pairs with the acquire of `get_acquire`.
        self.0.fetch_add(1, Ordering::Release);
    }

    /// Adds from any thread.
    pub(crate) fn add_shared(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn get_acquire(&self) -> u64 {
        // ORDERING: Acquire pairs with the release of `publish_one`.
        self.0.load(Ordering::Acquire)
    }
}

const SUB_BITS: u32 = 3;
/// Eight buckets for each power of two: figures are exact to an eighth. From 1 ns to 18 minutes.
const BUCKETS: usize = 40 << SUB_BITS;

/// How long fibers waited, in buckets that grow with the time.
pub(crate) struct Histogram {
    buckets: Box<[Counter]>,
    longest: Counter,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { buckets: (0..BUCKETS).map(|_| Counter::default()).collect(), longest: Counter::default() }
    }
}

fn bucket_of(nanos: u64) -> usize {
    if nanos < 1 << SUB_BITS {
        return nanos as usize;
    }
    let power = 63 - nanos.leading_zeros();
    let sub = (nanos >> (power - SUB_BITS)) & ((1 << SUB_BITS) - 1);
    ((((power - SUB_BITS + 1) as usize) << SUB_BITS) + sub as usize).min(BUCKETS - 1)
}

/// The largest time that falls into a bucket.
fn bucket_end(bucket: usize) -> u64 {
    if bucket < 1 << SUB_BITS {
        return bucket as u64;
    }
    let power = (bucket >> SUB_BITS) as u32 + SUB_BITS - 1;
    let sub = (bucket & ((1 << SUB_BITS) - 1)) as u64;
    (((1 << SUB_BITS) + sub + 1) << (power - SUB_BITS)) - 1
}

impl Histogram {
    /// Counts a wait of so many nanoseconds; only by the thread that owns it.
    pub(crate) fn record(&self, nanos: u64) {
        self.buckets[bucket_of(nanos)].add(1);
        if nanos > self.longest.get() {
            self.longest.set(nanos);
        }
    }
}

/// Waiting times of one level: how long fibers were runnable before they ran.
#[derive(Clone, Debug)]
pub struct Waits {
    buckets: Vec<u64>,
    longest: u64,
}

impl Waits {
    fn new() -> Waits {
        Waits { buckets: vec![0; BUCKETS], longest: 0 }
    }

    fn merge(&mut self, other: &Histogram) {
        for (sum, bucket) in self.buckets.iter_mut().zip(&other.buckets) {
            *sum += bucket.get();
        }
        self.longest = self.longest.max(other.longest.get());
    }

    /// How many waits were timed: every one of a Critical fiber that was queued or resumed, one in
    /// [`SAMPLE_INTERVAL`](crate::policy::SAMPLE_INTERVAL) of the others and of those that yielded.
    pub fn timed(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The time that `share` (0 to 1) of the waits did not exceed, to an eighth.
    ///
    /// ```
    /// # let scheduler = heddle_scheduler::Scheduler::builder().workers(1).build()?;
    /// let p99 = scheduler.stats().waits(heddle_scheduler::Priority::Critical).quantile(0.99);
    /// # Ok::<(), heddle_scheduler::Error>(())
    /// ```
    pub fn quantile(&self, share: f64) -> Duration {
        let total = self.timed();
        let rank = ((total as f64 * share.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if total > 0 && seen >= rank {
                return Duration::from_nanos(bucket_end(bucket).min(self.longest));
            }
        }
        Duration::ZERO
    }

    /// The longest wait that was timed.
    pub fn longest(&self) -> Duration {
        Duration::from_nanos(self.longest)
    }
}

/// What one worker counts, for one level.
#[derive(Default)]
pub(crate) struct LevelCounters {
    /// Fibers made on this worker's thread.
    pub(crate) spawned: Counter,
    /// Taken out of the queue of this level, to be run or to end unrun.
    pub(crate) claimed: Counter,
    pub(crate) started: Counter,
    /// Ended, whether started here or failed without a start.
    pub(crate) finished: Counter,
    /// Started here and not ended, now: moved when the worker learns of a change of priority.
    pub(crate) alive: Counter,
    /// How many started fibers wait for a token, now, by the level they had when they began to.
    pub(crate) suspended: Counter,
    /// Started fibers that had left another worker and went on here.
    pub(crate) adopted: Counter,
    pub(crate) waits: Histogram,
}

/// What one worker counts.
pub(crate) struct Counters {
    pub(crate) levels: [LevelCounters; LEVELS],
    pub(crate) dispatches: Counter,
    pub(crate) parks: Counter,
    pub(crate) spin_ticks: Counter,
    pub(crate) panics: Counter,
    /// Dispatches of the second level while the first had been ready for longer than promised.
    pub(crate) inversions: [[Counter; LEVELS]; LEVELS],
    /// How often and how long the worker left its CPU to the lanes below.
    pub(crate) asides: Counter,
    pub(crate) aside_ticks: Counter,
    /// The part of that in which the lanes above did not have the CPU.
    pub(crate) left_ticks: Counter,
    /// When it last stood aside.
    pub(crate) aside_at: Counter,
    /// Live fibers that this worker has.
    pub(crate) live: Counter,
    /// Stacks kept warm by this worker.
    pub(crate) warm: Counter,
    /// The fiber that runs now, as a word of [`Shown`].
    running: Counter,
    /// Checkpoints that looked closer.
    pub(crate) checkpoints: Counter,
    /// Letters taken out of the mailbox.
    pub(crate) letters: Counter,
    /// Fibers that were made for another site.
    pub(crate) away: Counter,
    pub(crate) io: IoCounters,
    /// Fibers taken from each other worker.
    pub(crate) stolen_from: Box<[Counter]>,
}

impl Counters {
    pub(crate) fn new(workers: usize) -> Counters {
        Counters {
            levels: Default::default(),
            dispatches: Counter::default(),
            parks: Counter::default(),
            spin_ticks: Counter::default(),
            panics: Counter::default(),
            inversions: Default::default(),
            asides: Counter::default(),
            aside_ticks: Counter::default(),
            left_ticks: Counter::default(),
            aside_at: Counter::default(),
            live: Counter::default(),
            warm: Counter::default(),
            running: Counter::default(),
            checkpoints: Counter::default(),
            letters: Counter::default(),
            away: Counter::default(),
            io: IoCounters::default(),
            stolen_from: (0..workers).map(|_| Counter::default()).collect(),
        }
    }

    /// That fiber goes on now; only by the worker.
    #[inline(always)]
    pub(crate) fn show_running(&self, shown: Shown) {
        self.running.set(shown.into_word());
    }

    /// The fiber that was shown has ended, and the worker looks for another: it is as busy as before, with nobody.
    #[inline(always)]
    pub(crate) fn show_over(&self, level: usize) {
        self.running.set(Shown::OVER.at(level).into_word());
    }

    /// The worker has nothing to run. The result is who it was.
    pub(crate) fn show_idle(&self) -> u64 {
        let word = self.running.get();
        self.running.set(0);
        word
    }

    /// It goes on after all.
    pub(crate) fn show_again(&self, word: u64) {
        self.running.set(word);
    }

    /// The fiber that runs and its level.
    pub(crate) fn running_fiber(&self) -> Option<(FiberId, usize)> {
        Shown::read(self.running.get()).filter(|&(id, _)| id != FiberId::NOBODY)
    }

    /// The level of the fiber that runs, or ran until the worker began to look for another.
    pub(crate) fn busy_level(&self) -> Option<usize> {
        Shown::read(self.running.get()).map(|(_, level)| level)
    }
}

/// What is counted outside of workers, or for all of them.
#[derive(Default)]
pub(crate) struct SharedCounters {
    pub(crate) spawned_outside: [Counter; LEVELS],
    pub(crate) finished_outside: [Counter; LEVELS],
    /// Taken out of the queue of this level by somebody who is no worker.
    pub(crate) claimed_outside: [Counter; LEVELS],
    /// Changes of priority before the start: fibers that left a level's queue, and that entered it.
    pub(crate) left: [Counter; LEVELS],
    pub(crate) entered: [Counter; LEVELS],
}

impl SharedCounters {
    /// A fiber that had not started changed its priority.
    pub(crate) fn count_move(&self, from: usize, to: usize) {
        self.left[from].add_shared(1);
        self.entered[to].add_shared(1);
    }
}

/// The state of a scheduler at one moment. Numbers are read one after another while fibers run, so
/// they agree with each other exactly only when nothing runs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// One entry a worker: those of the ordinary lane first, then the urgent lane's, then the background
    /// lane's; then the spare workers that there are or have been.
    pub workers: Vec<WorkerStats>,
    /// The lanes that there are, most urgent first.
    pub lanes: Vec<LaneStats>,
    /// One entry a priority, Critical first.
    pub levels: Vec<LevelStats>,
    /// Stacks, of all workers.
    pub stacks: StackStats,
    /// Dispatches that broke the first promise, by the levels; none is listed that did not happen.
    pub inversions: Vec<Inversions>,
    /// Fibers that keep their thread now, for longer than they should.
    pub hogs: Vec<Hog>,
    /// What the monitor's thread did.
    pub monitor: MonitorStats,
    /// The machine's nodes, and what went from one to another.
    pub numa: NumaStats,
    /// The threads for blocking calls.
    pub blocking: BlockingStats,
    /// Files, sockets, and what fibers wait for there.
    pub io: IoStats,
}

/// How often a less urgent fiber was given a CPU while a more urgent one had been ready for longer than
/// [`policy`](crate::policy) promises. Where code runs for long without a
/// [`checkpoint`](crate::checkpoint), that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inversions {
    /// The priority that had to wait.
    pub waited: Priority,
    /// The priority that ran.
    pub ran: Priority,
    /// The memory node of the worker; node 0 where nodes are not minded.
    pub node: NodeId,
    /// How many dispatches.
    pub count: u64,
}

/// What one worker did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WorkerStats {
    /// Its number: what [`FiberInfo::worker`](crate::FiberInfo::worker) and the hooks say.
    pub number: usize,
    /// The lane it belongs to.
    pub lane: Lane,
    /// It is a spare: there only while a hog keeps another worker's thread.
    pub spare: bool,
    /// How the kernel schedules its thread.
    pub policy: ThreadPolicy,
    /// The CPU it is pinned to, if it is.
    pub cpu: Option<u32>,
    /// The node where it is; `None` where nodes are not minded.
    pub node: Option<NodeId>,
    /// How often a fiber was given the CPU.
    pub dispatches: u64,
    /// How many fibers it started.
    pub started: u64,
    /// How many ended here.
    pub finished: u64,
    /// How many live fibers have their home here.
    pub live: u64,
    /// How many started fibers it took over from others, by
    /// [`yield_movable`](crate::yield_movable) and its like.
    pub adopted: u64,
    /// How many fibers it took from others.
    pub stolen: u64,
    /// The same by victim: entry k counts those taken from the k-th worker of the lane, then from its spares.
    pub stolen_from: Vec<u64>,
    /// How often it went to sleep; a parked worker is woken at most that often.
    pub parks: u64,
    /// How long it looked for work before it slept or found some: CPU time burned for fast wake-ups.
    pub spun: Duration,
    /// How often it left its CPU to the lanes below, as they were owed time, and for how long in all.
    pub asides: u64,
    /// See `asides`.
    pub aside: Duration,
    /// How many of its fibers panicked.
    pub panics: u64,
}

/// One lane, as it turned out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LaneStats {
    /// Which lane.
    pub lane: Lane,
    /// The priorities that ride in it; none if its threads could not be made, and then they ride in the
    /// ordinary lane.
    pub priorities: Vec<Priority>,
    /// How many threads it has, without spares; none if they could not all be made.
    pub threads: usize,
    /// How many spare workers it has now.
    pub spares: usize,
    /// How the kernel schedules the first of them that has begun, read back and not what was asked for; unknown
    /// before one has. Each thread's is in its worker's [`policy`](WorkerStats::policy).
    pub policy: ThreadPolicy,
}

/// The fibers of one priority.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LevelStats {
    /// Which priority.
    pub priority: Priority,
    /// Made and not started.
    pub queued: u64,
    /// On a CPU now.
    pub running: u64,
    /// Started and runnable: resumed or yielded, waiting for their worker.
    pub ready: u64,
    /// Started and waiting for something.
    pub suspended: u64,
    /// Ended, by returning, panic, cancellation or error.
    pub finished: u64,
    /// Times that a started fiber went on at another worker than before, as some [may](crate::movable).
    pub moved: u64,
    /// How long fibers waited for a CPU.
    pub waits: Waits,
}

/// Stacks of a scheduler.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct StackStats {
    /// Bytes a fiber can use of each.
    pub size: usize,
    /// Under a fiber.
    pub in_use: usize,
    /// Kept warm for the next fibers.
    pub warm: usize,
    /// Addresses only; the system has the pages.
    pub cold: usize,
    /// What protects them.
    pub guard: StackGuard,
}

impl Stats {
    /// Waiting times of one priority.
    pub fn waits(&self, priority: Priority) -> &Waits {
        &self.levels[priority.level()].waits
    }

    /// The lane, if there is one.
    pub fn lane(&self, lane: Lane) -> Option<&LaneStats> {
        self.lanes.iter().find(|stats| stats.lane == lane)
    }

    /// How many NUMA nodes the machine has.
    pub fn num_numa_nodes(&self) -> usize {
        self.numa.num_numa_nodes
    }

    /// Fibers that exist: queued, ready, running or suspended.
    pub fn live(&self) -> u64 {
        self.levels.iter().map(|l| l.queued + l.running + l.ready + l.suspended).sum()
    }

    pub(crate) fn collect(
        workers: &[Seen<'_>],
        shared: &SharedCounters,
        lanes: Vec<LaneStats>,
        stacks: StackStats,
        (hogs, monitor): (Vec<Hog>, MonitorStats),
        numa: NumaStats,
    ) -> Stats {
        let inversions = inversions(workers, &numa);
        let counters: Vec<&Counters> = workers.iter().map(|worker| worker.counters).collect();
        let levels = (0..LEVELS).map(|level| level_stats(level, &counters, shared)).collect();
        let io = IoStats::collect(counters.iter().map(|counters| &counters.io));
        let workers = workers.iter().map(worker_stats).collect();
        Stats {
            workers,
            lanes,
            levels,
            stacks,
            inversions,
            hogs,
            monitor,
            numa,
            blocking: BlockingStats::default(),
            io,
        }
    }
}

fn inversions(workers: &[Seen<'_>], numa: &NumaStats) -> Vec<Inversions> {
    let mut found = Vec::new();
    for (site, node) in numa.nodes.iter().map(|node| node.node.unwrap_or_default()).enumerate() {
        let here = || workers.iter().filter(|worker| worker.site == site);
        for (waited, ran) in
            Priority::ALL.into_iter().flat_map(|waited| Priority::ALL.map(|ran| (waited, ran)))
        {
            let count =
                here().map(|worker| worker.counters.inversions[waited.level()][ran.level()].get()).sum();
            if count > 0 {
                found.push(Inversions { waited, ran, node, count });
            }
        }
    }
    found
}

/// A worker, as [`Stats::collect`] sees it.
pub(crate) struct Seen<'a> {
    pub(crate) number: usize,
    pub(crate) spare: bool,
    pub(crate) lane: Lane,
    pub(crate) policy: ThreadPolicy,
    pub(crate) cpu: Option<u32>,
    pub(crate) seat: usize,
    pub(crate) site: usize,
    pub(crate) node: Option<NodeId>,
    pub(crate) counters: &'a Counters,
}

fn worker_stats(seen: &Seen<'_>) -> WorkerStats {
    let counters = seen.counters;
    let sum = |field: fn(&LevelCounters) -> &Counter| -> u64 {
        counters.levels.iter().map(|level| field(level).get()).sum()
    };
    let stolen_from: Vec<u64> = counters.stolen_from.iter().map(Counter::get).collect();
    WorkerStats {
        number: seen.number,
        spare: seen.spare,
        lane: seen.lane,
        policy: seen.policy,
        cpu: seen.cpu,
        node: seen.node,
        dispatches: counters.dispatches.get(),
        started: sum(|l| &l.started),
        finished: sum(|l| &l.finished),
        live: counters.live.get(),
        adopted: counters.levels.iter().map(|level| level.adopted.get()).sum(),
        stolen: stolen_from.iter().sum(),
        stolen_from,
        parks: counters.parks.get(),
        spun: Duration::from_nanos(clock::nanos(counters.spin_ticks.get())),
        asides: counters.asides.get(),
        aside: Duration::from_nanos(clock::nanos(counters.aside_ticks.get())),
        panics: counters.panics.get(),
    }
}

fn level_stats(level: usize, counters: &[&Counters], shared: &SharedCounters) -> LevelStats {
    let sum = |field: fn(&LevelCounters) -> &Counter| -> u64 {
        counters.iter().map(|c| field(&c.levels[level]).get()).sum()
    };
    let mut waits = Waits::new();
    for counter in counters {
        waits.merge(&counter.levels[level].waits);
    }
    let busy = counters.iter().filter(|c| c.busy_level() == Some(level)).count() as u64;
    let suspended = sum(|l| &l.suspended);
    // Gauges go up on one worker and down on another; only their sums mean something.
    let alive = counters.iter().fold(0_u64, |sum, c| sum.wrapping_add(c.levels[level].alive.get()));
    let claimed = sum(|l| &l.claimed) + shared.claimed_outside[level].get() + shared.left[level].get();
    let made = sum(|l| &l.spawned) + shared.spawned_outside[level].get() + shared.entered[level].get();
    // A read that is a moment older than another may make a difference negative for that moment.
    let queued = made.saturating_sub(claimed);
    // A worker that has ended its fiber says so when it looks for another one.
    let running = busy.min(alive.saturating_sub(suspended));
    LevelStats {
        priority: Priority::from_level(level),
        queued,
        running,
        ready: alive.saturating_sub(running + suspended),
        suspended,
        finished: sum(|l| &l.finished) + shared.finished_outside[level].get(),
        moved: sum(|l| &l.adopted),
        waits,
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = "priority      queued  running    ready  suspended    finished    moved   wait p50        p99      p99.9";
        writeln!(f, "{head}")?;
        for level in &self.levels {
            writeln!(
                f,
                "{:<11}{:>9}{:>9}{:>9}{:>11}{:>12}{:>9}{:>11}{:>11}{:>11}",
                level.priority,
                level.queued,
                level.running,
                level.ready,
                level.suspended,
                level.finished,
                level.moved,
                Short(level.waits.quantile(0.5)),
                Short(level.waits.quantile(0.99)),
                Short(level.waits.quantile(0.999)),
            )?;
        }
        if self.blocking != (BlockingStats { threads_max: self.blocking.threads_max, ..Default::default() }) {
            writeln!(f, "{}", self.blocking)?;
        }
        for lane in &self.lanes {
            let riders: Vec<&str> = lane.priorities.iter().map(|priority| priority.name()).collect();
            let riders =
                if riders.is_empty() { "none: see the ordinary lane".to_owned() } else { riders.join(", ") };
            writeln!(f, "lane {:<11} {:>3} threads, {:<13} {riders}", lane.lane, lane.threads, lane.policy)?;
        }
        writeln!(
            f,
            "{:<14}{:>6}{:>9}{:>9}{:>11}{:>12}{:>11}{:>11}",
            "worker", "cpu", "live", "stolen", "parks", "dispatches", "spun", "panics"
        )?;
        for worker in self.workers.iter().filter(|worker| worker.dispatches > 0) {
            writeln!(
                f,
                "{:<14}{:>6}{:>9}{:>9}{:>11}{:>12}{:>11}{:>11}",
                format!("{} {}{}", worker.lane, worker.number, if worker.spare { "*" } else { "" }),
                worker.cpu.map_or("any".to_owned(), |cpu| cpu.to_string()),
                worker.live,
                worker.stolen,
                worker.parks,
                worker.dispatches,
                Short(worker.spun),
                worker.panics,
            )?;
        }
        for i in &self.inversions {
            writeln!(f, "inversions on {}: {} waited, {} ran, {} times", i.node, i.waited, i.ran, i.count)?;
        }
        for hog in &self.hogs {
            writeln!(f, "hog: {hog}")?;
        }
        writeln!(f, "{}\n{}\n{}", self.monitor, self.numa, self.io)?;
        let s = &self.stacks;
        write!(
            f,
            "stacks of {} KiB: {} in use, {} warm, {} cold; guard: {:?}",
            s.size / 1024,
            s.in_use,
            s.warm,
            s.cold,
            s.guard
        )
    }
}

/// A duration in three digits and a unit.
struct Short(Duration);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos() as f64;
        let (value, unit) = match nanos {
            0.0 => return f.pad("-"),
            n if n < 1e3 => (n, "ns"),
            n if n < 1e6 => (n / 1e3, "us"),
            n if n < 1e9 => (n / 1e6, "ms"),
            n => (n / 1e9, "s"),
        };
        let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
        f.pad(&format!("{value:.digits$} {unit}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_falls_into_a_bucket_that_is_at_most_an_eighth_too_large() {
        for nanos in (0..2000).chain([123_456, 98_765_432, 1 << 39]) {
            let end = bucket_end(bucket_of(nanos));
            assert!(end >= nanos && end <= nanos + nanos / 8, "{nanos} -> {end}");
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_of_what_was_recorded() {
        let histogram = Histogram::default();
        for nanos in 1..=1000 {
            histogram.record(nanos);
        }
        let mut waits = Waits::new();
        waits.merge(&histogram);
        assert_eq!(waits.timed(), 1000);
        assert!((500..563).contains(&(waits.quantile(0.5).as_nanos() as u64)));
        assert_eq!(waits.quantile(1.0).as_nanos(), 1000);
        assert_eq!(waits.longest().as_nanos(), 1000);
        assert_eq!(Waits::new().quantile(0.99), Duration::ZERO);
    }
}
