//! Five levels that all want every CPU, with code that reaches checkpoints: what does each get, and how long does one
//! wait? Work is counted in pieces of 20 us, so that a thread that stands still in the middle of one gets nothing for it.
//!
//! A wait is measured from the end of a piece (or from the spawn) to the start of the next piece of the same fiber, and
//! one that has not ended when the run does counts as well: what `stats()` knows ended, and most of it is sampled.

mod heddle;
mod heddle_one_lane;

use heddle_benches::thread::now_ns;
use heddle_benches::work::Work;
use heddle_benches::{Case, Contender, Goal, Metric, Run, Sample, Workload};
use heddle_scheduler::Priority;
use heddle_scheduler::policy::{MAX_WAIT, Weights};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const OFF: &str = "largest difference from the weights, % of the work";
const NO_TURN: &str = "longest that a level got no turn, ms";
const SHARES: [&str; 5] = [
    "share of Critical, % of the work",
    "share of High, % of the work",
    "share of Normal, % of the work",
    "share of Low, % of the work",
    "share of Background, % of the work",
];
const WAITS: [&str; 5] = [
    "longest wait of a Critical one, ms",
    "longest wait of a High one, ms",
    "longest wait of a Normal one, ms",
    "longest wait of a Low one, ms",
    "longest wait of a Background one, ms",
];
/// Fibers that live as long as the run and yield.
const YIELDING: &str = "fibers that yield";
/// The same, but they may go on at another worker.
const MOVING: &str = "fibers that yield and may move";
/// Fibers that end, and spawn another like themselves.
const RESPAWNING: &str = "fibers that respawn";

const fn case(name: &'static str) -> Case {
    Case { name, workers: 2, detail: 0 }
}

pub(crate) static WORKLOAD: Workload = Workload {
    name: "shares",
    question: "Eight fibers of each of the five levels want all of both CPUs, reach a checkpoint each 20 us and yield \
               or end each ms: what part of the work is each level's, and how long does a fiber wait at most?",
    cases: &[case(YIELDING), case(MOVING), case(RESPAWNING)],
    metrics: &[
        Metric::lower(OFF),
        Metric::lower(NO_TURN),
        Metric::shown(SHARES[0]),
        Metric::shown(SHARES[1]),
        Metric::shown(SHARES[2]),
        Metric::shown(SHARES[3]),
        Metric::shown(SHARES[4]),
        Metric::shown(WAITS[0]),
        Metric::shown(WAITS[1]),
        Metric::shown(WAITS[2]),
        Metric::shown(WAITS[3]),
        Metric::shown(WAITS[4]),
    ],
    goals: &[
        Goal { case: YIELDING, metric: OFF, first: 2.0, then: None },
        Goal { case: YIELDING, metric: NO_TURN, first: MAX_WAIT.as_millis() as f64, then: None },
        Goal { case: MOVING, metric: OFF, first: 2.0, then: None },
        Goal { case: MOVING, metric: NO_TURN, first: MAX_WAIT.as_millis() as f64, then: None },
        Goal { case: RESPAWNING, metric: OFF, first: 2.0, then: None },
        Goal { case: RESPAWNING, metric: NO_TURN, first: MAX_WAIT.as_millis() as f64, then: None },
    ],
    contenders: &[
        Contender::runs("heddle", heddle::run),
        Contender::runs("heddle_one_lane", heddle_one_lane::run),
        Contender::cannot("tokio", "it has no priorities"),
        Contender::cannot("rayon", "it has no priorities"),
    ],
};

const FIBERS_PER_LEVEL: usize = 8;
const PIECE_US: u32 = 20;
/// Pieces between two yields, or in a fiber that ends: a millisecond of work.
const PIECES: usize = 50;

static PIECE: OnceLock<Work> = OnceLock::new();
static STOP: AtomicBool = AtomicBool::new(false);
static LEVELS: [Level; 5] = [const { Level::new() }; 5];

/// What is known of a level; fibers write it.
struct Level {
    pieces: AtomicU64,
    /// When each fiber, or the one that spawned it, last did something.
    last: [AtomicU64; FIBERS_PER_LEVEL],
    longest_wait_ns: AtomicU64,
    /// When any of them last did something.
    last_of_any: AtomicU64,
    longest_without_turn_ns: AtomicU64,
}

impl Level {
    const fn new() -> Self {
        let last = [const { AtomicU64::new(0) }; FIBERS_PER_LEVEL];
        Level {
            pieces: AtomicU64::new(0),
            last,
            longest_wait_ns: AtomicU64::new(0),
            last_of_any: AtomicU64::new(0),
            longest_without_turn_ns: AtomicU64::new(0),
        }
    }

    /// A wait ends now, or the run does.
    fn waited(&self, index: usize) {
        // Another thread may have written a moment that is later than ours.
        let now = now_ns();
        let since = |moment: &AtomicU64| now.saturating_sub(moment.load(Ordering::Relaxed));
        self.longest_wait_ns.fetch_max(since(&self.last[index]), Ordering::Relaxed);
        self.longest_without_turn_ns.fetch_max(since(&self.last_of_any), Ordering::Relaxed);
    }

    fn acted(&self, index: usize) {
        let now = now_ns();
        self.last[index].store(now, Ordering::Relaxed);
        self.last_of_any.store(now, Ordering::Relaxed);
    }
}

/// Which of the fibers.
#[derive(Clone, Copy)]
struct Which {
    priority: Priority,
    index: usize,
}

/// A millisecond of work, with a checkpoint after each piece; `false` when the run is over.
fn compute(which: Which, checkpoint: impl Fn()) -> bool {
    let piece = PIECE.get().expect("set before the first fiber");
    let level = &LEVELS[which.priority as usize];
    for _ in 0..PIECES {
        level.waited(which.index);
        assert!(piece.is_done_right(), "a wrong answer has no share");
        level.pieces.fetch_add(1, Ordering::Relaxed);
        level.acted(which.index);
        checkpoint();
    }
    !STOP.load(Ordering::Relaxed)
}

/// `start(which)` starts a fiber that calls [`compute`] until it says `false`; `stats` says what the runtime knows.
fn drive(run: &Run, start: impl Fn(Which), stats: impl Fn() -> String) -> Sample {
    PIECE.get_or_init(|| Work::lasting_us(PIECE_US));
    for (level, priority) in LEVELS.iter().zip(Priority::ALL) {
        for index in 0..FIBERS_PER_LEVEL {
            level.acted(index);
            start(Which { priority, index });
        }
    }
    let (warm_up, time) = if run.quick { (50, 200) } else { (500, 5000) };
    std::thread::sleep(Duration::from_millis(warm_up));
    let done = || LEVELS.each_ref().map(|level| level.pieces.load(Ordering::Relaxed));
    let before = done();
    std::thread::sleep(Duration::from_millis(time));
    let after = done();
    LEVELS.iter().for_each(|level| (0..FIBERS_PER_LEVEL).for_each(|index| level.waited(index)));
    let waits = LEVELS.each_ref().map(|level| level.longest_wait_ns.load(Ordering::Relaxed) as f64 / 1e6);
    let stats = stats();
    STOP.store(true, Ordering::Relaxed);
    let pieces: Vec<u64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    let all: u64 = pieces.iter().sum();
    assert!(all > 0, "somebody works");
    let weights = Weights::default().levels();
    let whole: u32 = weights.iter().sum();
    let share = |level: usize| 100.0 * pieces[level] as f64 / all as f64;
    let wanted = |level: usize| 100.0 * f64::from(weights[level]) / f64::from(whole);
    let off = (0..5).map(|level| (share(level) - wanted(level)).abs()).fold(0.0, f64::max);
    let no_turn = LEVELS.iter().map(|level| level.longest_without_turn_ns.load(Ordering::Relaxed)).max();
    let says = format!("{time} ms; weights {weights:?}; by its stats() {stats}");
    let mut sample =
        Sample::new(says).with(OFF, off).with(NO_TURN, no_turn.expect("five levels") as f64 / 1e6);
    for level in 0..5 {
        sample = sample.with(SHARES[level], share(level)).with(WAITS[level], waits[level]);
    }
    sample
}
