//! What the machine looks like, and where a thread and a page live. Knows nothing of fibers.
//!
//! * [`Topology`]: nodes, packages, last-level caches, cores, CPUs, distances, memory, what this process may use of it,
//!   its CPU quota, and where each of these facts came from.
//! * [`affinity`]: pins a thread, and puts it back.
//! * [`Placement`], [`Seats`], [`default_workers`]: how many workers, on which CPU and node, and who is near whom; pure functions.
//! * [`memory`]: values and pages on a node, and where pages are.
//! * [`probe`]: what far memory costs, measured.
//! * [`draw`]: the machine as text, JSON and SVG.
//!
//! Linux is read through `/sys` and raw calls. On any other system the same API answers for one node.
//!
//! The order of the modules below is the layering: each names only those above it. Unsafe code lives in `sys`
//! (system calls) and in `memory::{mapping, node_box, node_vec}` (values in mapped pages), nowhere else.

mod error;
mod id;
mod cpuset;
mod distance;
mod quota;
mod sys;
mod topology;
pub mod affinity;
mod placement;
mod steal;
mod reseat;
pub mod memory;
pub mod probe;
pub mod draw;

pub use crate::cpuset::{CpuSet, Id, IdSet, Iter, NodeSet};
pub use crate::distance::{Distances, LOCAL_DISTANCE, REMOTE_DISTANCE};
pub use crate::error::{Error, Result};
pub use crate::id::{CacheId, CoreId, CpuId, NodeId, PackageId};
pub use crate::memory::{Home, NodeBox, NodeVec};
pub use crate::placement::{Placement, Seat, Seats, default_workers};
pub use crate::quota::{Quota, Throttling};
pub use crate::reseat::{Fate, Reseat};
pub use crate::steal::{Nearness, StealRing};
pub use crate::topology::{Access, Cache, Cpu, CrossCheck, Fact, Node, Source, Topology};
