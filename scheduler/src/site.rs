//! Where the workers of a scheduler belong on a machine with several NUMA nodes: a pure plan, made once.
//!
//! A *site* is a node as the scheduler uses it: some seats of each lane, an inbox a level, stacks whose pages are
//! there. On a machine with one node, or where all memory is equally near, there is one site, and nothing of this is
//! looked at on any path that is taken often.
//!
//! ```text
//!  topology + placement -> seats (CPU, node)  -> sites (one a node that has CPUs for us)
//!                                             -> for each site, all from near to far: whom to wake
//!                                             -> for each seat, all others in rings: whom to steal from
//!                                             -> for each CPU, the nearest site: where foreign threads' work goes
//! ```
//!
//! Where a worker is *now* can differ, when CPUs have gone away: that is in its [`Remote`](crate::worker::remote).

use crate::error::Error;
use crate::policy::steal::Rings;
use heddle_numa::memory::Home;
use heddle_numa::{CpuId, CpuSet, Nearness, NodeId, Placement, Seat, Seats, Topology, probe};
use std::fmt;
use std::sync::Arc;

/// Does a scheduler mind on which NUMA node things are?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Numa {
    /// On a machine with several nodes, unless a measurement at the start (a few ms) shows that all memory is
    /// equally near.
    #[default]
    Auto,
    /// On a machine with several nodes, whatever their memory costs.
    Always,
    /// Never: the machine is used as if it had one node.
    Off,
}

/// To what the threads of workers are tied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pinning {
    /// To their node where there are several; to their CPU under an explicit placement; else to nothing. (Those of
    /// the urgent lane are tied to their CPUs if there is one for each, so that each preempts what runs there.)
    #[default]
    Auto,
    /// To all CPUs of their node: survives the loss of a CPU, and lets the kernel step around busy ones.
    Node,
    /// To one CPU each.
    Cpu,
    /// To nothing, in no lane.
    Off,
}

/// Whether nodes are minded, and why not.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum NumaState {
    /// They are.
    On,
    /// There is only one with CPUs for us.
    OneNode,
    /// [`Numa::Off`].
    Off,
    /// Far memory was measured to cost this many times what near memory does.
    NoPenalty(f64),
    /// The system does not tell what the machine is like.
    Unknown,
}

impl fmt::Display for NumaState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NumaState::On => f.write_str("on"),
            NumaState::OneNode => f.write_str("one node"),
            NumaState::Off => f.write_str("off"),
            NumaState::NoPenalty(ratio) => write!(f, "off: far memory costs {ratio:.2} of near memory"),
            NumaState::Unknown => f.write_str("off: the system does not tell the machine's nodes"),
        }
    }
}

/// What the owner of a scheduler said about places.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) numa: Numa,
    pub(crate) placement: Placement,
    pub(crate) pinning: Pinning,
    /// Single workers, on that CPU of that node.
    pub(crate) affinities: Vec<(usize, CpuId, NodeId)>,
    /// The machine; `None`: the system does not tell.
    pub(crate) machine: Option<Arc<Topology>>,
}

/// A node, as the scheduler uses it.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// `None`: nodes are not minded.
    pub(crate) node: Option<NodeId>,
    /// Where its memory comes from.
    pub(crate) memory: Option<NodeId>,
    /// The CPUs there that we may use.
    pub(crate) cpus: CpuSet,
}

/// To what a seat's threads are tied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tie {
    Nothing,
    Cpu,
    Site,
}

/// Where a seat is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Post {
    pub(crate) site: usize,
    pub(crate) node: NodeId,
    /// `None`: none in particular.
    pub(crate) cpu: Option<CpuId>,
    /// For the lanes whose threads are not all tied to CPUs.
    pub(crate) tie: Tie,
}

/// See the module's documentation.
#[derive(Clone, Debug)]
pub(crate) struct Sites {
    pub(crate) state: NumaState,
    /// What the plan is about; `None`: the system does not tell.
    pub(crate) machine: Option<Arc<Topology>>,
    all: Box<[Site]>,
    /// By seat of a lane; spares' seats come after the workers'.
    posts: Box<[Post]>,
    /// Threads may be tied, or be sent to a CPU for a moment.
    pub(crate) may_tie: bool,
    /// The nearest site, by the number of a CPU.
    by_cpu: Box<[u16]>,
    /// For each site all of them from near to far.
    orders: Box<[Box<[u16]>]>,
    /// Of each site from each, in the order of `all`.
    distances: Box<[u32]>,
}

/// Far memory that costs less than this many times what near memory does is not worth minding. Picked: below what
/// the measurement's own noise and huge pages make of it.
const PENALTY_MIN: f64 = 1.15;

impl Sites {
    /// The plan for so many workers and spares in each lane.
    pub(crate) fn plan(wishes: &Wishes, workers: usize, spares: usize) -> Result<Sites, Error> {
        let Some(machine) = &wishes.machine else { return Sites::without_topology(wishes, workers, spares) };
        let seats = Seats::plan(machine, &wishes.placement, workers);
        let mut seats: Vec<Seat> =
            seats.map_err(|error| Error::config(format!("placement: {error}")))?.iter().copied().collect();
        let mut ties = vec![wishes.pinning; workers];
        for &(worker, cpu, node) in &wishes.affinities {
            check_affinity(machine, workers, worker, cpu, node)?;
            seats[worker] = Seat { cpu: Some(cpu), node };
            ties[worker] = Pinning::Cpu;
        }
        let state = state(wishes, machine);
        let explicit = matches!(wishes.placement, Placement::Explicit(_));
        let tie = |worker: usize, seat: &Seat| match (ties[worker], seat.cpu) {
            (Pinning::Cpu, Some(_)) => Tie::Cpu,
            (Pinning::Auto, Some(_)) if explicit => Tie::Cpu,
            (Pinning::Auto | Pinning::Node | Pinning::Cpu, _) if state == NumaState::On => Tie::Site,
            _ => Tie::Nothing,
        };
        // Also those that have no worker: one may be moved there.
        let mut nodes: Vec<NodeId> = machine.worker_nodes().iter().collect();
        if state != NumaState::On {
            nodes = vec![seats[0].node];
        }
        let site_of = |node: NodeId| nearest(machine, &nodes, node);
        let posts = seats.iter().enumerate().map(|(worker, seat)| Post {
            site: site_of(seat.node),
            node: seat.node,
            cpu: seat.cpu.filter(|_| ties[worker] != Pinning::Off),
            tie: tie(worker, seat),
        });
        let mut posts: Vec<Post> = posts.collect();
        for spare in 0..spares {
            let minds = state == NumaState::On && wishes.pinning != Pinning::Off;
            let tie = if minds { Tie::Site } else { Tie::Nothing };
            posts.push(Post { cpu: None, tie, ..posts[spare % workers] });
        }
        let is_on = state == NumaState::On;
        let all = nodes.iter().map(|&node| Site {
            node: is_on.then_some(node),
            memory: machine.memory_node(node).filter(|_| is_on),
            cpus: if is_on { machine.allowed_cpus_of(node) } else { machine.allowed_cpus().clone() },
        });
        let most = machine.possible_cpus().last().map_or(0, CpuId::index);
        let home = |cpu: usize| machine.cpu(CpuId(cpu as u32)).map_or(0, |cpu| site_of(cpu.node) as u16);
        let by_cpu = if nodes.len() > 1 { (0..=most).map(home).collect() } else { Box::default() };
        let between = |from: &NodeId, to: &NodeId| machine.distances().between(*from, *to);
        let distances = nodes.iter().flat_map(|from| nodes.iter().map(move |to| between(from, to)));
        Ok(Sites {
            state,
            all: all.collect(),
            by_cpu,
            orders: Box::default(),
            distances: distances.collect(),
            posts: posts.into(),
            may_tie: wishes.pinning != Pinning::Off,
            machine: Some(machine.clone()),
        }
        .ordered())
    }

    /// One site, of which nothing is known.
    fn without_topology(wishes: &Wishes, workers: usize, spares: usize) -> Result<Sites, Error> {
        if let Some((worker, cpu, node)) = wishes.affinities.first() {
            return Err(Error::config(format!(
                "set_worker_affinity(worker {worker}, {cpu}, {node}): the system does not tell which CPUs and nodes \
                 there are; leave it out"
            )));
        }
        if matches!(wishes.placement, Placement::Explicit(_)) {
            return Err(Error::config(
                "placement(Explicit): the system does not tell which CPUs there are; leave it out",
            ));
        }
        let post = Post { site: 0, node: NodeId(0), cpu: None, tie: Tie::Nothing };
        Ok(Sites {
            state: NumaState::Unknown,
            machine: None,
            all: Box::new([Site { node: None, memory: None, cpus: CpuSet::new() }]),
            posts: vec![post; workers + spares].into(),
            may_tie: false,
            by_cpu: Box::default(),
            orders: Box::default(),
            distances: Box::new([10]),
        }
        .ordered())
    }

    fn ordered(mut self) -> Sites {
        let count = self.all.len();
        let order = |site: usize| {
            let mut sites: Vec<u16> = (0..count as u16).collect();
            sites.sort_by_key(|&other| (usize::from(other) != site, self.distance(site, usize::from(other))));
            sites.into()
        };
        self.orders = (0..count).map(order).collect();
        self
    }

    /// How many of the first so many seats are at each site.
    pub(crate) fn workers_at(&self, seats: usize) -> Box<[usize]> {
        let at = |site: usize| self.posts[..seats].iter().filter(|post| post.site == site).count();
        (0..self.all.len()).map(at).collect()
    }

    /// Where memory of a site comes from.
    pub(crate) fn home(&self, site: usize) -> Home {
        match (&self.machine, self.all[site].node) {
            (Some(machine), Some(node)) => Home::near(machine, node),
            _ => Home::anywhere(),
        }
    }

    pub(crate) fn all(&self) -> &[Site] {
        &self.all
    }

    /// Is there but one?
    #[inline]
    pub(crate) fn is_one(&self) -> bool {
        self.all.len() == 1
    }

    /// By seat of a lane, as planned.
    pub(crate) fn posts(&self) -> &[Post] {
        &self.posts
    }

    /// The site of a seat, as planned.
    pub(crate) fn site(&self, seat: usize) -> usize {
        self.posts[seat].site
    }

    /// For each site all of them from near to far.
    pub(crate) fn orders(&self) -> &[Box<[u16]>] {
        &self.orders
    }

    /// The CPUs of the first so many seats; empty if not all are known.
    pub(crate) fn cpus(&self, seats: usize) -> Box<[usize]> {
        let known: Option<Box<[usize]>> =
            self.posts[..seats].iter().map(|post| Some(post.cpu?.index())).collect();
        known.unwrap_or_default()
    }

    /// The site of a CPU, or the nearest to it.
    #[inline]
    pub(crate) fn of_cpu(&self, cpu: usize) -> usize {
        self.by_cpu.get(cpu).map_or(0, |&site| site as usize)
    }

    /// The site of a node, or the nearest to it. `None`: there is no such node.
    pub(crate) fn of_node(&self, node: NodeId) -> Option<usize> {
        let Some(machine) = &self.machine else { return (node == NodeId(0)).then_some(0) };
        machine.node(node).ok()?;
        let nodes: Vec<NodeId> = self.all.iter().filter_map(|site| site.node).collect();
        Some(if nodes.is_empty() { 0 } else { nearest(machine, &nodes, node) })
    }

    /// The nodes that there are, in words.
    pub(crate) fn known_nodes(&self) -> String {
        match &self.machine {
            Some(machine) => {
                machine.nodes().iter().map(|node| node.id()).collect::<heddle_numa::NodeSet>().to_string()
            }
            None => "0".to_owned(),
        }
    }

    /// How far a site's memory is, by the system's table.
    pub(crate) fn distance(&self, from: usize, to: usize) -> u32 {
        self.distances[from * self.all.len() + to]
    }

    /// The other seats around one in rings; `at` says at which site each seat is now. `None`: all are equally near, and
    /// there is no other site, in whose inboxes something could wait.
    pub(crate) fn rings(&self, seat: usize, urgent: bool, at: impl Fn(usize) -> usize) -> Option<Rings> {
        let key = |other: usize| self.nearness(seat, other, urgent, &at);
        let rings = Rings::with_node(seat, self.posts.len(), key, FAR - 1);
        (!rings.is_flat() || !self.is_one()).then_some(rings)
    }

    /// What a seat shares with another, and the distance of their nodes. `at` says at which site each is now.
    pub(crate) fn between(
        &self,
        seat: usize,
        other: usize,
        urgent: bool,
        at: impl Fn(usize) -> usize,
    ) -> (Nearness, u32) {
        let distance = self.distance(at(seat), at(other));
        let nearness = match self.nearness(seat, other, urgent, at) {
            0 => Nearness::Core,
            1 => Nearness::Cache,
            2 => Nearness::Node,
            _ => Nearness::Remote,
        };
        (nearness, distance)
    }

    /// What a seat shares with another, as a number that is higher the less it is.
    fn nearness(&self, seat: usize, other: usize, urgent: bool, at: impl Fn(usize) -> usize) -> u32 {
        let (here, there) = (at(seat), at(other));
        if here != there {
            return FAR + self.distance(here, there);
        }
        let cpu = |seat: usize| self.posts[seat].cpu.filter(|_| urgent || self.posts[seat].tie == Tie::Cpu);
        let known = |seat: usize| self.machine.as_ref()?.cpu(cpu(seat)?).ok();
        match (known(seat), known(other)) {
            (Some(a), Some(b)) if a.core == b.core => Nearness::Core as u32,
            (Some(a), Some(b)) if a.cache == b.cache => Nearness::Cache as u32,
            _ => Nearness::Node as u32,
        }
    }
}

const _: () =
    assert!(Nearness::Core as u32 == 0 && Nearness::Cache as u32 == 1 && Nearness::Node as u32 == 2);

/// From here on it is another node.
const FAR: u32 = Nearness::Remote as u32;

/// The index of the one of `nodes` that is nearest to `node`.
fn nearest(machine: &Topology, nodes: &[NodeId], node: NodeId) -> usize {
    let near = machine.distances().nearest_first(node);
    near.iter().find_map(|near| nodes.iter().position(|other| other == near)).unwrap_or(0)
}

fn state(wishes: &Wishes, machine: &Topology) -> NumaState {
    if wishes.numa == Numa::Off {
        return NumaState::Off;
    }
    if machine.worker_nodes().len() < 2 {
        return NumaState::OneNode;
    }
    // Where it cannot be measured, the system's table is believed.
    match probe::penalty(machine) {
        Some(ratio) if wishes.numa == Numa::Auto && ratio < PENALTY_MIN => NumaState::NoPenalty(ratio),
        _ => NumaState::On,
    }
}

/// Is that worker's place one that it can have?
pub(crate) fn check_affinity(
    machine: &Topology,
    workers: usize,
    worker: usize,
    cpu: CpuId,
    node: NodeId,
) -> Result<(), Error> {
    let refused = |why: String| {
        Err(Error::config(format!("set_worker_affinity(worker {worker}, {cpu}, {node}): {why}")))
    };
    if worker >= workers {
        return refused(format!("there are workers 0 to {}", workers - 1));
    }
    if let Err(error) = machine.node(node) {
        return refused(error.to_string());
    }
    match machine.cpu(cpu) {
        Err(error) => refused(error.to_string()),
        Ok(known) if known.node != node => refused(format!("{cpu} is on {}", known.node)),
        Ok(_) if !machine.allowed_cpus().contains(cpu) => refused(format!(
            "this process may use CPUs {}; choose one of them, or widen the cpuset",
            machine.allowed_cpus()
        )),
        Ok(_) => Ok(()),
    }
}
