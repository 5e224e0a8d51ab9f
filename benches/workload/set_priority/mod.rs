//! A fiber's priority is raised from outside while both CPUs are full: when does that have an effect? The effect is that
//! the fiber runs, as Critical. In turn it is queued, suspended, running, or preempted by more urgent ones.

mod heddle;
mod heddle_movable;
mod heddle_one_lane;

use heddle_benches::open_loop::Latencies;
use heddle_benches::thread::now_ns;
use heddle_benches::work::Work;
use heddle_benches::{Case, Contender, Metric, Run, Sample, Workload};
use heddle_scheduler::Priority;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const HALF: &str = "set_priority to effect p50, us";
const MOST: &str = "set_priority to effect p99, us";
const ALL: &str = "set_priority to effect max, us";

/// Which state the fiber is in.
const QUEUED: &str = "queued behind 1,000";
const SUSPENDED: &str = "suspended, 1,000 queued";
const RUNNING: &str = "running, 1,000 queued";
const PREEMPTED: &str = "preempted by 1,000 Normal";

const fn case(name: &'static str) -> Case {
    Case { name, workers: 2, detail: 0 }
}

pub(crate) static WORKLOAD: Workload = Workload {
    name: "set_priority",
    question: "A Background fiber, among 1,000 others of 50 us that respawn, is made Critical from outside: how long \
               until it runs? (One that runs reaches a checkpoint each 5 us, one that is suspended is resumed at once.)",
    cases: &[case(QUEUED), case(SUSPENDED), case(RUNNING), case(PREEMPTED)],
    metrics: &[Metric::lower(MOST), Metric::lower(HALF), Metric::lower(ALL)],
    goals: &[],
    contenders: &[
        Contender::runs("heddle", heddle::run),
        Contender::runs("heddle_one_lane", heddle_one_lane::run),
        Contender::runs("heddle_movable", heddle_movable::run),
        Contender::cannot("tokio", "it has no priorities"),
        Contender::cannot("rayon", "it has no priorities"),
    ],
};

const OTHERS: usize = 1000;
const OTHERS_US: u32 = 50;
const PIECE_US: u32 = 5;
const CHANGES: usize = 300;
/// Between two changes: long enough that what the last one stirred up is over.
const PAUSE: Duration = Duration::from_millis(2);
const GIVE_UP: Duration = Duration::from_secs(2);

static STOP: AtomicBool = AtomicBool::new(false);
/// When the last change had its effect; zero while it has not.
static EFFECT: AtomicU64 = AtomicU64::new(0);

/// The priority of the others.
fn of_others(case: &Case) -> Priority {
    if case.name == PREEMPTED { Priority::Normal } else { Priority::Background }
}

/// What each of the others does; `true`: it spawns itself again.
fn other() -> bool {
    static WORK: OnceLock<Work> = OnceLock::new();
    assert!(WORK.get_or_init(|| Work::lasting_us(OTHERS_US)).is_done_right());
    !STOP.load(Ordering::Relaxed)
}

/// What the fiber does between two checkpoints.
fn piece() {
    static WORK: OnceLock<Work> = OnceLock::new();
    assert!(WORK.get_or_init(|| Work::lasting_us(PIECE_US)).is_done_right());
}

/// What the fiber says as soon as it runs as Critical.
fn took_effect() {
    EFFECT.store(now_ns(), Ordering::Relaxed);
}

/// `change` raises the fiber, which then calls [`took_effect`]; it returns when it began to.
fn drive(run: &Run, says: &str, mut change: impl FnMut() -> u64) -> Sample {
    let changes = if run.quick { 10 } else { CHANGES };
    let warm_up = changes / 10;
    let mut times = Vec::new();
    for index in 0..warm_up + changes {
        std::thread::sleep(PAUSE);
        EFFECT.store(0, Ordering::Relaxed);
        let begun = change();
        let took = wait_for_the_effect(begun);
        if index >= warm_up || took.is_none() {
            times.push(took);
        }
        if took.is_none() {
            break; // The fiber may be anywhere now.
        }
    }
    let changes = times.len();
    let latencies = Latencies::of(times.into_iter(), GIVE_UP);
    STOP.store(true, Ordering::Relaxed);
    Sample::new(format!("{says}; {changes} changes"))
        .with(HALF, latencies.quantile(0.5))
        .with(MOST, latencies.quantile(0.99))
        .with(ALL, latencies.quantile(1.0))
}

fn wait_for_the_effect(begun: u64) -> Option<u64> {
    loop {
        std::thread::sleep(PAUSE / 2);
        match EFFECT.load(Ordering::Relaxed) {
            0 if now_ns() > begun + GIVE_UP.as_nanos() as u64 => return None,
            0 => {}
            effect => return Some(effect.saturating_sub(begun)),
        }
    }
}
