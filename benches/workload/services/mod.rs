//! What a fiber calls now and then, each alone: a time-out that is not over in time, a scope of eight, a value of its own, one
//! that it has inherited, a call that blocks its thread. In nanoseconds a call; of scopes, a child.

mod floor;
mod heddle;
mod rayon;
mod tokio;

use heddle_benches::{Case, Contender, Metric, Run, Sample, Timed, Workload};

const EACH: &str = "each, ns";
const TIMEOUT: Case = Case { name: "timeout, 1 worker", workers: 1, detail: 0 };
const SCOPE: Case = Case { name: "scope of 8, 1 worker", workers: 1, detail: 1 };
const TRY_SCOPE: Case = Case { name: "try_scope of 8, 1 worker", workers: 1, detail: 2 };
const LOCAL: Case = Case { name: "fiber-local, 1 worker", workers: 1, detail: 3 };
const CONTEXT: Case = Case { name: "context, 1 worker", workers: 1, detail: 4 };
const BLOCKING: Case = Case { name: "blocking, 1 worker", workers: 1, detail: 5 };

pub(crate) static WORKLOAD: Workload = Workload {
    name: "services",
    question: "What does it cost to use a time-out that is not over, a scope, a local value, a context, a blocking call?",
    cases: &[TIMEOUT, SCOPE, TRY_SCOPE, LOCAL, CONTEXT, BLOCKING],
    metrics: &[Metric::lower(EACH)],
    goals: &[],
    contenders: &[
        Contender::runs("heddle", heddle::run),
        peer!(tokio).except(&[
            (SCOPE.name, "a task cannot borrow"),
            (TRY_SCOPE.name, "a task cannot borrow"),
            (LOCAL.name, "a task has no values that are made when it asks first"),
        ]),
        peer!(rayon).except(&[
            (TIMEOUT.name, "a job cannot be interrupted"),
            (TRY_SCOPE.name, "its scopes know no errors"),
            (LOCAL.name, "a job has no values of its own"),
            (CONTEXT.name, "a job has no values of its own"),
            (BLOCKING.name, "a job blocks its thread"),
        ]),
        Contender::runs("floor", floor::run).except(&[
            (TIMEOUT.name, "a thread cannot be interrupted"),
            (SCOPE.name, "see spawn_inside"),
            (TRY_SCOPE.name, "see spawn_inside"),
            (CONTEXT.name, "a thread inherits nothing"),
            (BLOCKING.name, "a thread that blocks is what this avoids"),
        ]),
    ],
};

/// Children of a scope.
const CHILDREN: u64 = 8;

/// How often, so that a run takes some tenths of a second.
fn rounds(run: &Run) -> u64 {
    run.size(match run.case.detail {
        0 | 4 => 10_000_000,
        1 | 2 => 400_000,
        3 => 50_000_000,
        _ => 50_000,
    }) as u64
}

/// `once(rounds)` makes so many rounds, each of which adds one, or one a child.
fn drive(run: &Run, says: &str, mut once: impl FnMut(u64) -> Timed) -> Sample {
    let rounds = rounds(run);
    let each = if matches!(run.case.detail, 1 | 2) { CHILDREN } else { 1 };
    let took = run.counted(rounds * each, || once(rounds));
    Sample::new(says).with(EACH, took.as_nanos() as f64 / (rounds * each) as f64)
}
