//! The price of priorities: the same work with all five levels in use and with one.

use heddle_benches::{Case, Contender, Workload};

pub(crate) static WORKLOAD: Workload = Workload {
    name: "levels",
    question: "What do five levels in use cost against one?",
    cases: &[Case::ONE_WORKER],
    metrics: &[],
    goals: &[],
    contenders: &[Contender::cannot("tokio", "it has one level")],
};
