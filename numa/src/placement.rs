//! Which worker sits where, and in what order it looks for work elsewhere: pure functions of a [`Topology`].
//!
//! Nothing here asks the system or changes it, so every decision is tested on fixtures of machines nobody has. A
//! [`Seat`] says where a worker belongs; pinning it there is [`affinity`](crate::affinity)'s business.
//!
//! Stealing near first cuts remote *steals*, not remote *memory*: in simulation it is the placement of
//! work at its data that pays, while strict node-first stealing alone could even lose. So the order below says who is
//! near, and leaves how often to try the far ones to the scheduler.

use std::collections::BTreeMap;
use std::ops::Index;

use crate::cpuset::{CpuSet, NodeSet};
use crate::error::{Error, Kind, Result};
use crate::id::{CpuId, NodeId};
use crate::topology::{Cpu, Topology};

/// How many workers to start where nobody says: one per allowed CPU, but no more than the CPU quota rounded down, and at
/// least one.
///
/// Hardware threads count: two workers on one core share its caches and hide each other's memory waits. Who
/// wants one per physical core asks for `topology.cores()`. A quota is rounded down because a thread too many
/// stalls all of them for half of every period once the quota is used up.
///
/// ```
/// use heddle_numa::{Topology, default_workers};
/// let machine = Topology::detect()?;
/// assert!((1..=machine.allowed_cpus().len()).contains(&default_workers(&machine)));
/// # Ok::<(), heddle_numa::Error>(())
/// ```
pub fn default_workers(topology: &Topology) -> usize {
    let quota = topology.quota().map_or(usize::MAX, |quota| quota.whole_cpus());
    topology.allowed_cpus().len().min(quota).max(1)
}

/// How workers are laid out over the machine.
///
/// ```
/// use heddle_numa::{Placement, Seats, Topology};
/// let machine = Topology::detect()?;
/// let cpu = machine.allowed_cpus().first().unwrap();
/// let seats = Seats::plan(&machine, &Placement::Explicit(vec![cpu]), 1)?;
/// assert_eq!(seats[0].cpu, Some(cpu));
/// # Ok::<(), heddle_numa::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// Round and round over the nodes, inside a node over its caches, whole cores before hardware threads of the same core.
    /// Gives the most memory bandwidth and cache. The default.
    #[default]
    Spread,
    /// As few nodes as possible: fill a node, then the one nearest to the first. Inside a node cache by cache, whole
    /// cores before hardware threads of the same core. Keeps sharing cheap.
    Pack,
    /// Worker i on the i-th CPU of the list.
    Explicit(Vec<CpuId>),
    /// No CPU is fixed; each worker still has a home node, as under `Spread`.
    Unpinned,
}

/// Where one worker belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The CPU to pin to; `None` under [`Placement::Unpinned`].
    pub cpu: Option<CpuId>,
    /// Its home node: where its queues, stacks and memory should be. (For a node without memory ask
    /// [`Topology::memory_node`].)
    pub node: NodeId,
}

/// The seats of all workers, by worker number.
///
/// ```
/// use heddle_numa::{Placement, Seats, Topology, default_workers};
/// let machine = Topology::detect()?;
/// let seats = Seats::plan(&machine, &Placement::Spread, default_workers(&machine))?;
/// for (worker, seat) in seats.iter().enumerate() {
///     println!("worker {worker}: {:?} on {}", seat.cpu, seat.node);
/// }
/// # Ok::<(), heddle_numa::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seats(Vec<Seat>);

impl Seats {
    /// Seats for this many workers. More workers than allowed CPUs start again from the first CPU; only an explicit list
    /// that is too short, names a CPU twice or names one that may not be used is refused.
    pub fn plan(topology: &Topology, placement: &Placement, workers: usize) -> Result<Seats> {
        if workers == 0 {
            return Err(Error::new(Kind::Invalid, "a plan needs at least one worker"));
        }
        let order = match placement {
            Placement::Spread | Placement::Unpinned => spread(topology),
            Placement::Pack => pack(topology),
            Placement::Explicit(cpus) => explicit(topology, cpus, workers)?,
        };
        let pinned = *placement != Placement::Unpinned;
        let seat = |cpu: &Cpu| Seat { cpu: pinned.then_some(cpu.id), node: cpu.node };
        Ok(Seats(order.iter().cycle().take(workers).map(seat).collect()))
    }

    /// How many workers have a seat.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no seat. Never true of a plan.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The seats in order of worker number.
    pub fn iter(&self) -> std::slice::Iter<'_, Seat> {
        self.0.iter()
    }

    /// The nodes that have at least one worker.
    pub fn nodes(&self) -> NodeSet {
        self.0.iter().map(|seat| seat.node).collect()
    }
}

/// A plan of one's own.
impl FromIterator<Seat> for Seats {
    fn from_iter<I: IntoIterator<Item = Seat>>(seats: I) -> Seats {
        Seats(seats.into_iter().collect())
    }
}

impl Index<usize> for Seats {
    type Output = Seat;
    fn index(&self, worker: usize) -> &Seat {
        &self.0[worker]
    }
}

/// The allowed CPUs of a node, whole cores first: all first threads of cores cache by cache, then all second ones.
fn node_order(topology: &Topology, node: NodeId) -> Vec<Cpu> {
    let allowed = topology.allowed_cpus_of(node);
    let mut cpus: Vec<Cpu> = allowed.iter().filter_map(|id| topology.cpu(id).ok().copied()).collect();
    cpus.sort_by_key(|cpu| (thread_rank(topology, &allowed, cpu), cpu.cache, cpu.core, cpu.id));
    cpus
}

/// 0 for the first allowed thread of its core, 1 for the second, ...
fn thread_rank(topology: &Topology, allowed: &CpuSet, cpu: &Cpu) -> usize {
    (&topology.cores()[cpu.core.index()] & allowed).iter().take_while(|sibling| *sibling < cpu.id).count()
}

/// Nodes with workers, the one with most allowed CPUs first, then from near to far as seen from it.
fn pack_nodes(topology: &Topology) -> Vec<NodeId> {
    let usable = topology.worker_nodes();
    let largest = usable.iter().max_by_key(|node| {
        let has_memory = topology.node(*node).is_ok_and(|node| node.has_memory());
        (topology.allowed_cpus_of(*node).len(), has_memory, std::cmp::Reverse(*node))
    });
    let Some(first) = largest else { return Vec::new() };
    topology.distances().nearest_first(first).into_iter().filter(|node| usable.contains(*node)).collect()
}

fn pack(topology: &Topology) -> Vec<Cpu> {
    pack_nodes(topology).into_iter().flat_map(|node| node_order(topology, node)).collect()
}

/// One CPU of each node in turn; inside a node one of each cache in turn; whole cores before second threads.
fn spread(topology: &Topology) -> Vec<Cpu> {
    let nodes = topology.worker_nodes();
    let columns = nodes.iter().map(|node| {
        let allowed = topology.allowed_cpus_of(node);
        // Second threads only after every core of the node has one worker: deal out each rank by itself.
        let mut ranks: BTreeMap<usize, BTreeMap<_, Vec<Cpu>>> = BTreeMap::new();
        for cpu in node_order(topology, node) {
            let rank = thread_rank(topology, &allowed, &cpu);
            ranks.entry(rank).or_default().entry(cpu.cache).or_default().push(cpu);
        }
        ranks.into_values().flat_map(|caches| deal(caches.into_values().collect())).collect()
    });
    deal(columns.collect())
}

/// The first of every column, then the second of every column that has one, ...
fn deal(columns: Vec<Vec<Cpu>>) -> Vec<Cpu> {
    let longest = columns.iter().map(Vec::len).max().unwrap_or(0);
    (0..longest).flat_map(|row| columns.iter().filter_map(move |column| column.get(row).copied())).collect()
}

fn explicit(topology: &Topology, list: &[CpuId], workers: usize) -> Result<Vec<Cpu>> {
    if list.len() < workers {
        let message =
            format!("{workers} workers need {workers} CPUs, the explicit placement lists {}", list.len());
        return Err(Error::new(Kind::Invalid, message));
    }
    let mut seen = CpuSet::new();
    let mut cpus = Vec::with_capacity(list.len());
    for id in list {
        let cpu = topology.cpu(*id)?;
        if !topology.allowed_cpus().contains(*id) {
            let message = format!(
                "{id} is outside the CPUs this process may use ({}): choose another, or widen the cpuset",
                topology.allowed_cpus()
            );
            return Err(Error::new(Kind::NotAllowed, message));
        }
        if !seen.insert(*id) {
            return Err(Error::new(Kind::Invalid, format!("the explicit placement lists {id} twice")));
        }
        cpus.push(*cpu);
    }
    Ok(cpus)
}
