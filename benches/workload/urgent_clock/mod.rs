//! Urgent work that is due by the clock, while every CPU is taken by loops that never give it back. Nobody submits it: a
//! thread that did would compete with the loops, and with what it wakes, and be late itself (docs/performance.md has what
//! makes it late). So a fiber sleeps until the work is due, and begins.
//!
//! What the machine can do at all is measured in the same run: a plain thread sleeps until moments half-way between those
//! of the fiber. It is woken by the same clock, beside the same loops and the same other processes.

mod heddle;

use super::urgent_hogs::{start_hogs, stop_hogs};
use heddle_benches::open_loop::Latencies;
use heddle_benches::thread::{fine_timers, now_ns, sleep_until, stalled_ns};
use heddle_benches::{Case, Contender, Goal, Metric, Run, Sample, Workload};
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const START_HALF: &str = "due to start p50, us";
const START_99: &str = "due to start p99, us";
const START_999: &str = "due to start p99.9, us";
const FLOOR_HALF: &str = "a plain thread in the same run p50, us";
const FLOOR_99: &str = "a plain thread in the same run p99, us";
const FLOOR_999: &str = "a plain thread in the same run p99.9, us";
const OVER_HALF: &str = "more than the plain thread p50, us";
const OVER_99: &str = "more than the plain thread p99, us";
const STALLED_99: &str = "of the plain thread: could run and did not, p99, us";
const EACH_MS: &str = "1 kHz";

pub(crate) static WORKLOAD: Workload = Workload {
    name: "urgent_clock",
    question: "Every CPU runs a background loop that never yields, and an urgent fiber is due each ms by the clock: how \
               long until it starts, and a plain thread in the same run?",
    cases: &[Case { name: EACH_MS, workers: 2, detail: 0 }],
    metrics: &[
        Metric::lower(START_99),
        Metric::lower(START_HALF),
        Metric::lower(START_999),
        Metric::shown(FLOOR_HALF),
        Metric::shown(FLOOR_99),
        Metric::shown(FLOOR_999),
        Metric::lower(OVER_HALF),
        Metric::lower(OVER_99),
        Metric::shown(STALLED_99),
    ],
    goals: &[
        Goal { case: EACH_MS, metric: START_99, first: 10.0, then: None },
        Goal { case: EACH_MS, metric: START_999, first: 50.0, then: None },
    ],
    contenders: &[
        Contender::runs("heddle", heddle::run),
        Contender::cannot("tokio", "its timers fire on the workers that the loops keep"),
        Contender::cannot("rayon", "it has no timers"),
    ],
};

const PERIOD_NS: u64 = 1_000_000;
/// From the start to the first moment.
const RUN_UP_NS: u64 = 5_000_000;
/// Later is never.
const GIVE_UP: Duration = Duration::from_secs(2);

/// Moments at which something is due, and how much later it began.
struct Alarms {
    first: u64,
    /// Nanoseconds; `u64::MAX`: it has not begun.
    late: Vec<AtomicU64>,
}

impl Alarms {
    fn new(first: u64, count: usize) -> Arc<Alarms> {
        Arc::new(Alarms { first, late: (0..count).map(|_| AtomicU64::new(u64::MAX)).collect() })
    }

    /// Sleeps until each moment, and says when it woke.
    fn ring(&self, sleep_until: impl Fn(Instant)) {
        let (origin, origin_ns) = (Instant::now(), now_ns());
        self.ring_ns(|due| sleep_until(origin + Duration::from_nanos(due.saturating_sub(origin_ns))));
    }

    fn ring_ns(&self, sleep_until: impl Fn(u64)) {
        for (index, late) in (0..).zip(&self.late) {
            let due = self.first + index * PERIOD_NS;
            sleep_until(due);
            // Two readings of two clocks may differ by some nanoseconds.
            late.store(now_ns().saturating_sub(due), Ordering::Relaxed);
        }
    }

    fn are_over(&self) -> bool {
        self.late.last().is_none_or(|late| late.load(Ordering::Relaxed) != u64::MAX)
    }

    fn latencies(&self) -> Latencies {
        let late = self.late.iter().map(|late| Some(late.load(Ordering::Relaxed)));
        Latencies::of(late, GIVE_UP)
    }
}

/// `start_hog` gives the runtime a background task that calls [`hog`](super::urgent_hogs::hog), `start` an urgent one that rings the alarms.
fn drive(run: &Run, says: &str, start_hog: impl FnMut(), start: impl FnOnce(Arc<Alarms>)) -> Sample {
    let count = if run.quick { 20 } else { 2000 };
    start_hogs(run.case.workers, start_hog);
    let first = now_ns() + RUN_UP_NS;
    let (fibers, plain) = (Alarms::new(first, count), Alarms::new(first + PERIOD_NS / 2, count));
    start(fibers.clone());
    let theirs = plain.clone();
    let thread = std::thread::spawn(move || {
        fine_timers();
        let stalls = RefCell::new(Vec::with_capacity(count + 1));
        theirs.ring_ns(|due| {
            stalls.borrow_mut().push(stalled_ns());
            sleep_until(due);
        });
        stalls.borrow_mut().push(stalled_ns());
        stalls.into_inner()
    });
    let stalls = thread.join().expect("it only sleeps");
    let end = Instant::now();
    while !fibers.are_over() && end.elapsed() < GIVE_UP {
        std::thread::sleep(Duration::from_millis(1));
    }
    stop_hogs();
    let (ours, floor) = (fibers.latencies(), plain.latencies());
    let stalls = Latencies::of(stalls.windows(2).map(|pair| Some(pair[1] - pair[0])), GIVE_UP);
    Sample::new(format!("{says}; {count} times"))
        .with(START_HALF, ours.quantile(0.5))
        .with(START_99, ours.quantile(0.99))
        .with(START_999, ours.quantile(0.999))
        .with(FLOOR_HALF, floor.quantile(0.5))
        .with(FLOOR_99, floor.quantile(0.99))
        .with(FLOOR_999, floor.quantile(0.999))
        .with(OVER_HALF, ours.quantile(0.5) - floor.quantile(0.5))
        .with(OVER_99, ours.quantile(0.99) - floor.quantile(0.99))
        .with(STALLED_99, stalls.quantile(0.99))
}
