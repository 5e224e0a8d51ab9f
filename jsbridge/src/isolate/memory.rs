//! The memory of one isolate: counted, bounded, and known to be given back.
//!
//! ```text
//!   a block:   | size of the whole | the next and the last block | padding | what the engine sees ... |
//!                                                                          ^ the pointer it has
//! ```
//!
//! All blocks are in a ring: an engine that could not be made cannot be freed by its own functions, which meet
//! halves of things there. So it is freed by ours ([`Memory::free_all`]). The engine itself asks for pages of small
//! blocks mostly; an empty isolate has some fifty.
//!
//! The blocks that an engine begins with may be copied from a picture ([`image`](super::image)): then they are in one block of
//! the system's, the *chunk*. They are counted and in the ring as all others are; their memory goes with the isolate.
//!
//! An isolate that has grown takes its pages from [slabs](super::slabs).
//!
//! The engine has a limit of its own, but does not tell that it was reached: an exception "out of
//! memory" can be made by any script. Here it is known.

use super::slabs::{Slab, Slabs};
use rquickjs::qjs;
use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error, realloc};
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::{self, NonNull};

/// Room for the size and the ring.
pub(super) const HEADER: usize = 32;
/// Of all blocks.
pub(super) const ALIGNMENT: usize = 16;

/// What the compiler takes for an empty text, and more.
const COMPILER_AT_LEAST: usize = 256 << 10;

/// What is in front of each block.
#[repr(C, align(16))]
struct Header {
    size: usize,
    next: *mut Header,
    last: *mut Header,
    /// Of a page that came from a [slab](super::slabs): which one.
    slab: Option<NonNull<Slab>>,
}

const _: () = assert!(size_of::<Header>() == HEADER);

/// What an isolate has allocated. The engine has a pointer to it, so it does not move.
///
/// | field     | written by                    | read by                |
/// |-----------|-------------------------------|------------------------|
/// | all       | the thread in the isolate     | the thread in the isolate |
pub(crate) struct Memory {
    used: Cell<usize>,
    most: Cell<usize>,
    limit: usize,
    /// How many allocations were refused.
    refusals: Cell<u32>,
    /// None may be, now.
    lifted: Cell<bool>,
    /// A block that the engine is about to free, and that is to be kept: see [`Memory::keep_next`].
    keep: Cell<*mut c_void>,
    /// So many allocations succeed, then all fail; tests only.
    #[cfg(test)]
    fail_after: Cell<Option<usize>>,
    /// Any block of the ring.
    ring: Cell<*mut Header>,
    /// While something is compiled: up to where nothing is refused.
    lenient: Cell<usize>,
    /// Blocks that came with a picture are in it; null: there is none.
    chunk: Cell<*mut u8>,
    chunk_size: Cell<usize>,
    /// New memory is zeroes.
    zeroes: Cell<bool>,
    slabs: Slabs,
}

impl Memory {
    pub(crate) fn new(limit: usize) -> Memory {
        Memory {
            used: Cell::new(0),
            most: Cell::new(0),
            limit,
            refusals: Cell::new(0),
            lifted: Cell::new(false),
            keep: Cell::new(ptr::null_mut()),
            #[cfg(test)]
            fail_after: Cell::new(None),
            ring: Cell::new(ptr::null_mut()),
            lenient: Cell::new(0),
            chunk: Cell::new(ptr::null_mut()),
            chunk_size: Cell::new(0),
            zeroes: Cell::new(false),
            slabs: Slabs::new(),
        }
    }

    /// What is allocated from now on is zeroes until it is written to: every byte of it may be read.
    pub(super) fn give_zeroes(&self) {
        self.zeroes.set(true);
    }

    /// All blocks, from the newest on: where each begins, and its size.
    ///
    /// # Safety
    /// The ring is whole: the blocks are those of an engine that is alive.
    pub(super) unsafe fn blocks(&self) -> Vec<(usize, usize)> {
        let (first, mut blocks) = (self.ring.get(), Vec::new());
        let mut header = first;
        while !header.is_null() {
            // SAFETY: all blocks in the ring are there.
            unsafe {
                blocks.push((header.expose_provenance(), (*header).size));
                header = (*header).next;
            }
            if header == first {
                break;
            }
        }
        blocks
    }

    /// Room for blocks that are copied, which count for `used` bytes; once in a memory's life. `None`: there is none.
    pub(super) fn take_chunk(&self, size: usize, used: usize) -> Option<NonNull<u8>> {
        debug_assert!(self.chunk.get().is_null(), "an isolate begins once");
        let layout = layout_of(size)?;
        if failing::is_turn(size) || !self.account(0, used) {
            self.refuse();
            return None;
        }
        // SAFETY: the layout has a size.
        let chunk = NonNull::new(unsafe { alloc(layout) });
        match chunk {
            Some(chunk) => {
                self.chunk.set(chunk.as_ptr());
                self.chunk_size.set(size);
            }
            None => {
                self.account(used, 0);
                self.refuse();
            }
        }
        chunk
    }

    /// The blocks in the chunk are a whole ring now; this is one of them.
    ///
    /// # Safety
    /// They are, and nothing was allocated before.
    pub(super) unsafe fn begin_ring(&self, block: NonNull<u8>) {
        self.ring.set(block.as_ptr().cast());
    }

    /// Did it come with a picture?
    #[inline]
    fn is_in_chunk(&self, block: *mut u8) -> bool {
        block.addr().wrapping_sub(self.chunk.get().addr()) < self.chunk_size.get()
    }

    /// Gives a block's memory back to the system or its slab, or leaves it in the chunk.
    ///
    /// # Safety
    /// A block of ours of this size, in no ring, that nobody has any more.
    unsafe fn release(&self, block: *mut u8, size: usize) {
        if self.is_in_chunk(block) {
            return;
        }
        // SAFETY: the caller's promise.
        unsafe {
            match (*block.cast::<Header>()).slab {
                Some(slab) => self.slabs.give(NonNull::new_unchecked(block), slab),
                None => dealloc(block, Layout::from_size_align_unchecked(size, ALIGNMENT)),
            }
        }
    }

    /// Gives back to the system what is only kept for the case that it is needed again.
    pub(super) fn trim(&self) {
        self.slabs.trim();
    }

    /// What the engine calls.
    pub(crate) const FUNCTIONS: qjs::JSMallocFunctions = qjs::JSMallocFunctions {
        js_calloc: Some(js_calloc),
        js_malloc: Some(js_malloc),
        js_free: Some(js_free),
        js_realloc: Some(js_realloc),
        js_malloc_usable_size: Some(js_malloc_usable_size),
    };

    /// Bytes in use.
    pub(crate) fn used(&self) -> usize {
        self.used.get()
    }

    /// The most bytes that were in use at once.
    pub(crate) fn most(&self) -> usize {
        self.most.get()
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Was an allocation refused?
    pub(crate) fn was_refused(&self) -> bool {
        self.refusals() > 0
    }

    /// How many were?
    pub(crate) fn refusals(&self) -> u32 {
        self.refusals.get()
    }

    fn refuse(&self) {
        self.refusals.set(self.refusals.get().saturating_add(1));
    }

    /// Runs `run`, in which no allocation is refused: for parts of the engine that go on when one is, with code that
    /// has holes. It must not take much.
    pub(crate) fn without_limit<R>(&self, run: impl FnOnce() -> R) -> R {
        let before = self.lifted.replace(true);
        let result = run();
        self.lifted.set(before);
        result
    }

    /// Counts bytes that are not from here, if they fit.
    pub(super) fn charge(&self, size: usize) -> bool {
        self.account(0, size)
    }

    /// Counts bytes that are not from here, and that nobody asks about.
    pub(super) fn charge_anyway(&self, size: usize) {
        self.used.set(self.used.get() + size);
        self.most.set(self.most.get().max(self.used.get()));
    }

    /// They are gone.
    pub(super) fn discharge(&self, size: usize) {
        self.used.set(self.used.get() - size);
    }

    /// When the engine next frees this block, it is not freed, and belongs to the caller. Afterwards
    /// [`kept_it`](Self::kept_it) says whether that happened.
    pub(super) fn keep_next(&self, ptr: *mut c_void) {
        self.keep.set(ptr);
    }

    /// Did the engine free what it was to free?
    pub(super) fn kept_it(&self) -> bool {
        self.keep.replace(ptr::null_mut()).is_null()
    }

    /// `count` allocations succeed from now on, and all after them fail; `None`: none fails.
    #[cfg(test)]
    pub(crate) fn fail_after(&self, count: Option<usize>) {
        self.fail_after.set(count);
    }

    /// Was what was asked of [`fail_after`](Self::fail_after) not reached?
    #[cfg(test)]
    pub(crate) fn fail_after_is_left(&self) -> bool {
        self.fail_after.get().is_some_and(|left| left > 0)
    }

    /// Is it the turn of an allocation to fail?
    #[cfg(test)]
    fn fails_now(&self) -> bool {
        let left = self.fail_after.get();
        self.fail_after.set(left.map(|left| left.saturating_sub(1)));
        left == Some(0)
    }

    /// Something of this length is compiled now. The engine's compiler overlooks that it has no memory, and then reads what
    /// is not there: so nothing is refused to it. Ordinary code takes 10 to 40 times its length while it is compiled, and that has to
    /// fit; the densest that is known (`a=>a;` again and again) takes 134 times. False: there is no room.
    #[must_use]
    pub(super) fn begin_compiling(&self, length: usize) -> bool {
        let upto = |times: usize| self.used.get().saturating_add(length.saturating_mul(times));
        if upto(40) > self.limit {
            self.refuse();
            return false;
        }
        self.lenient.set(upto(160).saturating_add(COMPILER_AT_LEAST));
        true
    }

    /// What was compiled runs, or could not be compiled.
    #[inline]
    pub(super) fn end_compiling(&self) {
        self.lenient.set(0);
    }

    /// Exchanges `old` bytes for `new`, if they fit.
    fn account(&self, old: usize, new: usize) -> bool {
        #[cfg(test)]
        if new > old && self.lenient.get() == 0 && !self.lifted.get() && self.fails_now() {
            self.refuse();
            return false;
        }
        let used = self.used.get() - old + new;
        if used > self.limit.max(self.lenient.get()) && new > old && !self.lifted.get() {
            self.refuse();
            return false;
        }
        self.used.set(used);
        self.most.set(self.most.get().max(used));
        true
    }

    fn allocate(&self, size: usize, with: unsafe fn(Layout) -> *mut u8) -> *mut c_void {
        let Some(layout) = size.checked_add(HEADER).and_then(layout_of) else {
            self.refuse();
            return ptr::null_mut();
        };
        if (self.lenient.get() == 0 && failing::is_turn(layout.size())) || !self.account(0, layout.size()) {
            self.refuse();
            return ptr::null_mut();
        }
        let with = if self.zeroes.get() { alloc_zeroed } else { with };
        // SAFETY: the layout has a size.
        let block = unsafe { with(layout) };
        self.hand_out(block, layout.size(), None)
    }

    /// The same for what may be one of the engine's pages.
    fn allocate_page(&self, size: usize) -> *mut c_void {
        if !Slabs::serves(size, self.used.get()) || self.zeroes.get() {
            return self.allocate(size, alloc);
        }
        let whole = size + HEADER;
        if (self.lenient.get() == 0 && failing::is_turn(whole)) || !self.account(0, whole) {
            self.refuse();
            return ptr::null_mut();
        }
        let (slot, slab) = self.slabs.take().unzip();
        self.hand_out(slot.map_or(ptr::null_mut(), NonNull::as_ptr), whole, slab)
    }

    /// Writes the size of a new block. A null pointer: the system had none.
    fn hand_out(&self, block: *mut u8, size: usize, slab: Option<NonNull<Slab>>) -> *mut c_void {
        if block.is_null() {
            if self.lifted.get() {
                // Better the process ends than that it runs such code.
                handle_alloc_error(layout_of(size).unwrap_or(Layout::new::<usize>()));
            }
            self.used.set(self.used.get() - size);
            self.refuse();
            return ptr::null_mut();
        }
        // SAFETY: the block has room for a header and is aligned.
        unsafe {
            let header = block.cast::<Header>();
            header.write(Header { size, next: header, last: header, slab });
            self.link(header);
            block.add(HEADER).cast()
        }
    }

    /// # Safety
    /// A block of ours that is in no ring.
    unsafe fn link(&self, header: *mut Header) {
        let first = self.ring.get();
        if !first.is_null() {
            // SAFETY: all blocks in the ring are there; the caller's promise for the new one.
            unsafe {
                let last = (*first).last;
                (*header).next = first;
                (*header).last = last;
                (*last).next = header;
                (*first).last = header;
            }
        }
        self.ring.set(header);
    }

    /// A block that came from elsewhere is ours from now on; its bytes were [charged](Self::charge).
    ///
    /// # Safety
    /// It was allocated as ours are, with its size in its header, and is in no ring.
    pub(super) unsafe fn adopt(&self, block: *mut u8) {
        let header = block.cast::<Header>();
        // SAFETY: the caller's promise.
        unsafe {
            (*header).next = header;
            (*header).last = header;
            (*header).slab = None;
            self.link(header);
        }
    }

    /// # Safety
    /// A block of ours that is in the ring.
    unsafe fn unlink(&self, header: *mut Header) {
        // SAFETY: the caller's promise.
        unsafe {
            let (next, last) = ((*header).next, (*header).last);
            if next == header {
                return self.ring.set(ptr::null_mut());
            }
            (*last).next = next;
            (*next).last = last;
            if self.ring.get() == header {
                self.ring.set(next);
            }
        }
    }

    /// Frees all blocks.
    ///
    /// # Safety
    /// The engine is not used again, not even to be freed.
    pub(crate) unsafe fn free_all(&self) {
        while let Some(header) = NonNull::new(self.ring.get()) {
            // SAFETY: the block is ours, and nobody has it any more.
            unsafe {
                self.unlink(header.as_ptr());
                let size = header.as_ref().size;
                self.account(size, 0);
                self.release(header.as_ptr().cast(), size);
            }
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(chunk) = NonNull::new(self.chunk.get()) {
            // SAFETY: allocated with this layout, by `take_chunk`; the engine has given back all that is in it.
            unsafe {
                dealloc(chunk.as_ptr(), Layout::from_size_align_unchecked(self.chunk_size.get(), ALIGNMENT))
            };
        }
    }
}

fn layout_of(size: usize) -> Option<Layout> {
    Layout::from_size_align(size, ALIGNMENT).ok()
}

/// The block behind the engine's pointer, and its size.
///
/// # Safety
/// `ptr` came from [`Memory::hand_out`] and was not freed.
unsafe fn block_of(ptr: *const c_void) -> (*mut u8, usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let block = ptr.cast::<u8>().cast_mut().sub(HEADER);
        (block, (*block.cast::<Header>()).size)
    }
}

unsafe extern "C" fn js_malloc(memory: *mut c_void, size: qjs::size_t) -> *mut c_void {
    // SAFETY: the engine passes what `Isolate::new` gave it, which outlives the engine.
    unsafe { (*memory.cast::<Memory>()).allocate_page(size as usize) }
}

unsafe extern "C" fn js_calloc(memory: *mut c_void, count: qjs::size_t, size: qjs::size_t) -> *mut c_void {
    let size = (count as usize).saturating_mul(size as usize);
    // SAFETY: as above.
    unsafe { (*memory.cast::<Memory>()).allocate(size, alloc_zeroed) }
}

pub(super) unsafe extern "C" fn js_free(memory: *mut c_void, ptr: *mut c_void) {
    if ptr.is_null() {
        return;
    }
    // SAFETY: as above; the engine frees what it was given, once.
    unsafe {
        let (block, size) = block_of(ptr);
        let memory = &*memory.cast::<Memory>();
        memory.unlink(block.cast());
        memory.account(size, 0);
        if memory.keep.get() == ptr {
            memory.keep.set(ptr::null_mut());
            return;
        }
        memory.release(block, size);
    }
}

pub(super) unsafe extern "C" fn js_realloc(
    memory: *mut c_void,
    ptr: *mut c_void,
    size: qjs::size_t,
) -> *mut c_void {
    if ptr.is_null() {
        // SAFETY: as above.
        return unsafe { js_malloc(memory, size) };
    }
    if size == 0 {
        // SAFETY: as above.
        unsafe { js_free(memory, ptr) };
        return ptr::null_mut();
    }
    // SAFETY: as above.
    let (memory, (block, old)) = unsafe { (&*memory.cast::<Memory>(), block_of(ptr)) };
    // SAFETY: each block has a header.
    let is_in_slab = unsafe { (*block.cast::<Header>()).slab.is_some() };
    if memory.is_in_chunk(block) || is_in_slab || memory.zeroes.get() {
        // SAFETY: as above; both blocks have so many bytes.
        return unsafe {
            let new = memory.allocate(size as usize, alloc);
            if !new.is_null() {
                let count = (old - HEADER).min(size as usize);
                new.cast::<u8>().copy_from_nonoverlapping(ptr.cast(), count);
                js_free(ptr::from_ref(memory).cast_mut().cast(), ptr);
            }
            new
        };
    }
    let Some(layout) = (size as usize).checked_add(HEADER).and_then(layout_of) else {
        memory.refuse();
        return ptr::null_mut();
    };
    if (memory.lenient.get() == 0 && failing::is_turn(layout.size())) || !memory.account(old, layout.size()) {
        memory.refuse();
        return ptr::null_mut();
    }
    // SAFETY: the block has this layout, and the new size is one that a layout can have. It is in no ring while it moves.
    let grown = unsafe {
        memory.unlink(block.cast());
        realloc(block, Layout::from_size_align_unchecked(old, ALIGNMENT), layout.size())
    };
    if grown.is_null() {
        // The old block is still there.
        memory.used.set(memory.used.get() + old);
        // SAFETY: as above.
        unsafe { memory.link(block.cast()) };
    }
    memory.hand_out(grown, layout.size(), None)
}

unsafe extern "C" fn js_malloc_usable_size(ptr: *const c_void) -> qjs::size_t {
    if ptr.is_null() {
        return 0;
    }
    // SAFETY: the engine asks about what it was given.
    (unsafe { block_of(ptr) }.1 - HEADER) as qjs::size_t
}

/// Tests let an allocation fail.
#[cfg(not(test))]
mod failing {
    pub(super) fn is_turn(_size: usize) -> bool {
        false
    }
}

/// As above: which one, on this thread.
#[cfg(test)]
pub(super) mod failing {
    use std::cell::Cell;

    thread_local! {
        static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
        static FAILED: Cell<bool> = const { Cell::new(false) };
    }

    /// After `count` more allocations that work, one fails (`once`), or all do.
    pub(in crate::isolate) fn after<R>(count: u32, once: bool, f: impl FnOnce() -> R) -> (R, bool) {
        ONCE.set(once);
        LEFT.set(Some(count));
        FAILED.set(false);
        let result = f();
        LEFT.set(None);
        (result, FAILED.get())
    }

    thread_local! {
        static ONCE: Cell<bool> = const { Cell::new(true) };
    }

    /// Built for AddressSanitizer, the engine asks for its small blocks one by one instead of for pages of them, and it
    /// overlooks some failures there that do not come about otherwise. So those do not fail.
    pub(super) fn is_turn(size: usize) -> bool {
        const SMALL: usize = super::HEADER + 512;
        if cfg!(feature = "sanitizer") && size <= SMALL {
            return false;
        }
        match LEFT.get() {
            None => false,
            Some(0) => {
                FAILED.set(true);
                if ONCE.get() {
                    LEFT.set(None);
                }
                true
            }
            Some(left) => {
                LEFT.set(Some(left - 1));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_counted_and_the_limit_holds() {
        let memory = Memory::new(4096);
        let opaque = ptr::from_ref(&memory).cast_mut().cast();
        // SAFETY: used as the engine does.
        unsafe {
            let a = js_malloc(opaque, 100);
            let b = js_calloc(opaque, 10, 10);
            assert_eq!(memory.used(), 2 * (100 + HEADER));
            assert_eq!(js_malloc_usable_size(a), 100);
            assert_eq!(b.cast::<u8>().add(99).read(), 0);
            a.cast::<u8>().add(99).write(7);
            let a = js_realloc(opaque, a, 2000);
            assert_eq!(a.cast::<u8>().add(99).read(), 7);
            assert!(!memory.was_refused());
            assert!(js_realloc(opaque, a, 4000).is_null() && memory.was_refused());
            assert!(js_malloc(opaque, qjs::size_t::MAX).is_null());
            assert!(js_calloc(opaque, qjs::size_t::MAX, 2).is_null());
            js_free(opaque, js_realloc(opaque, a, 10));
            js_free(opaque, b);
            js_free(opaque, ptr::null_mut());
        }
        assert_eq!(memory.used(), 0);
        assert_eq!(memory.most(), 2000 + 100 + 2 * HEADER);
    }
}
