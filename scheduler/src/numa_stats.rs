//! What `stats()` says about nodes.

use crate::site::{NumaState, Sites};
use crate::stats::{Counter, Seen};
use heddle_numa::memory::PagesByNode;
use heddle_numa::{Nearness, NodeId};
use std::collections::BTreeMap;
use std::fmt;

/// What a scheduler knows and counts of the machine's nodes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NumaStats {
    /// Are they minded, and why not?
    pub state: NumaState,
    /// How many nodes the machine has, those without CPUs or memory included.
    pub num_numa_nodes: usize,
    /// The nodes that have CPUs for us; one entry where nodes are not minded.
    pub nodes: Vec<NodeStats>,
    /// Fibers that workers took from each other, by what the two share and by distance, nearest first.
    pub steals: Vec<StealStats>,
    /// Fibers that began on another node than the one they were made for
    /// ([`go_on`](crate::Scheduler::go_on), [`near`](crate::FiberBuilder::near)).
    pub away: u64,
    /// Workers that run on another CPU of their node, as theirs is gone.
    pub moved: u32,
    /// Workers that run on another node, as theirs has no CPU left for them.
    pub displaced: u32,
    /// Workers for which there is no CPU of their own: they share others'.
    pub surplus: u32,
}

/// One node.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NodeStats {
    /// Which; `None`: nodes are not minded.
    pub node: Option<NodeId>,
    /// The node that its memory comes from: another one if it has none.
    pub memory: Option<NodeId>,
    /// How many workers each lane has there now.
    pub workers: usize,
    /// How many CPUs it has that the process may use.
    pub cpus: usize,
    /// Bytes mapped for stacks there; what fibers have not touched takes no memory.
    pub stack_bytes: usize,
}

/// Fibers that were taken over some distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StealStats {
    /// What the two workers share.
    pub nearness: Nearness,
    /// The distance of their nodes, by the system's table.
    pub distance: u32,
    /// How many.
    pub count: u64,
}

/// Where the stacks of one node's fibers are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StackPages {
    /// Where they should be; `None`: nodes are not minded.
    pub node: Option<NodeId>,
    /// Where they are.
    pub pages: PagesByNode,
}

impl NumaStats {
    pub(crate) fn collect(
        sites: &Sites,
        workers: &[Seen<'_>],
        stack_bytes: impl Fn(usize) -> usize,
        [moved, displaced, surplus]: [u32; 3],
    ) -> NumaStats {
        // Each lane has the same seats; where its workers are now can differ for a moment.
        let ordinary = || workers.iter().filter(|worker| worker.lane == crate::lane::Lane::Ordinary);
        let regular = |site: usize| ordinary().filter(|worker| !worker.spare && worker.site == site).count();
        let nodes = sites.all().iter().enumerate().map(|(index, site)| NodeStats {
            node: site.node,
            memory: site.memory,
            workers: regular(index),
            cpus: site.cpus.len(),
            stack_bytes: stack_bytes(index),
        });
        NumaStats {
            state: sites.state,
            num_numa_nodes: sites.machine.as_ref().map_or(1, |machine| machine.nodes().len()),
            nodes: nodes.collect(),
            steals: steals(sites, workers),
            away: workers.iter().map(|worker| worker.counters.away.get()).sum(),
            moved,
            displaced,
            surplus,
        }
    }
}

fn steals(sites: &Sites, workers: &[Seen<'_>]) -> Vec<StealStats> {
    let mut counts: BTreeMap<(Nearness, u32), u64> = BTreeMap::new();
    for thief in workers {
        let at = |seat: usize| {
            let other = workers.iter().find(|other| other.lane == thief.lane && other.seat == seat);
            other.map_or(sites.site(seat), |other| other.site)
        };
        let taken = thief.counters.stolen_from.iter().map(Counter::get).enumerate();
        for (victim, count) in taken.filter(|&(_, count)| count > 0) {
            let urgent = thief.lane == crate::lane::Lane::Urgent;
            *counts.entry(sites.between(thief.seat, victim, urgent, at)).or_default() += count;
        }
    }
    counts.into_iter().map(|((nearness, distance), count)| StealStats { nearness, distance, count }).collect()
}

impl NumaStats {
    fn show_nodes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for site in &self.nodes {
            let (Some(node), stacks) = (site.node, site.stack_bytes / 1024) else { continue };
            write!(f, "\n  {node}: {} workers on {} CPUs, {stacks} KiB for stacks", site.workers, site.cpus)?;
            if let Some(memory) = site.memory.filter(|&memory| memory != node) {
                write!(f, " (memory of {memory})")?;
            }
        }
        for steals in &self.steals {
            let shared = match steals.nearness {
                Nearness::Core => "the core",
                Nearness::Cache => "the cache",
                Nearness::Node => "the node",
                Nearness::Remote => "nothing",
            };
            write!(f, "\n  {} stolen at distance {}, sharing {shared}", steals.count, steals.distance)?;
        }
        if self.away > 0 {
            write!(f, "\n  {} fibers began away from the node they were made for", self.away)?;
        }
        Ok(())
    }
}

impl fmt::Display for NumaStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nodes: {} ({})", self.num_numa_nodes, self.state)?;
        if self.nodes.len() > 1 {
            self.show_nodes(f)?;
        }
        if self.moved + self.displaced + self.surplus > 0 {
            write!(
                f,
                "\n  CPUs are missing: {} workers moved, {} displaced, {} share CPUs",
                self.moved, self.displaced, self.surplus
            )?;
        }
        Ok(())
    }
}
