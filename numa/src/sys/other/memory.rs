//! Memory: ordinary pages from the allocator, all on node 0.
//!
//! Placement is accepted and does nothing (`Unsupported`, which the callers take for "this system has no NUMA"), so
//! that the same program runs everywhere.

use std::alloc::{self, Layout};
use std::io;
use std::ptr::NonNull;

use crate::cpuset::NodeSet;
use crate::id::NodeId;

/// What would be asked of a range of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Default,
    Preferred,
    Bind,
    Interleave,
}

/// What counts as a page here: the alignment of reservations.
pub(crate) fn page_size() -> usize {
    4096
}

fn layout(bytes: usize) -> io::Result<Layout> {
    Layout::from_size_align(bytes, page_size()).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))
}

/// Zeroed memory, open from the start: there is no portable reservation.
pub(crate) fn reserve(bytes: usize) -> io::Result<NonNull<u8>> {
    let layout = layout(bytes.max(page_size()))?;
    // SAFETY: the layout's size is at least one page, so not zero.
    NonNull::new(unsafe { alloc::alloc_zeroed(layout) })
        .ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))
}

/// Nothing to do: a reservation is open.
///
/// # Safety
/// As on Linux: whole pages inside one reservation that the caller owns.
pub(crate) unsafe fn open(_start: NonNull<u8>, _bytes: usize) -> io::Result<()> {
    Ok(())
}

/// Gives a reservation back.
///
/// # Safety
/// The range must be one whole reservation, owned by the caller and never used again.
pub(crate) unsafe fn release(start: NonNull<u8>, bytes: usize) {
    if let Ok(layout) = layout(bytes.max(page_size())) {
        // SAFETY: `reserve` allocated exactly this with the same layout.
        unsafe { alloc::dealloc(start.as_ptr(), layout) };
    }
}

/// No portable advice.
pub(crate) fn advise_huge(_start: usize, _bytes: usize, _wanted: bool) -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

/// No NUMA.
pub(crate) fn set_policy(_: usize, _: usize, _: Mode, _: &NodeSet, _: bool) -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

/// No NUMA.
pub(crate) fn nodes_of_pages(_pages: &[usize]) -> io::Result<Vec<i32>> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

/// No NUMA.
pub(crate) fn move_pages(_pages: &[usize], _nodes: &[NodeId]) -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

/// No portable question.
pub(crate) fn resident(_start: usize, _pages: usize) -> io::Result<Vec<bool>> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

/// Nothing to do: there are no hints.
pub(crate) fn fault_in(_page: usize) -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}
