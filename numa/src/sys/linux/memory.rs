//! Memory: mappings, where their pages should live, and where they do live.

use std::io;
use std::ptr::{self, NonNull};

use crate::cpuset::NodeSet;
use crate::id::NodeId;

/// What the kernel is asked to do with a range of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The thread's own policy: first touch.
    Default,
    /// This node first, others when it is full.
    Preferred,
    /// These nodes and no others.
    Bind,
    /// Page by page over these nodes.
    Interleave,
}

/// `MPOL_MF_MOVE` of `linux/mempolicy.h`, which libc lacks.
const MPOL_MF_MOVE: libc::c_uint = 1 << 1;

/// The size of a page in bytes.
pub(crate) fn page_size() -> usize {
    // SAFETY: sysconf reads a number and touches no memory of ours.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).ok().filter(|size| size.is_power_of_two()).unwrap_or(4096)
}

/// Address space without access, and without a claim on memory until it is opened.
pub(crate) fn reserve(bytes: usize) -> io::Result<NonNull<u8>> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new anonymous mapping where the kernel likes replaces nothing of ours.
    let start = unsafe { libc::mmap(ptr::null_mut(), bytes, libc::PROT_NONE, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(start.cast()).ok_or_else(|| io::Error::other("the kernel mapped address 0"))
}

/// Gives read and write access to pages of a reservation.
///
/// # Safety
/// The range must be whole pages inside one reservation that the caller owns.
pub(crate) unsafe fn open(start: NonNull<u8>, bytes: usize) -> io::Result<()> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: the caller owns the pages; more access than before breaks no reference.
    let done = unsafe { libc::mprotect(start.as_ptr().cast(), bytes, access) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Gives a reservation back.
///
/// # Safety
/// The range must be one whole reservation, owned by the caller and never used again.
pub(crate) unsafe fn release(start: NonNull<u8>, bytes: usize) {
    // SAFETY: see above. A failure (too many mappings to split) cannot happen to a whole one.
    unsafe { libc::munmap(start.as_ptr().cast(), bytes) };
}

/// Asks for huge pages, or for none, in a range of whole pages.
pub(crate) fn advise_huge(start: usize, bytes: usize, wanted: bool) -> io::Result<()> {
    let advice = if wanted { libc::MADV_HUGEPAGE } else { libc::MADV_NOHUGEPAGE };
    // SAFETY: this advice changes the size of the pages behind the range, never its content or access, whoever owns it.
    let done = unsafe { libc::madvise(start as *mut libc::c_void, bytes, advice) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sets where the pages of a range shall come from; `move_pages` takes along those it has.
pub(crate) fn set_policy(
    start: usize,
    bytes: usize,
    mode: Mode,
    nodes: &NodeSet,
    move_pages: bool,
) -> io::Result<()> {
    let number = match mode {
        Mode::Default => libc::MPOL_DEFAULT,
        Mode::Preferred => libc::MPOL_PREFERRED,
        Mode::Bind => libc::MPOL_BIND,
        Mode::Interleave => libc::MPOL_INTERLEAVE,
    };
    let flags: libc::c_uint = if move_pages { MPOL_MF_MOVE } else { 0 };
    let mask = node_mask(nodes);
    // The kernel reads one bit less than it is told (a habit older than this century), so tell it one more.
    let (mask, bits) = match mask.as_slice() {
        [] => (ptr::null(), 0),
        words => (words.as_ptr(), words.len() * libc::c_ulong::BITS as usize + 1),
    };
    // SAFETY: the call changes where pages live, never what they hold, whoever owns them; the kernel checks the range and
    // reads `bits` bits of `mask`, which lives until the end of this function.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mbind,
            start as *mut libc::c_void,
            bytes as libc::c_ulong,
            libc::c_long::from(number),
            mask,
            bits as libc::c_ulong,
            flags,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The node of each page, by any address in it: a node's number, or a negative error number where there is no page.
pub(crate) fn nodes_of_pages(pages: &[usize]) -> io::Result<Vec<i32>> {
    let addresses: Vec<*mut libc::c_void> = pages.iter().map(|page| *page as *mut libc::c_void).collect();
    let mut status = vec![i32::MIN; pages.len()];
    // SAFETY: without target nodes the call moves nothing and only reports: it reads `addresses` (as numbers, checked by the
    // kernel, never followed) and writes one status for each into `status`, which is as long.
    let done = unsafe {
        libc::syscall(
            libc::SYS_move_pages,
            0,
            addresses.len() as libc::c_ulong,
            addresses.as_ptr(),
            ptr::null::<libc::c_int>(),
            status.as_mut_ptr(),
            0,
        )
    };
    if done >= 0 { Ok(status) } else { Err(io::Error::last_os_error()) }
}

/// Moves each page, named by any address in it, to the node beside it in the list. Pages that are not in memory, and pages
/// that cannot move, stay as they are.
pub(crate) fn move_pages(pages: &[usize], nodes: &[NodeId]) -> io::Result<()> {
    let addresses: Vec<*mut libc::c_void> = pages.iter().map(|page| *page as *mut libc::c_void).collect();
    let nodes: Vec<libc::c_int> = nodes.iter().map(|node| node.0 as libc::c_int).collect();
    assert_eq!(addresses.len(), nodes.len(), "a node for each page");
    let mut status = vec![i32::MIN; pages.len()];
    // SAFETY: the call changes where pages live, never what they hold, whoever owns them; it reads `addresses` (as numbers,
    // checked by the kernel) and `nodes`, and writes `status`, all three equally long.
    let done = unsafe {
        libc::syscall(
            libc::SYS_move_pages,
            0,
            addresses.len() as libc::c_ulong,
            addresses.as_ptr(),
            nodes.as_ptr(),
            status.as_mut_ptr(),
            MPOL_MF_MOVE,
        )
    };
    if done >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether each page of a range is in memory, by its page table entry, without touching it.
pub(crate) fn resident(start: usize, pages: usize) -> io::Result<Vec<bool>> {
    let mut status = vec![0u8; pages];
    // SAFETY: the kernel checks the range, reads none of it, and writes one byte for each page into `status`.
    let done =
        unsafe { libc::mincore(start as *mut libc::c_void, pages * page_size(), status.as_mut_ptr().cast()) };
    if done == 0 {
        Ok(status.into_iter().map(|byte| byte & 1 != 0).collect())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Has the kernel read from a page as the program would, so that a pending hint of its NUMA balancing is taken off it.
pub(crate) fn fault_in(page: usize) -> io::Result<()> {
    // SAFETY: the kernel checks the range; reading changes no content and gives no access that was not there.
    let done = unsafe { libc::madvise(page as *mut libc::c_void, page_size(), libc::MADV_POPULATE_READ) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The set as the kernel's array of `unsigned long`.
fn node_mask(nodes: &NodeSet) -> Vec<libc::c_ulong> {
    let bits = libc::c_ulong::BITS;
    let mut mask = vec![0; nodes.last().map_or(0, |last| last.0 / bits + 1) as usize];
    for node in nodes {
        mask[(node.0 / bits) as usize] |= 1 << (node.0 % bits);
    }
    mask
}
