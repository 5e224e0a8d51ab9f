//! The kernel's own description: `sys/devices/system/{node,cpu}` and `proc/self/status` under any root.
//!
//! No unsafe code and no system call but reading files, so a fixture of a machine is as good as the machine. What real
//! files get wrong, and is dealt with here: nodes with holes in their numbers; no `cpulist` (read `cpumap`, or the
//! names of `cpuN` links); distance rows whose columns are the *online* nodes in order, or now and then all nodes, or
//! neither; `has_memory` absent; package id -1; offline CPUs that keep their directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::assemble::NodePart;
use super::{Access, Cache, Fact, Parts, Source};
use crate::cpuset::{CpuSet, Id, IdSet, NodeSet};
use crate::distance::Distances;
use crate::error::{Error, Kind, Result};
use crate::id::{CpuId, NodeId};
use crate::quota;

/// Reads everything there is under this root. Fails where there is no `sys/devices/system/cpu`.
pub(super) fn read(root: &Path) -> Result<Parts> {
    let system = root.join("sys/devices/system");
    if !system.join("cpu").is_dir() {
        let message = format!(
            "{} is not there: pass a directory that looks like `/`, with sys/devices/system in it",
            system.join("cpu").display()
        );
        return Err(Error::new(Kind::NotFound, message));
    }
    let mut reader = Reader { system, parts: Parts::new() };
    reader.cpus();
    reader.nodes();
    reader.distances();
    reader.groups();
    reader.allowed(root);
    reader.parts.quota = quota::read(root)?;
    reader.parts.set_source(Fact::Quota, Source::Cgroup);
    Ok(reader.parts)
}

struct Reader {
    system: PathBuf,
    parts: Parts,
}

impl Reader {
    fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.system.join(path)).ok()
    }

    fn number<T: std::str::FromStr>(&self, path: &str) -> Option<T> {
        self.text(path)?.trim().parse().ok()
    }

    /// A set from a list file; what cannot be read is noted and counts as absent.
    fn list<I: Id>(&mut self, path: &str) -> Option<IdSet<I>> {
        let text = self.text(path)?;
        text.parse().map_err(|error: Error| self.parts.notes.push(format!("{path}: {error}"))).ok()
    }

    /// A set from `path`_list, or from the mask in `path` beside it.
    fn list_or_mask(&mut self, list: &str, mask: &str) -> Option<CpuSet> {
        self.list(list).or_else(|| {
            let text = self.text(mask)?;
            CpuSet::parse_mask(&text).map_err(|error| self.parts.notes.push(format!("{mask}: {error}"))).ok()
        })
    }

    /// The numbers N for which `dir` has an entry `prefix`N.
    fn numbered<I: Id>(&self, dir: &str, prefix: &str) -> IdSet<I> {
        let entries = fs::read_dir(self.system.join(dir)).into_iter().flatten().flatten();
        let number =
            |entry: fs::DirEntry| entry.file_name().to_str()?.strip_prefix(prefix)?.parse::<u32>().ok();
        entries
            .filter_map(number)
            .filter(|number| *number <= IdSet::<I>::MAX_ID)
            .map(I::from_number)
            .collect()
    }

    fn cpus(&mut self) {
        self.parts.possible = self.list("cpu/possible").unwrap_or_default();
        self.parts.online = self.list("cpu/online").unwrap_or_else(|| {
            let present: CpuSet = self.numbered("cpu", "cpu");
            let online = |cpu: &CpuId| {
                self.text(&format!("cpu/cpu{}/online", cpu.0)).is_none_or(|on| on.trim() != "0")
            };
            present.iter().filter(online).collect()
        });
    }

    fn nodes(&mut self) {
        let present: NodeSet = self.numbered("node", "node");
        let online: NodeSet = self.list("node/online").unwrap_or_else(|| present.clone());
        let with_memory: Option<NodeSet> = self.list("node/has_memory");
        for id in (&online - &present).iter() {
            self.parts.notes.push(format!("{id} is online but has no directory: left out"));
        }
        for id in (&online & &present).iter() {
            let cpus = self.node_cpus(id);
            let memory_bytes = self.node_memory(id);
            let has_memory = with_memory.as_ref().map(|nodes| nodes.contains(id));
            let access = self.node_access(id);
            self.parts.nodes.push(NodePart { id, cpus, memory_bytes, has_memory, access });
        }
        if !self.parts.nodes.is_empty() {
            self.parts.set_source(Fact::Nodes, Source::Sysfs);
            self.parts.set_source(Fact::NodeCpus, Source::Sysfs);
            if with_memory.is_some() || self.parts.nodes.iter().any(|node| node.memory_bytes.is_some()) {
                self.parts.set_source(Fact::Memory, Source::Sysfs);
            }
        }
    }

    fn node_cpus(&mut self, id: NodeId) -> CpuSet {
        let dir = format!("node/node{}", id.0);
        let (list, mask) = (format!("{dir}/cpulist"), format!("{dir}/cpumap"));
        self.list_or_mask(&list, &mask).unwrap_or_else(|| {
            let links: CpuSet = self.numbered(&dir, "cpu");
            self.parts
                .notes
                .push(format!("{id} has no cpulist and no cpumap: its cpuN entries give CPUs {links}"));
            links
        })
    }

    /// `Node 0 MemTotal:        3893452 kB`
    fn node_memory(&self, id: NodeId) -> Option<u64> {
        let text = self.text(&format!("node/node{}/meminfo", id.0))?;
        let line = text.lines().find(|line| line.contains("MemTotal:"))?;
        let kib: u64 = line.split_once("MemTotal:")?.1.trim().trim_end_matches("kB").trim().parse().ok()?;
        kib.checked_mul(1024)
    }

    /// `access1` is as seen from CPUs, `access0` from whatever is nearest, which may be a device.
    fn node_access(&self, id: NodeId) -> Option<Access> {
        ["access1", "access0"].iter().find_map(|access| {
            let read = |name: &str| self.number(&format!("node/node{}/{access}/initiators/{name}", id.0));
            Some(Access {
                read_latency_ns: read("read_latency")?,
                read_bandwidth_mb_s: read("read_bandwidth")?,
            })
        })
    }

    fn distances(&mut self) {
        let mut ids: Vec<NodeId> = self.parts.nodes.iter().map(|node| node.id).collect();
        ids.sort();
        if ids.is_empty() {
            return;
        }
        let mut rows = Vec::with_capacity(ids.len());
        for (place, id) in ids.iter().enumerate() {
            let Some(text) = self.text(&format!("node/node{}/distance", id.0)) else { return };
            let row: Option<Vec<u32>> = text.split_whitespace().map(|value| value.parse().ok()).collect();
            match row.as_deref().and_then(|row| columns(row, &ids, place)) {
                Some(columns) => rows.push(columns),
                None => {
                    self.parts.notes.push(format!(
                        "the distance row of {id} (`{}`) does not fit {} online nodes",
                        text.trim(),
                        ids.len()
                    ));
                    return;
                }
            }
        }
        self.parts.distances = Distances::from_rows(&ids, &rows);
        if self.parts.distances.is_some() {
            self.parts.set_source(Fact::Distances, Source::Sysfs);
        }
    }

    /// Packages, cores and last-level caches. Files are read once per group, not once per CPU: a machine of 384 CPUs
    /// takes some hundreds of files instead of thousands.
    fn groups(&mut self) {
        let online = self.parts.online.clone();
        let mut packages: BTreeMap<i64, CpuSet> = BTreeMap::new();
        let (mut in_package, mut in_core, mut in_cache) = (CpuSet::new(), CpuSet::new(), CpuSet::new());
        for cpu in &online {
            let topology = format!("cpu/cpu{}/topology", cpu.0);
            if !in_core.contains(cpu)
                && let Some(core) = self.siblings(&topology, &["core_cpus", "thread_siblings"], cpu)
            {
                in_core = &in_core | &core;
                self.parts.cores.push(core);
            }
            if !in_package.contains(cpu) {
                // By the kernel's number where it has one; an architecture that does not know says -1.
                let number = self.number(&format!("{topology}/physical_package_id")).filter(|id| *id >= 0);
                if let Some(number) = number {
                    packages.entry(number).or_default().insert(cpu);
                } else if let Some(package) =
                    self.siblings(&topology, &["package_cpus", "core_siblings"], cpu)
                {
                    in_package = &in_package | &package;
                    self.parts.packages.push(package);
                }
            }
            if !in_cache.contains(cpu)
                && let Some(cache) = self.last_cache(cpu)
            {
                in_cache = &in_cache | &cache.cpus;
                self.parts.caches.push(cache);
            }
        }
        self.parts.packages.extend(packages.into_values());
        for (fact, known) in [
            (Fact::Cores, !self.parts.cores.is_empty()),
            (Fact::Packages, !self.parts.packages.is_empty()),
            (Fact::Caches, !self.parts.caches.is_empty()),
        ] {
            if known {
                self.parts.set_source(fact, Source::Sysfs);
            }
        }
    }

    /// The group in the first of these files that exists (new name, old name; list, mask) and holds the CPU itself.
    fn siblings(&mut self, dir: &str, names: &[&str], cpu: CpuId) -> Option<CpuSet> {
        names.iter().find_map(|name| {
            let set = self.list_or_mask(&format!("{dir}/{name}_list"), &format!("{dir}/{name}"))?;
            set.contains(cpu).then_some(set)
        })
    }

    /// The data or unified cache of the highest level.
    fn last_cache(&mut self, cpu: CpuId) -> Option<Cache> {
        let dir = format!("cpu/cpu{}/cache", cpu.0);
        let indices: CpuSet = self.numbered(&dir, "index");
        let mut last: Option<(u8, String)> = None;
        for index in &indices {
            let index = format!("{dir}/index{}", index.0);
            let data = self.text(&format!("{index}/type")).is_none_or(|kind| kind.trim() != "Instruction");
            let Some(level) = self.number(&format!("{index}/level")).filter(|_| data) else { continue };
            if last.as_ref().is_none_or(|(best, _)| level > *best) {
                last = Some((level, index));
            }
        }
        let (level, index) = last?;
        let cpus =
            self.list_or_mask(&format!("{index}/shared_cpu_list"), &format!("{index}/shared_cpu_map"))?;
        let size_bytes = self.text(&format!("{index}/size")).and_then(|size| parse_size(size.trim()));
        cpus.contains(cpu).then_some(Cache { cpus, level, size_bytes })
    }

    fn allowed(&mut self, root: &Path) {
        // The thread's own file, where there is one: with cgroup v1 each thread may be in another cpuset.
        let status = ["proc/thread-self/status", "proc/self/status"];
        let Some(text) = status.iter().find_map(|path| fs::read_to_string(root.join(path)).ok()) else {
            return;
        };
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        if let Some(cpus) = field("Cpus_allowed_list").and_then(|list| list.parse().ok()) {
            self.parts.allowed_cpus = Some(cpus);
            self.parts.set_source(Fact::AllowedCpus, Source::Procfs);
        }
        if let Some(nodes) = field("Mems_allowed_list").and_then(|list| list.parse().ok()) {
            self.parts.allowed_nodes = Some(nodes);
            self.parts.set_source(Fact::AllowedNodes, Source::Procfs);
        }
    }
}

/// The values of a distance row that belong to the online nodes, in their order; `place` is the row's own node.
///
/// The kernel prints one column per online node. One dump of a machine with node 0 offline has a column for every node
/// instead; that reading is taken only where the row's own column then holds the smallest value.
fn columns(row: &[u32], ids: &[NodeId], place: usize) -> Option<Vec<u32>> {
    if row.len() == ids.len() {
        return Some(row.to_vec());
    }
    let by_number: Option<Vec<u32>> = ids.iter().map(|id| row.get(id.index()).copied()).collect();
    by_number.filter(|values| row.iter().all(|value| *value >= values[place]))
}

/// `32768K`, `36M`
fn parse_size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}
