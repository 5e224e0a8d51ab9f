//! Who is near whom: the order in which a worker looks for work elsewhere. A pure function of topology and seats.
//!
//! ```text
//! worker 0 ─┬─ Core    the other hardware threads of its core      shares L1 and L2
//!           ├─ Cache   the other cores under its last-level cache  shares L3
//!           ├─ Node    the rest of its node                        shares memory
//!           └─ Remote  other nodes, one ring for each distance     shares nothing
//! ```
//!
//! Every other worker is in exactly one ring. Inside a ring the workers start after the thief's own number and wrap, so
//! that neighbours do not all knock at the same door first.

use crate::id::CpuId;
use crate::placement::{Seat, Seats};
use crate::topology::Topology;

/// What two workers share; nearer is smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Nearness {
    /// The physical core (or, with more workers than CPUs, the very CPU).
    Core,
    /// The last-level cache.
    Cache,
    /// The node.
    Node,
    /// Nothing: they are on different nodes.
    Remote,
}

/// The workers at one distance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StealRing {
    /// What they share with the thief.
    pub nearness: Nearness,
    /// The distance of their node from the thief's, by the system's table.
    pub distance: u32,
    /// Their numbers, in the order in which to try them.
    pub workers: Vec<usize>,
}

impl Seats {
    /// The other workers from near to far, as this worker should look for work.
    ///
    /// ```
    /// use heddle_numa::{Nearness, Placement, Seats, Topology};
    /// let machine = Topology::detect()?;
    /// let seats = Seats::plan(&machine, &Placement::Spread, 4)?;
    /// let rings = seats.steal_order(&machine, 0);
    /// assert_eq!(rings.iter().map(|ring| ring.workers.len()).sum::<usize>(), 3);
    /// assert!(rings.is_sorted_by_key(|ring| (ring.nearness, ring.distance)));
    /// # Ok::<(), heddle_numa::Error>(())
    /// ```
    ///
    /// # Panics
    /// Where there is no such worker.
    pub fn steal_order(&self, topology: &Topology, worker: usize) -> Vec<StealRing> {
        let thief = self[worker];
        let mut rings: Vec<StealRing> = Vec::new();
        for step in 1..self.len() {
            let victim = (worker + step) % self.len();
            let (nearness, distance) = nearness(topology, thief, self[victim]);
            match rings.iter_mut().find(|ring| (ring.nearness, ring.distance) == (nearness, distance)) {
                Some(ring) => ring.workers.push(victim),
                None => rings.push(StealRing { nearness, distance, workers: vec![victim] }),
            }
        }
        rings.sort_by_key(|ring| (ring.nearness, ring.distance));
        rings
    }
}

/// What two seats share, and the distance between their nodes.
///
/// Nodes come first: a cache that spans two nodes (it happens with sub-NUMA clusters) does not make their memory near.
fn nearness(topology: &Topology, thief: Seat, victim: Seat) -> (Nearness, u32) {
    let distance = topology.distances().between(thief.node, victim.node);
    if thief.node != victim.node {
        return (Nearness::Remote, distance);
    }
    let known = |cpu: Option<CpuId>| cpu.and_then(|cpu| topology.cpu(cpu).ok());
    let nearness = match (known(thief.cpu), known(victim.cpu)) {
        (Some(a), Some(b)) if a.core == b.core => Nearness::Core,
        (Some(a), Some(b)) if a.cache == b.cache => Nearness::Cache,
        _ => Nearness::Node,
    };
    (nearness, distance)
}
