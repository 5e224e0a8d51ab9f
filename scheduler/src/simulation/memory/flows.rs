//! Memory with limits: how fast the cache misses of all cores are served that are under way at a time.
//!
//! A *flow* is a fiber on a core of one node that reads lines of memory of one node. What holds it up is the
//! latest of three: the latency of its misses, of which a core has a few under way at a time; its part of the
//! way between the two nodes, which is divided equally; and its part of the memory's bandwidth, of which
//! nobody gets more than it can use, and who can use more than that gets an equal part of the rest.
//!
//! All flows between the same two nodes go at the same rate. So a class of them has one clock, in lines
//! served to each of its flows, and a flow ends at a time of that clock which is known when it begins.

use super::hardware::{Hardware, LINE};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The flows from the cores of one node to the memory of one.
#[derive(Default)]
struct Class {
    /// When each ends, by the class's clock, as bits (which order positive numbers), and whose it is.
    ends: BinaryHeap<Reverse<(u64, u32)>>,
    clock: f64,
    /// Lines per ns.
    rate: f64,
}

/// All memory traffic.
pub(super) struct Flows {
    /// By home of the memory, then by node of the reader.
    classes: Vec<Class>,
    nodes: usize,
    /// The time of the clocks.
    now: f64,
    stale: bool,
}

impl Flows {
    pub(super) fn new(hardware: &Hardware) -> Flows {
        let nodes = hardware.nodes();
        let classes = (0..nodes * nodes).map(|_| Class::default()).collect();
        Flows { classes, nodes, now: 0.0, stale: false }
    }

    /// A worker on node `from` begins to read so many lines of node `home`.
    pub(super) fn begin(&mut self, from: usize, home: usize, worker: usize, lines: f64, now: u64) {
        self.advance(now as f64);
        let class = &mut self.classes[home * self.nodes + from];
        if class.ends.is_empty() {
            class.clock = 0.0;
        }
        class.ends.push(Reverse(((class.clock + lines).to_bits(), worker as u32)));
        self.stale = true;
    }

    /// When the next flow ends, if nothing else begins or ends before.
    pub(super) fn next(&mut self, hardware: &Hardware) -> Option<u64> {
        self.first(hardware).map(|(time, _)| (time.ceil() as u64).max(self.now as u64))
    }

    /// Ends the next flow, and tells whose it was.
    pub(super) fn end(&mut self, hardware: &Hardware) -> Option<(usize, u64)> {
        let (time, class) = self.first(hardware)?;
        self.advance(time);
        let Reverse((_, worker)) = self.classes[class].ends.pop()?;
        self.stale = true;
        Some((worker as usize, time.ceil() as u64))
    }

    fn first(&mut self, hardware: &Hardware) -> Option<(f64, usize)> {
        if std::mem::take(&mut self.stale) {
            self.divide(hardware);
        }
        let ends = self.classes.iter().enumerate().filter_map(|(index, class)| {
            let &Reverse((end, _)) = class.ends.peek()?;
            let left = (f64::from_bits(end) - class.clock).max(0.0);
            Some((self.now + left / class.rate, index))
        });
        ends.min_by(|a, b| a.0.total_cmp(&b.0))
    }

    fn advance(&mut self, now: f64) {
        let passed = (now - self.now).max(0.0);
        for class in self.classes.iter_mut().filter(|class| !class.ends.is_empty()) {
            class.clock += class.rate * passed;
        }
        self.now = self.now.max(now);
    }

    /// Gives each class its rate.
    fn divide(&mut self, hardware: &Hardware) {
        let nodes = self.nodes;
        let counts: Vec<usize> = self.classes.iter().map(|class| class.ends.len()).collect();
        let socket = |node: usize| node / hardware.nodes_each;
        let mut on_link = vec![0_usize; hardware.sockets * hardware.sockets];
        for home in 0..nodes {
            for from in 0..nodes {
                on_link[socket(home) * hardware.sockets + socket(from)] += counts[home * nodes + from];
            }
        }
        let mut wants: Vec<(f64, usize)> = Vec::with_capacity(nodes);
        for home in 0..nodes {
            wants.clear();
            for from in (0..nodes).filter(|from| counts[home * nodes + from] > 0) {
                let distance = hardware.distance(home, from);
                let alone = hardware.parallel_misses / hardware.latency[distance];
                let way = match distance {
                    0 => f64::INFINITY,
                    1 => hardware.mesh_bandwidth / counts[home * nodes + from] as f64,
                    _ => {
                        hardware.link_bandwidth
                            / on_link[socket(home) * hardware.sockets + socket(from)] as f64
                    }
                };
                wants.push((alone.min(way / LINE), from));
            }
            wants.sort_by(|a, b| a.0.total_cmp(&b.0));
            let mut left = hardware.node_bandwidth / LINE;
            let mut flows: usize = wants.iter().map(|want| counts[home * nodes + want.1]).sum();
            for &(want, from) in &wants {
                let count = counts[home * nodes + from];
                let rate = want.min(left / flows as f64);
                self.classes[home * nodes + from].rate = rate;
                left -= rate * count as f64;
                flows -= count;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When each of these flows (from, home, lines), begun at once, ends.
    fn ends(hardware: &Hardware, flows: &[(usize, usize, f64)]) -> Vec<(usize, u64)> {
        let mut all = Flows::new(hardware);
        for (worker, &(from, home, lines)) in flows.iter().enumerate() {
            all.begin(from, home, worker, lines, 0);
        }
        std::iter::from_fn(|| all.end(hardware)).collect()
    }

    #[test]
    fn one_alone_waits_for_the_latency_only() {
        let hardware = Hardware::two_by_16();
        // It ends with the ns in which it is served, which rounding may make the next one.
        assert!((7800..=7801).contains(&ends(&hardware, &[(0, 0, 1000.0)])[0].1));
        assert!((14400..=14401).contains(&ends(&hardware, &[(1, 0, 1000.0)])[0].1));
    }

    #[test]
    fn many_share_the_bandwidth_of_the_node_and_of_the_way() {
        let hardware = Hardware::two_by_16();
        // 16 times 64000 bytes at 112 bytes a ns.
        assert_eq!(ends(&hardware, &[(0, 0, 1000.0); 16])[15].1.div_ceil(10), 915);
        // Across the link at 56.
        assert_eq!(ends(&hardware, &[(1, 0, 1000.0); 16])[15].1.div_ceil(10), 1829);
        // Links have two directions.
        let both: Vec<_> = (0..32).map(|flow| (flow % 2, 1 - flow % 2, 1000.0)).collect();
        assert_eq!(ends(&hardware, &both)[31].1.div_ceil(10), 1829);
    }

    #[test]
    fn what_one_cannot_use_the_others_get() {
        let hardware = Hardware { node_bandwidth: 9.6, ..Hardware::two_by_16() };
        // 0.15 lines a ns: the far one can use 0.069, which is less than half.
        let ends = ends(&hardware, &[(1, 0, 1000.0), (0, 0, 1000.0)]);
        assert_eq!(ends[0], (1, (1000.0_f64 / (0.15 - 10.0 / 144.0)).ceil() as u64));
        assert_eq!(ends[1].1, 14400);
    }

    #[test]
    fn those_that_begin_later_slow_the_others_from_then_on() {
        let hardware = Hardware { node_bandwidth: 6.4, ..Hardware::two_by_16() };
        let mut all = Flows::new(&hardware);
        all.begin(0, 0, 0, 1000.0, 0);
        assert_eq!(all.next(&hardware), Some(10_000), "0.1 lines a ns");
        all.begin(0, 0, 1, 1000.0, 5_000);
        assert_eq!(all.end(&hardware), Some((0, 15_000)));
        assert_eq!(all.end(&hardware), Some((1, 20_000)));
        assert_eq!(all.next(&hardware), None);
    }
}
