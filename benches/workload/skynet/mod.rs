//! Skynet: a tree of tenfold branching with a million leaves; each leaf answers its number, each node the sum.

mod chili;
mod floor;
mod forte;
mod heddle;
mod heddle_join;
mod heddle_scope;
mod rayon;
mod rayon_join;
mod smol;
mod tokio;

use heddle_benches::chance::{Never, OnePercent};
use heddle_benches::{Case, Contender, Goal, Metric, Run, Sample, Timed, Workload};

const ALL: &str = "skynet, ms";
const SUSPENDS: &str = "2 workers, 1 % suspends";
/// Who cannot take part where branches suspend.
const UNABLE: &[(&str, &str)] =
    &[(SUSPENDS, "a job cannot step aside; it can only run other jobs on top of its own stack")];

pub(crate) static WORKLOAD: Workload = Workload {
    name: "skynet",
    question: "How long does a tenfold tree of 1,111,111 fibers or tasks take, a million of them leaves?",
    cases: &[Case::TWO_WORKERS, Case { name: SUSPENDS, workers: 2, detail: 1 }],
    metrics: &[Metric::lower(ALL)],
    goals: &[Goal { case: SUSPENDS, metric: ALL, first: 25.0, then: Some(8.0) }],
    contenders: &[
        Contender::runs("heddle", heddle::run),
        Contender::runs("heddle_scope", heddle_scope::run),
        Contender::runs("heddle_join", heddle_join::run),
        peer!(tokio),
        peer!(rayon).except(UNABLE),
        peer!(rayon_join).except(UNABLE),
        Contender::cannot("may", "it panics past about 32,000 live coroutines: two mappings each"),
        peer!(forte).except(UNABLE),
        peer!(chili).except(UNABLE),
        peer!(smol),
        Contender::runs("floor", floor::run),
    ],
};

const LEAVES: u64 = 1_000_000;
const BRANCHES: u64 = 10;

/// Lets a contender grow the tree of `leaves` leaves, by `plain` or, where branches suspend, by `suspending`.
fn drive(
    run: &Run,
    says: &str,
    mut plain: impl FnMut(u64, Never) -> u64,
    mut suspending: impl FnMut(u64, OnePercent) -> u64,
) -> Sample {
    let leaves = run.size(LEAVES as usize) as u64;
    let took = run.counted(leaves * (leaves - 1) / 2, || {
        Timed::of(|| {
            if run.case.detail == 0 { plain(leaves, Never) } else { suspending(leaves, OnePercent::root()) }
        })
    });
    Sample::new(says).with(ALL, took.as_secs_f64() * 1e3)
}
