//! The drawing for a page: boxes in boxes, and the distance table beside them.
//!
//! Every box is a label over its children, laid out in rows as near to a square as they fit; sizes are found bottom up, places
//! top down. No scripts, no fonts of its own, no links: a file that opens anywhere.

use std::fmt::Write;

use super::tree::{self, CacheBox, cache_label, node_label};
use crate::placement::default_workers;
use crate::topology::{Cpu, Node, Topology};

/// Side of a CPU's square, and the height of a line of text, in pixels.
const CPU: u32 = 26;
const LINE: u32 = 16;
const GAP: u32 = 6;
/// Width of a letter of the label font: an upper estimate, so that labels stay inside their boxes.
const LETTER: u32 = 7;

/// The machine as an SVG document.
///
/// ```
/// use heddle_numa::{Topology, draw};
/// let picture = draw::svg(&Topology::detect()?);
/// assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"));
/// # Ok::<(), heddle_numa::Error>(())
/// ```
pub fn svg(topology: &Topology) -> String {
    let machine = machine(topology);
    let (width, height) = machine.size();
    let (table_width, table_height) = table_size(topology);
    let total = (width + table_width + 3 * GAP, height.max(table_height) + 2 * GAP);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n<title>{2}</title>\n<style>{STYLE}</style>\n\
         <rect class=\"page\" width=\"{0}\" height=\"{1}\"/>\n",
        total.0,
        total.1,
        escape(&machine.label),
    );
    machine.draw(&mut out, GAP, GAP);
    draw_table(topology, &mut out, width + 2 * GAP, GAP);
    out + "</svg>\n"
}

const STYLE: &str = ".page{fill:#fff}.machine{fill:#fff;stroke:#555}.package{fill:#f3f4f6;stroke:#888}\
.node{fill:#dbeafe;stroke:#5b86c4}.memory{fill:#fef3c7;stroke:#c49a3a}.cache{fill:#eef2f7;stroke:#a9b4c2}\
.core{fill:#fff;stroke:#b8c0cc}.cpu{fill:#bbf0cf;stroke:#4c9a6a}.off{fill:#e5e5e5;stroke:#aaa}\
.far{fill:#dc6803}text{fill:#1f2937}.off+text{fill:#888}";

/// A labelled box of boxes.
struct Item {
    class: &'static str,
    label: String,
    /// Equal for all CPUs, so that boxes of as many stand in columns.
    least_width: u32,
    children: Vec<Item>,
}

impl Item {
    fn new(class: &'static str, label: impl Into<String>, children: Vec<Item>) -> Item {
        Item { class, label: label.into(), least_width: 0, children }
    }

    /// A CPU's square, wide enough for the longest of all numbers.
    fn cpu(topology: &Topology, cpu: &Cpu) -> Item {
        let class = if topology.allowed_cpus().contains(cpu.id) { "cpu" } else { "off" };
        let last = topology.cpus().last().map_or(0, |last| last.id.0);
        let least_width = CPU.max(last.to_string().len() as u32 * LETTER + 6);
        Item { least_width, ..Item::new(class, cpu.id.0.to_string(), Vec::new()) }
    }

    /// Cores have no label of their own, CPUs are squares with one in the middle.
    fn head(&self) -> u32 {
        if self.label.is_empty() { GAP } else { LINE + GAP }
    }

    fn is_cpu(&self) -> bool {
        matches!(self.class, "cpu" | "off")
    }

    /// Children in a row: a core's threads side by side, everything else as near to a square as it comes, with full rows where
    /// that takes less than twice the width.
    fn columns(&self) -> usize {
        let count = self.children.len();
        if self.class == "core" {
            return count;
        }
        let square = (1..).find(|columns| columns * columns >= count).unwrap_or(1);
        (square..2 * square).find(|columns| count.is_multiple_of(*columns)).unwrap_or(square)
    }

    fn size(&self) -> (u32, u32) {
        if self.is_cpu() {
            return (self.least_width, CPU);
        }
        let (mut width, mut height) = (self.label.chars().count() as u32 * LETTER + GAP, self.head());
        for row in self.children.chunks(self.columns().max(1)) {
            let sizes: Vec<(u32, u32)> = row.iter().map(Item::size).collect();
            width = width.max(sizes.iter().map(|(width, _)| width + GAP).sum());
            height += sizes.iter().map(|(_, height)| height + GAP).max().unwrap_or(0);
        }
        (width + GAP, height)
    }

    fn draw(&self, out: &mut String, x: u32, y: u32) {
        let (width, height) = self.size();
        let class = self.class;
        let _ = writeln!(
            out,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"3\"/>"
        );
        if self.is_cpu() {
            let (x, y) = (x + width / 2, y + height / 2 + 4);
            let _ = writeln!(
                out,
                "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{}</text>",
                escape(&self.label)
            );
            return;
        }
        if !self.label.is_empty() {
            let _ =
                writeln!(out, "<text x=\"{}\" y=\"{}\">{}</text>", x + GAP, y + LINE, escape(&self.label));
        }
        let mut top = y + self.head();
        for row in self.children.chunks(self.columns().max(1)) {
            let mut left = x + GAP;
            for child in row {
                child.draw(out, left, top);
                left += child.size().0 + GAP;
            }
            top += row.iter().map(|child| child.size().1 + GAP).max().unwrap_or(0);
        }
    }
}

fn machine(topology: &Topology) -> Item {
    let quota = topology.quota().map_or(String::new(), |quota| format!(", quota {} CPUs", quota.cpus()));
    let label = format!(
        "machine: {} CPUs, {} allowed{quota}, {} workers by default",
        topology.cpus().len(),
        topology.allowed_cpus().len(),
        default_workers(topology)
    );
    let mut children: Vec<Item> = tree::packages(topology)
        .iter()
        .map(|package| {
            let nodes = package.nodes.iter().map(|part| node(topology, part.node, &part.caches)).collect();
            Item::new("package", format!("package {}", package.number), nodes)
        })
        .collect();
    children.extend(tree::memory_only(topology).map(|alone| node(topology, alone, &[])));
    Item::new("machine", label, children)
}

fn node(topology: &Topology, node: &Node, caches: &[CacheBox<'_>]) -> Item {
    let cpu = |cpu: &&Cpu| Item::cpu(topology, cpu);
    let core = |core: &Vec<&Cpu>| Item::new("core", "", core.iter().map(cpu).collect());
    let cache = |part: &CacheBox<'_>| {
        Item::new("cache", cache_label(part.cache), part.cores.iter().map(core).collect())
    };
    let class = if node.is_memory_only() { "memory" } else { "node" };
    Item::new(class, node_label(node), caches.iter().map(cache).collect())
}

/// Cells of the distance table: as wide as three digits or the longest node number.
fn cell(topology: &Topology) -> u32 {
    let letters = topology.nodes().iter().map(|node| node.id().0.to_string().len()).max().unwrap_or(1);
    (letters as u32).max(3) * LETTER + GAP
}

/// Nothing for one node: there is no distance to show.
fn table_size(topology: &Topology) -> (u32, u32) {
    match topology.nodes().len() as u32 {
        0..=1 => (0, 0),
        count => (((count + 1) * cell(topology)).max(9 * LETTER), (count + 2) * LINE + GAP),
    }
}

fn draw_table(topology: &Topology, out: &mut String, x: u32, y: u32) {
    let nodes = topology.distances().nodes();
    if nodes.len() < 2 {
        return;
    }
    let cell = cell(topology);
    let farthest = nodes.iter().flat_map(|node| topology.distances().row(*node)).max().unwrap_or(1);
    let _ = writeln!(out, "<text x=\"{x}\" y=\"{}\">distances</text>", y + LINE - 4);
    let mut text = |column: u32, row: u32, value: u32| {
        let (x, y) = (x + column * cell + cell - GAP / 2, y + (row + 1) * LINE - 4);
        let _ = writeln!(out, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"end\">{value}</text>");
    };
    for (place, node) in (1u32..).zip(nodes) {
        text(place, 1, node.0);
        text(0, place + 1, node.0);
    }
    for (row, from) in (2u32..).zip(nodes) {
        for (column, value) in (1u32..).zip(topology.distances().row(*from)) {
            // Darker is farther; half strength at most, so that the number stays readable.
            let strength = f64::from(value) / f64::from(farthest) / 2.0;
            let (x, y) = (x + column * cell, y + row * LINE);
            let _ = writeln!(
                out,
                "<rect class=\"far\" fill-opacity=\"{strength:.2}\" x=\"{x}\" y=\"{y}\" width=\"{cell}\" height=\"{LINE}\"/>\
                 <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{value}</text>",
                x + cell - GAP / 2,
                y + LINE - 4
            );
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
