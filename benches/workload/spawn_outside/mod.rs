//! Spawn many from a thread that is not a worker, then wait for all: nanoseconds each.

mod floor;
mod heddle;
mod may;
mod rayon;
mod smol;
mod tokio;

use heddle_benches::{Case, Contender, Goal, Metric, Run, Sample, Timed, Workload};

const EACH: &str = "spawn outside and join, ns each";

pub(crate) static WORKLOAD: Workload = Workload {
    name: "spawn_outside",
    question: "What does it cost to spawn 100,000 from a foreign thread and wait for them all? Ten batches.",
    cases: &[Case::ONE_WORKER, Case::TWO_WORKERS],
    metrics: &[Metric::lower(EACH)],
    goals: &[Goal { case: "2 workers", metric: EACH, first: 96.0, then: Some(60.0) }],
    contenders: &[
        Contender::runs("heddle", heddle::run),
        peer!(tokio),
        peer!(rayon),
        peer!(may),
        Contender::cannot("forte", "a foreign thread becomes a worker itself and runs inline what it spawns"),
        peer!(smol),
        Contender::cannot("chili", "it can only fork in two and join"),
        Contender::runs("floor", floor::run),
    ],
};

const BATCH: usize = 100_000;
const BATCHES: u32 = 10;

/// Spawns and joins `n` numbered tasks ten times; `once` is given `n`, and answers with the sum of their numbers.
fn drive(run: &Run, says: &str, n: usize, mut once: impl FnMut(u64) -> u64) -> Sample {
    let n = run.size(n) as u64;
    let expected = u64::from(BATCHES) * (n * (n - 1) / 2);
    let took = run.counted(expected, || Timed::of(|| (0..BATCHES).map(|_| once(n)).sum()));
    Sample::new(says).with(EACH, took.as_nanos() as f64 / (n * u64::from(BATCHES)) as f64)
}
