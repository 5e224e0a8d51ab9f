//! What runs: fibers that compute and read memory which has a home. What a fiber does follows from the seed
//! and from what it is, never from where or when it runs, so that policies are compared on the same work.

use super::hardware::Hardware;

/// For which fibers the program says where their data is (`near(&data)`), to those policies that listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hints {
    /// Where a fork's part of the data is on one node for the first time.
    Subtrees,
    /// For each leaf as well.
    Leaves,
}

/// The shape of a program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A fork-join tree over blocks of data, one round after the other.
    ForkJoin(Hints),
    /// Blocks that need their neighbours' results of the step before, without a barrier.
    Stencil,
    /// Fibers with state of their own that stay where they have started, and pass messages along a ring.
    Actors,
    /// Requests that come by chance (Poisson) from outside, for the data of one node each, so many that
    /// this part of the machine is busy when all memory is near.
    Service(f64),
    /// An unbalanced tree of which nobody knows the shape before (UTS, geometric); no data but the
    /// fibers themselves, which are where their parent ran.
    Tree,
    /// One fiber makes all others, with its data.
    Maker,
}

/// A program.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// What it is called in tables.
    pub name: &'static str,
    /// Its shape.
    pub kind: Kind,
    /// CPU time of a leaf, in ns.
    pub cpu: f64,
    /// Cache misses of a leaf.
    pub lines: f64,
    /// A leaf has up to this part less or more of both.
    pub spread: f64,
    /// The leaves on the first node's data have so many times as much work.
    pub lopsided: f64,
    /// How many leaves for each worker.
    pub leaves_each: u32,
    /// How many rounds, steps, or messages.
    pub rounds: u32,
}

impl Load {
    /// Hardly anything but memory: leaves of 2 us that read 256 KiB.
    pub const fn memory_bound() -> Load {
        Load {
            name: "fork-join, memory-bound",
            kind: Kind::ForkJoin(Hints::Subtrees),
            cpu: 2_000.0,
            lines: 4096.0,
            spread: 0.5,
            lopsided: 1.0,
            leaves_each: 32,
            rounds: 12,
        }
    }

    /// Leaves of 30 us that read 20 lines.
    pub const fn compute_bound() -> Load {
        Load { name: "fork-join, compute-bound", cpu: 30_000.0, lines: 20.0, ..Load::memory_bound() }
    }

    /// One node's data take twice as much work as another's.
    pub const fn lopsided() -> Load {
        Load { name: "fork-join, one node has twice as much", lopsided: 2.0, ..Load::memory_bound() }
    }

    /// Each leaf says where its data is.
    pub const fn hinted_leaves() -> Load {
        Load {
            name: "fork-join, hints for leaves",
            kind: Kind::ForkJoin(Hints::Leaves),
            ..Load::memory_bound()
        }
    }

    /// A stencil that reads 128 KiB a step and a little of its neighbours.
    pub const fn stencil() -> Load {
        Load {
            name: "stencil",
            kind: Kind::Stencil,
            cpu: 4_000.0,
            lines: 2048.0,
            leaves_each: 8,
            rounds: 40,
            ..Load::memory_bound()
        }
    }

    /// Messages that touch 32 KiB of their receiver's state.
    pub const fn actors() -> Load {
        Load {
            name: "actors",
            kind: Kind::Actors,
            cpu: 1_000.0,
            lines: 512.0,
            leaves_each: 8,
            rounds: 100,
            ..Load::memory_bound()
        }
    }

    /// Requests of about 15 us, at 70 % load.
    pub const fn service() -> Load {
        Load {
            name: "service, 70 % load",
            kind: Kind::Service(0.7),
            cpu: 5_000.0,
            lines: 1280.0,
            leaves_each: 400,
            rounds: 1,
            ..Load::memory_bound()
        }
    }

    /// The same, with half of the requests for the first node's data.
    pub const fn lopsided_service() -> Load {
        Load { name: "service, one node has twice as much", lopsided: 2.0, ..Load::service() }
    }

    /// A tree of nodes of about 1 us.
    pub const fn tree() -> Load {
        Load {
            name: "unbalanced tree",
            kind: Kind::Tree,
            cpu: 1_000.0,
            lines: 10.0,
            leaves_each: 1,
            rounds: 1,
            ..Load::memory_bound()
        }
    }

    /// One maker of fibers of 10 us.
    pub const fn maker() -> Load {
        Load {
            name: "one maker",
            kind: Kind::Maker,
            cpu: 10_000.0,
            lines: 20.0,
            leaves_each: 200,
            rounds: 1,
            ..Load::memory_bound()
        }
    }

    /// All of the above.
    pub fn all() -> [Load; 10] {
        [
            Load::memory_bound(),
            Load::compute_bound(),
            Load::hinted_leaves(),
            Load::lopsided(),
            Load::stencil(),
            Load::actors(),
            Load::service(),
            Load::lopsided_service(),
            Load::tree(),
            Load::maker(),
        ]
    }

    /// Panics if it makes no sense.
    pub(super) fn check(&self, hardware: &Hardware) {
        let size = u64::from(self.leaves_each) * hardware.workers() as u64;
        assert!(
            (1..=SIZE_MAX).contains(&size),
            "a program has 1 to {SIZE_MAX} leaves in a round, not {size}"
        );
        assert!(self.rounds > 0, "a program has a round");
        let amounts = [self.cpu, self.lines];
        assert!(amounts.iter().all(|amount| (0.0..1e12).contains(amount)), "a leaf takes {amounts:?}");
        assert!((0.0..=1.0).contains(&self.spread), "a leaf has up to all of it less: {}", self.spread);
        assert!((0.0..1e6).contains(&self.lopsided), "so many times as much: {}", self.lopsided);
        if let Kind::Service(busy) = self.kind {
            assert!(busy > 1e-6 && busy < 1e6, "requests come for a part of the machine: {busy}");
        }
    }

    /// How many blocks of data, actors or requests there are.
    pub(super) fn size(&self, hardware: &Hardware) -> u32 {
        self.leaves_each * hardware.workers() as u32
    }

    /// The node that has the data of block `at`: each has one piece of them.
    pub(super) fn home(&self, hardware: &Hardware, at: u32) -> usize {
        (u64::from(at) * hardware.nodes() as u64 / u64::from(self.size(hardware))) as usize
    }

    /// What a leaf takes where all memory is near and nobody else reads.
    pub(super) fn leaf_time(&self, hardware: &Hardware) -> f64 {
        self.cpu + self.lines * hardware.latency[0] / hardware.parallel_misses
    }
}

/// More than a million fibers at a time say nothing that fewer do not.
const SIZE_MAX: u64 = 1 << 20;

/// The node on which it runs.
pub(super) const HERE: u8 = u8::MAX;

/// What a fiber does at one dispatch: it computes, then it reads so many lines of so many nodes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Work {
    pub(super) cpu: f64,
    pub(super) reads: [(u8, f64); 3],
}

impl Work {
    pub(super) fn cpu(cpu: f64) -> Work {
        Work { cpu, ..Work::default() }
    }
}

/// What a fiber is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// A part of a fork-join tree over these blocks: one is a leaf, more are forked.
    Part {
        first: u32,
        end: u32,
        round: u32,
    },
    /// A block of a stencil at a step.
    Cell {
        at: u32,
        step: u32,
    },
    /// It makes the actors, and waits until they have started.
    Director,
    Actor {
        at: u32,
    },
    Request {
        at: u32,
        came: u64,
    },
    Twig {
        seed: u64,
        depth: u8,
        parent_ran: u8,
    },
    /// It makes the items, some at a time.
    Maker {
        made: u32,
    },
    Item {
        at: u32,
        made_on: u8,
    },
}

/// A number from a seed and what it is for.
pub(super) fn mix(seed: u64, of: u64) -> u64 {
    let mut x = seed ^ of.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

/// From 0 to 1.
pub(super) fn fraction(number: u64) -> f64 {
    (number >> 11) as f64 / (1_u64 << 53) as f64
}

/// How deep an unbalanced tree can be, and how many children a fiber has near its root, on average.
const TREE_DEPTH: u8 = 12;
const TREE_WIDTH: f64 = 4.0;

/// How many children a fiber of an unbalanced tree has: by chance (geometric), fewer the deeper it is.
pub(super) fn children(seed: u64, depth: u8) -> u32 {
    let mean = TREE_WIDTH * (1.0 - f64::from(depth.min(TREE_DEPTH)) / f64::from(TREE_DEPTH));
    if mean <= 0.0 {
        return 0;
    }
    let chance = 1.0 / (1.0 + mean);
    let drawn = fraction(mix(seed, 77)).max(1e-12);
    (drawn.ln() / (1.0 - chance).ln()) as u32
}
