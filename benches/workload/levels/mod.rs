//! The price of priorities: the same work spread over all five levels, and all on one. `heddle` uses five.

mod heddle;
mod heddle_one_level;

use heddle_benches::{Case, Contender, Metric, Run, Sample, Timed, Workload};
use heddle_scheduler::{Priority, go_with_priority, yield_now};

const EACH: &str = "per operation, ns";
const SPAWN_ONE: &str = "spawn and join, 1 worker";
const SPAWN_TWO: &str = "spawn and join, 2 workers";
const YIELD: &str = "yield of 1000 fibers, 1 worker";
const NO_LEVELS: &str = "it has one level";

pub(crate) static WORKLOAD: Workload = Workload {
    name: "levels",
    question: "What do five levels in use cost against one in use? The goal is `heddle_one_level` at 0.97 or more of Heddle.",
    cases: &[
        Case { name: SPAWN_ONE, workers: 1, detail: 0 },
        Case { name: SPAWN_TWO, workers: 2, detail: 0 },
        Case { name: YIELD, workers: 1, detail: 1000 },
    ],
    metrics: &[Metric::lower(EACH)],
    goals: &[],
    contenders: &[
        Contender::runs("heddle", heddle::run),
        Contender::runs("heddle_one_level", heddle_one_level::run),
        Contender::cannot("tokio", NO_LEVELS),
        Contender::cannot("rayon", NO_LEVELS),
        Contender::cannot("may", NO_LEVELS),
        Contender::cannot("forte", NO_LEVELS),
        Contender::cannot("smol", NO_LEVELS),
        Contender::cannot("chili", NO_LEVELS),
    ],
};

const SPAWNS: u64 = 1_000_000;
/// Spawned before the first is joined.
const BATCH: u64 = 100_000;
const YIELDS: usize = 4_000_000;

/// Runs the case, the `i`th fiber at `level(i)`.
fn drive(run: &Run, says: &str, level: fn(u64) -> Priority) -> Sample {
    let scheduler = crate::contender::heddle::scheduler(run.case.workers);
    let (total, fibers_at_once, yields_each) = match run.case.detail as u64 {
        0 => (run.size(SPAWNS as usize) as u64, run.size(BATCH as usize) as u64, 0),
        fibers => (run.size(YIELDS) as u64, fibers, run.size(YIELDS) as u64 / fibers),
    };
    let batches = if yields_each == 0 { total / fibers_at_once } else { 1 };
    let took = run.counted(batches * fibers_at_once, || {
        scheduler.run(|| Timed::of(|| (0..batches).map(|_| batch(fibers_at_once, yields_each, level)).sum()))
    });
    Sample::new(says).with(EACH, took.as_nanos() as f64 / total as f64)
}

/// Makes `fibers` fibers that yield, joins them, answers with their number.
fn batch(fibers: u64, yields_each: u64, level: fn(u64) -> Priority) -> u64 {
    let fiber = move || {
        (0..yields_each).for_each(|_| yield_now());
        1
    };
    let handles: Vec<_> = (0..fibers).map(|i| go_with_priority(level(i), fiber)).collect();
    handles.into_iter().map(|handle| handle.join().expect("no fiber panics")).sum()
}
