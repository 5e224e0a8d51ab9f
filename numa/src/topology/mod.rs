//! The machine as this process sees it: nodes, packages, cache groups, cores, CPUs, distances, limits, and for each of
//! these facts where it came from.
//!
//! A [`Topology`] is a value: read once, never updated, cheap to share. Invariants, made by `assemble` whatever the
//! source said:
//!
//! * every online CPU is in exactly one node, one package, one cache group and one core;
//! * there is at least one node and one allowed CPU; allowed CPUs are online, allowed nodes are nodes;
//! * whatever had to be assumed is marked [`Source::Assumed`] and explained in [`Topology::notes`].
//!
//! Refused: guessing in silence, and updating in place (ask again with [`Topology::detect`]).
//!
//! Read next: `sysfs` (the parser), `assemble` (the invariants), `crate::placement` (what is done with it).

mod assemble;
mod sysfs;
mod hwloc;

pub use hwloc::CrossCheck;

use assemble::Parts;

use std::fmt;
use std::path::Path;

use crate::cpuset::{CpuSet, NodeSet};
use crate::distance::Distances;
use crate::error::{Error, Kind, Result};
use crate::id::{CacheId, CoreId, CpuId, NodeId, PackageId};
use crate::quota::{self, Quota};
use crate::sys::{self, HwlocInput};

/// A NUMA node: memory, CPUs, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub(crate) id: NodeId,
    pub(crate) cpus: CpuSet,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) has_memory: bool,
    pub(crate) access: Option<Access>,
}

impl Node {
    /// The kernel's number of the node.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// The online CPUs of the node, allowed or not.
    pub fn cpus(&self) -> &CpuSet {
        &self.cpus
    }

    /// Memory of the node in bytes, where the system says.
    pub fn memory_bytes(&self) -> Option<u64> {
        self.memory_bytes
    }

    /// Whether pages can live here. Binding memory to a node without is refused by the kernel.
    pub fn has_memory(&self) -> bool {
        self.has_memory
    }

    /// A node with memory and no CPUs: CXL, high-bandwidth memory, a graphics card.
    pub fn is_memory_only(&self) -> bool {
        self.has_memory && self.cpus.is_empty()
    }

    /// A node with CPUs and no memory: its threads always use another node's.
    pub fn is_cpu_only(&self) -> bool {
        !self.has_memory && !self.cpus.is_empty()
    }

    /// How fast the node's memory is for the CPUs nearest to it, where the firmware says (HMAT).
    pub fn access(&self) -> Option<Access> {
        self.access
    }
}

/// Speed of a node's memory as seen from its nearest CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Latency of a read in nanoseconds.
    pub read_latency_ns: u32,
    /// Bandwidth of reads in megabytes per second.
    pub read_bandwidth_mb_s: u32,
}

/// A logical CPU and what it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// The kernel's number.
    pub id: CpuId,
    /// Its node.
    pub node: NodeId,
    /// Its socket.
    pub package: PackageId,
    /// Its last-level cache.
    pub cache: CacheId,
    /// Its physical core.
    pub core: CoreId,
}

/// CPUs that share the last level of cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    pub(crate) cpus: CpuSet,
    pub(crate) level: u8,
    pub(crate) size_bytes: Option<u64>,
}

impl Cache {
    /// The CPUs that share it.
    pub fn cpus(&self) -> &CpuSet {
        &self.cpus
    }

    /// 3 for an L3; 0 where no cache is known and the group is the package's part of a node.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// Its size, where the system says.
    pub fn size_bytes(&self) -> Option<u64> {
        self.size_bytes
    }
}

/// A fact about the machine whose source can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// Which nodes there are.
    Nodes,
    /// Which node a CPU belongs to.
    NodeCpus,
    /// Which nodes have memory, and how much.
    Memory,
    /// Distances between nodes.
    Distances,
    /// Sockets.
    Packages,
    /// Groups that share the last-level cache.
    Caches,
    /// Physical cores and their hardware threads.
    Cores,
    /// CPUs this process may use.
    AllowedCpus,
    /// Nodes this process may take memory from.
    AllowedNodes,
    /// The CPU quota.
    Quota,
}

impl Fact {
    /// All facts, in the order of a report.
    pub const ALL: [Fact; 10] = [
        Fact::Nodes,
        Fact::NodeCpus,
        Fact::Memory,
        Fact::Distances,
        Fact::Packages,
        Fact::Caches,
        Fact::Cores,
        Fact::AllowedCpus,
        Fact::AllowedNodes,
        Fact::Quota,
    ];

    /// The fact's name in reports and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Fact::Nodes => "nodes",
            Fact::NodeCpus => "node_cpus",
            Fact::Memory => "memory",
            Fact::Distances => "distances",
            Fact::Packages => "packages",
            Fact::Caches => "caches",
            Fact::Cores => "cores",
            Fact::AllowedCpus => "allowed_cpus",
            Fact::AllowedNodes => "allowed_nodes",
            Fact::Quota => "quota",
        }
    }
}

/// Where a fact came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// `/sys/devices/system`.
    Sysfs,
    /// `/proc`.
    Procfs,
    /// The control group's files.
    Cgroup,
    /// A system call, or the standard library's wrapper of one.
    SystemCall,
    /// libhwloc, looking at this machine.
    Hwloc,
    /// An XML file that hwloc wrote.
    HwlocXml,
    /// A synthetic description that hwloc expanded.
    HwlocSynthetic,
    /// Nobody said: the plainest assumption was made. [`Topology::notes`] says which.
    Assumed,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::Sysfs => "sysfs",
            Source::Procfs => "procfs",
            Source::Cgroup => "cgroup",
            Source::SystemCall => "system call",
            Source::Hwloc => "hwloc",
            Source::HwlocXml => "hwloc XML",
            Source::HwlocSynthetic => "hwloc synthetic",
            Source::Assumed => "assumed",
        })
    }
}

/// The machine; see the module's text for its invariants.
///
/// ```
/// use heddle_numa::Topology;
/// let machine = Topology::detect()?;
/// for node in machine.nodes() {
///     println!("{}: CPUs {}", node.id(), node.cpus());
/// }
/// # Ok::<(), heddle_numa::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Topology {
    nodes: Vec<Node>,
    cpus: Vec<Cpu>,
    packages: Vec<CpuSet>,
    caches: Vec<Cache>,
    cores: Vec<CpuSet>,
    distances: Distances,
    online: CpuSet,
    possible: CpuSet,
    allowed_cpus: CpuSet,
    allowed_nodes: NodeSet,
    quota: Option<Quota>,
    sources: [Source; Fact::ALL.len()],
    notes: Vec<String>,
    cross_check: CrossCheck,
}

impl Topology {
    /// This machine as the calling thread may use it now. Call it *before* pinning the thread: the allowed CPUs are
    /// those of the calling thread's affinity mask.
    ///
    /// Where there is no `/sys` (another system, a sealed container) the machine is one node with the CPUs the
    /// system counts, and the notes say so.
    pub fn detect() -> Result<Topology> {
        let root = Path::new("/");
        let allowed = sys::getaffinity(0);
        let mut parts = match sysfs::read(root) {
            Ok(parts) => parts,
            Err(missing) if missing.is_not_found() => {
                let mut parts = Parts::new();
                parts.online = allowed.as_ref().map_err(no_mask)?.clone();
                parts.notes.push(format!("{missing}: assuming one node"));
                parts.quota = quota::read(root)?;
                parts
            }
            Err(other) => return Err(other),
        };
        match allowed {
            Ok(allowed) => {
                parts.allowed_cpus = Some(allowed);
                parts.set_source(Fact::AllowedCpus, Source::SystemCall);
            }
            Err(error) => parts.notes.push(no_mask(&error).to_string()),
        }
        parts.cross_check = hwloc::second_opinion(&mut parts);
        parts.assemble()
    }

    /// The machine whose file system is (a copy of) `root`: `/` for this one, or a directory with `sys/devices/system`,
    /// and optionally `proc/self/{status,cgroup,mountinfo}` and the control groups' files, of another one.
    ///
    /// ```no_run
    /// use heddle_numa::Topology;
    /// let other = Topology::from_sysfs("dumps/four-socket".as_ref())?;
    /// println!("{} nodes", other.nodes().len());
    /// # Ok::<(), heddle_numa::Error>(())
    /// ```
    pub fn from_sysfs(root: &Path) -> Result<Topology> {
        sysfs::read(root)?.assemble()
    }

    /// The machine in an XML file of hwloc 2 (`lstopo --of xml machine.xml`). An error (`is_unsupported`) in a build
    /// without libhwloc.
    ///
    /// ```no_run
    /// use heddle_numa::Topology;
    /// let other = Topology::from_hwloc_xml("machine.xml".as_ref())?;
    /// # Ok::<(), heddle_numa::Error>(())
    /// ```
    pub fn from_hwloc_xml(path: &Path) -> Result<Topology> {
        hwloc::read(HwlocInput::Xml(path))?.assemble()
    }

    /// The machine of a synthetic description, expanded by hwloc. Nodes must be named, or there is one. An error
    /// (`is_unsupported`) in a build without libhwloc.
    ///
    /// ```
    /// use heddle_numa::Topology;
    /// match Topology::from_hwloc_synthetic("pack:2 [numa] l3:4 core:8 pu:2") {
    ///     Ok(machine) => assert_eq!((machine.nodes().len(), machine.cpus().len()), (2, 128)),
    ///     Err(error) => assert!(error.is_unsupported()), // built without libhwloc
    /// }
    /// ```
    pub fn from_hwloc_synthetic(description: &str) -> Result<Topology> {
        hwloc::read(HwlocInput::Synthetic(description))?.assemble()
    }

    /// The nodes by ascending id.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node of this id.
    pub fn node(&self, id: NodeId) -> Result<&Node> {
        self.nodes.iter().find(|node| node.id == id).ok_or_else(|| {
            let known: NodeSet = self.nodes.iter().map(Node::id).collect();
            Error::new(Kind::NotFound, format!("there is no {id}: the nodes are {known}"))
        })
    }

    /// The online CPUs by ascending id.
    pub fn cpus(&self) -> &[Cpu] {
        &self.cpus
    }

    /// The online CPU of this id.
    pub fn cpu(&self, id: CpuId) -> Result<&Cpu> {
        let place = self.cpus.binary_search_by_key(&id, |cpu| cpu.id).map_err(|_| {
            let why = if self.possible.contains(id) { "is offline" } else { "does not exist" };
            Error::new(Kind::NotFound, format!("{id} {why}: the online CPUs are {}", self.online))
        })?;
        Ok(&self.cpus[place])
    }

    /// The CPUs of each socket, indexed by [`PackageId`].
    pub fn packages(&self) -> &[CpuSet] {
        &self.packages
    }

    /// The last-level caches, indexed by [`CacheId`].
    pub fn caches(&self) -> &[Cache] {
        &self.caches
    }

    /// The hardware threads of each physical core, indexed by [`CoreId`].
    pub fn cores(&self) -> &[CpuSet] {
        &self.cores
    }

    /// The hardware threads of the core this CPU belongs to, itself included.
    pub fn smt_siblings(&self, cpu: CpuId) -> Result<&CpuSet> {
        Ok(&self.cores[self.cpu(cpu)?.core.index()])
    }

    /// Distances between nodes.
    pub fn distances(&self) -> &Distances {
        &self.distances
    }

    /// CPUs that are online.
    pub fn online_cpus(&self) -> &CpuSet {
        &self.online
    }

    /// CPUs that could ever be online on this kernel.
    pub fn possible_cpus(&self) -> &CpuSet {
        &self.possible
    }

    /// CPUs this process may use: the affinity mask, which includes the cpuset.
    pub fn allowed_cpus(&self) -> &CpuSet {
        &self.allowed_cpus
    }

    /// CPUs of a node this process may use; empty for an unknown node.
    pub fn allowed_cpus_of(&self, node: NodeId) -> CpuSet {
        self.node(node).map(|node| &node.cpus & &self.allowed_cpus).unwrap_or_default()
    }

    /// Nodes this process may take memory from (the cpuset's), whether they have memory or not.
    pub fn allowed_nodes(&self) -> &NodeSet {
        &self.allowed_nodes
    }

    /// Nodes with memory that this process may use.
    pub fn memory_nodes(&self) -> NodeSet {
        let with_memory = self.nodes.iter().filter(|node| node.has_memory).map(Node::id).collect();
        &self.allowed_nodes & &with_memory
    }

    /// Nodes with at least one CPU this process may use.
    pub fn worker_nodes(&self) -> NodeSet {
        self.nodes.iter().filter(|node| !node.cpus.is_disjoint(&self.allowed_cpus)).map(Node::id).collect()
    }

    /// The nearest node to this one that has memory and may be used: itself, where it qualifies. The kernel refuses
    /// (EINVAL, in every mode) to bind memory to any other, so ask here first.
    pub fn memory_node(&self, near: NodeId) -> Option<NodeId> {
        let usable = self.memory_nodes();
        self.distances.nearest_first(near).into_iter().find(|node| usable.contains(*node))
    }

    /// The CPU quota of the control group, where there is one.
    pub fn quota(&self) -> Option<&Quota> {
        self.quota.as_ref()
    }

    /// Whether where memory and threads are can matter: more than one node this process may use.
    pub fn is_numa(&self) -> bool {
        (&self.worker_nodes() | &self.memory_nodes()).len() > 1
    }

    /// Where a fact came from.
    pub fn source(&self, fact: Fact) -> Source {
        self.sources[fact as usize]
    }

    /// What was odd and what was assumed, in sentences for a person.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What hwloc, asked as well, had to say. What sysfs left open it has filled in ([`Source::Hwloc`]); where they differ,
    /// sysfs stands.
    pub fn cross_check(&self) -> &CrossCheck {
        &self.cross_check
    }
}

fn no_mask(os: &std::io::Error) -> Error {
    Error::new(Kind::System, format!("cannot read this thread's affinity mask: {os}"))
}
