//! Waking up: a foreign thread gives one task to an idle runtime every millisecond; how long until it starts? And
//! what CPU does the runtime use while it has nothing to do?

mod floor;
mod heddle;
mod may;
mod rayon;
mod smol;
mod tokio;

use heddle_benches::process::cpu_time;
use heddle_benches::stat::{quantile, sorted};
use heddle_benches::{Case, Contender, Goal, Metric, Run, Sample, Workload};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

const HALF: &str = "wake-up p50, us";
const MOST: &str = "wake-up p99, us";
const IDLE: &str = "CPU while idle, %";
const CASE: &str = "2 workers";

pub(crate) static WORKLOAD: Workload = Workload {
    name: "wake",
    question: "A task comes to an idle runtime from outside: how long until it starts? What does idling cost?",
    cases: &[Case::TWO_WORKERS],
    metrics: &[Metric::lower(HALF), Metric::lower(MOST), Metric::shown(IDLE)],
    goals: &[
        Goal { case: CASE, metric: HALF, first: 6.0, then: None },
        Goal { case: CASE, metric: MOST, first: 15.0, then: None },
        Goal { case: CASE, metric: IDLE, first: 0.01, then: None },
    ],
    contenders: &[
        Contender::runs("heddle", heddle::run),
        peer!(tokio),
        peer!(rayon),
        peer!(may),
        Contender::cannot("forte", "a foreign thread becomes a worker itself and runs inline what it spawns"),
        peer!(smol),
        Contender::cannot("chili", "it takes no work from outside"),
        Contender::runs("floor", floor::run),
    ],
};

const TASKS: usize = 1000;
/// Between two tasks: long enough that everyone has gone to sleep.
const PAUSE: Duration = Duration::from_millis(1);
const IDLE_TIME: Duration = Duration::from_secs(2);

/// Nanoseconds from submission to start of the task under way; zero while it has not started.
static LATENCY: AtomicU64 = AtomicU64::new(0);

/// What every task does: it says when it started.
fn started(submitted: Instant) {
    // ORDERING: none needed, the value itself is the message.
    LATENCY.store((submitted.elapsed().as_nanos() as u64).max(1), Ordering::Relaxed);
}

/// Measures a runtime that is idle now; `submit(now)` gives it a task that calls [`started`].
fn drive(run: &Run, says: &str, mut submit: impl FnMut(Instant)) -> Sample {
    let tasks = run.size(TASKS);
    let warm_up = tasks.min(20);
    let latencies = (0..warm_up + tasks).map(|_| once(&mut submit)).skip(warm_up);
    let latencies = sorted(latencies.collect());
    let idle = if run.quick { IDLE_TIME / 100 } else { IDLE_TIME };
    let before = cpu_time();
    sleep(idle);
    let busy = cpu_time().saturating_sub(before);
    Sample::new(format!("{says}; {tasks} tasks, one each ms, then {idle:?} of nothing"))
        .with(HALF, quantile(&latencies, 0.5))
        .with(MOST, quantile(&latencies, 0.99))
        .with(IDLE, 100.0 * busy.as_secs_f64() / idle.as_secs_f64())
}

/// One task; microseconds until it started. The submitter sleeps at once, so its CPU is free for the task.
fn once(submit: &mut impl FnMut(Instant)) -> f64 {
    LATENCY.store(0, Ordering::Relaxed);
    submit(Instant::now());
    loop {
        sleep(PAUSE);
        let latency = LATENCY.load(Ordering::Relaxed);
        if latency > 0 {
            return latency as f64 / 1e3;
        }
    }
}
