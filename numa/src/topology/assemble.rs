//! From what a source said to a [`Topology`] that keeps its promises.
//!
//! Every reader fills a [`Parts`] with what it found and leaves the rest empty. `assemble` alone makes the invariants:
//! it drops what contradicts itself, puts every online CPU somewhere, and writes down each thing it had to assume.

use super::{Access, Cache, Cpu, CrossCheck, Fact, Node, Source, Topology};
use crate::cpuset::{CpuSet, NodeSet};
use crate::distance::Distances;
use crate::error::{Error, Kind, Result};
use crate::id::{CacheId, CoreId, CpuId, NodeId, PackageId};
use crate::quota::Quota;

/// What one source says of the machine. Empty means: it did not say.
pub(crate) struct Parts {
    pub(crate) online: CpuSet,
    pub(crate) possible: CpuSet,
    pub(crate) nodes: Vec<NodePart>,
    pub(crate) packages: Vec<CpuSet>,
    pub(crate) caches: Vec<Cache>,
    pub(crate) cores: Vec<CpuSet>,
    pub(crate) distances: Option<Distances>,
    pub(crate) allowed_cpus: Option<CpuSet>,
    pub(crate) allowed_nodes: Option<NodeSet>,
    pub(crate) quota: Option<Quota>,
    pub(crate) sources: [Source; Fact::ALL.len()],
    pub(crate) notes: Vec<String>,
    pub(crate) cross_check: CrossCheck,
}

/// A node as a source describes it.
pub(crate) struct NodePart {
    pub(crate) id: NodeId,
    pub(crate) cpus: CpuSet,
    pub(crate) memory_bytes: Option<u64>,
    /// `None`: not said, so it follows from the size, or is assumed.
    pub(crate) has_memory: Option<bool>,
    pub(crate) access: Option<Access>,
}

impl Parts {
    pub(crate) fn new() -> Self {
        Parts {
            online: CpuSet::new(),
            possible: CpuSet::new(),
            nodes: Vec::new(),
            packages: Vec::new(),
            caches: Vec::new(),
            cores: Vec::new(),
            distances: None,
            allowed_cpus: None,
            allowed_nodes: None,
            quota: None,
            sources: [Source::Assumed; Fact::ALL.len()],
            notes: Vec::new(),
            cross_check: CrossCheck::NotAsked,
        }
    }

    pub(crate) fn set_source(&mut self, fact: Fact, source: Source) {
        self.sources[fact as usize] = source;
    }

    fn source(&self, fact: Fact) -> Source {
        self.sources[fact as usize]
    }

    fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// The topology these parts describe. Fails only where there is no CPU at all.
    pub(crate) fn assemble(mut self) -> Result<Topology> {
        if self.online.is_empty() {
            let message =
                "no online CPU was found: is this a copy of a whole /sys, with sys/devices/system/cpu?";
            return Err(Error::new(Kind::NotFound, message));
        }
        self.possible = &self.possible | &self.online;
        let nodes = self.take_nodes();
        let packages = self.take_groups(Fact::Packages, |parts| std::mem::take(&mut parts.packages));
        let cores = self.take_groups(Fact::Cores, |parts| std::mem::take(&mut parts.cores));
        let caches = self.take_caches(&nodes, &packages);
        let distances = self.take_distances(&nodes);
        let allowed_cpus = self.take_allowed_cpus();
        let allowed_nodes = self.take_allowed_nodes(&nodes);
        let cpus = self.online.iter().map(|id| join(id, &nodes, &packages, &caches, &cores)).collect();
        Ok(Topology {
            nodes,
            cpus,
            packages,
            caches,
            cores,
            distances,
            online: self.online,
            possible: self.possible,
            allowed_cpus,
            allowed_nodes,
            quota: self.quota,
            sources: self.sources,
            notes: self.notes,
            cross_check: self.cross_check,
        })
    }

    /// The nodes by id, with every online CPU in exactly one of them.
    fn take_nodes(&mut self) -> Vec<Node> {
        let mut parts = std::mem::take(&mut self.nodes);
        parts.sort_by_key(|part| part.id);
        parts.dedup_by_key(|part| part.id);
        if parts.is_empty() {
            let cpus = self.online.clone();
            parts.push(NodePart {
                id: NodeId(0),
                cpus,
                memory_bytes: None,
                has_memory: Some(true),
                access: None,
            });
            self.note("the system names no NUMA nodes: assuming one node with all CPUs and all memory");
        }
        let mut homeless = self.online.clone();
        let mut nodes = Vec::with_capacity(parts.len());
        for part in parts {
            let online = &part.cpus & &self.online;
            let cpus = &online & &homeless;
            if cpus != online {
                self.note(format!(
                    "{}: CPUs {} are in two nodes, the lower id wins",
                    part.id,
                    &online - &cpus
                ));
            }
            homeless = &homeless - &cpus;
            let has_memory =
                part.has_memory.or(part.memory_bytes.map(|bytes| bytes > 0)).unwrap_or_else(|| {
                    self.notes
                        .push(format!("{}: nothing is said of its memory, assuming it has some", part.id));
                    true
                });
            nodes.push(Node {
                id: part.id,
                cpus,
                memory_bytes: part.memory_bytes,
                has_memory,
                access: part.access,
            });
        }
        if !homeless.is_empty() {
            // Nodes with CPUs and memory first: a card's memory is a poor home for a thread.
            let home =
                (0..nodes.len()).min_by_key(|n| (nodes[*n].cpus.is_empty(), !nodes[*n].has_memory, *n));
            let home = &mut nodes[home.expect("there is at least one node")];
            home.cpus = &home.cpus | &homeless;
            let text = format!("CPUs {homeless} are in no node: assuming {}", home.id);
            self.note(text);
        }
        nodes
    }

    /// Disjoint groups that cover every online CPU: sockets (the rest is one group) or cores (the rest are singles).
    fn take_groups(&mut self, fact: Fact, take: impl FnOnce(&mut Self) -> Vec<CpuSet>) -> Vec<CpuSet> {
        let said = take(self);
        let (mut groups, rest) = partition(&self.online, said);
        if !rest.is_empty() {
            match fact {
                Fact::Cores => groups.extend(rest.iter().map(CpuSet::of)),
                _ => groups.push(rest.clone()),
            }
            let what = if fact == Fact::Cores { "each is its own core" } else { "they share one package" };
            self.note(format!("nothing is said of the {} of CPUs {rest}: assuming {what}", fact.name()));
        }
        groups.sort_by_key(CpuSet::first);
        groups
    }

    /// Disjoint cache groups; a CPU of unknown cache shares with the CPUs of its package and node.
    fn take_caches(&mut self, nodes: &[Node], packages: &[CpuSet]) -> Vec<Cache> {
        let mut rest = self.online.clone();
        let mut caches = Vec::new();
        for mut cache in std::mem::take(&mut self.caches) {
            cache.cpus = &cache.cpus & &rest;
            rest = &rest - &cache.cpus;
            if !cache.cpus.is_empty() {
                caches.push(cache);
            }
        }
        if !rest.is_empty() {
            for (node, package) in
                nodes.iter().flat_map(|node| packages.iter().map(move |package| (node, package)))
            {
                let cpus = &(&node.cpus & package) & &rest;
                if !cpus.is_empty() {
                    caches.push(Cache { cpus, level: 0, size_bytes: None });
                }
            }
            self.note(format!(
                "nothing is said of the caches of CPUs {rest}: assuming one per package and node"
            ));
        }
        caches.sort_by_key(|cache| cache.cpus.first());
        caches
    }

    fn take_distances(&mut self, nodes: &[Node]) -> Distances {
        let ids: Vec<NodeId> = nodes.iter().map(Node::id).collect();
        match self.distances.take() {
            Some(table) if table.nodes() == ids => table,
            found => {
                self.set_source(Fact::Distances, Source::Assumed);
                if ids.len() > 1 || found.is_some() {
                    self.note("no usable distance table: assuming 10 within a node and 20 between nodes");
                }
                Distances::uniform(&ids)
            }
        }
    }

    fn take_allowed_cpus(&mut self) -> CpuSet {
        let Some(said) = self.allowed_cpus.take() else {
            return self.online.clone();
        };
        let allowed = &said & &self.online;
        if !allowed.is_empty() {
            return allowed;
        }
        self.set_source(Fact::AllowedCpus, Source::Assumed);
        self.note(format!("none of the allowed CPUs ({said}) is online: assuming all of {}", self.online));
        self.online.clone()
    }

    fn take_allowed_nodes(&mut self, nodes: &[Node]) -> NodeSet {
        let all: NodeSet = nodes.iter().map(Node::id).collect();
        let Some(said) = self.allowed_nodes.take() else { return all };
        // A single assumed node has no number the cpuset could know.
        let allowed = if self.source(Fact::Nodes) == Source::Assumed { all.clone() } else { &said & &all };
        if !allowed.is_empty() {
            return allowed;
        }
        self.set_source(Fact::AllowedNodes, Source::Assumed);
        self.note(format!("none of the allowed nodes ({said}) is online: assuming all of {all}"));
        all
    }
}

/// The groups made disjoint (the first wins) and cut to the online CPUs, and the CPUs in none.
fn partition(online: &CpuSet, groups: Vec<CpuSet>) -> (Vec<CpuSet>, CpuSet) {
    let mut rest = online.clone();
    let mut disjoint = Vec::with_capacity(groups.len());
    for group in groups {
        let group = &group & &rest;
        rest = &rest - &group;
        if !group.is_empty() {
            disjoint.push(group);
        }
    }
    (disjoint, rest)
}

fn join(id: CpuId, nodes: &[Node], packages: &[CpuSet], caches: &[Cache], cores: &[CpuSet]) -> Cpu {
    // The groups cover every online CPU by construction.
    let place = |found: Option<usize>| found.expect("every online CPU is in one group of each kind") as u32;
    Cpu {
        id,
        node: nodes.iter().find(|node| node.cpus.contains(id)).expect("every online CPU is in a node").id,
        package: PackageId(place(packages.iter().position(|group| group.contains(id)))),
        cache: CacheId(place(caches.iter().position(|cache| cache.cpus.contains(id)))),
        core: CoreId(place(cores.iter().position(|group| group.contains(id)))),
    }
}
