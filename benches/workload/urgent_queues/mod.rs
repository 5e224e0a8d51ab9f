//! Urgent tasks over full queues of ordinary ones, which do not suspend: either somebody keeps a thousand queued, or a
//! thousand spawn themselves again when they are done. What the ordinary ones lose is measured as well.
//!
//! Without preemption an urgent task waits for the end of the first of two ordinary ones: 0.29 of their length in the
//! median, 0.90 at p99.

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

use crate::contender::floor_lane::Lane;
#[cfg(feature = "peers")]
use crate::contender::program;
use heddle_benches::open_loop::{Latencies, Plan, Record, Request, Requests, Target, Times};
use heddle_benches::work::{Work, ns_on_plain_threads};
use heddle_benches::{Case, Contender, Goal, Metric, Run, Sample, Workload};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const START_HALF: &str = "due to start p50, us";
const START_99: &str = "due to start p99, us";
const START_999: &str = "due to start p99.9, us";
const DONE_99: &str = "due to completion of 300 us p99, us";
const LOST: &str = "ordinary work lost, % of what the CPUs can do";
const SUBMITTED_99: &str = "submission to start p99, us";
const LATE: &str = "due to submission p99, us";

const MS_FED: &str = "1 ms tasks, fed";
const MS_AGAIN: &str = "1 ms tasks, respawning";
const SHORT_FED: &str = "50 us tasks, fed";
const SHORT_AGAIN: &str = "50 us tasks, respawning";

const fn case(name: &'static str, task_us: usize) -> Case {
    Case { name, workers: 2, detail: task_us }
}
const fn goal(case: &'static str, metric: &'static str, first: f64) -> Goal {
    Goal { case, metric, first, then: None }
}

pub(crate) static WORKLOAD: Workload = Workload {
    name: "urgent_queues",
    question: "1,000 ordinary tasks are always queued, and an urgent one comes each ms, in turn an empty one and one \
               of 300 us: how long until it starts, and until it is done? What does that cost the ordinary ones?",
    cases: &[case(MS_FED, 1000), case(MS_AGAIN, 1000), case(SHORT_FED, 50), case(SHORT_AGAIN, 50)],
    metrics: &[
        Metric::lower(START_99),
        Metric::lower(START_HALF),
        Metric::lower(START_999),
        Metric::lower(DONE_99),
        Metric::shown(LOST),
        Metric::shown(SUBMITTED_99),
        Metric::shown(LATE),
    ],
    goals: &[
        goal(MS_FED, START_HALF, 25.0),
        goal(MS_FED, START_99, 60.0),
        goal(MS_FED, DONE_99, 600.0),
        goal(MS_FED, LOST, 5.0),
        goal(MS_AGAIN, START_HALF, 25.0),
        goal(MS_AGAIN, START_99, 60.0),
        goal(MS_AGAIN, DONE_99, 600.0),
        goal(MS_AGAIN, LOST, 5.0),
        goal(SHORT_FED, START_99, 30.0),
        goal(SHORT_FED, DONE_99, 600.0),
        goal(SHORT_FED, LOST, 5.0),
        goal(SHORT_AGAIN, START_99, 30.0),
        goal(SHORT_AGAIN, DONE_99, 600.0),
        goal(SHORT_AGAIN, LOST, 5.0),
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

/// Ordinary tasks that are queued, or that spawn themselves again.
const DEPTH: u64 = 1000;
/// The urgent body whose completion is reported; the others are empty.
const BODY_US: u32 = 300;

fn plan(run: &Run) -> Plan {
    let (warm_up, counted, give_up_ms) = if run.quick { (10, 20, 40) } else { (200, 2000, 2000) };
    let give_up = Duration::from_millis(give_up_ms);
    Plan { every: Duration::from_millis(1), burst: 1, bodies_us: [0, BODY_US], warm_up, counted, give_up }
}

/// A tenth where only answers count: they must all end.
fn depth(run: &Run) -> u64 {
    if run.quick { DEPTH / 10 } else { DEPTH }
}

fn respawns(case: &Case) -> bool {
    [MS_AGAIN, SHORT_AGAIN].contains(&case.name)
}

static PIECE: OnceLock<Work> = OnceLock::new();
static RESPAWN: AtomicBool = AtomicBool::new(false);
static MADE: AtomicU64 = AtomicU64::new(0);
static DONE: AtomicU64 = AtomicU64::new(0);

/// What each ordinary task does; if it answers `true`, the task spawns itself again.
fn piece() -> bool {
    assert!(PIECE.get().expect("set before the first task").is_done_right());
    let again = RESPAWN.load(Ordering::Relaxed);
    MADE.fetch_add(u64::from(again), Ordering::Relaxed);
    DONE.fetch_add(1, Ordering::Relaxed);
    again
}

/// `make` gives the runtime an ordinary task that calls [`piece`], `submit` an urgent one that serves a request.
fn drive(
    run: &Run,
    says: &str,
    mut make: impl FnMut() + Send,
    mut submit: impl FnMut(&'static Request) + Send,
) -> Sample {
    let (plan, threads) = (plan(run), run.case.workers);
    let requests = Requests::planned(plan);
    let work = *PIECE.get_or_init(|| Work::lasting_us(run.case.detail as u32));
    let calibration = Duration::from_millis(if run.quick { 3 } else { 200 });
    let before = ns_on_plain_threads(work, threads, calibration);
    RESPAWN.store(respawns(&run.case), Ordering::Relaxed);
    let depth = depth(run);
    let mut fill = || {
        while MADE.load(Ordering::Relaxed) < DONE.load(Ordering::Relaxed) + depth {
            MADE.fetch_add(1, Ordering::Relaxed);
            make();
        }
    };
    fill();
    let record = requests.submit_to(Target {
        submit: &mut submit,
        between: if respawns(&run.case) { None } else { Some(&mut fill) },
        pieces: &|| DONE.load(Ordering::Relaxed),
    });
    RESPAWN.store(false, Ordering::Relaxed);
    wait_for_the_end();
    requests.check();
    let after = ns_on_plain_threads(work, threads, calibration);
    sample(run, &record, (before + after) / 2.0, &format!("{says}; {depth} tasks"))
}

/// An ordinary task of a floor.
fn lane_piece(lane: &'static Lane) {
    lane.push(move || {
        if piece() {
            lane_piece(lane);
        }
    });
}

/// Each ordinary task that was made ends, and no other does.
fn wait_for_the_end() {
    let begun = Instant::now();
    while DONE.load(Ordering::Relaxed) < MADE.load(Ordering::Relaxed) {
        // A hang has an end; threads of `SCHED_IDLE` may get a thousandth of a CPU on a busy machine.
        assert!(begun.elapsed() < Duration::from_secs(300), "an ordinary task was lost");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(DONE.load(Ordering::Relaxed), MADE.load(Ordering::Relaxed), "an ordinary task ran twice");
}

/// The same, by a program in another language that keeps `depth` tasks.
#[cfg(feature = "peers")]
fn drive_program(run: &Run, name: &str, depth: u64, says: &str) -> Sample {
    let again = respawns(&run.case);
    let load = program::Load::Queue { task_us: run.case.detail as u32, depth, again };
    let (record, piece_ns) = program::run(name, &plan(run), load, run.case.workers);
    sample(run, &record, piece_ns, &format!("{says}; {depth} tasks"))
}

fn sample(run: &Run, record: &Record, piece_ns: f64, says: &str) -> Sample {
    let plan = plan(run);
    let times = || record.times.iter();
    let start = Latencies::of(times().map(|one| one.started), plan.give_up);
    // The first request is an empty one, so is the first that counts: the warm-up has an even number.
    let done = Latencies::of(times().skip(1).step_by(2).map(|one| one.done), plan.give_up);
    let served = Latencies::of(times().map(Times::from_submission_to_start), plan.give_up);
    let late = Latencies::of(times().map(|one| one.submitted).filter(Option::is_some), plan.give_up);
    let says = format!(
        "{says}; {:.0} % of the urgent ones not started within {:?}",
        start.never_percent(),
        plan.give_up
    );
    Sample::new(says)
        .with(START_HALF, start.quantile(0.5))
        .with(START_99, start.quantile(0.99))
        .with(START_999, start.quantile(0.999))
        .with(DONE_99, done.quantile(0.99))
        .with(LOST, record.lost_percent(&plan, run.case.workers, piece_ns))
        .with(SUBMITTED_99, served.quantile(0.99))
        .with(LATE, late.quantile(0.99))
}
