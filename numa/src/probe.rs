//! What far memory costs, measured: the system's distances are an order, not a ratio.
//!
//! A chain of cache lines in random order is followed on a node, once through memory of that node and once through
//! memory of the one farthest from it that has CPUs, after the lines were driven out of all caches. Takes a few ms.

use std::hint::black_box;
use std::sync::Mutex;
use std::time::Instant;

use crate::affinity;
use crate::id::NodeId;
use crate::memory::{self, Home, HugePages, NodeVec};
use crate::sys;
use crate::topology::Topology;

/// How many lines the chain has. They lie in as many pages as a processor's second-level table knows.
const LINES: usize = 2048;
/// From one line to the next, in words: past what is fetched along with it.
const STRIDE: usize = 32;
/// The fastest of so many rounds counts: everything that disturbs makes a round slower.
const ROUNDS: usize = 5;

/// How many times the latency of near memory that of the farthest is, among the nodes that have CPUs this process may
/// use. `None`: it cannot be measured here, or memory could not be had on both nodes. Measured once a process.
///
/// ```
/// let machine = heddle_numa::Topology::detect()?;
/// match heddle_numa::probe::penalty(&machine) {
///     Some(ratio) => println!("far memory costs {ratio:.2} times what near memory does"),
///     None => println!("one node, or not measurable"),
/// }
/// # Ok::<(), heddle_numa::Error>(())
/// ```
pub fn penalty(topology: &Topology) -> Option<f64> {
    static KNOWN: Mutex<Vec<Known>> = Mutex::new(Vec::new());
    let pair = farthest_pair(topology)?;
    let mut known = KNOWN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some((_, ratio)) = known.iter().find(|(of, _)| *of == pair) {
        return *ratio;
    }
    // On a thread of its own: it is pinned, and what it leaves in its stack and caches is nobody's.
    let measured =
        std::thread::scope(|scope| scope.spawn(|| latencies(topology, pair)).join().ok().flatten());
    let ratio = measured.map(|(near, far)| far / near);
    known.push((pair, ratio));
    ratio
}

/// Two nodes, and what was measured between them.
type Known = ((NodeId, NodeId), Option<f64>);

/// A node with CPUs and memory of ours, and the one of these farthest from it.
fn farthest_pair(topology: &Topology) -> Option<(NodeId, NodeId)> {
    let usable = &topology.worker_nodes() & &topology.memory_nodes();
    let from = usable.first()?;
    let order = topology.distances().nearest_first(from);
    let far = order.into_iter().rfind(|node| usable.contains(*node))?;
    (far != from).then_some((from, far))
}

/// Nanoseconds a line, near and far.
fn latencies(topology: &Topology, (from, far): (NodeId, NodeId)) -> Option<(f64, f64)> {
    let pin = affinity::pin_to_node(topology, from).ok()?;
    let near_chain = chain(topology, from)?;
    let far_chain = chain(topology, far)?;
    let mut best = (f64::MAX, f64::MAX);
    for _ in 0..ROUNDS {
        // Taken in turns, so that what disturbs disturbs both.
        best.0 = best.0.min(follow(&near_chain)?);
        best.1 = best.1.min(follow(&far_chain)?);
    }
    drop(pin);
    Some(best)
}

/// A ring of lines in random order, in memory of that node. `None`: the memory is elsewhere.
fn chain(topology: &Topology, node: NodeId) -> Option<NodeVec<usize>> {
    let mut order: Vec<usize> = (1..LINES).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for i in (1..order.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(i, ((state >> 33) as usize) % (i + 1));
    }
    let mut chain =
        NodeVec::with_huge_pages(Home::near(topology, node), LINES * STRIDE, HugePages::Never).ok()?;
    chain.extend(std::iter::repeat_n(0, LINES * STRIDE));
    let mut line = 0;
    for next in order.into_iter().chain([0]) {
        chain[line * STRIDE] = next * STRIDE;
        line = next;
    }
    let pages = memory::pages_by_node(chain.pages()).ok()?;
    (pages.away_from(node) == 0 && pages.present() > 0).then_some(chain)
}

/// Nanoseconds a line, with none of them in any cache. `None`: they cannot be driven out here.
fn follow(chain: &[usize]) -> Option<f64> {
    for line in chain.chunks(STRIDE) {
        if !sys::flush_line(&line[0]) {
            return None;
        }
    }
    sys::flush_fence();
    let start = Instant::now();
    let mut at = 0;
    for _ in 0..LINES {
        at = chain[at];
    }
    let time = start.elapsed();
    black_box(at);
    Some(time.as_nanos() as f64 / LINES as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_visits_every_line_once() {
        let machine = Topology::detect().unwrap();
        let Some(node) = machine.memory_nodes().first() else { return };
        let Some(chain) = chain(&machine, node) else { return };
        let mut at = 0;
        for step in 1..=LINES {
            at = chain[at];
            assert_eq!(at == 0, step == LINES, "back at the start after {step} lines");
        }
    }

    #[test]
    fn memory_of_one_node_costs_what_it_costs() {
        let machine = Topology::detect().unwrap();
        let Some(node) = (&machine.worker_nodes() & &machine.memory_nodes()).first() else { return };
        if let Some((near, far)) = latencies(&machine, (node, node)) {
            assert!(near > 0.0 && far > 0.0 && near.is_finite());
        }
        if machine.nodes().len() == 1 {
            assert_eq!(penalty(&machine), None, "there is nothing farther");
        }
    }
}
