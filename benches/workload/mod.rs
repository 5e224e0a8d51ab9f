//! The questions, a folder each. `mod.rs` in a folder says what is asked and does the measuring; a file per contender
//! holds only how that runtime does it.

use heddle_benches::Workload;

/// A peer that can do the workload; where the peers are not compiled in, the report says so.
macro_rules! peer {
    ($name:ident) => {{
        #[cfg(feature = "peers")]
        const PEER: Contender = Contender::runs(stringify!($name), $name::run);
        #[cfg(not(feature = "peers"))]
        const PEER: Contender = Contender::cannot(stringify!($name), "built without `--features peers`");
        PEER
    }};
}

/// A peer that is a program in another language, built at run time where its compiler is installed.
macro_rules! program {
    ($name:ident) => {{
        #[cfg(feature = "peers")]
        const PEER: Contender = Contender::runs(stringify!($name), $name::run).program();
        #[cfg(not(feature = "peers"))]
        const PEER: Contender = Contender::cannot(stringify!($name), "built without `--features peers`");
        PEER
    }};
}

mod block_wake;
mod fork_join;
mod handoff_cross;
mod handoff_same;
mod inversion;
mod levels;
mod mutex;
mod parallel;
mod parked;
mod rendezvous;
mod services;
mod set_priority;
mod shares;
mod skynet;
mod spawn_inside;
mod spawn_outside;
mod urgent_clock;
mod urgent_hogs;
mod urgent_queues;
mod wake;
mod yield_now;

/// Speed first, then priorities.
pub(crate) static ALL: &[&Workload] = &[
    &spawn_inside::WORKLOAD,
    &spawn_outside::WORKLOAD,
    &fork_join::WORKLOAD,
    &yield_now::WORKLOAD,
    &handoff_same::WORKLOAD,
    &rendezvous::WORKLOAD,
    &handoff_cross::WORKLOAD,
    &skynet::WORKLOAD,
    &parallel::WORKLOAD,
    &parked::WORKLOAD,
    &wake::WORKLOAD,
    &levels::WORKLOAD,
    &mutex::WORKLOAD,
    &services::WORKLOAD,
    &block_wake::WORKLOAD,
    &urgent_clock::WORKLOAD,
    &urgent_hogs::WORKLOAD,
    &urgent_queues::WORKLOAD,
    &shares::WORKLOAD,
    &set_priority::WORKLOAD,
    &inversion::WORKLOAD,
];

/// The workload of that name.
pub(crate) fn named(name: &str) -> Option<&'static Workload> {
    ALL.iter().copied().find(|workload| workload.name == name)
}
