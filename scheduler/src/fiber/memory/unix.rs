//! Stack memory by `mmap`.

use super::StackGuard;
use super::slots::{Number, SLOTS_MAX};
use crate::error::Error;
use crate::primitive::system_call;
use corosensei::stack::StackPointer;
use heddle_numa::NodeId;
use heddle_numa::memory::{self, Existing, Pages};
use std::ptr;
use std::sync::OnceLock;

/// How many stacks are mapped with one call: few enough that the first is not slow, many enough that
/// a million fibers take 16,000 calls.
const SLAB_SLOTS: usize = 64;

/// Stacks begin at different distances from the end of their page, so that the hottest part of a
/// thousand stacks is not in one set of the cache: so many colours, a cache line apart, which cost at
/// most a quarter of a page.
const COLOURS: usize = 16;
const COLOUR_BYTES: usize = 64;

/// What a canary looks like: no address, no small number, no text.
const CANARY: [u64; 4] = [0x9f3c_51e7_0b6d_a482; 4];

/// A slot of a slab. It is only addresses; the slab owns the mapping.
pub(super) struct Raw {
    limit: usize,
    base: usize,
    guard: usize,
}

impl Raw {
    #[inline]
    pub(super) fn base(&self) -> StackPointer {
        StackPointer::new(self.base).expect("a mapping is not at zero")
    }

    #[inline]
    pub(super) fn limit(&self) -> StackPointer {
        StackPointer::new(self.limit).expect("a mapping is not at zero")
    }

    pub(super) fn guard_range(&self) -> std::ops::Range<usize> {
        self.limit..self.limit + self.guard
    }

    pub(super) fn write_canary(&self) {
        // SAFETY: the slot is ours and has no guard page where the canary goes.
        unsafe { ptr::with_exposed_provenance_mut::<[u64; 4]>(self.limit).write_volatile(CANARY) }
    }

    /// What is enough to find it again.
    pub(super) fn into_kept(self) -> *mut () {
        ptr::with_exposed_provenance_mut(self.limit)
    }

    /// The addresses of its pages, less the guard.
    pub(super) fn pages(&self) -> std::ops::Range<usize> {
        self.limit + self.guard..self.base.next_multiple_of(page_size())
    }
}

/// The system gets the pages of stacks that nothing runs on. Guards in between stay.
pub(super) fn release_pages(pages: std::ops::Range<usize>) {
    system_call("madvise");
    let start = ptr::with_exposed_provenance_mut(pages.start);
    // SAFETY: nothing runs on these stacks; their contents are not needed any more.
    let result = unsafe { libc::madvise(start, pages.len(), RELEASE_ADVICE) };
    debug_assert_eq!(result, 0, "releasing stack pages: {}", std::io::Error::last_os_error());
}

/// Can the byte be written? Asked of the kernel, which answers with an error instead of a signal.
#[cfg(all(test, target_os = "linux"))]
pub(super) fn is_writable(address: usize) -> bool {
    let byte = [0_u8];
    let local = libc::iovec { iov_base: byte.as_ptr().cast_mut().cast(), iov_len: 1 };
    let remote = libc::iovec { iov_base: ptr::with_exposed_provenance_mut(address), iov_len: 1 };
    // SAFETY: both describe one byte; the kernel checks the remote one. `getpid` is our own process.
    unsafe { libc::process_vm_writev(libc::getpid(), &local, 1, &remote, 1, 0) == 1 }
}

/// Elsewhere there is nobody to ask.
#[cfg(all(test, not(target_os = "linux")))]
pub(super) fn is_writable(_address: usize) -> bool {
    false
}

/// Are the words at the low end of a stack what `write_canary` wrote?
pub(super) fn canary_is_intact(limit: usize) -> bool {
    // SAFETY: `limit` is the low end of a stack of ours that has a canary.
    unsafe { ptr::with_exposed_provenance::<[u64; 4]>(limit).read_volatile() == CANARY }
}

#[cfg(target_os = "linux")]
const RELEASE_ADVICE: libc::c_int = libc::MADV_DONTNEED;
#[cfg(not(target_os = "linux"))]
const RELEASE_ADVICE: libc::c_int = libc::MADV_FREE;

/// Linux 6.13; not in every libc crate yet.
#[cfg(target_os = "linux")]
const MADV_GUARD_INSTALL: libc::c_int = 102;

pub(crate) fn page_size() -> usize {
    static SIZE: OnceLock<usize> = OnceLock::new();
    // SAFETY: sysconf has no preconditions.
    *SIZE.get_or_init(|| unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.max(4096) as usize)
}

/// Tried once, on a page of its own.
#[cfg(target_os = "linux")]
pub(super) fn has_lightweight_guards() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| {
        let Ok(page) = map(page_size(), libc::PROT_READ | libc::PROT_WRITE) else { return false };
        // SAFETY: the page was mapped just now and nobody else knows it.
        unsafe {
            let has = libc::madvise(page, page_size(), MADV_GUARD_INSTALL) == 0;
            libc::munmap(page, page_size());
            has
        }
    })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn has_lightweight_guards() -> bool {
    false
}

/// Maps memory for stacks that comes from `node`. It is closed until the node is set: if it were not, the kernel could
/// put one huge page behind it and a neighbour's mapping, on the neighbour's node.
fn map_on(bytes: usize, node: Option<NodeId>) -> std::io::Result<*mut libc::c_void> {
    let open = libc::PROT_READ | libc::PROT_WRITE;
    let start = map(bytes, if node.is_some() { libc::PROT_NONE } else { open })?;
    #[cfg(target_os = "linux")]
    // SAFETY: the mapping is ours. A huge page would make 512 pages resident for the first one.
    unsafe {
        libc::madvise(start, bytes, libc::MADV_NOHUGEPAGE);
    }
    if let Some(node) = node {
        // Where the system refuses, the pages come from where they are first touched, which is the same node as long
        // as the worker is on it.
        let _ = memory::prefer(Pages::around(start.cast(), bytes), node, Existing::Leave);
        // SAFETY: the mapping is ours and nobody else knows it.
        if unsafe { libc::mprotect(start, bytes, open) } != 0 {
            let error = std::io::Error::last_os_error();
            // SAFETY: as above.
            unsafe { libc::munmap(start, bytes) };
            return Err(error);
        }
    }
    Ok(start)
}

fn map(bytes: usize, rights: libc::c_int) -> std::io::Result<*mut libc::c_void> {
    system_call("mmap");
    #[cfg(target_os = "linux")]
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    #[cfg(not(target_os = "linux"))]
    let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
    // SAFETY: a new private mapping, at an address of the kernel's choice, disturbs nobody.
    let start = unsafe { libc::mmap(ptr::null_mut(), bytes, rights, flags, -1, 0) };
    if start == libc::MAP_FAILED { Err(std::io::Error::last_os_error()) } else { Ok(start) }
}

/// What all stacks of a scheduler have in common.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    /// Bytes of a slot, the guard included.
    slot: usize,
    guard_bytes: usize,
    guard: StackGuard,
}

impl Shape {
    pub(super) fn new(size: usize, guard: StackGuard) -> Shape {
        let guard_bytes = if guard == StackGuard::Canary { 0 } else { page_size() };
        let slot = (size + (COLOURS - 1) * COLOUR_BYTES).next_multiple_of(page_size()) + guard_bytes;
        Shape { slot, guard_bytes, guard }
    }

    pub(super) fn guard(&self) -> StackGuard {
        self.guard
    }

    /// Bytes of a stack, with all that belongs to it.
    pub(super) fn bytes(&self) -> usize {
        self.slot
    }

    fn raw(&self, limit: usize) -> Raw {
        let colour = (limit / self.slot) % COLOURS * COLOUR_BYTES;
        Raw { limit, base: limit + self.slot - colour, guard: self.guard_bytes }
    }

    /// # Safety
    /// `kept` comes from a slot of this shape, and nobody else makes a stack of it.
    pub(super) unsafe fn find_kept(&self, kept: *mut ()) -> Raw {
        self.raw(kept.addr())
    }

    /// Puts the guard below a new stack.
    pub(super) fn protect(&self, raw: &Raw) -> Result<(), Error> {
        system_call("mprotect");
        let page = ptr::with_exposed_provenance_mut(raw.limit);
        let result = match self.guard {
            // SAFETY: the page is the low end of a slot that nobody uses yet.
            #[cfg(target_os = "linux")]
            StackGuard::Lightweight => unsafe { libc::madvise(page, self.guard_bytes, MADV_GUARD_INSTALL) },
            StackGuard::Canary => 0,
            // SAFETY: as above.
            _ => unsafe { libc::mprotect(page, self.guard_bytes, libc::PROT_NONE) },
        };
        if result == 0 {
            return Ok(());
        }
        Err(Error::no_memory(format!(
            "the guard page of a stack could not be set ({}); locked memory and vm.max_map_count are the usual \
             causes",
            std::io::Error::last_os_error()
        )))
    }
}

/// All slabs of one scheduler. They are unmapped when it goes.
pub(super) struct Slabs {
    shape: Shape,
    slabs: Vec<(*mut libc::c_void, usize)>,
    /// Where their pages should be, if that matters.
    node: Option<NodeId>,
    /// Slots of the newest slab that were not handed out.
    fresh: std::ops::Range<usize>,
    /// Slots that were handed out and came back without a guard.
    unguarded: Vec<(Number, usize)>,
    /// How many slots were handed out.
    count: usize,
    /// How many more protected pages the kernel's limit on mappings allows.
    mappings_left: usize,
}

// SAFETY: the pointers are addresses of mappings that belong to this value.
unsafe impl Send for Slabs {}

impl Slabs {
    pub(super) fn new(shape: Shape, node: Option<NodeId>) -> Slabs {
        Slabs {
            shape,
            node,
            slabs: Vec::new(),
            fresh: 0..0,
            unguarded: Vec::new(),
            count: 0,
            mappings_left: if shape.guard == StackGuard::Mapped { guards_max() } else { usize::MAX },
        }
    }

    /// A slot that nobody had before, to be [`protect`](Shape::protect)ed by the caller.
    pub(super) fn cut(&mut self) -> Result<(Number, Raw), Error> {
        if self.mappings_left == 0 {
            return Err(Error::no_memory(
                "no more guarded stacks: each takes two of the mappings that vm.max_map_count allows, and nine \
                 tenths of those are used; raise it (sysctl vm.max_map_count), choose StackGuard::Canary, or run \
                 Linux 6.13 or newer, where guards cost no mapping",
            ));
        }
        let (number, limit) = match self.unguarded.pop() {
            Some(slot) => slot,
            None => self.cut_fresh()?,
        };
        self.mappings_left -= 1;
        Ok((number, self.shape.raw(limit)))
    }

    /// A slot that was cut and could not be protected.
    pub(super) fn uncut(&mut self, number: Number, raw: Raw) {
        self.unguarded.push((number, raw.limit));
        self.mappings_left += 1;
    }

    fn cut_fresh(&mut self) -> Result<(Number, usize), Error> {
        if self.count == SLOTS_MAX {
            return Err(Error::no_memory(format!("there are {SLOTS_MAX} stacks, and there can be no more")));
        }
        if self.fresh.is_empty() {
            self.grow()?;
        }
        let limit = self.fresh.start;
        self.fresh.start += self.shape.slot;
        let number = Number(self.count as u32);
        self.count += 1;
        Ok((number, limit))
    }

    /// The addresses of all slabs.
    pub(super) fn ranges(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        self.slabs.iter().map(|&(start, bytes)| start.addr()..start.addr() + bytes)
    }

    fn grow(&mut self) -> Result<(), Error> {
        let mut bytes = self.shape.slot * SLAB_SLOTS;
        let start = map_on(bytes, self.node).or_else(|_| {
            // Address space or the right to it is short: one stack may still fit.
            bytes = self.shape.slot;
            map_on(bytes, self.node)
        });
        let start = start.map_err(|error| {
            Error::no_memory(format!(
                "no memory for a stack of {} KiB ({error}); raise the limit (ulimit -v, the container's memory), \
                 or start fewer fibers that block at the same time",
                self.shape.slot / 1024
            ))
        })?;
        self.slabs.push((start, bytes));
        let first = start.expose_provenance();
        self.fresh = first..first + bytes;
        Ok(())
    }
}

impl Drop for Slabs {
    fn drop(&mut self) {
        for &(start, bytes) in &self.slabs {
            system_call("munmap");
            // SAFETY: the mapping is ours and no stack of it is in use: the source outlives them.
            unsafe { libc::munmap(start, bytes) };
        }
    }
}

/// How many protected pages leave a tenth of the process's mappings to everybody else: each splits
/// one mapping into two more.
fn guards_max() -> usize {
    let mappings: usize = std::fs::read_to_string("/proc/sys/vm/max_map_count")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(65_530);
    mappings / 2 * 9 / 10
}
