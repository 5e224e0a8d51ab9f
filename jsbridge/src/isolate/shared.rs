//! The memory of `SharedArrayBuffer`s: counted by who has it, in all isolates and in messages between them.
//!
//! ```text
//!   | references | bytes | what the buffers show ... |
//!                        ^ the pointer the engine has
//! ```
//!
//! An isolate is charged for each buffer object it has, though the memory is there once: its limit must hold whoever
//! made the memory.

use super::handle::{Handle, JsResult, Scope};
use super::memory::Memory;
use super::state::State;
use rquickjs::qjs;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ffi::c_void;
use std::fmt;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering, fence};

/// Before the bytes, and their alignment.
const HEADER: usize = 16;

#[repr(C, align(16))]
struct Header {
    references: AtomicUsize,
    bytes: usize,
}

/// One reference to the memory of a shared buffer.
pub(crate) struct SharedBlock(NonNull<u8>);

// SAFETY: the header is atomic, and the bytes are reached through the engine's atomics, or race as scripts let them.
unsafe impl Send for SharedBlock {}

// SAFETY: as above.
unsafe impl Sync for SharedBlock {}

impl SharedBlock {
    /// Zeroes; `None` if the system has no memory.
    fn new(bytes: usize) -> Option<SharedBlock> {
        let layout = layout_of(bytes)?;
        // SAFETY: the layout has a size, and room for the header.
        unsafe {
            let block = NonNull::new(alloc_zeroed(layout))?;
            block.cast::<Header>().write(Header { references: AtomicUsize::new(1), bytes });
            Some(SharedBlock(block.add(HEADER)))
        }
    }

    fn header(&self) -> &Header {
        // SAFETY: it is there as long as there is a reference.
        unsafe { self.0.sub(HEADER).cast().as_ref() }
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> usize {
        self.header().bytes
    }

    /// How many references there are, of isolates, of messages and of ours.
    #[cfg(test)]
    pub(crate) fn references(&self) -> usize {
        self.header().references.load(Ordering::Relaxed)
    }

    /// Where its bytes are.
    #[cfg(test)]
    pub(crate) fn addresses(&self) -> std::ops::Range<usize> {
        self.0.addr().get()..self.0.addr().get() + self.len()
    }

    /// The bytes as they are now; others may write meanwhile.
    pub(crate) fn snapshot(&self) -> Vec<u8> {
        // SAFETY: so many bytes are there; they are read one by one as atomics, for which other threads' writes are no
        // data race of ours.
        let bytes = unsafe { std::slice::from_raw_parts(self.0.cast::<AtomicU8>().as_ptr(), self.len()) };
        bytes.iter().map(|byte| byte.load(Ordering::Relaxed)).collect()
    }

    /// The pointer with its reference, for the engine.
    fn into_raw(self) -> *mut c_void {
        std::mem::ManuallyDrop::new(self).0.as_ptr().cast()
    }

    /// # Safety
    /// The pointer has a reference, which becomes this one.
    unsafe fn from_raw(data: *mut c_void) -> SharedBlock {
        // SAFETY: the caller's promise.
        SharedBlock(unsafe { NonNull::new_unchecked(data.cast()) })
    }
}

fn layout_of(bytes: usize) -> Option<Layout> {
    Layout::from_size_align(bytes.checked_add(HEADER)?, HEADER).ok()
}

impl Clone for SharedBlock {
    fn clone(&self) -> SharedBlock {
        self.header().references.fetch_add(1, Ordering::Relaxed);
        SharedBlock(self.0)
    }
}

impl Drop for SharedBlock {
    fn drop(&mut self) {
        let bytes = self.len();
        // ORDERING: Release: what we did to the memory happens before the last one's Acquire fence, and so before it is
        // freed.
        if self.header().references.fetch_sub(1, Ordering::Release) > 1 {
            return;
        }
        // ORDERING: pairs with the Release of those who had a reference.
        fence(Ordering::Acquire);
        // SAFETY: it was allocated with this layout, and nobody has a reference any more.
        unsafe {
            dealloc(self.0.sub(HEADER).as_ptr(), Layout::from_size_align_unchecked(bytes + HEADER, HEADER))
        };
    }
}

impl fmt::Debug for SharedBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedBlock").field("bytes", &self.len()).finish()
    }
}

/// Makes the runtime's shared buffers these.
///
/// # Safety
/// The runtime is alive, and its opaque pointer is its isolate's state, which outlives it.
pub(super) unsafe fn install(runtime: NonNull<qjs::JSRuntime>) {
    // SAFETY: the caller's promise; the engine copies the functions.
    unsafe {
        let state = qjs::JS_GetRuntimeOpaque(runtime.as_ptr()).cast::<State>();
        let functions = qjs::JSSharedArrayBufferFunctions {
            sab_alloc: Some(sab_alloc),
            sab_free: Some(sab_free),
            sab_dup: Some(sab_dup),
            sab_opaque: (&raw mut (*state).memory).cast(),
        };
        qjs::JS_SetSharedArrayBufferFunctions(runtime.as_ptr(), &functions);
    }
}

unsafe extern "C" fn sab_alloc(memory: *mut c_void, bytes: qjs::size_t) -> *mut c_void {
    // SAFETY: the pointer that `install` gave.
    let memory = unsafe { &*memory.cast::<Memory>() };
    let bytes = bytes as usize;
    if !memory.charge(bytes) {
        return ptr::null_mut();
    }
    match SharedBlock::new(bytes) {
        Some(block) => block.into_raw(),
        None => {
            memory.discharge(bytes);
            ptr::null_mut()
        }
    }
}

/// A buffer object is gone.
unsafe extern "C" fn sab_free(memory: *mut c_void, data: *mut c_void) {
    // SAFETY: the object's reference ends here.
    unsafe {
        let block = SharedBlock::from_raw(data);
        (*memory.cast::<Memory>()).discharge(block.len());
    }
}

/// One more buffer object has it.
unsafe extern "C" fn sab_dup(memory: *mut c_void, data: *mut c_void) {
    // SAFETY: whoever passes the pointer has a reference; the new one is the object's.
    unsafe {
        let block = std::mem::ManuallyDrop::new(SharedBlock::from_raw(data));
        (*memory.cast::<Memory>()).charge_anyway(block.len());
        std::mem::forget(SharedBlock::clone(&block));
    }
}

impl<'a> Scope<'a> {
    /// A reference to the memory of a `SharedArrayBuffer`.
    pub(crate) fn share(self, buffer: qjs::JSValue) -> JsResult<'a, SharedBlock> {
        let bytes = self.buffer_bytes(buffer)?;
        // SAFETY: the buffer has a reference, and all shared buffers' memory is from here.
        let block = unsafe { std::mem::ManuallyDrop::new(SharedBlock::from_raw(bytes.cast().as_ptr())) };
        Ok(SharedBlock::clone(&block))
    }

    /// A new `SharedArrayBuffer` of this memory.
    pub(crate) fn new_shared_buffer(self, block: &SharedBlock, length: usize) -> JsResult<'a, Handle<'a>> {
        let memory = &self.state.memory;
        // The engine cannot be refused when it asks; so it is asked here.
        if !memory.charge(block.len()) {
            return Err(self.no_memory());
        }
        memory.discharge(block.len());
        let (data, length) = (block.0.as_ptr(), length.min(block.len()) as qjs::size_t);
        // SAFETY: we are inside; the engine takes a reference of its own by `sab_dup`.
        unsafe {
            self.check(qjs::JS_NewArrayBuffer(self.as_ptr(), data, length, 0, None, ptr::null_mut(), true))
        }
    }
}
