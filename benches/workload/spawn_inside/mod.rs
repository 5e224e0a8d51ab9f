//! Spawn many from inside a fiber or task, then join all: nanoseconds each, return values collected and summed.

mod floor;
mod forte;
mod heddle;
mod heddle_one_lane;
mod heddle_scope;
mod may;
mod rayon;
mod smol;
mod tokio;

use heddle_benches::{Case, Contender, Goal, Metric, Run, Sample, Timed, Workload};

const EACH: &str = "spawn and join, ns each";

pub(crate) static WORKLOAD: Workload = Workload {
    name: "spawn_inside",
    question: "What does it cost to spawn 100,000 from inside a fiber or task and join them all? Ten batches.",
    cases: &[Case::ONE_WORKER, Case::TWO_WORKERS],
    metrics: &[Metric::lower(EACH)],
    goals: &[
        Goal { case: "1 worker", metric: EACH, first: 50.0, then: Some(25.0) },
        Goal { case: "2 workers", metric: EACH, first: 50.0, then: Some(25.0) },
    ],
    contenders: &[
        Contender::runs("heddle", heddle::run),
        Contender::runs("heddle_one_lane", heddle_one_lane::run),
        Contender::runs("heddle_scope", heddle_scope::run),
        peer!(tokio),
        peer!(rayon),
        peer!(may),
        peer!(forte),
        peer!(smol),
        Contender::cannot("chili", "it can only fork in two and join"),
        Contender::runs("floor", floor::run).except(&[("2 workers", "it is one thread without a scheduler")]),
    ],
};

const BATCH: usize = 100_000;
const BATCHES: u32 = 10;

/// Spawns and joins `n` numbered tasks ten times; `once` is given `n` and answers with the sum of their numbers.
fn drive(run: &Run, says: &str, n: usize, mut once: impl FnMut(u64) -> Timed) -> Sample {
    let n = run.size(n) as u64;
    let took = run.counted(u64::from(BATCHES) * (n * (n - 1) / 2), || {
        let batches = (0..BATCHES).map(|_| once(n));
        batches
            .reduce(|a, b| Timed { answer: a.answer + b.answer, took: a.took + b.took })
            .expect("ten batches")
    });
    Sample::new(says).with(EACH, took.as_nanos() as f64 / (n * u64::from(BATCHES)) as f64)
}
