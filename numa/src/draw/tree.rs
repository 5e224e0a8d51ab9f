//! The machine as boxes in boxes: package, node, cache, core, CPU. What both drawings walk.

use crate::cpuset::CpuSet;
use crate::topology::{Cache, Cpu, Node, Topology};

/// A socket and its part of each node.
pub(super) struct PackageBox<'a> {
    pub(super) number: usize,
    pub(super) nodes: Vec<NodeBox<'a>>,
}

/// A node, or the part of it in one package.
pub(super) struct NodeBox<'a> {
    pub(super) node: &'a Node,
    pub(super) caches: Vec<CacheBox<'a>>,
}

/// A cache, or the part of it in one node.
pub(super) struct CacheBox<'a> {
    pub(super) cache: &'a Cache,
    /// The CPUs of each core.
    pub(super) cores: Vec<Vec<&'a Cpu>>,
}

/// The packages with their nodes; nodes without CPUs are in none, see [`memory_only`].
pub(super) fn packages(topology: &Topology) -> Vec<PackageBox<'_>> {
    let package = |(number, cpus): (usize, &CpuSet)| {
        let nodes = topology.nodes().iter().filter(|node| !node.cpus().is_disjoint(cpus));
        let nodes = nodes.map(|node| NodeBox { node, caches: caches(topology, &(node.cpus() & cpus)) });
        PackageBox { number, nodes: nodes.collect() }
    };
    topology.packages().iter().enumerate().map(package).collect()
}

/// Nodes without CPUs.
pub(super) fn memory_only(topology: &Topology) -> impl Iterator<Item = &Node> {
    topology.nodes().iter().filter(|node| node.cpus().is_empty())
}

fn caches<'a>(topology: &'a Topology, within: &CpuSet) -> Vec<CacheBox<'a>> {
    let mut boxes: Vec<CacheBox<'a>> = Vec::new();
    let mut last = None;
    // CPUs sorted by cache and core, so that equal neighbours make a group.
    let mut cpus: Vec<&Cpu> = topology.cpus().iter().filter(|cpu| within.contains(cpu.id)).collect();
    cpus.sort_by_key(|cpu| (cpu.cache, cpu.core, cpu.id));
    for cpu in cpus {
        match last {
            Some((cache, _)) if cache == cpu.cache => {}
            _ => boxes.push(CacheBox { cache: &topology.caches()[cpu.cache.index()], cores: Vec::new() }),
        }
        let cores = &mut boxes.last_mut().expect("a box was just made").cores;
        match last {
            Some(place) if place == (cpu.cache, cpu.core) => {
                cores.last_mut().expect("the core's first CPU made it").push(cpu)
            }
            _ => cores.push(vec![cpu]),
        }
        last = Some((cpu.cache, cpu.core));
    }
    boxes
}

/// `8.0 GiB`, `32 MiB`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let unit = (0..UNITS.len()).rev().find(|unit| bytes >> (unit * 10) > 0).unwrap_or(0);
    match bytes as f64 / (1u64 << (unit * 10)) as f64 {
        whole if whole.fract() == 0.0 => format!("{whole} {}", UNITS[unit]),
        broken => format!("{broken:.1} {}", UNITS[unit]),
    }
}

/// `L3 32 MiB`, or `cache unknown`.
pub(super) fn cache_label(cache: &Cache) -> String {
    match (cache.level(), cache.size_bytes()) {
        (0, _) => "cache unknown".into(),
        (level, Some(bytes)) => format!("L{level} {}", size(bytes)),
        (level, None) => format!("L{level}"),
    }
}

/// `node 0, 8 GiB, memory only`.
pub(super) fn node_label(node: &Node) -> String {
    let memory = match (node.has_memory(), node.memory_bytes()) {
        (false, _) => "no memory".into(),
        (true, Some(bytes)) => size(bytes),
        (true, None) => "memory of unknown size".into(),
    };
    let alone = if node.is_memory_only() { ", no CPUs" } else { "" };
    format!("{}, {memory}{alone}", node.id())
}
