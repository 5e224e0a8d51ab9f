//! Hand-off on one worker: two fibers pass a token to and fro, each sleeping until it has it.

mod floor;
mod forte;
mod heddle;
mod heddle_one_lane;
mod may;
mod smol;
mod tokio;

use heddle_benches::{Case, Contender, Goal, Metric, Run, Sample, Timed, Workload};

const TRIP: &str = "round trip, ns";

pub(crate) static WORKLOAD: Workload = Workload {
    name: "handoff_same",
    question: "Two fibers on one worker hand a token to and fro and sleep between: what does a round trip cost?",
    cases: &[Case::ONE_WORKER],
    metrics: &[Metric::lower(TRIP)],
    goals: &[Goal { case: "1 worker", metric: TRIP, first: 30.0, then: Some(15.0) }],
    contenders: &[
        Contender::runs("heddle", heddle::run),
        Contender::runs("heddle_one_lane", heddle_one_lane::run),
        peer!(tokio),
        Contender::cannot("rayon", "a job cannot sleep until another wakes it"),
        peer!(may),
        peer!(forte),
        peer!(smol),
        Contender::cannot("chili", "a job cannot sleep until another wakes it"),
        Contender::runs("floor", floor::run),
    ],
};

const ROUNDS: usize = 1_000_000;

/// Lets `once(rounds)` play; it answers with how often the token was received, by both together.
fn drive(run: &Run, says: &str, mut once: impl FnMut(u64) -> u64) -> Sample {
    let rounds = run.size(ROUNDS) as u64;
    let took = run.counted(2 * rounds, || Timed::of(|| once(rounds)));
    Sample::new(says).with(TRIP, took.as_nanos() as f64 / rounds as f64)
}
