//! Data in blocks, of which each belongs to a node; where their pages are, and how much work was done far from them.

use super::machine::Machine;
use super::setup::{Data, Setup};
use heddle_scheduler::NodeId;
use heddle_scheduler::numa::memory::{self, Existing, Home, HugePages, NodeVec, Pages, PagesByNode};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Blocks for each worker: enough that those who are done can help the others.
const PER_WORKER: usize = 4;

/// Which block belongs to which node, node by node, and how large each may be.
pub(crate) struct Plan {
    pub(crate) homes: Vec<NodeId>,
    pub(crate) bytes: usize,
}

impl Plan {
    /// Blocks of equal size for all workers, whose data on each memory node is what may be taken there.
    pub(crate) fn new(machine: &Machine) -> Plan {
        let mut homes: Vec<NodeId> = machine.seats().iter().map(|seat| seat.node).collect();
        homes.sort_unstable();
        let homes: Vec<NodeId> =
            homes.into_iter().flat_map(|node| std::iter::repeat_n(node, PER_WORKER)).collect();
        // Nodes without memory share that of another one.
        let mut blocks: BTreeMap<Option<NodeId>, usize> = BTreeMap::new();
        for home in &homes {
            *blocks.entry(machine.topology.memory_node(*home)).or_default() += 1;
        }
        let most = |(memory, blocks): (&Option<NodeId>, &usize)| {
            memory.map_or(1 << 20, |memory| machine.data_bytes(memory)) / blocks
        };
        let bytes = blocks.iter().map(most).min().unwrap_or(1 << 20).max(32 << 10);
        Plan { homes, bytes }
    }
}

/// An empty vector with the room, whose pages will be where this setup wants them.
///
/// # Panics
/// If there is no memory.
pub(crate) fn room<T>(machine: &Machine, setup: &Setup, home: NodeId, len: usize) -> NodeVec<T> {
    let home = match setup.data {
        Data::Homed => Home::near(&machine.topology, home),
        Data::Touched | Data::Dealt => Home::anywhere(),
    };
    let vec: NodeVec<T> =
        NodeVec::with_huge_pages(home, len, HugePages::Prefer).expect("a quarter of what is free");
    let nodes = machine.topology.memory_nodes();
    if setup.data == Data::Dealt && nodes.len() > 1 {
        let pages = Pages::around(vec.as_ptr().cast(), vec.capacity() * size_of::<T>());
        if let Err(error) = memory::interleave(pages, &nodes, Existing::Leave) {
            eprintln!("pages are not dealt out: {error}");
        }
    }
    vec
}

/// Where the pages of a block are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Where(PagesByNode);

impl Where {
    /// Adds the pages of a vector. What the kernel does not tell is not counted.
    pub(crate) fn and<T>(mut self, vec: &NodeVec<T>) -> Where {
        if let Ok(pages) = memory::pages_by_node(vec.pages()) {
            pages.on.into_iter().for_each(|(node, count)| *self.0.on.entry(node).or_default() += count);
        }
        self
    }

    pub(crate) fn add(&mut self, other: &Where) {
        other.0.on.iter().for_each(|(node, count)| *self.0.on.entry(*node).or_default() += count);
    }

    /// In words: how much of it is on which node.
    pub(crate) fn says(&self) -> String {
        let all = self.0.present().max(1) as f64;
        let share =
            |(node, count): (&NodeId, &usize)| format!("{}: {:.0} %", node, *count as f64 / all * 100.0);
        self.0.on.iter().map(share).collect::<Vec<_>>().join(", ")
    }

    /// Which share of it is not in the memory nearest to the CPU that asks; `None`: not known.
    fn far_from_here(&self, machine: &Machine) -> Option<f64> {
        let here = machine.memory_here()?;
        let all = self.0.present();
        (all > 0).then(|| self.0.away_from(here) as f64 / all as f64)
    }
}

/// How much work was done far from its data: by blocks, each weighed by the share of its pages that were far from the CPU
/// that worked on it.
#[derive(Debug, Default)]
pub(crate) struct Far {
    millionths: AtomicU64,
    blocks: AtomicU64,
}

impl Far {
    /// Work on that block begins, on this CPU.
    pub(crate) fn note(&self, machine: &Machine, place: &Where) {
        if let Some(share) = place.far_from_here(machine) {
            self.millionths.fetch_add((share * 1e6) as u64, Ordering::Relaxed);
            self.blocks.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// In percent; `None` if nothing is known.
    pub(crate) fn percent(&self) -> Option<f64> {
        let blocks = self.blocks.load(Ordering::Relaxed);
        (blocks > 0).then(|| self.millionths.load(Ordering::Relaxed) as f64 / 1e4 / blocks as f64)
    }
}
