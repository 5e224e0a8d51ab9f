//! Priority inversion through three locks. A Low task holds the first, another holds the second and waits for the
//! first, a third holds the third and waits for the second. Normal tasks take all CPUs. Then an urgent one wants the
//! third lock: where it lends its urgency to all of them it waits for their three critical sections, where it does not,
//! for what the Normal ones leave to Low.
//!
//! The first holder begins its critical section when the urgent task runs, so all three lie between the due time and the
//! lock.

mod floor_threads;
mod heddle;
mod heddle_one_lane;

use heddle_benches::open_loop::Latencies;
use heddle_benches::thread::now_ns;
use heddle_benches::work::Work;
use heddle_benches::{Case, Contender, Metric, Run, Sample, Workload};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

const BEYOND_99: &str = "beyond the three critical sections p99, us";
const DELAY_HALF: &str = "due to the lock p50, us";
const DELAY_99: &str = "due to the lock p99, us";

/// The urgent task is High and in the same lane as the Normal ones.
const CHECKPOINTS: &str = "High, loops with checkpoints";
/// The urgent task is Critical, as a High one could not even start.
const NEVER: &str = "Critical, loops that never yield";

const fn case(name: &'static str) -> Case {
    Case { name, workers: 2, detail: 0 }
}

pub(crate) static WORKLOAD: Workload = Workload {
    name: "inversion",
    question: "An urgent task wants a lock at the end of a chain of three that Low tasks hold, each for 300 us of work, \
               while Normal loops take all CPUs: how long does it wait? (900 us are the critical sections.)",
    cases: &[case(CHECKPOINTS), case(NEVER)],
    metrics: &[Metric::shown(BEYOND_99), Metric::lower(DELAY_HALF), Metric::lower(DELAY_99)],
    goals: &[],
    contenders: &[
        Contender::runs("heddle", heddle::run),
        Contender::runs("heddle_one_lane", heddle_one_lane::run)
            .except(&[(NEVER, "the loops have the only lane there is: nothing else ever starts")]),
        Contender::cannot("tokio", "it has no priorities"),
        Contender::cannot("rayon", "it has no priorities"),
        Contender::runs("floor_threads", floor_threads::run),
    ],
};

/// In the chain.
const HOLDERS: usize = 3;
const PIECE_US: u32 = 20;
/// Of a critical section.
const PIECES: u32 = 15;
const SECTIONS_US: f64 = (HOLDERS as u32 * PIECES * PIECE_US) as f64;
const ROUNDS: usize = 100;
/// Fewer rounds where they take long.
const TIME_MAX: Duration = Duration::from_secs(20);

/// How far a round has come.
static HELD: AtomicUsize = AtomicUsize::new(0);
static LOOPS: AtomicUsize = AtomicUsize::new(0);
static GO: AtomicBool = AtomicBool::new(false);
static STOP: AtomicBool = AtomicBool::new(false);
static SECTIONS: AtomicUsize = AtomicUsize::new(0);
/// When the urgent task had its lock; zero while it has not.
static GOT: AtomicU64 = AtomicU64::new(0);

fn piece() {
    static WORK: OnceLock<Work> = OnceLock::new();
    assert!(WORK.get_or_init(|| Work::lasting_us(PIECE_US)).is_done_right());
}

/// What a Low task does once it holds a lock: it takes the one below (`None` for the first, which waits for the urgent
/// task instead) and computes.
fn hold<Guard>(take_below: impl FnOnce() -> Option<Guard>, checkpoint: impl Fn()) {
    HELD.fetch_add(1, Ordering::Relaxed);
    let below = take_below();
    while below.is_none() && !GO.load(Ordering::Relaxed) {
        checkpoint();
    }
    for _ in 0..PIECES {
        piece();
        checkpoint();
    }
    SECTIONS.fetch_add(1, Ordering::Relaxed);
}

/// What a Normal task does.
fn hog(checkpoint: impl Fn()) {
    LOOPS.fetch_add(1, Ordering::Relaxed);
    while !STOP.load(Ordering::Relaxed) {
        piece();
        checkpoint();
    }
}

/// What the urgent task does: `take` takes the last lock.
fn want<Guard>(take: impl FnOnce() -> Guard) {
    GO.store(true, Ordering::Relaxed);
    let _guard = take();
    assert_eq!(SECTIONS.load(Ordering::Relaxed), HOLDERS, "a lock that two held");
    GOT.store(now_ns(), Ordering::Relaxed);
}

/// One of the tasks of a round.
#[derive(Clone, Copy, Debug)]
enum Task {
    /// Low: takes the lock of that number, then the one before it, see [`hold`].
    Holder(usize),
    /// Normal, see [`hog`].
    Hog,
    /// Takes the last lock, see [`want`].
    Urgent,
}

/// `start` starts a task, `join_all` waits for the end of those that were started.
fn drive(run: &Run, says: &str, mut start: impl FnMut(Task), mut join_all: impl FnMut()) -> Sample {
    let (rounds, give_up_ms) = if run.quick { (3, 100) } else { (ROUNDS, 2000) };
    let give_up = Duration::from_millis(give_up_ms);
    let (mut delays, begun) = (Vec::new(), now_ns());
    while delays.len() < rounds && now_ns() < begun + TIME_MAX.as_nanos() as u64 {
        [&GO, &STOP].iter().for_each(|flag| flag.store(false, Ordering::Relaxed));
        [&HELD, &LOOPS, &SECTIONS].iter().for_each(|count| count.store(0, Ordering::Relaxed));
        GOT.store(0, Ordering::Relaxed);
        for index in 0..HOLDERS {
            start(Task::Holder(index));
            wait_until(|| HELD.load(Ordering::Relaxed) > index);
        }
        (0..run.case.workers).for_each(|_| start(Task::Hog));
        wait_until(|| LOOPS.load(Ordering::Relaxed) == run.case.workers);
        std::thread::sleep(Duration::from_millis(2));
        let due = now_ns();
        start(Task::Urgent);
        while GOT.load(Ordering::Relaxed) == 0 && now_ns() < due + give_up.as_nanos() as u64 {
            std::thread::sleep(Duration::from_millis(1));
        }
        STOP.store(true, Ordering::Relaxed);
        join_all();
        delays.push(Some(GOT.load(Ordering::Relaxed).saturating_sub(due)));
    }
    let rounds = delays.len();
    let delays = Latencies::of(delays.into_iter(), give_up);
    let never = delays.never_percent();
    Sample::new(format!("{says}; {rounds} rounds, {never:.0} % of them without the lock within {give_up:?}"))
        .with(DELAY_HALF, delays.quantile(0.5))
        .with(DELAY_99, delays.quantile(0.99))
        .with(BEYOND_99, delays.quantile(0.99) - SECTIONS_US)
}

fn wait_until(condition: impl Fn() -> bool) {
    let begun = now_ns();
    while !condition() {
        // Long enough for threads of `SCHED_IDLE` on a busy machine.
        assert!(now_ns() < begun + 15_000_000_000, "a task does not start");
        std::thread::sleep(Duration::from_micros(200));
    }
}
