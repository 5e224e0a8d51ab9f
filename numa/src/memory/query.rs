//! Where pages are, by the kernel's own word.
//!
//! One trap, seen on a real kernel (6.1) under load: NUMA balancing hides pages it is curious about, and move_pages then
//! says of them what it says of pages never touched. It does so only to memory without a policy, but that is where
//! the question "where is my data?" is asked. So a page said to be absent that its page table entry says is there
//! is read once by the kernel, which takes the hint off, and asked about again. Pages truly untouched stay so.

use std::collections::BTreeMap;
use std::io;

use super::Pages;
use crate::error::{Error, Kind, Result};
use crate::id::NodeId;
use crate::sys;

/// Pages asked about in one system call: 16 KiB of arguments, small beside the cost of the walk.
const BATCH: usize = 1024;

/// How many pages of a range are on which node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PagesByNode {
    /// Pages on each node.
    pub on: BTreeMap<NodeId, usize>,
    /// Pages that are not in memory: never touched, swapped out, or not mapped.
    pub absent: usize,
    /// Pages the kernel would not tell about.
    pub unknown: usize,
}

impl PagesByNode {
    /// Pages that are in memory, on whatever node.
    pub fn present(&self) -> usize {
        self.on.values().sum()
    }

    /// Pages in memory on other nodes than this one.
    pub fn away_from(&self, node: NodeId) -> usize {
        self.present() - self.on.get(&node).copied().unwrap_or(0)
    }
}

/// The node that holds (the first byte of) a value; `None` where its page is not in memory, or the value has no bytes.
/// Does not touch the page.
///
/// On a system without NUMA the answer is node 0.
///
/// ```
/// use heddle_numa::memory;
/// let value = Box::new([1u8; 64]);
/// match memory::node_of(&*value) {
///     Ok(node) => println!("{node:?}"),
///     Err(error) => println!("the kernel does not say: {error}"), // a container's filter
/// }
/// ```
pub fn node_of<T: ?Sized>(value: &T) -> Result<Option<NodeId>> {
    if size_of_val(value) == 0 {
        return Ok(None);
    }
    let first = Pages::around(std::ptr::from_ref(value).cast::<u8>(), 1);
    Ok(pages_by_node(first)?.on.into_keys().next())
}

/// How many pages of a range are on which node. Does not touch them.
///
/// On a system without NUMA all are on node 0.
///
/// ```
/// use heddle_numa::memory::{self, Pages};
/// let buffer = vec![1u8; 1 << 20];
/// if let Ok(pages) = memory::pages_by_node(Pages::inside(&buffer)) {
///     println!("{} pages in memory, {} not", pages.present(), pages.absent);
/// }
/// ```
pub fn pages_by_node(pages: Pages) -> Result<PagesByNode> {
    let mut counts = PagesByNode::default();
    let step = sys::page_size();
    let mut next = pages.start();
    let end = pages.start() + pages.bytes();
    while next < end {
        let batch: Vec<usize> = (next..end).step_by(step).take(BATCH).collect();
        next += batch.len() * step;
        match ask(&batch) {
            Ok(status) => status.into_iter().for_each(|status| count(&mut counts, status)),
            // ENOSYS: no NUMA, so whatever is in memory is on the one node there is.
            Err(os) if os.kind() == io::ErrorKind::Unsupported => {
                *counts.on.entry(NodeId(0)).or_default() += batch.len();
            }
            Err(os) => return Err(refused(os)),
        }
    }
    Ok(counts)
}

/// The status of each page of a contiguous batch, hidden ones uncovered; see the module's text.
fn ask(batch: &[usize]) -> io::Result<Vec<i32>> {
    let mut status = sys::nodes_of_pages(batch)?;
    if !status.iter().any(|status| is_absent(*status)) {
        return Ok(status);
    }
    // A range with holes cannot be asked about as a whole: then there is nothing better than the first answer.
    let Ok(resident) = sys::resident(batch[0], batch.len()) else { return Ok(status) };
    for (place, page) in batch.iter().enumerate() {
        if resident[place] && is_absent(status[place]) && sys::fault_in(*page).is_ok() {
            status[place] = sys::nodes_of_pages(&[*page])?[0];
        }
    }
    Ok(status)
}

/// For a page never touched kernel 6.1 says EFAULT, 6.12 and later ENOENT.
fn is_absent(status: i32) -> bool {
    const ENOENT: i32 = -2;
    const EFAULT: i32 = -14;
    matches!(status, ENOENT | EFAULT)
}

fn count(counts: &mut PagesByNode, status: i32) {
    match u32::try_from(status) {
        Ok(node) => *counts.on.entry(NodeId(node)).or_default() += 1,
        Err(_) if is_absent(status) => counts.absent += 1,
        Err(_) => counts.unknown += 1,
    }
}

fn refused(os: io::Error) -> Error {
    match os.kind() {
        io::ErrorKind::PermissionDenied => Error::system(
            "a seccomp filter blocks move_pages: give the container SYS_NICE (docker run --cap-add SYS_NICE) to \
             see where pages are",
            os,
        ),
        _ => Error::system("the kernel does not say where these pages are", os).with_kind(Kind::System),
    }
}
