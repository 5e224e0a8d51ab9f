//! What nobody waits for: a lock, a permit, a lock for reading, taken and given back by one fiber.

mod floor_parking_lot;
mod floor_parking_lot_read;
mod heddle;
mod heddle_permit;
mod heddle_read;
mod heddle_write;

use heddle_benches::{Case, Contender, Metric, Run, Sample, Timed, Workload};

const PAIR: &str = "lock and unlock, ns";

pub(crate) static WORKLOAD: Workload = Workload {
    name: "mutex",
    question: "What does it cost to lock and unlock what nobody else wants, inside a fiber?",
    cases: &[Case::ONE_WORKER],
    metrics: &[Metric::lower(PAIR)],
    goals: &[],
    contenders: &[
        Contender::runs("heddle", heddle::run),
        Contender::runs("heddle_permit", heddle_permit::run),
        Contender::runs("heddle_read", heddle_read::run),
        Contender::runs("heddle_write", heddle_write::run),
        Contender::runs("floor_parking_lot", floor_parking_lot::run),
        Contender::runs("floor_parking_lot_read", floor_parking_lot_read::run),
    ],
};

const ROUNDS: usize = 20_000_000;

/// Lets `once(rounds)` run in a fiber; it answers with the number of rounds.
fn drive(run: &Run, says: &str, once: impl Fn(u64) -> u64 + Sync) -> Sample {
    let rounds = run.size(ROUNDS) as u64;
    let scheduler = crate::contender::heddle::scheduler(run.case.workers);
    let took = run.counted(rounds, || scheduler.run(|| Timed::of(|| once(rounds))));
    Sample::new(says).with(PAIR, took.as_nanos() as f64 / rounds as f64)
}
