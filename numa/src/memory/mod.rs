//! Where memory lives: on which node, asked for and checked.
//!
//! * [`NodeVec`], [`NodeBox`]: values whose pages are on a node, whoever touches them first.
//! * [`Mapping`]: the pages under them, for stacks and slabs.
//! * [`prefer`], [`bind`], [`interleave`], [`advise_huge`]: policy for memory that exists already.
//! * [`node_of`], [`pages_by_node`]: where pages are, by the kernel's own word.
//!
//! What was measured, and decides how this is written:
//!
//! * First touch decides by *page*, and a page may be 2 MiB: with transparent huge pages on, a slab cut between two nodes
//!   had half its pages wrong. So a mapping is made without access, advised, bound, and only then opened.
//! * `malloc` is no node-local allocator: fresh blocks had a quarter of their pages on another node.
//! * The kernel refuses (EINVAL, in every mode) a node without memory, outside the cpuset, or absent. A [`Home`] is
//!   therefore made from a topology, and is the nearest node that can serve.
//! * "Prefer" falls back to other nodes when one is full; "bind" lets the process be killed instead. Prefer.
//!
//! Where there is no NUMA (another system, a kernel without it) everything here works and places nothing. Where the
//! kernel refuses (a container's seccomp filter), values still work, and [`Mapping::refusal`] says so.

mod pages;
mod policy;
mod query;
mod mapping;
mod node_box;
mod node_vec;

pub use mapping::{Home, Mapping};
pub use node_box::NodeBox;
pub use node_vec::NodeVec;
pub use pages::Pages;
pub use policy::{Existing, HugePages, advise_huge, bind, interleave, prefer, reset};
pub use query::{PagesByNode, node_of, pages_by_node};
