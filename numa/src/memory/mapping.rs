//! Pages of one's own, on a node.
//!
//! ```text
//! reserve            advise              bind               open
//! PROT_NONE   ->   huge pages: no   ->  prefer node 1  ->  read, write     only now can anybody touch a page
//! ```
//!
//! In any other order another thread, or the kernel's huge pages, may fill a page before the policy is there.

use std::ops::Range;
use std::ptr::NonNull;

use super::policy::{self, Existing, HugePages};
use super::{Pages, query};
use crate::error::{Error, Kind, Result};
use crate::id::NodeId;
use crate::sys;
use crate::topology::Topology;

/// Where new memory shall live: a node that is known to be able to serve, or anywhere.
///
/// ```
/// use heddle_numa::{Topology, memory::Home};
/// let machine = Topology::detect()?;
/// let home = Home::near(&machine, machine.nodes()[0].id());
/// assert!(home.node().is_some());
/// # Ok::<(), heddle_numa::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Home {
    node: Option<NodeId>,
    /// Whether the kernel has to be told: not where all memory is on one node anyway.
    told: bool,
}

impl Home {
    /// The node itself, or the nearest to it that has memory and may be used.
    pub fn near(topology: &Topology, node: NodeId) -> Home {
        Home { node: topology.memory_node(node), told: topology.memory_nodes().len() > 1 }
    }

    /// Wherever it is first touched.
    pub const fn anywhere() -> Home {
        Home { node: None, told: false }
    }

    /// The node memory is asked from.
    pub fn node(self) -> Option<NodeId> {
        self.node
    }
}

/// Whole pages of one's own, zeroed when first touched, given back when dropped.
///
/// ```
/// use heddle_numa::memory::{Home, HugePages, Mapping};
/// let mapping = Mapping::new(100_000, Home::anywhere(), HugePages::Never)?;
/// assert!(mapping.bytes() >= 100_000);
/// // SAFETY: the mapping is open, and nobody else has its address.
/// unsafe { mapping.as_ptr().write(7) };
/// # Ok::<(), heddle_numa::Error>(())
/// ```
#[derive(Debug)]
pub struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
    home: Home,
    refusal: Option<Error>,
}

// SAFETY: a mapping owns its pages, and hands out nothing but their address; who uses that answers for it.
unsafe impl Send for Mapping {}
// SAFETY: as above; `&Mapping` allows no access to the pages without unsafe code of the caller.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Reserves, advises and binds at least this many bytes, without access: see [`Mapping::open`].
    ///
    /// Fails only for want of address space. Where the kernel refuses the *placement*, the mapping is made
    /// without, and [`Mapping::refusal`] says why.
    pub fn reserve(bytes: usize, home: Home, huge: HugePages) -> Result<Mapping> {
        let rounded = bytes.max(1).checked_next_multiple_of(sys::page_size());
        let rounded = rounded.filter(|bytes| isize::try_from(*bytes).is_ok()).ok_or_else(|| {
            Error::new(Kind::OutOfMemory, format!("{bytes} bytes are more than an address space holds"))
        })?;
        let start = sys::reserve(rounded).map_err(|os| {
            let advice = "raise the limit on address space (ulimit -v) or on mappings (vm.max_map_count), or ask for less";
            Error::system(format!("cannot map {rounded} bytes: {advice}"), os).with_kind(Kind::OutOfMemory)
        })?;
        let mut mapping = Mapping { start, bytes: rounded, home, refusal: None };
        let placed =
            policy::advise_huge(mapping.pages(), huge).and_then(|()| match home.node.filter(|_| home.told) {
                Some(node) => policy::prefer(mapping.pages(), node, Existing::Leave),
                None => Ok(()),
            });
        mapping.refusal = placed.err();
        Ok(mapping)
    }

    /// Reserves and opens: memory ready for use.
    pub fn new(bytes: usize, home: Home, huge: HugePages) -> Result<Mapping> {
        let mapping = Self::reserve(bytes, home, huge)?;
        mapping.open(0..mapping.bytes)?;
        Ok(mapping)
    }

    /// Gives access to a part, rounded outward to whole pages. Still no page is in memory: that comes with the first touch.
    ///
    /// # Panics
    /// Where the range is not inside the mapping.
    pub fn open(&self, range: Range<usize>) -> Result<()> {
        assert!(
            range.start <= range.end && range.end <= self.bytes,
            "{range:?} is not inside {} bytes",
            self.bytes
        );
        if range.is_empty() {
            return Ok(());
        }
        let page = sys::page_size();
        let (from, to) = (range.start / page * page, range.end.next_multiple_of(page));
        // SAFETY: `from` is inside the mapping, so the address is too.
        let start = unsafe { self.start.add(from) };
        // SAFETY: whole pages (both ends are rounded; the mapping's own end is a page boundary) of a mapping we own.
        unsafe { sys::open(start, to - from) }.map_err(|os| {
            let advice = "the limit on memory or on mappings (vm.max_map_count) is reached";
            Error::system(format!("cannot open {} bytes: {advice}", to - from), os)
                .with_kind(Kind::OutOfMemory)
        })
    }

    /// The address of the first byte, aligned to a page.
    pub fn as_ptr(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// The length in bytes: what was asked for, rounded up to whole pages.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The pages, to ask or to change where they live.
    pub fn pages(&self) -> Pages {
        Pages::around(self.start.as_ptr(), self.bytes)
    }

    /// The node the pages come from; `None` where they come from anywhere, by wish or because the kernel refused.
    pub fn home(&self) -> Option<NodeId> {
        if self.refusal.is_some() { None } else { self.home.node }
    }

    /// Why the pages are not placed as wished, where they are not.
    pub fn refusal(&self) -> Option<&Error> {
        self.refusal.as_ref()
    }

    /// Where the pages are, by the kernel's word.
    pub fn pages_by_node(&self) -> Result<query::PagesByNode> {
        query::pages_by_node(self.pages())
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: one whole reservation of ours, and no owner is left.
        unsafe { sys::release(self.start, self.bytes) };
    }
}
