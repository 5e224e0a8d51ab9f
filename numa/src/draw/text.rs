//! The drawing for a terminal.
//!
//! ```text
//! package 0
//! └─ node 0, 8 GiB
//!    ├─ L3 32 MiB   (0 1) (2 3)        a core in parentheses, its hardware threads inside
//!    └─ L3 32 MiB   (4 5) (-6 -7)      a minus: this process may not use it
//! ```

use std::fmt::Write;

use super::tree::{self, CacheBox, cache_label, node_label};
use crate::id::NodeId;
use crate::placement::default_workers;
use crate::topology::{CrossCheck, Fact, Source, Topology};

/// The machine in lines of text.
///
/// ```
/// use heddle_numa::{Topology, draw};
/// let picture = draw::text(&Topology::detect()?);
/// assert!(picture.contains("package 0"));
/// # Ok::<(), heddle_numa::Error>(())
/// ```
pub fn text(topology: &Topology) -> String {
    let mut lines = vec![summary(topology)];
    lines.extend(limits(topology));
    lines.push(String::new());
    lines.extend(machine(topology));
    if topology.nodes().len() > 1 {
        lines.push(String::new());
        lines.extend(distances(topology));
    }
    lines.push(String::new());
    lines.extend(sources(topology));
    lines.push(cross_check(topology.cross_check()));
    lines.extend(topology.notes().iter().map(|note| format!("note: {note}")));
    lines.join("\n") + "\n"
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn summary(topology: &Topology) -> String {
    let memory: u64 = topology.nodes().iter().filter_map(|node| node.memory_bytes()).sum();
    let memory = if memory > 0 { format!(", {} of memory", tree::size(memory)) } else { String::new() };
    format!(
        "{}, {}, {}, {}{memory}",
        counted(topology.packages().len(), "package"),
        counted(topology.nodes().len(), "node"),
        counted(topology.cores().len(), "core"),
        counted(topology.cpus().len(), "CPU"),
    )
}

fn limits(topology: &Topology) -> Vec<String> {
    let quota = match topology.quota() {
        Some(quota) => format!("quota {} CPUs ({})", quota.cpus(), quota.group().display()),
        None => "no quota".into(),
    };
    let offline = topology.possible_cpus() - topology.online_cpus();
    let offline =
        if offline.is_empty() { String::new() } else { format!(", {} offline or absent", offline.len()) };
    vec![
        format!(
            "allowed: CPUs {}, memory of nodes {}{offline}",
            topology.allowed_cpus(),
            topology.memory_nodes()
        ),
        format!("{quota}; default workers: {}", default_workers(topology)),
    ]
}

fn machine(topology: &Topology) -> Vec<String> {
    let mut lines = Vec::new();
    for package in tree::packages(topology) {
        lines.push(format!("package {}", package.number));
        let count = package.nodes.len();
        for (place, node) in package.nodes.iter().enumerate() {
            let last = place + 1 == count;
            lines.push(format!("{} {}", if last { "└─" } else { "├─" }, node_label(node.node)));
            let indent = if last { "   " } else { "│  " };
            let rows = cache_rows(topology, &node.caches);
            let count = rows.len();
            for (place, row) in rows.into_iter().enumerate() {
                lines.push(format!("{indent}{} {row}", if place + 1 == count { "└─" } else { "├─" }));
            }
        }
    }
    lines.extend(tree::memory_only(topology).map(node_label));
    if topology.allowed_cpus() != topology.online_cpus() {
        lines.push("(-n: CPU n is outside what this process may use)".into());
    }
    lines
}

/// One row for each cache; cores beyond what fits in a line go on below it.
fn cache_rows(topology: &Topology, caches: &[CacheBox<'_>]) -> Vec<String> {
    let number = |cpu: u32, allowed: bool| if allowed { cpu.to_string() } else { format!("-{cpu}") };
    let row = |cache: &CacheBox<'_>| {
        let mut row = format!("{}  ", cache_label(cache.cache));
        for core in &cache.cores {
            let threads = core.iter().map(|cpu| number(cpu.id.0, topology.allowed_cpus().contains(cpu.id)));
            let _ = write!(row, " ({})", threads.collect::<Vec<_>>().join(" "));
        }
        row
    };
    caches.iter().map(row).collect()
}

fn distances(topology: &Topology) -> Vec<String> {
    let nodes = topology.distances().nodes();
    let width = nodes.iter().map(|node| node.0.to_string().len()).max().unwrap_or(1).max(3);
    let head: String = nodes.iter().map(|node| format!(" {:>width$}", node.0)).collect();
    let mut lines = vec![format!("distance {:>width$}{head}", "")];
    let row = |from: &NodeId| {
        let values: String =
            topology.distances().row(*from).iter().map(|value| format!(" {value:>width$}")).collect();
        format!("    node {:>width$}{values}", from.0)
    };
    lines.extend(nodes.iter().map(row));
    lines
}

/// `sysfs: nodes, caches`, one line for each source.
fn sources(topology: &Topology) -> Vec<String> {
    let mut by_source: Vec<(Source, Vec<&str>)> = Vec::new();
    for fact in Fact::ALL {
        let source = topology.source(fact);
        match by_source.iter_mut().find(|(known, _)| *known == source) {
            Some((_, facts)) => facts.push(fact.name()),
            None => by_source.push((source, vec![fact.name()])),
        }
    }
    let line = |(source, facts): (Source, Vec<&str>)| match source {
        Source::Assumed => format!("nobody says: {}", facts.join(", ")),
        _ => format!("from {source}: {}", facts.join(", ")),
    };
    by_source.into_iter().map(line).collect()
}

fn cross_check(check: &CrossCheck) -> String {
    match check {
        CrossCheck::NotAsked => "hwloc: not asked".into(),
        CrossCheck::NotBuilt => {
            "hwloc: not built in (apt-get install libhwloc-dev pkg-config && cargo clean -p heddle-numa)"
                .into()
        }
        CrossCheck::Agrees => "hwloc: sees the same".into(),
        CrossCheck::Differs(differences) => format!("hwloc differs: {}", differences.join("; ")),
        CrossCheck::Failed(why) => format!("hwloc failed: {why}"),
    }
}
