//! Two tasks on one worker ask and answer through two channels without room: sender and receiver meet at each.

mod heddle;
mod heddle_one_lane;
mod may;
mod tokio;

use heddle_benches::{Case, Contender, Goal, Metric, Run, Sample, Timed, Workload};

const TRIP: &str = "round trip, ns";

pub(crate) static WORKLOAD: Workload = Workload {
    name: "rendezvous",
    question: "Two tasks on one worker ask and answer through channels that hold nothing: what does a round trip cost?",
    cases: &[Case::ONE_WORKER],
    metrics: &[Metric::lower(TRIP)],
    goals: &[Goal { case: "1 worker", metric: TRIP, first: 59.0, then: None }],
    contenders: &[
        Contender::runs("heddle", heddle::run),
        Contender::runs("heddle_one_lane", heddle_one_lane::run),
        peer!(tokio),
        Contender::cannot("rayon", "a job cannot sleep until another wakes it"),
        peer!(may),
    ],
};

const ROUNDS: usize = 1_000_000;

/// Lets `once(rounds)` play; it answers with the sum of the answers, each of which is its question plus one.
fn drive(run: &Run, says: &str, mut once: impl FnMut(u64) -> u64) -> Sample {
    let rounds = run.size(ROUNDS) as u64;
    let took = run.counted(rounds * (rounds + 1) / 2, || Timed::of(|| once(rounds)));
    Sample::new(says).with(TRIP, took.as_nanos() as f64 / rounds as f64)
}
