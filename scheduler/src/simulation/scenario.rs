//! What is simulated: a machine, the user's choices, and where fibers come from. All of it follows from
//! a seed, and all of it can be made smaller by the [shrinker](super::shrink).

use super::{Mutation, Random};
use crate::policy::{MAX_WAIT, QUANTUM, Weights};
use crate::priority::LEVELS;
use std::fmt;

/// A machine, and how many lanes of workers each of its CPUs has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// How many sockets it has.
    pub sockets: u32,
    /// How many CPUs each socket has.
    pub cores: u32,
    /// Memory nodes in each socket.
    pub nodes: u32,
    /// One, two (Critical apart) or three lanes (Low and Background apart too).
    pub lanes: u32,
}

impl Machine {
    /// One with three lanes and a node for each socket.
    pub const fn new(sockets: u32, cores: u32) -> Machine {
        Machine { sockets, cores, nodes: 1, lanes: 3 }
    }

    /// The same with so many memory nodes in each socket.
    #[must_use]
    pub const fn nodes(self, nodes: u32) -> Machine {
        Machine { nodes, ..self }
    }

    /// The same with so many lanes.
    #[must_use]
    pub const fn lanes(self, lanes: u32) -> Machine {
        Machine { lanes, ..self }
    }

    /// How many CPUs it has.
    pub fn cpus(&self) -> usize {
        (self.sockets * self.cores) as usize
    }

    /// How far apart two CPUs are, as firmware tells it.
    pub(super) fn distance(&self, a: usize, b: usize) -> u32 {
        let socket = |cpu: usize| cpu / self.cores as usize;
        let node = |cpu: usize| cpu * (self.sockets * self.nodes) as usize / self.cpus();
        match (node(a) == node(b), socket(a) == socket(b)) {
            (true, _) => 10,
            (false, true) => 12,
            (false, false) => 21,
        }
    }

    /// The lane of each level.
    pub(super) fn lane_of(&self) -> [usize; LEVELS] {
        match self.lanes {
            1 => [0; LEVELS],
            2 => [0, 1, 1, 1, 1],
            _ => [0, 1, 1, 2, 2],
        }
    }

    /// From `2x64`, `1x1`, or with nodes and lanes `2x64:4:3`.
    pub fn parse(text: &str) -> Option<Machine> {
        let mut parts = text.split(':');
        let (sockets, cores) = parts.next()?.split_once('x')?;
        let machine = Machine::new(sockets.parse().ok()?, cores.parse().ok()?);
        let machine = match parts.next() {
            Some(nodes) => machine.nodes(nodes.parse().ok()?),
            None => machine,
        };
        let machine = match parts.next() {
            Some(lanes) => machine.lanes(lanes.parse().ok()?),
            None => machine,
        };
        let makes_sense = (1..=4096).contains(&machine.cpus())
            && (1..=3).contains(&machine.lanes)
            && (1..=machine.cores).contains(&machine.nodes);
        (makes_sense && parts.next().is_none()).then_some(machine)
    }
}

/// What a fiber does between the pieces of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// A checkpoint.
    Checkpoint,
    /// It yields.
    Yield,
    /// It sleeps for so many ns, by a timer of its home.
    Sleep(u32),
    /// It takes a lock before every second piece, and gives it back after it.
    Lock(u8),
    /// It changes its own priority, to each level in turn.
    Wander,
    /// It changes the priority of its first child, to each level in turn.
    Promote,
    /// Nothing: a hog, one long piece that nothing interrupts but the kernel.
    Nothing,
}

/// What a fiber does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How long each piece takes, in ns.
    pub piece: u32,
    /// How many pieces.
    pub pieces: u16,
    /// What comes between them.
    pub between: Between,
    /// How many children it makes after the first piece, and waits for at the end, lending them its
    /// priority.
    pub children: u8,
    /// How many generations do.
    pub depth: u8,
    /// At its end it makes another one like itself.
    pub respawns: bool,
}

impl Shape {
    /// The longest time without a checkpoint.
    pub(super) fn longest_piece(&self) -> u64 {
        match self.between {
            Between::Nothing => u64::from(self.piece) * u64::from(self.pieces),
            _ => u64::from(self.piece),
        }
    }
}

/// Where fibers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Their level, 0 to 4.
    pub level: u8,
    /// So many come at once...
    pub burst: u32,
    /// ... so often in all...
    pub bursts: u32,
    /// ... with so many ns between.
    pub every: u64,
    /// What they do.
    pub shape: Shape,
}

/// All that a simulation depends on.
#[derive(Clone)]
pub struct Scenario {
    /// Chooses delays, victims, and who is where.
    pub seed: u64,
    /// The machine.
    pub machine: Machine,
    /// The shares of the levels.
    pub weights: [u32; 5],
    /// The longest wait of each level, in ns.
    pub max_wait: [u64; 5],
    /// Where fibers come from.
    pub sources: Vec<Source>,
    /// After so many dispatches no more fibers come; those that are there go on to their ends.
    pub dispatches: u64,
    /// What is wrong with the policy, to check the checker.
    pub mutation: Option<Mutation>,
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scenario { seed, machine, weights, max_wait, dispatches, mutation, .. } = self;
        writeln!(f, "seed {seed}, {machine:?}, {dispatches} dispatches, mutation {mutation:?}")?;
        writeln!(f, "  weights {weights:?}, longest waits {max_wait:?} ns")?;
        self.sources.iter().try_for_each(|source| writeln!(f, "  {source:?}"))
    }
}

impl Scenario {
    /// On `machine`, of about so many dispatches. Different seeds make different loads of a few kinds.
    pub fn random(seed: u64, machine: Machine, dispatches: u64) -> Scenario {
        let random = Random::seeded(seed);
        let weights = match random.below(4) {
            0 => [1, 1, 1, 1, 1],
            1 => [8, 0, 4, 0, 2],
            _ => Weights::default().levels(),
        };
        let mut sources: Vec<Source> = (0..2 + random.below(7)).map(|_| source(&random, machine)).collect();
        // Loads in which all levels want everything are where promises are broken.
        if random.chance(50) {
            let piece = [500, 5_000, 60_000, 300_000][random.below(4)];
            for level in 0..LEVELS as u8 {
                sources.push(saturating(level, (piece + random.below(piece)) as u32, machine));
            }
        }
        let max_wait = [MAX_WAIT.as_nanos() as u64; LEVELS];
        Scenario { seed, machine, weights, max_wait, sources, dispatches, mutation: None }
    }

    /// All levels want all CPUs all the time, with pieces of so many ns between checkpoints.
    pub fn full_load(seed: u64, machine: Machine, piece: u32, dispatches: u64) -> Scenario {
        Scenario {
            seed,
            machine,
            weights: Weights::default().levels(),
            max_wait: [MAX_WAIT.as_nanos() as u64; LEVELS],
            sources: (0..LEVELS as u8).map(|level| saturating(level, piece, machine)).collect(),
            dispatches,
            mutation: None,
        }
    }

    /// The longest piece of code of any fiber that reaches no checkpoint.
    pub(super) fn longest_piece(&self) -> u64 {
        self.sources.iter().map(|source| source.shape.longest_piece()).max().unwrap_or(0)
    }

    /// Does every dispatch fill a quantum?
    pub(super) fn has_long_pieces_only(&self) -> bool {
        // Who waits for children is resumed once for next to nothing.
        let is_long = |shape: &Shape| u128::from(shape.piece) >= QUANTUM.as_nanos() && shape.children == 0;
        self.sources.iter().all(|source| is_long(&source.shape))
    }
}

/// Enough fibers of a level that respawn to keep all CPUs busy.
fn saturating(level: u8, piece: u32, machine: Machine) -> Source {
    let shape =
        Shape { piece, pieces: 4, between: Between::Checkpoint, children: 0, depth: 0, respawns: true };
    Source { level, burst: 3 * machine.cpus() as u32, bursts: 1, every: 0, shape }
}

fn source(random: &Random, machine: Machine) -> Source {
    let cpus = machine.cpus() as u32;
    let level = random.below(LEVELS) as u8;
    let piece = match random.below(10) {
        0..=3 => 50 + random.below(1_000),
        4..=7 => 1_000 + random.below(50_000),
        8 => 50_000 + random.below(500_000),
        _ => 500_000 + random.below(1_500_000),
    } as u32;
    let between = match random.below(14) {
        0..=3 => Between::Checkpoint,
        4 | 5 => Between::Yield,
        6 | 7 => Between::Sleep(100 + random.below(200_000) as u32),
        8 | 9 => Between::Lock(random.below(3) as u8),
        10 => Between::Wander,
        11 => Between::Promote,
        _ => Between::Nothing,
    };
    let forks = between == Between::Promote || random.chance(30);
    let shape = Shape {
        piece,
        pieces: 1 + random.below(6) as u16,
        between,
        children: if forks { 1 + random.below(4) as u8 } else { 0 },
        depth: if forks { 1 + random.below(4) as u8 } else { 0 },
        respawns: !forks && random.chance(40),
    };
    let (burst, bursts) = match random.below(4) {
        0 => (1, 50 * cpus),
        1 => (cpus * (1 + random.below(20) as u32), 10),
        2 => (500, 2),
        _ => (1 + random.below(8) as u32, 20),
    };
    Source { level, burst, bursts, every: 100 + random.below(500_000) as u64, shape }
}
