//! What `eval`, `Function` and our own scripts go through before the engine compiles them.
//!
//! A context has a pointer to its compiler. We put a function of ours there, which
//!
//! * asks whether there is memory for a text of this length ([`Memory::begin_compiling`](super::memory)), because the engine's
//!   compiler crashes where it has none;
//! * refuses if scripts may not compile ([`Limits::eval`](crate::limits::Limits)): `eval` and `new Function` throw, and what the
//!   host compiles works.
//!
//! The compiler also runs what it has compiled. That has begun when the engine asks its first question, for which its
//! counter is set; from then on memory is refused as always.

use super::handle::Scope;
use super::state::State;
use super::structures;
use rquickjs::qjs;
use std::ffi::{c_char, c_int, c_void};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, Ordering};

/// The engine's function: one for all contexts.
static ENGINES: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());

type Compiler = unsafe extern "C" fn(
    *mut qjs::JSContext,
    qjs::JSValue,
    *const c_char,
    qjs::size_t,
    *const c_char,
    c_int,
    c_int,
    c_int,
) -> qjs::JSValue;

/// Puts our function there.
///
/// # Safety
/// The context is alive, nobody is inside, and its runtime's opaque pointer is its isolate's state.
pub(super) unsafe fn install(context: NonNull<qjs::JSContext>) {
    if !structures::hold() {
        return;
    }
    // SAFETY: the caller's promise; `hold` has tried the place.
    unsafe {
        let place = structures::evaluator(context);
        ENGINES.store(place.read().cast_mut(), Ordering::Relaxed);
        place.write((compile as Compiler) as *const c_void);
    }
}

impl Scope<'_> {
    /// Calls what compiles one text, in the host's name: that is allowed also where scripts may not.
    pub(crate) fn as_host<R>(self, compile: impl FnOnce() -> R) -> R {
        self.state.compiles_for_host.set(true);
        let result = compile();
        self.state.compiles_for_host.set(false);
        result
    }
}

unsafe extern "C" fn compile(
    context: *mut qjs::JSContext,
    this: qjs::JSValue,
    text: *const c_char,
    length: qjs::size_t,
    name: *const c_char,
    line: c_int,
    flags: c_int,
    scope: c_int,
) -> qjs::JSValue {
    // SAFETY: the engine calls this from inside; the state is the runtime's opaque pointer.
    let state = unsafe { &*qjs::JS_GetRuntimeOpaque(qjs::JS_GetRuntime(context)).cast::<State>() };
    // For this text alone: what it does when it runs is the script's.
    let for_host = state.compiles_for_host.take();
    if !state.limits.eval && !for_host {
        // SAFETY: as above; the text has no placeholders.
        return unsafe { qjs::JS_ThrowTypeError(context, c"compiling is not allowed here".as_ptr()) };
    }
    if !state.memory.begin_compiling(length as usize) {
        // SAFETY: as above.
        return unsafe { qjs::JS_ThrowOutOfMemory(context) };
    }
    state.watch.ask_soon();
    // SAFETY: `install` has put the engine's function there, which has this type.
    unsafe {
        let engines = std::mem::transmute::<*mut c_void, Compiler>(ENGINES.load(Ordering::Relaxed));
        let result = engines(context, this, text, length, name, line, flags, scope);
        state.memory.end_compiling();
        result
    }
}
