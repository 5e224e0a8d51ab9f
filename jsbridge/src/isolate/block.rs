//! The memory of an `ArrayBuffer` on its way from one isolate to another, without a copy.
//!
//! ```text
//!   | size of the whole, 16 | the engine's, 8 | what the buffer shows ...      |
//!   ^ the allocator's block ^ what the engine ^ `Block::data`, and the buffer's
//!                             frees             own pointer
//! ```
//!
//! Every isolate's memory comes from the same allocator, with the size before it (see [`memory`](super::memory)), so
//! whoever has the block can free it. To take one from a buffer, the isolate's memory is told to keep the next block of
//! that address, and the buffer is detached: the engine frees the block, and it is ours. To give one to an isolate, a
//! buffer is made around it whose memory is resized and freed by a function of ours, and the isolate is charged for it.
//!
//! Only blocks of more than a page go this way. The engine keeps smaller ones in arenas, and a copy is as fast.

use super::handle::{Handle, JsResult, Scope};
use super::layout::Layout;
use super::memory::{self, ALIGNMENT, HEADER, Memory};
use super::state::State;
use rquickjs::qjs;
use std::alloc::{Layout as Sizes, alloc, dealloc};
use std::ffi::c_void;
use std::fmt;
use std::ptr::{self, NonNull};

/// What the engine puts before each large block. Known by what [`Scope::take_block`] finds; nothing else depends on it.
const ENGINE_HEADER: usize = 8;
/// Buffers of fewer bytes are copied.
pub(crate) const BLOCK_MIN: usize = 4096;

/// Bytes that belong to no isolate.
pub(crate) struct Block {
    data: NonNull<u8>,
    length: usize,
}

// SAFETY: nobody else has a pointer to the memory.
unsafe impl Send for Block {}

// SAFETY: a shared reference only reads.
unsafe impl Sync for Block {}

impl Block {
    /// A copy; `None` if the system has no memory for it.
    pub(crate) fn copy_of(bytes: &[u8]) -> Option<Block> {
        let size = bytes.len().max(1).checked_add(HEADER + ENGINE_HEADER)?;
        let sizes = Sizes::from_size_align(size, ALIGNMENT).ok()?;
        // SAFETY: the layout has a size; the block has room for the headers and the bytes.
        unsafe {
            let block = NonNull::new(alloc(sizes))?;
            block.cast::<usize>().write(size);
            let data = block.add(HEADER + ENGINE_HEADER);
            data.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len());
            Some(Block { data, length: bytes.len() })
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: so many bytes are there, and ours.
        unsafe { std::slice::from_raw_parts(self.data.as_ptr(), self.length) }
    }

    /// What the allocator gave, and how much.
    fn whole(&self) -> (NonNull<u8>, usize) {
        // SAFETY: the size of the whole is there.
        unsafe {
            let block = self.data.sub(HEADER + ENGINE_HEADER);
            (block, block.cast::<usize>().read())
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let (block, size) = self.whole();
        // SAFETY: allocated with this layout, by `copy_of` or by an isolate's memory.
        unsafe { dealloc(block.as_ptr(), Sizes::from_size_align_unchecked(size, ALIGNMENT)) };
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block").field("length", &self.length).finish()
    }
}

impl<'a> Scope<'a> {
    /// Detaches an `ArrayBuffer` that is not detached, and returns its memory: itself where that can be, else a copy.
    pub(crate) fn take_block(self, buffer: qjs::JSValue) -> JsResult<'a, Block> {
        let bytes = self.buffer_bytes(buffer)?;
        let (data, length) = (bytes.cast::<u8>(), bytes.len());
        let memory = &self.state.memory;
        let can_keep = length >= BLOCK_MIN
            && Layout::get(self).is_some_and(|layout| layout.may_take(buffer, resize as *const () as usize));
        if !can_keep {
            // SAFETY: the bytes are there until the buffer is detached.
            let copy = Block::copy_of(unsafe { bytes.as_ref() }).ok_or_else(|| self.no_memory())?;
            // SAFETY: we are inside.
            unsafe { qjs::JS_DetachArrayBuffer(self.as_ptr(), buffer) };
            return Ok(copy);
        }
        // SAFETY: we are inside; the data of a buffer of this size is a block of the memory's after the engine's header.
        unsafe {
            memory.keep_next(data.sub(ENGINE_HEADER).as_ptr().cast());
            qjs::JS_DetachArrayBuffer(self.as_ptr(), buffer);
        }
        assert!(memory.kept_it(), "the engine frees the block of a buffer that is detached");
        Ok(Block { data, length })
    }

    /// A new `ArrayBuffer` with this memory; resizable if there is a greatest length.
    pub(crate) fn give_block(self, block: Block, longest: Option<usize>) -> JsResult<'a, Handle<'a>> {
        let memory = &self.state.memory;
        let (whole, size) = block.whole();
        if !memory.charge(size) {
            return Err(self.no_memory());
        }
        let (data, length) = (block.data.as_ptr(), block.length);
        // The engine takes no greatest length for "not resizable".
        let longest = longest.map_or(0, |longest| longest.max(length));
        // SAFETY: we are inside; the block belongs to the buffer if there is one, and `resize` is made for it.
        let buffer = unsafe {
            let (length, longest) = (length as qjs::size_t, longest as qjs::size_t);
            let none = ptr::null_mut();
            self.check(qjs::JS_NewArrayBuffer(
                self.as_ptr(),
                data,
                length,
                longest,
                Some(resize),
                none,
                false,
            ))
        };
        match buffer {
            Ok(_) => {
                std::mem::forget(block);
                // SAFETY: it has been the block's, which is forgotten, and came from `copy_of` or another memory.
                unsafe { memory.adopt(whole.as_ptr()) };
            }
            Err(_) => memory.discharge(size),
        }
        buffer
    }

    /// The bytes of an `ArrayBuffer` or `SharedArrayBuffer`, good until anything is done that may detach or resize it.
    pub(crate) fn buffer_bytes(self, buffer: qjs::JSValue) -> JsResult<'a, NonNull<[u8]>> {
        let mut length: qjs::size_t = 0;
        // SAFETY: we are inside.
        let data = unsafe { qjs::JS_GetArrayBuffer(self.as_ptr(), &mut length, buffer) };
        match NonNull::new(data) {
            Some(data) => Ok(NonNull::slice_from_raw_parts(data, length as usize)),
            None => Err(self.take_exception()),
        }
    }

    /// The engine's error for "no memory".
    pub(crate) fn no_memory(self) -> Handle<'a> {
        // SAFETY: we are inside.
        unsafe { qjs::JS_ThrowOutOfMemory(self.as_ptr()) };
        self.take_exception()
    }
}

/// What the engine calls to resize the memory of a buffer that `give_block` made; size 0: to free it.
unsafe extern "C" fn resize(
    runtime: *mut qjs::JSRuntime,
    _opaque: *mut c_void,
    data: *mut c_void,
    size: qjs::size_t,
) -> *mut c_void {
    // SAFETY: the runtime's opaque pointer is its isolate's state, which outlives it. The data has both headers before
    // it, and the memory frees and resizes all blocks that have its own.
    unsafe {
        let state = qjs::JS_GetRuntimeOpaque(runtime).cast::<State>();
        let memory: *mut Memory = &raw mut (*state).memory;
        let block = data.cast::<u8>().sub(ENGINE_HEADER).cast::<c_void>();
        if size == 0 {
            memory::js_free(memory.cast(), block);
            return ptr::null_mut();
        }
        let block = memory::js_realloc(memory.cast(), block, size.saturating_add(ENGINE_HEADER as u64));
        if block.is_null() { ptr::null_mut() } else { block.cast::<u8>().add(ENGINE_HEADER).cast() }
    }
}
