//! The ids of the machine's parts, one type each, so that a node can never be passed for a CPU.
//!
//! [`CpuId`] and [`NodeId`] are the kernel's own numbers: sparse, with holes, in no useful order. The other three are
//! indices into one [`Topology`](crate::Topology)'s lists: dense, numbered by lowest CPU, and meaningless in another
//! topology (the kernel's package, core and cache ids are not unique, so they cannot serve).

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// The number as an index.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, " {}"), self.0)
            }
        }
    };
}

id!(
    /// A logical CPU (a hardware thread), by the kernel's number.
    ///
    /// ```
    /// use heddle_numa::CpuId;
    /// assert_eq!(CpuId(7).to_string(), "CPU 7");
    /// ```
    CpuId,
    "CPU"
);
id!(
    /// A NUMA node, by the kernel's number. Numbers may have holes (0, 8, 250).
    ///
    /// ```
    /// use heddle_numa::NodeId;
    /// assert_eq!(NodeId(8).to_string(), "node 8");
    /// ```
    NodeId,
    "node"
);
id!(
    /// A physical package (socket): an index into [`Topology::packages`](crate::Topology::packages).
    PackageId,
    "package"
);
id!(
    /// A physical core: an index into [`Topology::cores`](crate::Topology::cores).
    CoreId,
    "core"
);
id!(
    /// A group of CPUs that share the last-level cache: an index into [`Topology::caches`](crate::Topology::caches).
    CacheId,
    "cache"
);
