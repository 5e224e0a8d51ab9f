//! Policy: where the pages of a range shall come from, and how large they may be.

use std::io;

use super::Pages;
use crate::cpuset::NodeSet;
use crate::error::{Error, Kind, Result};
use crate::id::NodeId;
use crate::sys::{self, Mode};

/// Pages moved in one system call.
const BATCH: usize = 4096;

/// What a huge page is nearly everywhere. Where it is more, a range of several moves less evenly.
const HUGE: usize = 2 << 20;

/// What happens to pages that exist already when a policy is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// They stay where they are; the policy is for pages yet to be touched.
    Leave,
    /// They move, as far as the kernel can (pages shared with other processes stay). Ask
    /// [`pages_by_node`](super::pages_by_node) what came of it.
    Move,
}

/// Whether the kernel may put 2 MiB pages (or what it calls huge) behind a range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HugePages {
    /// As the system is set.
    #[default]
    System,
    /// Never: for ranges cut up between nodes or threads, where one page must not cover two owners.
    Never,
    /// Wherever possible: for large data of one node.
    Prefer,
}

/// Asks that pages come from this node while it has memory, and from others when it has none left. The best policy for
/// nearly everything.
///
/// Use [`Topology::memory_node`](crate::Topology::memory_node) to find a node that can serve: one without memory or
/// outside the cpuset is refused. On a system without NUMA this does nothing and succeeds.
///
/// ```
/// use heddle_numa::{Topology, memory::{self, Existing, Pages}};
/// let machine = Topology::detect()?;
/// let near = machine.nodes()[0].id();
/// let node = machine.memory_node(near).expect("some node has memory");
/// let buffer = vec![0u8; 1 << 20];
/// match memory::prefer(Pages::inside(&buffer), node, Existing::Move) {
///     Ok(()) => {}
///     Err(error) if error.is_permission_denied() => println!("left where it is: {error}"),
///     Err(error) => return Err(error),
/// }
/// # Ok::<(), heddle_numa::Error>(())
/// ```
pub fn prefer(pages: Pages, node: NodeId, existing: Existing) -> Result<()> {
    set(pages, Mode::Preferred, &NodeSet::of(checked(node)?), existing)
}

/// Demands that pages come from these nodes and no others. When they are full, the kernel swaps or kills rather than look
/// elsewhere: [`prefer`] unless memory of another kind would be wrong.
///
/// ```no_run
/// use heddle_numa::{NodeId, NodeSet, memory::{self, Existing, Pages}};
/// let table = vec![0u8; 1 << 20];
/// memory::bind(Pages::inside(&table), &NodeSet::of(NodeId(1)), Existing::Move)?;
/// # Ok::<(), heddle_numa::Error>(())
/// ```
pub fn bind(pages: Pages, nodes: &NodeSet, existing: Existing) -> Result<()> {
    set(pages, Mode::Bind, nodes, existing)
}

/// Lays pages out over these nodes in turn: for data that all nodes read alike.
///
/// Pages that exist already and shall move do so in runs of 2 MiB where there is such a run for each node, since a huge page
/// moves as a whole, and page by page where the range is smaller. Each of the nodes must then be one that can serve.
///
/// ```no_run
/// use heddle_numa::{Topology, memory::{self, Existing, Pages}};
/// let machine = Topology::detect()?;
/// let table = vec![0u8; 1 << 20];
/// memory::interleave(Pages::inside(&table), &machine.memory_nodes(), Existing::Move)?;
/// # Ok::<(), heddle_numa::Error>(())
/// ```
pub fn interleave(pages: Pages, nodes: &NodeSet, existing: Existing) -> Result<()> {
    // What is on any of these nodes the kernel would leave there, were it asked to move what exists with the policy.
    set(pages, Mode::Interleave, nodes, Existing::Leave)?;
    if existing == Existing::Move { deal_out(pages, nodes) } else { Ok(()) }
}

/// Moves the pages there are. Which node is whose turn depends on the address alone, so that doing it twice changes nothing.
fn deal_out(pages: Pages, nodes: &NodeSet) -> Result<()> {
    let turns: Vec<NodeId> = nodes.iter().collect();
    let run = if pages.bytes() >= HUGE * turns.len() { HUGE } else { Pages::page_size() };
    let mut addresses = (pages.start()..pages.start() + pages.bytes()).step_by(Pages::page_size());
    loop {
        let batch: Vec<usize> = addresses.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            return Ok(());
        }
        let targets: Vec<NodeId> = batch.iter().map(|page| turns[page / run % turns.len()]).collect();
        match sys::move_pages(&batch, &targets) {
            Ok(()) => {}
            // As in `apply`.
            Err(os) if os.kind() == io::ErrorKind::Unsupported => return Ok(()),
            Err(os) => return Err(refused(pages, nodes, os)),
        }
    }
}

/// Takes a policy off again: pages come from where they are first touched.
pub fn reset(pages: Pages) -> Result<()> {
    apply(pages, Mode::Default, &NodeSet::new(), Existing::Leave)
}

/// Asks for huge pages in a range, or for none. `System` changes nothing (the kernel has no way back to it).
///
/// ```
/// use heddle_numa::memory::{self, HugePages, Pages};
/// let slab = vec![0u8; 4 << 20];
/// memory::advise_huge(Pages::inside(&slab), HugePages::Never)?;
/// # Ok::<(), heddle_numa::Error>(())
/// ```
///
/// Where the kernel is built without huge pages this does nothing and succeeds: there are none to be had or to avoid.
pub fn advise_huge(pages: Pages, huge: HugePages) -> Result<()> {
    if pages.is_empty() || huge == HugePages::System {
        return Ok(());
    }
    match sys::advise_huge(pages.start(), pages.bytes(), huge == HugePages::Prefer) {
        Ok(()) => Ok(()),
        // EINVAL is the answer of a kernel without huge pages; ENOMEM of a range that is not mapped.
        Err(os) if matches!(os.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        Err(os) => Err(Error::system(format!("cannot advise huge pages for {}", shown(pages)), os)
            .with_kind(Kind::Invalid)),
    }
}

fn checked(node: NodeId) -> Result<NodeId> {
    match node.0 <= NodeSet::MAX_ID {
        true => Ok(node),
        false => {
            Err(Error::new(Kind::NotFound, format!("{node} cannot exist: ids end at {}", NodeSet::MAX_ID)))
        }
    }
}

fn set(pages: Pages, mode: Mode, nodes: &NodeSet, existing: Existing) -> Result<()> {
    if nodes.is_empty() {
        return Err(Error::new(Kind::Invalid, "memory cannot be placed on no node: pass at least one"));
    }
    apply(pages, mode, nodes, existing)
}

fn apply(pages: Pages, mode: Mode, nodes: &NodeSet, existing: Existing) -> Result<()> {
    if pages.is_empty() {
        return Ok(());
    }
    match sys::set_policy(pages.start(), pages.bytes(), mode, nodes, existing == Existing::Move) {
        Ok(()) => Ok(()),
        // ENOSYS: no NUMA in this kernel or system, so every page is where it should be.
        Err(os) if os.kind() == io::ErrorKind::Unsupported => Ok(()),
        Err(os) => Err(refused(pages, nodes, os)),
    }
}

fn refused(pages: Pages, nodes: &NodeSet, os: io::Error) -> Error {
    // What move_pages says of a node without memory, and of one outside the cpuset; mbind says EINVAL of both.
    const ENODEV: i32 = 19;
    const EACCES: i32 = 13;
    let no_such_node = matches!(os.raw_os_error(), Some(ENODEV | EACCES));
    let (kind, why) = match os.kind() {
        kind if no_such_node || kind == io::ErrorKind::InvalidInput => (
            Kind::NotAllowed,
            "a node is absent, has no memory or is outside the cpuset: choose with Topology::memory_node",
        ),
        io::ErrorKind::PermissionDenied => (
            Kind::Denied,
            "a seccomp filter blocks mbind: give the container SYS_NICE (docker run --cap-add SYS_NICE), or do without",
        ),
        io::ErrorKind::OutOfMemory => {
            (Kind::OutOfMemory, "the kernel has no memory for it, or too many mappings")
        }
        _ => (Kind::Invalid, "is all of it mapped?"),
    };
    Error::system(format!("cannot place {} on nodes {nodes}: {why}", shown(pages)), os).with_kind(kind)
}

fn shown(pages: Pages) -> String {
    format!("{} pages at {:#x}", pages.len(), pages.start())
}
