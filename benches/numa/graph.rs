//! A graph in rows (CSR) whose vertices are divided into ranges, each of which belongs to a node: rank flows along the edges
//! as in PageRank, a fiber for each range and step. A vertex pulls from its neighbours: three of four are in ranges of
//! its own node, as a partitioner would leave them, the others anywhere; so a quarter of the reads is random on
//! all nodes whatever a scheduler does.
//!
//! A vertex adds up its neighbours in the order of its row, so that the ranks are the same to the last bit however the
//! ranges are scheduled. They are compared with those that plain threads compute from the edges, without any rows.

use super::blocks::{Far, Plan, Where, room};
use super::machine::Machine;
use super::setup::{Counters, Sample, Setup, stacks_away};
use super::triad::all;
use heddle_scheduler::NodeId;
use heddle_scheduler::numa::NodeVec;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

pub(crate) const TIME: &str = "ms a step";
const EDGES: &str = "million edges/s";

/// Steps that count; one more goes before them.
const STEPS: usize = 4;
const DEGREE_MIN: u64 = 4;
/// Degrees are spread evenly over so many values: 8 in the mean.
const DEGREES: u64 = 9;
/// Bytes that a vertex takes: 8 edges, its place in the row, the rank before and after.
const VERTEX_BYTES: usize = 8 * 4 + 4 + 2 * 8;
/// So that a vertex has a number of 32 bits, and the reference takes seconds.
const VERTICES_MAX: usize = 1 << 26;

/// The graph, without its edges: they follow from the numbers of vertices.
#[derive(Clone, Debug, PartialEq)]
struct Shape {
    homes: Vec<NodeId>,
    /// Vertices of a range.
    width: usize,
    /// For each range, those of the same node.
    kin: Vec<Range<usize>>,
}

impl Shape {
    fn new(plan: &Plan) -> Shape {
        let homes = plan.homes.clone();
        let width = (plan.bytes / VERTEX_BYTES).clamp(64, VERTICES_MAX / homes.len());
        // The plan goes node by node.
        let kin = |home: &NodeId| {
            let first = homes.iter().position(|other| other == home).expect("it is one of them");
            first..first + homes.iter().filter(|other| *other == home).count()
        };
        Shape { kin: homes.iter().map(kin).collect(), width, homes }
    }

    fn vertices(&self) -> usize {
        self.width * self.homes.len()
    }

    /// From which vertices this one pulls.
    fn neighbours(&self, vertex: usize) -> impl Iterator<Item = usize> {
        let kin = &self.kin[vertex / self.width];
        let kin = kin.start * self.width..kin.end * self.width;
        let (all, seed) = (self.vertices(), mixed(vertex as u64));
        (0..DEGREE_MIN + seed % DEGREES).map(move |edge| {
            let chance = mixed(seed.wrapping_add(edge + 1));
            let pick = (chance >> 2) as usize;
            if chance & 3 == 0 { pick % all } else { kin.start + pick % kin.len() }
        })
    }
}

/// A number that looks random (splitmix64).
fn mixed(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The next rank of a vertex.
fn pull(all: usize, ranks: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = ranks.fold((0.0, 0.0), |(sum, count), rank| (sum + rank, count + 1.0));
    0.15 / all as f64 + 0.85 * sum / count
}

/// The rank of a vertex at first: not the same everywhere, or nothing would flow.
fn first_rank(vertex: usize, all: usize) -> f64 {
    (1.0 + (vertex % 16) as f64) / all as f64
}

/// A range of vertices, and what it writes.
struct Part {
    index: usize,
    /// Where each row begins; one more at the end.
    rows: NodeVec<u32>,
    edges: NodeVec<u32>,
    next: NodeVec<f64>,
    place: Where,
}

/// The ranks that all read, by range.
type Ranks = Arc<Vec<NodeVec<f64>>>;

impl Part {
    /// With the ranks of its vertices at first.
    fn built(machine: &Machine, setup: &Setup, shape: &Shape, index: usize) -> (Part, NodeVec<f64>) {
        let home = shape.homes[index];
        let vertices = index * shape.width..(index + 1) * shape.width;
        let count: usize = vertices.clone().map(|vertex| shape.neighbours(vertex).count()).sum();
        let mut rows = room(machine, setup, home, shape.width + 1);
        let mut edges = room(machine, setup, home, count);
        let [mut now, mut next] = [(); 2].map(|()| room(machine, setup, home, shape.width));
        rows.push(0);
        for vertex in vertices {
            edges.extend(shape.neighbours(vertex).map(|other| other as u32));
            rows.push(edges.len() as u32);
            now.push(first_rank(vertex, shape.vertices()));
            next.push(0.0);
        }
        let place = Where::default().and(&rows).and(&edges).and(&now).and(&next);
        (Part { index, rows, edges, next, place }, now)
    }

    fn step(&mut self, shape: &Shape, ranks: &[NodeVec<f64>]) {
        for (row, next) in self.rows.windows(2).zip(self.next.iter_mut()) {
            let edges = &self.edges[row[0] as usize..row[1] as usize];
            let rank = |vertex: &u32| ranks[*vertex as usize / shape.width][*vertex as usize % shape.width];
            *next = pull(shape.vertices(), edges.iter().map(rank));
        }
    }
}

pub(crate) fn run(machine: &Arc<Machine>, setup: &'static Setup) -> Sample {
    let steps = machine.repeats(STEPS);
    let shape = Arc::new(Shape::new(&Plan::new(machine)));
    let scheduler = setup.scheduler(machine);
    let build = |index: usize| {
        let (machine, shape) = (machine.clone(), shape.clone());
        setup.go(&scheduler, shape.homes[index], move || Part::built(&machine, setup, &shape, index))
    };
    let built = all((0..shape.homes.len()).map(build).collect());
    let (mut parts, now): (Vec<Part>, Vec<NodeVec<f64>>) = built.into_iter().unzip();
    let mut ranks: Ranks = Arc::new(now);
    let (mut began, mut before, mut far) = (Instant::now(), scheduler.stats(), Arc::new(Far::default()));
    for step in 0..=steps {
        if step == 1 {
            (began, before, far) = (Instant::now(), scheduler.stats(), Arc::default());
        }
        let start = |mut part: Part| {
            let (machine, shape, far, ranks) = (machine.clone(), shape.clone(), far.clone(), ranks.clone());
            setup.go(&scheduler, shape.homes[part.index], move || {
                far.note(&machine, &part.place);
                part.step(&shape, &ranks);
                part
            })
        };
        parts = all(parts.into_iter().map(start).collect());
        // What was read is written next. The fibers have ended, and their shares of it with them.
        let old = Arc::into_inner(ranks).expect("nobody reads any more");
        let written = parts.iter_mut().zip(old).map(|(part, old)| std::mem::replace(&mut part.next, old));
        ranks = Arc::new(written.collect());
    }
    let took = began.elapsed().as_secs_f64() / steps as f64;
    let counters = Counters::between(&before, &scheduler.stats());
    let expected = reference(&shape, steps);
    let are_right = ranks.iter().flat_map(|part| part.iter()).eq(expected.iter());
    assert!(are_right, "a wrong answer has no speed");
    let edges: usize = parts.iter().map(|part| part.edges.len()).sum();
    let mut data = Where::default();
    parts.iter().for_each(|part| data.add(&part.place));
    Sample {
        values: vec![(TIME, took * 1e3), (EDGES, edges as f64 / took / 1e6)],
        counters,
        far_percent: far.percent(),
        data: data.says(),
        stacks_away: stacks_away(&scheduler),
    }
}

/// The ranks after all steps, by plain threads; computed once, as every run has the same graph.
fn reference(shape: &Shape, steps: usize) -> &'static [f64] {
    static KNOWN: OnceLock<(Shape, Vec<f64>)> = OnceLock::new();
    let (known, ranks) = KNOWN.get_or_init(|| {
        let all = shape.vertices();
        let mut ranks: Vec<f64> = (0..all).map(|vertex| first_rank(vertex, all)).collect();
        for _ in 0..=steps {
            let mut next = vec![0.0; all];
            let threads = std::thread::available_parallelism().map_or(1, usize::from);
            let part = all.div_ceil(threads);
            std::thread::scope(|scope| {
                for (index, part_of_next) in next.chunks_mut(part).enumerate() {
                    let ranks = &ranks;
                    scope.spawn(move || {
                        for (offset, next) in part_of_next.iter_mut().enumerate() {
                            let others = shape.neighbours(index * part + offset);
                            *next = pull(all, others.map(|other| ranks[other]));
                        }
                    });
                }
            });
            ranks = next;
        }
        (shape.clone(), ranks)
    });
    assert_eq!(known, shape, "one graph a process");
    ranks
}
