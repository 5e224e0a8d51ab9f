//! The memory of one isolate: counted, bounded, and known to be given back.
//!
//! ```text
//!   a block:   | size of the whole, padded to 16 bytes | what the engine sees ... |
//!                                                      ^ the pointer it has
//! ```
//!
//! The engine has a limit of its own, but does not tell that it was reached: an exception "out of
//! memory" can be made by any script. Here it is known.

use rquickjs::qjs;
use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error, realloc};
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

/// Room for the size, and the alignment of all blocks.
pub(super) const HEADER: usize = 16;

/// What an isolate has allocated. The engine has a pointer to it, so it does not move.
///
/// | field     | written by                    | read by                |
/// |-----------|-------------------------------|------------------------|
/// | all       | the thread in the isolate     | the thread in the isolate |
pub(crate) struct Memory {
    used: Cell<usize>,
    most: Cell<usize>,
    limit: usize,
    /// An allocation was refused.
    refused: Cell<bool>,
    /// None may be, now.
    lifted: Cell<bool>,
    /// A block that the engine is about to free, and that is to be kept: see [`Memory::keep_next`].
    keep: Cell<*mut c_void>,
    /// So many allocations succeed, then one fails; tests only.
    #[cfg(test)]
    fail_after: Cell<Option<usize>>,
}

impl Memory {
    pub(crate) fn new(limit: usize) -> Memory {
        Memory {
            used: Cell::new(0),
            most: Cell::new(0),
            limit,
            refused: Cell::new(false),
            lifted: Cell::new(false),
            keep: Cell::new(ptr::null_mut()),
            #[cfg(test)]
            fail_after: Cell::new(None),
        }
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
        self.refused.get()
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

    /// `count` allocations succeed from now on, and the next one fails; `None`: none fails.
    #[cfg(test)]
    pub(crate) fn fail_after(&self, count: Option<usize>) {
        self.fail_after.set(count);
    }

    /// Was what was asked of [`fail_after`](Self::fail_after) not reached?
    #[cfg(test)]
    pub(crate) fn fail_after_is_left(&self) -> bool {
        self.fail_after.get().is_some()
    }

    /// Is it the turn of an allocation to fail?
    #[cfg(test)]
    fn fails_now(&self) -> bool {
        let left = self.fail_after.get();
        self.fail_after.set(left.map(|left| left.wrapping_sub(1)));
        if left == Some(0) {
            self.fail_after.set(None);
        }
        left == Some(0)
    }

    /// Exchanges `old` bytes for `new`, if they fit.
    fn account(&self, old: usize, new: usize) -> bool {
        #[cfg(test)]
        if new > old && !self.lifted.get() && self.fails_now() {
            self.refused.set(true);
            return false;
        }
        let used = self.used.get() - old + new;
        if used > self.limit && new > old && !self.lifted.get() {
            self.refused.set(true);
            return false;
        }
        self.used.set(used);
        self.most.set(self.most.get().max(used));
        true
    }

    fn allocate(&self, size: usize, with: unsafe fn(Layout) -> *mut u8) -> *mut c_void {
        let Some(layout) = size.checked_add(HEADER).and_then(layout_of) else {
            self.refused.set(true);
            return ptr::null_mut();
        };
        if !self.account(0, layout.size()) {
            return ptr::null_mut();
        }
        // SAFETY: the layout has a size.
        let block = unsafe { with(layout) };
        self.hand_out(block, layout.size())
    }

    /// Writes the size of a new block. A null pointer: the system had none.
    fn hand_out(&self, block: *mut u8, size: usize) -> *mut c_void {
        if block.is_null() {
            if self.lifted.get() {
                // Better the process ends than that it runs such code.
                handle_alloc_error(layout_of(size).unwrap_or(Layout::new::<usize>()));
            }
            self.used.set(self.used.get() - size);
            self.refused.set(true);
            return ptr::null_mut();
        }
        // SAFETY: the block has a header and is aligned to 16 bytes.
        unsafe {
            block.cast::<usize>().write(size);
            block.add(HEADER).cast()
        }
    }
}

fn layout_of(size: usize) -> Option<Layout> {
    Layout::from_size_align(size, HEADER).ok()
}

/// The block behind the engine's pointer, and its size.
///
/// # Safety
/// `ptr` came from [`Memory::hand_out`] and was not freed.
unsafe fn block_of(ptr: *const c_void) -> (*mut u8, usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let block = ptr.cast::<u8>().cast_mut().sub(HEADER);
        (block, block.cast::<usize>().read())
    }
}

unsafe extern "C" fn js_malloc(memory: *mut c_void, size: qjs::size_t) -> *mut c_void {
    // SAFETY: the engine passes what `Isolate::new` gave it, which outlives the engine.
    unsafe { (*memory.cast::<Memory>()).allocate(size as usize, alloc) }
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
        memory.account(size, 0);
        if memory.keep.get() == ptr {
            memory.keep.set(ptr::null_mut());
            return;
        }
        dealloc(block, Layout::from_size_align_unchecked(size, HEADER));
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
    let Some(layout) = (size as usize).checked_add(HEADER).and_then(layout_of) else {
        memory.refused.set(true);
        return ptr::null_mut();
    };
    if !memory.account(old, layout.size()) {
        return ptr::null_mut();
    }
    // SAFETY: the block has this layout, and the new size is one that a layout can have.
    let grown = unsafe { realloc(block, Layout::from_size_align_unchecked(old, HEADER), layout.size()) };
    if grown.is_null() {
        // The old block is still there.
        memory.used.set(memory.used.get() + old);
    }
    memory.hand_out(grown, layout.size())
}

unsafe extern "C" fn js_malloc_usable_size(ptr: *const c_void) -> qjs::size_t {
    if ptr.is_null() {
        return 0;
    }
    // SAFETY: the engine asks about what it was given.
    (unsafe { block_of(ptr) }.1 - HEADER) as qjs::size_t
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
