//! The schedulers that are compared, and what a run of one of them says.

use super::machine::Machine;
use heddle_scheduler::{JoinHandle, Nearness, NodeId, Numa, Pinning, Placement, Scheduler, Stats};
use std::sync::Arc;

/// Where the data of a setup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    /// Each block on the node to which it belongs, and fibers are sent there.
    Homed,
    /// Where the kernel put it when fibers of the same scheduler filled it, each wherever it happened to run.
    Touched,
    /// Its pages dealt out over all nodes in turn.
    Dealt,
}

/// One way to run the same work.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) name: &'static str,
    pub(crate) says: &'static str,
    numa: Numa,
    placement: Placement,
    pinning: Pinning,
    pub(crate) data: Data,
}

/// What the others are compared with.
pub(crate) static ON: Setup = Setup {
    name: "on",
    says: "nodes minded (`Numa::Always`), a CPU for each worker; each block on a node, its fibers sent there",
    numa: Numa::Always,
    placement: Placement::Spread,
    pinning: Pinning::Cpu,
    data: Data::Homed,
};
pub(crate) static OFF: Setup = Setup {
    name: "off",
    says: "nodes not minded (`Numa::Off`), the same CPUs; blocks are where the fibers were that filled them",
    numa: Numa::Off,
    placement: Placement::Spread,
    pinning: Pinning::Cpu,
    data: Data::Touched,
};
pub(crate) static INTERLEAVED: Setup = Setup {
    name: "off_interleaved",
    says: "as off, with the pages of all blocks dealt out over the nodes, as `numactl --interleave` does",
    numa: Numa::Off,
    placement: Placement::Spread,
    pinning: Pinning::Cpu,
    data: Data::Dealt,
};
pub(crate) static UNPINNED: Setup = Setup {
    name: "unpinned",
    says: "as off, and the kernel moves the threads as it likes",
    numa: Numa::Off,
    placement: Placement::Unpinned,
    pinning: Pinning::Off,
    data: Data::Touched,
};

/// For work on data, and for work without.
pub(crate) static WITH_DATA: [&Setup; 4] = [&ON, &OFF, &INTERLEAVED, &UNPINNED];
pub(crate) static WITHOUT_DATA: [&Setup; 3] = [&ON, &OFF, &UNPINNED];

impl Setup {
    /// Whether fibers are sent to nodes.
    pub(crate) fn sends(&self) -> bool {
        self.data == Data::Homed
    }

    pub(crate) fn scheduler(&self, machine: &Machine) -> Arc<Scheduler> {
        let builder = Scheduler::builder().workers(machine.workers).topology(machine.topology.clone());
        let builder = builder.numa(self.numa).placement(self.placement.clone()).pinning(self.pinning);
        Arc::new(builder.build().expect("threads can be started"))
    }

    /// A fiber for a block of that node: sent there where this setup sends anything anywhere.
    pub(crate) fn go<T: Send + 'static>(
        &self,
        scheduler: &Scheduler,
        node: NodeId,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        if self.sends() { scheduler.go_on(node, work) } else { scheduler.go(work) }
    }
}

/// What a scheduler's counters say about a stretch of time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    /// What thief and victim share, their distance, how many.
    pub(crate) steals: Vec<(&'static str, u32, u64)>,
    /// Fibers that began on another node than theirs.
    pub(crate) away: u64,
}

impl Counters {
    pub(crate) fn between(before: &Stats, after: &Stats) -> Counters {
        let earlier = |nearness: Nearness, distance: u32| {
            let known = before.numa.steals.iter();
            known
                .filter(|one| (one.nearness, one.distance) == (nearness, distance))
                .map(|one| one.count)
                .sum()
        };
        let steals = after.numa.steals.iter().map(|now| {
            let earlier: u64 = earlier(now.nearness, now.distance);
            (shared(now.nearness), now.distance, now.count.saturating_sub(earlier))
        });
        Counters {
            steals: steals.filter(|(.., count)| *count > 0).collect(),
            away: after.numa.away.saturating_sub(before.numa.away),
        }
    }

    pub(crate) fn stolen_near(&self) -> u64 {
        self.steals.iter().filter(|(shared, ..)| *shared != NOTHING).map(|(.., count)| count).sum()
    }

    pub(crate) fn stolen_far(&self) -> u64 {
        self.steals.iter().filter(|(shared, ..)| *shared == NOTHING).map(|(.., count)| count).sum()
    }
}

const NOTHING: &str = "nothing";

fn shared(nearness: Nearness) -> &'static str {
    match nearness {
        Nearness::Core => "core",
        Nearness::Cache => "cache",
        Nearness::Node => "node",
        Nearness::Remote => NOTHING,
    }
}

/// One run of some work under one setup.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    /// By metric; the first is the one that counts. Less is better in all that are compared.
    pub(crate) values: Vec<(&'static str, f64)>,
    pub(crate) counters: Counters,
    /// Work that was done far from its data, in percent of all.
    pub(crate) far_percent: Option<f64>,
    /// Where the data was, in words.
    pub(crate) data: String,
    /// Pages of stacks that are on another node than their workers; `None`: not known, or nodes are not minded.
    pub(crate) stacks_away: Option<usize>,
}

/// Pages of stacks that are not where they should be.
pub(crate) fn stacks_away(scheduler: &Scheduler) -> Option<usize> {
    let memory = |node: NodeId| {
        let nodes = scheduler.stats().numa.nodes;
        nodes.iter().find(|one| one.node == Some(node)).and_then(|one| one.memory)
    };
    let pages = scheduler.stack_pages().ok()?;
    pages.iter().map(|one| Some(one.pages.away_from(memory(one.node?)?))).sum()
}
