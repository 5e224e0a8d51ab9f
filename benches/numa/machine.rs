//! The machine: its nodes, the settings of the kernel that decide about memory, what the scheduler's probe says, and how
//! much memory may be taken.

use heddle_scheduler::numa::{self, CpuId, NodeId, Seat, Seats, Topology, affinity, probe};
use heddle_scheduler::{Numa, NumaState, Placement, Scheduler};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

const MIB: usize = 1 << 20;
/// The share of a node's free memory that data may take: the rest is for others, for stacks, and for the kernel.
const SHARE: usize = 4;
/// Data of a quick run, for each node: enough to be on it.
const QUICK_BYTES: usize = 2 * MIB;
/// More is not farther from the caches.
const BYTES_MAX: usize = 4 << 30;
const BYTES_MIN: usize = 192 * MIB;

/// Settings of the kernel that decide where memory is and how large its pages are.
const SETTINGS: [(&str, &str); 4] = [
    ("transparent huge pages", "/sys/kernel/mm/transparent_hugepage/enabled"),
    ("defragmentation for them", "/sys/kernel/mm/transparent_hugepage/defrag"),
    ("NUMA balancing (0: off)", "/proc/sys/kernel/numa_balancing"),
    ("zone reclaim (0: other nodes first)", "/proc/sys/vm/zone_reclaim_mode"),
];

pub(crate) struct Machine {
    pub(crate) topology: Topology,
    /// Name and value.
    pub(crate) settings: Vec<(&'static str, String)>,
    /// What the scheduler's own probe says that far memory costs; `None`: one node, or it cannot be measured.
    pub(crate) penalty: Option<f64>,
    /// What `Numa::Auto` makes of it.
    pub(crate) auto: NumaState,
    pub(crate) workers: usize,
    pub(crate) quick: bool,
    /// The memory node nearest to each CPU, by its number.
    memory_near: Vec<Option<NodeId>>,
    /// Asked once, so that all setups get the same amount of data.
    data_bytes: BTreeMap<NodeId, usize>,
}

impl Machine {
    pub(crate) fn look(quick: bool) -> Result<Machine, Box<dyn std::error::Error>> {
        let topology = Topology::detect()?;
        let read = |(name, path): (&'static str, &str)| {
            let value =
                fs::read_to_string(path).map_or("not told".to_owned(), |value| value.trim().to_owned());
            (name, value)
        };
        let auto = Scheduler::builder().workers(1).topology(topology.clone()).numa(Numa::Auto).build()?;
        let near = |cpu: usize| {
            let node = topology.cpu(CpuId(cpu as u32)).ok()?.node;
            topology.memory_node(node)
        };
        let most = topology.possible_cpus().last().map_or(0, CpuId::index);
        let memories = topology.memory_nodes();
        let data_bytes = memories.iter().map(|node| (node, data_bytes(&topology, node, quick))).collect();
        Ok(Machine {
            settings: SETTINGS.map(read).into(),
            penalty: probe::penalty(&topology),
            auto: auto.stats().numa.state,
            workers: numa::default_workers(&topology),
            quick,
            memory_near: (0..=most).map(near).collect(),
            data_bytes,
            topology,
        })
    }

    /// The seats of the workers, as every setup lays them out.
    pub(crate) fn seats(&self) -> Vec<Seat> {
        let seats = Seats::plan(&self.topology, &Placement::Spread, self.workers);
        seats.expect("a spread plan is never refused").iter().copied().collect()
    }

    /// The memory that is near to the CPU on which the calling thread is.
    pub(crate) fn memory_here(&self) -> Option<NodeId> {
        let cpu = affinity::current_cpu().ok()?;
        *self.memory_near.get(cpu.index())?
    }

    /// How often to do what is counted, where it is `full` times in earnest.
    pub(crate) fn repeats(&self, full: usize) -> usize {
        if self.quick { full.min(2) } else { full }
    }

    /// Bytes of data for a measurement on that memory node.
    pub(crate) fn data_bytes(&self, memory: NodeId) -> usize {
        self.data_bytes.get(&memory).copied().unwrap_or(MIB)
    }

    /// Whether that much data cannot be held by any node's caches.
    pub(crate) fn is_beyond_caches(&self, bytes: usize) -> bool {
        self.topology.worker_nodes().iter().all(|node| bytes >= 2 * cache_bytes(&self.topology, node))
    }
}

/// The last-level caches of a node's CPUs together; a guess where the system does not say.
fn cache_bytes(topology: &Topology, node: NodeId) -> usize {
    let cpus = topology.node(node).map(|node| node.cpus().clone()).unwrap_or_default();
    let near = topology.caches().iter().filter(|cache| !cache.cpus().is_disjoint(&cpus));
    let known: u64 = near.filter_map(|cache| cache.size_bytes()).sum();
    if known == 0 { 32 * MIB } else { known as usize }
}

/// Four times the caches that could hold some of it, within what is free there; less in a quick run. Whole MiB.
fn data_bytes(topology: &Topology, memory: NodeId, quick: bool) -> usize {
    let caches = topology.worker_nodes().iter().map(|node| cache_bytes(topology, node)).max().unwrap_or(0);
    let wanted = if quick { QUICK_BYTES } else { (4 * caches).clamp(BYTES_MIN, BYTES_MAX) };
    (wanted.min(free_bytes(topology, memory) / SHARE) / MIB).max(1) * MIB
}

/// What a node can still give to this process: its free memory, and its part of what the control group still allows.
/// Memory that caches files is not counted: the kernel would rather go to another node than reclaim it.
fn free_bytes(topology: &Topology, memory: NodeId) -> usize {
    let path = format!("/sys/devices/system/node/node{}/meminfo", memory.0);
    let nodes = topology.memory_nodes().len().max(1);
    let free = kibibytes(&path, "MemFree:");
    let free = free.or_else(|| Some(kibibytes("/proc/meminfo", "MemAvailable:")? / nodes));
    free.map_or(256 * MIB, |kib| kib * 1024).min(group_bytes() / nodes)
}

/// The number after a word in a file of the kernel.
fn kibibytes(path: &str, word: &str) -> Option<usize> {
    let text = fs::read_to_string(path).ok()?;
    let (_, after) = text.split_once(word)?;
    after.split_whitespace().next()?.parse().ok()
}

/// What the control groups (version 2) that this process is in allow it to take more.
fn group_bytes() -> usize {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or("");
    let own = PathBuf::from("/sys/fs/cgroup").join(own);
    let read = |path: PathBuf| fs::read_to_string(path).ok()?.trim().parse::<usize>().ok();
    let left = own.ancestors().filter_map(|group| {
        Some(read(group.join("memory.max"))?.saturating_sub(read(group.join("memory.current"))?))
    });
    left.min().unwrap_or(usize::MAX)
}
