//! Fork-join: Fibonacci by recursion, nanoseconds of wall time per fork. The depth differs by contender so that a run
//! lasts 5 to 500 ms; the recursion has no cut-off, so every call above the leaves is a fork.

mod chili;
mod floor;
mod forte;
mod heddle;
mod may;
mod rayon;
mod smol;
mod tokio;

use heddle_benches::chance::{Never, OnePercent};
use heddle_benches::{Case, Contender, Goal, Metric, Run, Sample, Timed, Workload};

const EACH: &str = "fork, ns each";
const SUSPENDS: [&str; 2] = ["1 worker, 1 % of branches suspends", "2 workers, 1 % of branches suspends"];
const ONE_SUSPENDS: Case = Case { name: SUSPENDS[0], workers: 1, detail: 1 };
const TWO_SUSPENDS: Case = Case { name: SUSPENDS[1], workers: 2, detail: 1 };
/// Who cannot take part where branches suspend.
#[rustfmt::skip]
const UNABLE: &[(&str, &str)] = &[
    (SUSPENDS[0], "a branch cannot step aside; it can only run other jobs on top of its own stack"),
    (SUSPENDS[1], "a branch cannot step aside; it can only run other jobs on top of its own stack"),
];

pub(crate) static WORKLOAD: Workload = Workload {
    name: "fork_join",
    question: "What does a fork cost, in a Fibonacci recursion that forks at every call? Wall time by forks.",
    cases: &[Case::ONE_WORKER, Case::TWO_WORKERS, ONE_SUSPENDS, TWO_SUSPENDS],
    metrics: &[Metric::lower(EACH)],
    goals: &[
        Goal { case: "2 workers", metric: EACH, first: 4.7, then: Some(1.8) },
        Goal { case: SUSPENDS[1], metric: EACH, first: 4.7, then: Some(1.8) },
    ],
    contenders: &[
        Contender::runs("heddle", heddle::run),
        peer!(tokio),
        peer!(rayon).except(UNABLE),
        peer!(may),
        peer!(forte).except(UNABLE),
        peer!(chili).except(UNABLE),
        peer!(smol),
        Contender::runs("floor", floor::run).except(&[
            ("2 workers", "it is one thread; two workers could at best halve it"),
            (SUSPENDS[1], "it is one thread; two workers could at best halve it"),
        ]),
    ],
};

/// Computes `fib(depth)`, by `plain` or, where branches suspend, by `suspending`.
fn drive(
    run: &Run,
    says: &str,
    depth: u32,
    plain: impl FnMut(u32, Never) -> u64,
    suspending: impl FnMut(u32, OnePercent) -> u64,
) -> Sample {
    // Ten levels less are a hundredth of the forks.
    let depth = if run.quick { depth - 10 } else { depth };
    let took = if run.case.detail == 0 {
        counted(run, depth, Never, plain)
    } else {
        counted(run, depth, OnePercent::root(), suspending)
    };
    Sample::new(format!("{says}, fib({depth})")).with(EACH, took / forks(depth) as f64)
}

fn counted<C: Copy>(run: &Run, depth: u32, chance: C, mut fib: impl FnMut(u32, C) -> u64) -> f64 {
    run.counted(fibonacci(depth), || Timed::of(|| fib(depth, chance))).as_nanos() as f64
}

fn fibonacci(n: u32) -> u64 {
    (0..n).fold((0, 1), |(a, b), _| (b, a + b)).0
}

/// Calls of the recursion that are not leaves.
fn forks(n: u32) -> u64 {
    fibonacci(n + 1) - 1
}
