//! The door to the operating system: every `unsafe` block of this crate that is not about a value's memory is here.
//!
//! `linux` and `other` are twins with the same functions; so are `hwloc` and `hwloc_absent`. Nothing outside
//! this folder says `cfg(target_os)` or `cfg(hwloc)`.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;

#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(not(target_os = "linux"))]
pub(crate) use other::*;

#[cfg(hwloc)]
mod hwloc;
#[cfg(hwloc)]
pub(crate) use hwloc::*;

#[cfg(not(hwloc))]
mod hwloc_absent;
#[cfg(not(hwloc))]
pub(crate) use hwloc_absent::*;

use std::path::Path;

mod flush;
pub(crate) use flush::*;

use crate::cpuset::{CpuSet, NodeSet};
use crate::id::NodeId;

/// What hwloc is asked to look at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HwlocInput<'a> {
    /// This machine.
    Live,
    /// A file that `lstopo` wrote.
    Xml(&'a Path),
    /// A description such as `numa:2 core:4 pu:2`.
    Synthetic(&'a str),
}

/// What hwloc saw, in our types. Built by `hwloc` and read by `topology::hwloc`.
#[derive(Debug, Default)]
#[cfg_attr(not(hwloc), allow(dead_code, reason = "nothing makes one in a build without libhwloc"))]
pub(crate) struct HwlocView {
    pub(crate) cpus: CpuSet,
    pub(crate) packages: Vec<CpuSet>,
    pub(crate) cores: Vec<CpuSet>,
    /// The last level of cache and the CPUs of each.
    pub(crate) caches: Vec<(u8, CpuSet)>,
    pub(crate) nodes: Vec<HwlocNode>,
    pub(crate) distances: Option<(Vec<NodeId>, Vec<Vec<u64>>)>,
    pub(crate) allowed_cpus: CpuSet,
    pub(crate) allowed_nodes: NodeSet,
}

/// A NUMA node as hwloc sees it: `cpus` are those *near* it, so several nodes may name the same ones.
#[derive(Debug)]
pub(crate) struct HwlocNode {
    pub(crate) id: NodeId,
    pub(crate) cpus: CpuSet,
    pub(crate) memory_bytes: u64,
}
