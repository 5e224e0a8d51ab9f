//! hwloc's view: a machine of its own (XML, synthetic), or a second opinion on what sysfs said of this one.
//!
//! hwloc gives a node the CPUs that are *near* it, so a node of memory alone shares those of its neighbour. Here a CPU
//! belongs to the node with the fewest CPUs around it, and among equals to the lowest number: ordinary memory comes before the
//! fast or the slow kind beside it.

use std::thread;

use super::assemble::NodePart;
use super::{Cache, Fact, Parts, Source};
use crate::cpuset::CpuSet;
use crate::distance::Distances;
use crate::error::Result;
use crate::id::NodeId;
use crate::sys::{self, HwlocInput, HwlocView};

/// What came of asking hwloc about this machine as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CrossCheck {
    /// It was not asked: the topology is not of this machine.
    NotAsked,
    /// libhwloc is not built in.
    NotBuilt,
    /// It sees the same machine.
    Agrees,
    /// It sees these things differently; sysfs stands.
    Differs(Vec<String>),
    /// It could not say, and why.
    Failed(String),
}

/// A machine described to hwloc.
pub(super) fn read(input: HwlocInput<'_>) -> Result<Parts> {
    let source = match input {
        HwlocInput::Live => Source::Hwloc,
        HwlocInput::Xml(_) => Source::HwlocXml,
        HwlocInput::Synthetic(_) => Source::HwlocSynthetic,
    };
    Ok(parts_of(sys::hwloc_view(input)?, source))
}

fn parts_of(view: HwlocView, source: Source) -> Parts {
    let mut parts = Parts::new();
    let mut say = |fact: Fact, known: bool| {
        if known {
            parts.set_source(fact, source);
        }
    };
    say(Fact::Nodes, !view.nodes.is_empty());
    say(Fact::NodeCpus, !view.nodes.is_empty());
    say(Fact::Memory, says_memory(&view));
    say(Fact::Packages, !view.packages.is_empty());
    say(Fact::Caches, !view.caches.is_empty());
    say(Fact::Cores, !view.cores.is_empty());
    say(Fact::AllowedCpus, !view.allowed_cpus.is_empty());
    say(Fact::AllowedNodes, !view.allowed_nodes.is_empty());
    parts.distances = distances(&view);
    if parts.distances.is_some() {
        parts.set_source(Fact::Distances, source);
    }
    parts.nodes = nodes(&view);
    parts.online = view.cpus.clone();
    parts.possible = view.cpus;
    parts.packages = view.packages;
    parts.cores = view.cores;
    parts.caches =
        view.caches.into_iter().map(|(level, cpus)| Cache { cpus, level, size_bytes: None }).collect();
    parts.allowed_cpus = Some(view.allowed_cpus).filter(|cpus| !cpus.is_empty());
    parts.allowed_nodes = Some(view.allowed_nodes).filter(|nodes| !nodes.is_empty());
    parts
}

/// No machine is without memory: a description that gives none to any node (`pack:2 [numa] core:4`) has left it out.
fn says_memory(view: &HwlocView) -> bool {
    view.nodes.iter().any(|node| node.memory_bytes > 0)
}

/// The nodes with CPUs of their own; see the module's text.
fn nodes(view: &HwlocView) -> Vec<NodePart> {
    let mut by_claim: Vec<_> = view.nodes.iter().collect();
    by_claim.sort_by_key(|node| (node.cpus.len(), node.id));
    let mut rest = view.cpus.clone();
    let mut nodes: Vec<NodePart> = Vec::with_capacity(by_claim.len());
    let says = says_memory(view);
    for node in by_claim {
        let cpus = &node.cpus & &rest;
        rest = &rest - &cpus;
        let (memory_bytes, has_memory) =
            (says.then_some(node.memory_bytes), says.then_some(node.memory_bytes > 0));
        nodes.push(NodePart { id: node.id, cpus, memory_bytes, has_memory, access: None });
    }
    nodes
}

/// hwloc's table, in the order of ids.
fn distances(view: &HwlocView) -> Option<Distances> {
    let (nodes, rows) = view.distances.as_ref()?;
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    order.sort_by_key(|place| nodes[*place]);
    let ids: Vec<NodeId> = order.iter().map(|place| nodes[*place]).collect();
    let value = |from: usize, to: usize| u32::try_from(*rows.get(from)?.get(to)?).ok();
    let rows: Option<Vec<Vec<u32>>> =
        order.iter().map(|from| order.iter().map(|to| value(*from, *to)).collect()).collect();
    Distances::from_rows(&ids, &rows?)
}

/// Asks hwloc about this machine: fills in what sysfs did not say, and lists what it sees differently.
pub(super) fn second_opinion(parts: &mut Parts) -> CrossCheck {
    if !sys::HWLOC_BUILT {
        return CrossCheck::NotBuilt;
    }
    // To ask each CPU about itself hwloc before 2.5 takes the calling thread there, and at the end pins it to the CPUs it
    // had: those of that moment. One that is offline then would be lost to the thread for ever, so it is not our caller's.
    let asked = thread::Builder::new().name("hwloc".into()).spawn(|| read(HwlocInput::Live));
    match asked.map(thread::JoinHandle::join) {
        Ok(Ok(Ok(view))) => compare(parts, view),
        Ok(Ok(Err(error))) => CrossCheck::Failed(error.to_string()),
        Ok(Err(panic)) => std::panic::resume_unwind(panic),
        Err(os) => CrossCheck::Failed(format!("no thread can be made to ask it: {os}")),
    }
}

fn compare(parts: &mut Parts, view: Parts) -> CrossCheck {
    let mut differences = Vec::new();
    if parts.online != view.online {
        differences.push(format!("CPUs: sysfs says {}, hwloc {}", parts.online, view.online));
    }
    compare_groups(parts, &view, Fact::Packages, &mut differences, |parts| &mut parts.packages);
    compare_groups(parts, &view, Fact::Cores, &mut differences, |parts| &mut parts.cores);
    if parts.caches.is_empty() && !view.caches.is_empty() {
        parts.caches = view.caches.clone();
        parts.set_source(Fact::Caches, Source::Hwloc);
    } else {
        // Some kernels list a cache's offline CPUs too.
        let groups = |parts: &Parts| {
            let online = parts.caches.iter().map(|cache| &cache.cpus & &parts.online);
            sorted(online.filter(|cpus| !cpus.is_empty()).collect())
        };
        let (ours, theirs) = (groups(parts), groups(&view));
        if !theirs.is_empty() && ours != theirs {
            differences.push(format!(
                "last-level caches: sysfs says {}, hwloc {}",
                shown(&ours),
                shown(&theirs)
            ));
        }
    }
    compare_nodes(parts, &view, &mut differences);
    if differences.is_empty() { CrossCheck::Agrees } else { CrossCheck::Differs(differences) }
}

fn compare_groups(
    parts: &mut Parts,
    view: &Parts,
    fact: Fact,
    differences: &mut Vec<String>,
    groups: fn(&mut Parts) -> &mut Vec<CpuSet>,
) {
    let theirs = match fact {
        Fact::Packages => view.packages.clone(),
        _ => view.cores.clone(),
    };
    let (ours, theirs) = (sorted(groups(parts).clone()), sorted(theirs));
    if ours.is_empty() && !theirs.is_empty() {
        *groups(parts) = theirs;
        parts.set_source(fact, Source::Hwloc);
    } else if !theirs.is_empty() && ours != theirs {
        differences.push(format!("{}: sysfs says {}, hwloc {}", fact.name(), shown(&ours), shown(&theirs)));
    }
}

/// Nodes without CPUs or memory are not compared: hwloc leaves some out, and gives the CPUs of others away.
fn compare_nodes(parts: &Parts, view: &Parts, differences: &mut Vec<String>) {
    for ours in parts
        .nodes
        .iter()
        .filter(|node| !node.cpus.is_empty() && node.memory_bytes.is_some_and(|bytes| bytes > 0))
    {
        match view.nodes.iter().find(|theirs| theirs.id == ours.id) {
            Some(theirs) if theirs.cpus == ours.cpus => {}
            Some(theirs) => {
                differences
                    .push(format!("{}: sysfs says CPUs {}, hwloc {}", ours.id, ours.cpus, theirs.cpus));
            }
            None => differences.push(format!("{}: hwloc does not know it", ours.id)),
        }
    }
    if let (Some(ours), Some(theirs)) = (&parts.distances, &view.distances)
        && ours != theirs
    {
        differences.push("distances between nodes".into());
    }
}

fn sorted(mut groups: Vec<CpuSet>) -> Vec<CpuSet> {
    groups.sort_by_key(CpuSet::first);
    groups
}

fn shown(groups: &[CpuSet]) -> String {
    groups.iter().map(|group| format!("[{group}]")).collect::<Vec<_>>().join(" ")
}
