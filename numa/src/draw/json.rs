//! The machine for a script: one JSON object.
//!
//! Sets are strings in the kernel's list notation (`"0-3,8"`). What is unknown is `null`. The keys stay as they are;
//! new ones may come.

use std::fmt::Write;

use crate::placement::default_workers;
use crate::quota::Quota;
use crate::topology::{CrossCheck, Fact, Node, Topology};

/// The machine as a JSON object.
///
/// ```
/// use heddle_numa::{Topology, draw};
/// let object = draw::json(&Topology::detect()?);
/// assert!(object.starts_with('{') && object.contains("\"nodes\""));
/// # Ok::<(), heddle_numa::Error>(())
/// ```
pub fn json(topology: &Topology) -> String {
    let cache = |cache: &crate::topology::Cache| {
        object(&[
            ("level", cache.level().to_string()),
            ("size_bytes", optional(cache.size_bytes())),
            ("cpus", string(cache.cpus())),
        ])
    };
    let table = topology.distances();
    let row = |from: &crate::id::NodeId| array(table.row(*from));
    object(&[
        ("nodes", array(topology.nodes().iter().map(|item| node(topology, item)))),
        ("packages", array(topology.packages().iter().map(string))),
        ("caches", array(topology.caches().iter().map(cache))),
        ("cores", array(topology.cores().iter().map(string))),
        (
            "distances",
            object(&[
                ("nodes", array(table.nodes().iter().map(|node| node.0))),
                ("rows", array(table.nodes().iter().map(row))),
            ]),
        ),
        ("online_cpus", string(topology.online_cpus())),
        ("possible_cpus", string(topology.possible_cpus())),
        ("allowed_cpus", string(topology.allowed_cpus())),
        ("allowed_nodes", string(topology.allowed_nodes())),
        ("memory_nodes", string(topology.memory_nodes())),
        ("quota", topology.quota().map_or("null".into(), quota)),
        ("default_workers", default_workers(topology).to_string()),
        ("sources", object(&Fact::ALL.map(|fact| (fact.name(), string(topology.source(fact)))))),
        ("hwloc", cross_check(topology.cross_check())),
        ("notes", array(topology.notes().iter().map(string))),
    ]) + "\n"
}

fn node(topology: &Topology, node: &Node) -> String {
    object(&[
        ("id", node.id().0.to_string()),
        ("cpus", string(node.cpus())),
        ("allowed_cpus", string(topology.allowed_cpus_of(node.id()))),
        ("memory_bytes", optional(node.memory_bytes())),
        ("has_memory", node.has_memory().to_string()),
        ("read_latency_ns", optional(node.access().map(|access| access.read_latency_ns))),
        ("read_bandwidth_mb_s", optional(node.access().map(|access| access.read_bandwidth_mb_s))),
    ])
}

fn quota(quota: &Quota) -> String {
    object(&[
        ("quota_us", quota.quota_us().to_string()),
        ("period_us", quota.period_us().to_string()),
        ("whole_cpus", quota.whole_cpus().to_string()),
        ("group", string(quota.group().display())),
    ])
}

fn cross_check(check: &CrossCheck) -> String {
    let (state, details) = match check {
        CrossCheck::NotAsked => ("not asked", &[][..]),
        CrossCheck::NotBuilt => ("not built", &[][..]),
        CrossCheck::Agrees => ("agrees", &[][..]),
        CrossCheck::Differs(differences) => ("differs", &differences[..]),
        CrossCheck::Failed(why) => ("failed", std::slice::from_ref(why)),
    };
    object(&[("state", string(state)), ("details", array(details.iter().map(string)))])
}

/// An object of values that are JSON already.
fn object(members: &[(&str, String)]) -> String {
    let members = members.iter().map(|(name, value)| format!("{}: {value}", string(name)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
}

/// An array of values that are JSON already.
fn array<T: ToString>(values: impl IntoIterator<Item = T>) -> String {
    format!("[{}]", values.into_iter().map(|value| value.to_string()).collect::<Vec<_>>().join(", "))
}

fn optional<T: ToString>(value: Option<T>) -> String {
    value.map_or("null".into(), |value| value.to_string())
}

fn string(text: impl ToString) -> String {
    let mut quoted = String::from('"');
    for character in text.to_string().chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control < ' ' => {
                let _ = write!(quoted, "\\u{:04x}", control as u32);
            }
            other => quoted.push(other),
        }
    }
    quoted + "\""
}
