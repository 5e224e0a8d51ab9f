//! Yield: fibers or tasks on one worker that do nothing but let the others run.

mod floor;
mod heddle;
mod heddle_movable;
mod heddle_one_lane;
mod may;
mod smol;
mod tokio;

use heddle_benches::{Case, Contender, Goal, Metric, Run, Sample, Timed, Workload};

const EACH: &str = "yield, ns each";
const TWO: &str = "2 fibers, 1 worker";
const THOUSAND: &str = "1000 fibers, 1 worker";

pub(crate) static WORKLOAD: Workload = Workload {
    name: "yield_now",
    question: "What does a yield cost, when 2 or 1,000 fibers on one worker only yield?",
    cases: &[Case { name: TWO, workers: 1, detail: 2 }, Case { name: THOUSAND, workers: 1, detail: 1000 }],
    metrics: &[Metric::lower(EACH)],
    goals: &[
        Goal { case: TWO, metric: EACH, first: 13.0, then: Some(8.0) },
        Goal { case: THOUSAND, metric: EACH, first: 13.0, then: Some(8.0) },
    ],
    contenders: &[
        Contender::runs("heddle", heddle::run),
        Contender::runs("heddle_one_lane", heddle_one_lane::run),
        Contender::runs("heddle_movable", heddle_movable::run),
        peer!(tokio),
        Contender::cannot("rayon", "its yield runs another job on top of the stack of the one that yields"),
        peer!(may),
        Contender::cannot(
            "forte",
            "last in, first out: a future that wakes itself runs again at once, the others never",
        ),
        peer!(smol),
        Contender::cannot("chili", "it has no yield"),
        Contender::runs("floor", floor::run),
    ],
};

const YIELDS: usize = 4_000_000;

/// Lets `once(fibers, yields_each)` run; it answers with the number of yields made.
fn drive(run: &Run, says: &str, mut once: impl FnMut(u64, u64) -> Timed) -> Sample {
    let fibers = run.case.detail as u64;
    let yields_each = run.size(YIELDS) as u64 / fibers;
    let total = fibers * yields_each;
    let took = run.counted(total, || once(fibers, yields_each));
    Sample::new(format!("{says}; {total} yields")).with(EACH, took.as_nanos() as f64 / total as f64)
}
