//! Machines with several memory nodes, and what things cost on them. Latencies and bandwidths are published
//! ones where it says so (`docs/numa.md` has the sources); the rest is assumed, and [`Costs::scaled`] and the
//! fields of [`Hardware`] are there to see what hangs on it.

/// Bytes that one cache miss fetches.
pub(super) const LINE: f64 = 64.0;

/// Larger machines than any of today; and what grows with the square of the nodes stays small.
const WORKERS_MAX: usize = 4096;

/// How far apart two nodes are: the same, another of the same socket, another socket.
pub const DISTANCES: usize = 3;

/// A machine, as its memory is seen from its cores. Times in ns, bandwidths in bytes per ns (GB/s).
#[derive(Clone, Debug, PartialEq)]
pub struct Hardware {
    /// What it is called in tables.
    pub name: &'static str,
    /// How many sockets it has.
    pub sockets: usize,
    /// How many memory nodes each socket has.
    pub nodes_each: usize,
    /// How many cores, with a worker each, every node has.
    pub cores_each: usize,
    /// How long a cache miss takes, by distance.
    pub latency: [f64; DISTANCES],
    /// What the memory of one node can deliver.
    pub node_bandwidth: f64,
    /// What the way from one node to another of the same socket can carry.
    pub mesh_bandwidth: f64,
    /// What the way from one socket to another can carry in one direction, for all their nodes together.
    pub link_bandwidth: f64,
    /// How many cache misses a core has under way at a time.
    pub parallel_misses: f64,
    /// What the scheduler's own steps cost.
    pub costs: Costs,
}

/// What the scheduler's own steps cost, in ns; arrays are by distance.
#[derive(Clone, Debug, PartialEq)]
pub struct Costs {
    /// To make a fiber and queue it.
    pub push: u64,
    /// To queue one in the inbox of a node.
    pub send: [u64; DISTANCES],
    /// To take a fiber from the own queue and start or resume it.
    pub dispatch: u64,
    /// To look into a queue that may have something.
    pub look: [u64; DISTANCES],
    /// To take a fiber out of it.
    pub take: [u64; DISTANCES],
    /// Between two looks of a worker that found nothing.
    pub poll: u64,
    /// The wake-up of a parked worker, from and to.
    pub wake: (u64, u64),
    /// How much longer it takes across nodes.
    pub wake_far: [u64; DISTANCES],
    /// How long a worker looks for work before it parks.
    pub spin: u64,
}

impl Costs {
    /// Push and dispatch as measured (`docs/performance.md`: spawn and join 49 ns on one worker); a
    /// theft costs a handful of transfers of cache lines, of 24 ns inside a cache to 224 ns across
    /// sockets; wake-ups as in the [other simulation](crate::simulation).
    pub const fn usual() -> Costs {
        Costs {
            push: 15,
            send: [40, 150, 300],
            dispatch: 30,
            look: [50, 120, 224],
            take: [150, 400, 700],
            poll: 250,
            wake: (2_000, 12_000),
            wake_far: [0, 500, 1_000],
            spin: 30_000,
        }
    }

    /// All of them so many times as high, but for the time that a worker looks for work.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Costs {
        let scale = |cost: u64| (cost as f64 * factor) as u64;
        Costs {
            push: scale(self.push),
            send: self.send.map(scale),
            dispatch: scale(self.dispatch),
            look: self.look.map(scale),
            take: self.take.map(scale),
            poll: self.poll,
            wake: (scale(self.wake.0), scale(self.wake.1)),
            wake_far: self.wake_far.map(scale),
            spin: self.spin,
        }
    }

    /// The same near and far.
    #[must_use]
    fn flat(&self) -> Costs {
        let flat = |costs: [u64; DISTANCES]| [costs[0]; DISTANCES];
        Costs {
            send: flat(self.send),
            look: flat(self.look),
            take: flat(self.take),
            wake_far: [0; DISTANCES],
            ..self.clone()
        }
    }
}

impl Hardware {
    /// Two sockets of 16 cores: 78 and 144 ns, 225 GB/s of both together (a Xeon of the Cascade Lake
    /// generation); between sockets half of a node's bandwidth, as was measured on two others.
    pub const fn two_by_16() -> Hardware {
        Hardware {
            name: "2 x 16",
            sockets: 2,
            nodes_each: 1,
            cores_each: 16,
            latency: [78.0, 78.0, 144.0],
            node_bandwidth: 112.0,
            mesh_bandwidth: 112.0,
            link_bandwidth: 56.0,
            parallel_misses: 10.0,
            costs: Costs::usual(),
        }
    }

    /// Eight nodes of 8 cores, four in each socket: 96, 113 and 200 ns, which is an assumption of the
    /// order of what is told of such machines, as the bandwidths are.
    pub const fn eight_by_8() -> Hardware {
        Hardware {
            name: "8 x 8",
            sockets: 2,
            nodes_each: 4,
            cores_each: 8,
            latency: [96.0, 113.0, 200.0],
            node_bandwidth: 45.0,
            mesh_bandwidth: 45.0,
            link_bandwidth: 80.0,
            ..Hardware::two_by_16()
        }
    }

    /// Two sockets of 64 cores: 108 and 196 ns, 262 and 123 GB/s, as measured on one two-socket machine.
    pub const fn two_by_64() -> Hardware {
        Hardware {
            name: "2 x 64",
            cores_each: 64,
            latency: [108.0, 108.0, 196.0],
            node_bandwidth: 262.0,
            mesh_bandwidth: 262.0,
            link_bandwidth: 123.0,
            ..Hardware::two_by_16()
        }
    }

    /// The same machine if all its memory were equally far from everybody, and as one.
    #[must_use]
    pub fn flat(&self) -> Hardware {
        let everywhere = self.node_bandwidth * self.nodes() as f64;
        Hardware {
            latency: [self.latency[0]; DISTANCES],
            node_bandwidth: everywhere,
            mesh_bandwidth: everywhere,
            link_bandwidth: everywhere,
            costs: self.costs.flat(),
            ..self.clone()
        }
    }

    /// The same with so many times the latency of far memory, above that of near memory.
    #[must_use]
    pub fn farther(&self, factor: f64) -> Hardware {
        let near = self.latency[0];
        Hardware { latency: self.latency.map(|far| near + (far - near) * factor), ..self.clone() }
    }

    /// Panics if it makes no sense.
    pub(super) fn check(&self) {
        let cpus = [self.sockets, self.nodes_each, self.cores_each];
        let workers = cpus.into_iter().try_fold(1_usize, |product, count| product.checked_mul(count));
        assert!(
            workers.is_some_and(|workers| (1..=WORKERS_MAX).contains(&workers)),
            "a machine has 1 to {WORKERS_MAX} workers, not {cpus:?}"
        );
        let others = [self.node_bandwidth, self.mesh_bandwidth, self.link_bandwidth, self.parallel_misses];
        for figure in self.latency.into_iter().chain(others) {
            assert!(
                figure.is_finite() && figure > 0.0,
                "latencies, bandwidths and misses are positive: {self:?}"
            );
        }
        assert!(self.costs.wake.0 <= self.costs.wake.1, "wake-ups take from .. to: {:?}", self.costs.wake);
        assert!(self.costs.poll > 0, "a worker that finds nothing looks again after a while");
    }

    /// How many memory nodes it has.
    pub fn nodes(&self) -> usize {
        self.sockets * self.nodes_each
    }

    /// How many workers it has.
    pub fn workers(&self) -> usize {
        self.nodes() * self.cores_each
    }

    pub(super) fn node_of(&self, worker: usize) -> usize {
        worker / self.cores_each
    }

    /// 0: the same node, 1: another of the same socket, 2: another socket.
    pub(super) fn distance(&self, a: usize, b: usize) -> usize {
        match (a == b, a / self.nodes_each == b / self.nodes_each) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        }
    }
}
