//! What becomes of the workers when CPUs go away and come back. A pure function of the wanted seats and the CPUs left.
//!
//! A CPU is lost when it goes offline or the cpuset shrinks. The kernel then widens the thread's mask without a
//! word (which kernels put it back later differs), so the scheduler compares masks now and then and asks here what
//! to do. The answer depends on the *wanted* seats and today's CPUs alone, never on yesterday's answer: losing and
//! regaining a CPU always leads back to the plan.
//!
//! | the wanted CPU | what happens | fate |
//! | --- | --- | --- |
//! | may be used | the worker is (again) there | `Kept` |
//! | is lost, its node has a free CPU | it moves there | `Moved` |
//! | is lost, another node has a free CPU | it moves to the nearest such | `Displaced` |
//! | is lost, no CPU is free | it should park; if it holds what cannot move, it runs unpinned | `Surplus` |
//!
//! A CPU is free when no worker of the plan that could keep its CPU wants it, and no worker has just been moved there.

use crate::cpuset::CpuSet;
use crate::id::{CpuId, NodeId};
use crate::placement::{Seat, Seats};
use crate::topology::Topology;

/// What became of a worker; see the table in the module's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It has the seat it was planned for.
    Kept,
    /// Another CPU of its node.
    Moved,
    /// Another node: its queues' home, victims and new stacks should follow.
    Displaced,
    /// There is no CPU for it.
    Surplus,
}

/// A worker's seat for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reseat {
    /// Where it should be. The CPU of a surplus worker is `None`.
    pub seat: Seat,
    /// How that compares with the plan.
    pub fate: Fate,
}

impl Seats {
    /// The seats for now, by worker number, given the CPUs that may be used now (an unpinned thread's
    /// [`allowed_cpus`](crate::affinity::allowed_cpus)). `self` is the plan as first made.
    ///
    /// ```
    /// use heddle_numa::{Fate, Placement, Seats, Topology};
    /// let machine = Topology::detect()?;
    /// let plan = Seats::plan(&machine, &Placement::Spread, 1)?;
    /// let now = plan.reseat(&machine, machine.allowed_cpus());
    /// assert_eq!((now[0].seat, now[0].fate), (plan[0], Fate::Kept));
    /// # Ok::<(), heddle_numa::Error>(())
    /// ```
    pub fn reseat(&self, topology: &Topology, allowed: &CpuSet) -> Vec<Reseat> {
        let usable = allowed & topology.online_cpus();
        let kept: CpuSet =
            self.iter().filter_map(|seat| seat.cpu).filter(|cpu| usable.contains(*cpu)).collect();
        let mut free = &usable - &kept;
        self.iter().map(|wanted| reseat(topology, &usable, &mut free, *wanted)).collect()
    }
}

fn reseat(topology: &Topology, usable: &CpuSet, free: &mut CpuSet, wanted: Seat) -> Reseat {
    let of_node =
        |node: NodeId, cpus: &CpuSet| topology.node(node).map(|node| node.cpus() & cpus).unwrap_or_default();
    let nearest = topology.distances().nearest_first(wanted.node);
    let Some(cpu) = wanted.cpu else {
        // Unpinned: only the home can be lost, and it need not be empty to serve.
        let home = nearest.into_iter().find(|node| !of_node(*node, usable).is_empty()).unwrap_or(wanted.node);
        let fate = if home == wanted.node { Fate::Kept } else { Fate::Displaced };
        return Reseat { seat: Seat { cpu: None, node: home }, fate };
    };
    if usable.contains(cpu) {
        return Reseat { seat: wanted, fate: Fate::Kept };
    }
    let found: Option<(CpuId, NodeId)> =
        nearest.iter().find_map(|node| Some((of_node(*node, free).first()?, *node)));
    match found {
        Some((cpu, node)) => {
            free.remove(cpu);
            let fate = if node == wanted.node { Fate::Moved } else { Fate::Displaced };
            Reseat { seat: Seat { cpu: Some(cpu), node }, fate }
        }
        None => {
            let home =
                nearest.into_iter().find(|node| !of_node(*node, usable).is_empty()).unwrap_or(wanted.node);
            Reseat { seat: Seat { cpu: None, node: home }, fate: Fate::Surplus }
        }
    }
}
