//! The machines that are booted: one table, from which QEMU gets its arguments and the checks what they expect.
//!
//! | name   | nodes                                        | what it is for                                             |
//! |--------|----------------------------------------------|------------------------------------------------------------|
//! | `2x2`  | 2 of 2 CPUs                                  | the common server, in small                                |
//! | `4x2`  | 4 of one core with 2 hardware threads        | more than two distances, hyper-threads                     |
//! | `het`  | CPUs and memory; CPUs alone; memory alone    | threads without memory, memory without threads             |
//! | `wide` | 2 of 2 CPUs; slow memory alone               | room for 1,200 CPUs: masks longer than a `cpu_set_t`; HMAT |
//!
//! A node has 256 MiB or more, or the kernel has no room for itself; a machine has a socket for each node with CPUs,
//! or the nodes share a package. The speeds of memory are not told where a node has none: QEMU before 8 writes a table then
//! that the kernel refuses.

use heddle_numa::{CpuId, CpuSet, NodeId, NodeSet};

pub(crate) struct Machine {
    pub(crate) name: &'static str,
    pub(crate) cores_per_socket: u32,
    pub(crate) threads_per_core: u32,
    /// CPU numbers the kernel makes room for, where that is more than there are CPUs.
    pub(crate) possible: Option<u32>,
    pub(crate) nodes: &'static [Node],
    /// From, to, distance; each pair once, since the way back is as long.
    pub(crate) distances: &'static [(u32, u32, u32)],
}

pub(crate) struct Node {
    pub(crate) id: u32,
    /// The first and the last, of those that are there.
    pub(crate) cpus: Option<(u32, u32)>,
    /// 0: it has none.
    pub(crate) memory_mib: u32,
    /// What the firmware says of reading it from its nearest CPUs: nanoseconds, and gigabytes a second.
    pub(crate) speed: Option<(u32, u32)>,
}

const fn node(id: u32, cpus: Option<(u32, u32)>, memory_mib: u32) -> Node {
    Node { id, cpus, memory_mib, speed: None }
}

pub(crate) const MACHINES: [Machine; 4] = [
    Machine {
        name: "2x2",
        cores_per_socket: 2,
        threads_per_core: 1,
        possible: None,
        nodes: &[node(0, Some((0, 1)), 512), node(1, Some((2, 3)), 512)],
        distances: &[(0, 1, 21)],
    },
    Machine {
        name: "4x2",
        cores_per_socket: 1,
        threads_per_core: 2,
        possible: None,
        nodes: &[
            node(0, Some((0, 1)), 512),
            node(1, Some((2, 3)), 512),
            node(2, Some((4, 5)), 512),
            node(3, Some((6, 7)), 512),
        ],
        distances: &[(0, 1, 16), (0, 2, 32), (0, 3, 33), (1, 2, 25), (1, 3, 32), (2, 3, 16)],
    },
    Machine {
        name: "het",
        cores_per_socket: 2,
        threads_per_core: 1,
        possible: None,
        nodes: &[node(0, Some((0, 1)), 768), node(1, Some((2, 3)), 0), node(2, None, 384)],
        distances: &[(0, 1, 21), (0, 2, 17), (1, 2, 28)],
    },
    Machine {
        name: "wide",
        cores_per_socket: 2,
        threads_per_core: 1,
        possible: Some(1200),
        nodes: &[
            Node { speed: Some((100, 20)), ..node(0, Some((0, 1)), 768) },
            Node { speed: Some((110, 18)), ..node(1, Some((2, 3)), 768) },
            Node { speed: Some((250, 8)), ..node(2, None, 384) },
        ],
        distances: &[(0, 1, 21), (0, 2, 17), (1, 2, 28)],
    },
];

impl Machine {
    pub(crate) fn named(name: &str) -> Option<&'static Machine> {
        const { &MACHINES }.iter().find(|machine| machine.name == name)
    }

    /// The arguments, separated by blanks; none has one inside.
    pub(crate) fn qemu_arguments(&self) -> String {
        let hmat = self.nodes.iter().any(|node| node.speed.is_some());
        let memory: u32 = self.nodes.iter().map(|node| node.memory_mib).sum();
        let mut arguments = vec![
            format!("-machine q35{}", if hmat { ",hmat=on" } else { "" }),
            format!("-smp {}", self.processors()),
            format!("-m {memory}M"),
        ];
        arguments.extend(self.nodes.iter().map(node_argument));
        arguments.extend(
            self.distances
                .iter()
                .map(|(from, to, distance)| format!("-numa dist,src={from},dst={to},val={distance}")),
        );
        arguments.extend(self.nodes.iter().filter_map(|node| Some(speed_argument(node, node.speed?))));
        arguments.join(" ")
    }

    /// Words for the kernel's command line.
    pub(crate) fn kernel_arguments(&self) -> String {
        // QEMU before 8.1 makes no machine with room for more than 288; the kernel takes our word for it.
        self.possible.map_or(String::new(), |count| format!("possible_cpus={count}"))
    }

    fn processors(&self) -> String {
        let (cores, threads) = (self.cores_per_socket, self.threads_per_core);
        let count = self.cpus().len() as u32;
        format!("{count},sockets={},cores={cores},threads={threads}", count / (cores * threads))
    }

    /// All CPUs that are there.
    pub(crate) fn cpus(&self) -> CpuSet {
        self.nodes.iter().flat_map(|node| node.cpu_set().iter().collect::<Vec<_>>()).collect()
    }

    pub(crate) fn nodes_with_memory(&self) -> NodeSet {
        self.nodes.iter().filter(|node| node.memory_mib > 0).map(|node| NodeId(node.id)).collect()
    }

    pub(crate) fn nodes_with_cpus(&self) -> NodeSet {
        self.nodes.iter().filter(|node| node.cpus.is_some()).map(|node| NodeId(node.id)).collect()
    }

    pub(crate) fn distance(&self, from: u32, to: u32) -> u32 {
        let is = |a: u32, b: u32| (a, b) == (from, to) || (b, a) == (from, to);
        match self.distances.iter().find(|(a, b, _)| is(*a, *b)) {
            Some((_, _, distance)) => *distance,
            None => 10,
        }
    }

    pub(crate) fn node_of(&self, cpu: CpuId) -> NodeId {
        let node = self.nodes.iter().find(|node| node.cpu_set().contains(cpu));
        NodeId(node.unwrap_or_else(|| panic!("{cpu} is not there")).id)
    }

    /// Where the memory of a node's threads comes from: the node itself, or the nearest that has some.
    pub(crate) fn memory_node(&self, node: u32) -> NodeId {
        let near = self.nodes.iter().filter(|other| other.memory_mib > 0);
        let near = near.min_by_key(|other| self.distance(node, other.id)).expect("some node has memory");
        NodeId(near.id)
    }
}

impl Node {
    pub(crate) fn cpu_set(&self) -> CpuSet {
        self.cpus.map_or(CpuSet::new(), |(first, last)| (first..=last).map(CpuId).collect())
    }
}

fn node_argument(node: &Node) -> String {
    let id = node.id;
    let mut argument = format!("-numa node,nodeid={id}");
    if let Some((first, last)) = node.cpus {
        argument += &format!(",cpus={first}-{last}");
    }
    if node.memory_mib > 0 {
        let size = node.memory_mib;
        argument = format!("-object memory-backend-ram,id=m{id},size={size}M {argument},memdev=m{id}");
    }
    if node.speed.is_some() {
        argument += &format!(",initiator={}", initiator(node));
    }
    argument
}

/// Whose CPUs are nearest.
fn initiator(node: &Node) -> u32 {
    if node.cpus.is_some() { node.id } else { 0 }
}

fn speed_argument(node: &Node, (latency, bandwidth): (u32, u32)) -> String {
    let fact = format!("-numa hmat-lb,initiator={},target={},hierarchy=memory", initiator(node), node.id);
    format!(
        "{fact},data-type=access-latency,latency={latency} {fact},data-type=access-bandwidth,bandwidth={bandwidth}G"
    )
}
