//! Urgent tasks while every CPU is taken by loops that never give it back. Without preemption there is no answer:
//! such a runtime never starts an urgent task, which counts as an infinite latency two seconds after it was due.

mod floor_idle;
mod floor_idle_here;
mod floor_nice;
mod floor_nice_here;
mod go;
mod heddle;
mod heddle_one_lane;
mod openmp;
mod rayon;
mod tbb;
mod tokio;

#[cfg(feature = "peers")]
use crate::contender::program;
use heddle_benches::open_loop::{Latencies, Plan, Record, Request, Requests, Target, Times};
use heddle_benches::work::Work;
use heddle_benches::{Case, Contender, Goal, Metric, Run, Sample, Workload};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const START_HALF: &str = "due to start p50, us";
const START_99: &str = "due to start p99, us";
const START_999: &str = "due to start p99.9, us";
const START_ALL: &str = "due to start max, us";
const DONE_HALF: &str = "due to completion p50, us";
const DONE_99: &str = "due to completion p99, us";
const SUBMITTED_99: &str = "submission to start p99, us";
const LATE: &str = "due to submission p99, us";

const fn case(name: &'static str, body_us: usize) -> Case {
    Case { name, workers: 2, detail: body_us }
}
/// Ends the names of cases with bursts.
const IN_BURSTS: &str = "bursts of 10";

pub(crate) static WORKLOAD: Workload = Workload {
    name: "urgent_hogs",
    question: "Every CPU runs a background loop that never yields, and 1,000 urgent tasks come each second (those in \
               bursts as 100 bursts): how long until each starts, and until it is done?",
    cases: &[
        case("0 us, 1 kHz", 0),
        case("50 us, 1 kHz", 50),
        case("300 us, 1 kHz", 300),
        case("0 us, bursts of 10", 0),
        case("50 us, bursts of 10", 50),
        case("300 us, bursts of 10", 300),
    ],
    metrics: &[
        Metric::lower(START_99),
        Metric::lower(START_HALF),
        Metric::lower(START_999),
        Metric::lower(START_ALL),
        Metric::lower(DONE_HALF),
        Metric::lower(DONE_99),
        Metric::shown(SUBMITTED_99),
        Metric::shown(LATE),
    ],
    goals: &[
        Goal { case: "0 us, 1 kHz", metric: START_99, first: 10.0, then: None },
        Goal { case: "0 us, 1 kHz", metric: START_999, first: 50.0, then: None },
        Goal { case: "50 us, 1 kHz", metric: START_99, first: 10.0, then: None },
        Goal { case: "50 us, 1 kHz", metric: START_999, first: 50.0, then: None },
        Goal { case: "300 us, 1 kHz", metric: START_99, first: 10.0, then: None },
        Goal { case: "300 us, 1 kHz", metric: START_999, first: 50.0, then: None },
    ],
    contenders: &[
        Contender::runs("heddle", heddle::run),
        Contender::runs("heddle_one_lane", heddle_one_lane::run),
        peer!(tokio),
        peer!(rayon),
        program!(go),
        program!(openmp),
        program!(tbb),
        Contender::runs("floor_idle", floor_idle::run),
        Contender::runs("floor_idle_here", floor_idle_here::run),
        Contender::runs("floor_nice", floor_nice::run),
        Contender::runs("floor_nice_here", floor_nice_here::run),
    ],
};

fn plan(run: &Run) -> Plan {
    let burst = if run.case.name.ends_with(IN_BURSTS) { 10 } else { 1 };
    let (warm_up, counted, give_up_ms) = if run.quick { (10, 20, 40) } else { (200, 2000, 2000) };
    Plan {
        every: Duration::from_millis(burst as u64),
        burst,
        bodies_us: [run.case.detail as u32; 2],
        warm_up,
        counted,
        give_up: Duration::from_millis(give_up_ms),
    }
}

static STARTED: AtomicUsize = AtomicUsize::new(0);
static STOP: AtomicBool = AtomicBool::new(false);

/// What each background task does: everything but give its CPU away.
pub(crate) fn hog() {
    STARTED.fetch_add(1, Ordering::Relaxed);
    let work = Work::lasting_us(10);
    while !STOP.load(Ordering::Relaxed) {
        assert!(work.is_done_right());
    }
}

/// Starts them, and waits until all of them run.
pub(crate) fn start_hogs(count: usize, mut start_hog: impl FnMut()) {
    (0..count).for_each(|_| start_hog());
    let begun = Instant::now();
    while STARTED.load(Ordering::Relaxed) < count {
        // A hang has an end; threads of `SCHED_IDLE` may get a thousandth of a CPU on a busy machine.
        assert!(begun.elapsed() < Duration::from_secs(300), "the loops do not run on all CPUs");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// They all end.
pub(crate) fn stop_hogs() {
    STOP.store(true, Ordering::Relaxed);
}

/// `start_hog` gives the runtime a background task that calls [`hog`], `submit` an urgent one that serves a request.
fn drive(
    run: &Run,
    says: &str,
    start_hog: impl FnMut(),
    mut submit: impl FnMut(&'static Request) + Send,
) -> Sample {
    let plan = plan(run);
    let requests = Requests::planned(plan);
    start_hogs(run.case.workers, start_hog);
    let record = requests.submit_to(Target { submit: &mut submit, between: None, pieces: &|| 0 });
    stop_hogs();
    requests.check();
    sample(&plan, &record, says)
}

/// The same, by a program in another language.
#[cfg(feature = "peers")]
fn drive_program(run: &Run, name: &str, says: &str) -> Sample {
    let plan = plan(run);
    let (record, _) = program::run(name, &plan, program::Load::Hogs, run.case.workers);
    sample(&plan, &record, says)
}

fn sample(plan: &Plan, record: &Record, says: &str) -> Sample {
    let times = || record.times.iter();
    let start = Latencies::of(times().map(|one| one.started), plan.give_up);
    let done = Latencies::of(times().map(|one| one.done), plan.give_up);
    let served = Latencies::of(times().map(Times::from_submission_to_start), plan.give_up);
    let late = Latencies::of(times().map(|one| one.submitted).filter(Option::is_some), plan.give_up);
    let rate = plan.burst as f64 / plan.every.as_secs_f64();
    let says = format!(
        "{says}; {rate} urgent tasks a second, {:.0} % of them not started within {:?}",
        start.never_percent(),
        plan.give_up
    );
    Sample::new(says)
        .with(START_HALF, start.quantile(0.5))
        .with(START_99, start.quantile(0.99))
        .with(START_999, start.quantile(0.999))
        .with(START_ALL, start.quantile(1.0))
        .with(DONE_HALF, done.quantile(0.5))
        .with(DONE_99, done.quantile(0.99))
        .with(SUBMITTED_99, served.quantile(0.99))
        .with(LATE, late.quantile(0.99))
}
