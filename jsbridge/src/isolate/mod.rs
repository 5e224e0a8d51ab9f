//! An isolate: one engine, its memory and its limits.
//!
//! | file           | what it has                                                      |
//! |----------------|------------------------------------------------------------------|
//! | [`memory`]     | the allocator: counts, bounds, knows when it refused             |
//! | [`population`] | how many isolates a bridge may have                              |
//! | [`watch`]      | the answer to the engine's "may I go on?"                        |
//! | [`state`]      | what belongs to an isolate and is no part of the engine          |
//! | [`handle`]     | `Scope`, evidence that we are inside; `Handle`, a value held     |
//! | [`values`]     | making and taking apart values, calling functions                |
//! | [`look`]       | looking at values without running scripts                        |
//! | [`exceptions`] | errors that the DOM names, arrays of bytes                     |
//! | [`kept`]       | values that the host holds between its visits                    |
//! | [`slots`]      | what the host's parts have to remember in each isolate           |
//! | [`compiled`]   | scripts of ours as bytecode                                      |
//! | [`modules`]    | modules that scripts import                                      |
//! | [`convert`]    | values and errors that leave: copies, and texts                  |
//! | [`promises`]   | jobs, the result of a promise, rejections that nobody handled    |
//! | [`native`]     | functions of the host's for scripts                              |
//! | [`table`]      | tables of them, made by the engine when they are touched         |
//! | `mod.rs`       | [`Isolate`]: making one and ending it                            |
//! | [`enter`]      | the one door: stack limits, the watch, and what is done on leaving |
//!
//! An isolate belongs to one fiber, and it has at most one script suspended in the middle: two would
//! mix up the engine's list of frames.

pub(crate) mod memory;
pub(crate) mod population;
pub(crate) mod watch;
mod state;
pub(crate) mod handle;
mod values;
pub(crate) mod look;
mod exceptions;
pub(crate) mod kept;
mod slots;
pub(crate) mod compiled;
mod modules;
mod convert;
mod promises;
pub(crate) mod native;
pub(crate) mod table;
pub(crate) mod enter;

use crate::error::Error;
use crate::limits::Limits;
use memory::Memory;
use population::Resident;
use rquickjs::qjs;
use state::State;
use std::any::Any;
use std::ptr::NonNull;

/// See the module's documentation. It holds raw pointers, so it is neither `Send` nor `Sync`.
pub(crate) struct Isolate {
    runtime: NonNull<qjs::JSRuntime>,
    context: NonNull<qjs::JSContext>,
    /// From a box, and freed last: a reference to it must not claim to be the only one.
    state: NonNull<State>,
}

impl Isolate {
    /// A new isolate; `host` is for [`native`] functions. Takes about 60 us.
    pub(crate) fn new(limits: Limits, resident: Resident, host: Box<dyn Any>) -> Result<Isolate, Error> {
        let state = Box::new(State::new(limits, resident, host));
        let state = NonNull::from(Box::leak(state));
        // SAFETY: the state outlives the engine, and stays where it is; all pointers are checked.
        unsafe {
            let memory = &raw mut (*state.as_ptr()).memory;
            let runtime = qjs::JS_NewRuntime2(&Memory::FUNCTIONS, memory.cast());
            let context = if runtime.is_null() { std::ptr::null_mut() } else { qjs::JS_NewContext(runtime) };
            let (Some(runtime), Some(context)) = (NonNull::new(runtime), NonNull::new(context)) else {
                if !runtime.is_null() {
                    qjs::JS_FreeRuntime(runtime);
                }
                drop(Box::from_raw(state.as_ptr()));
                return Err(Error::no_isolate(limits.memory));
            };
            qjs::JS_SetRuntimeOpaque(runtime.as_ptr(), state.as_ptr().cast());
            // `Atomics.wait` would block the thread, and all fibers on it.
            qjs::JS_SetCanBlock(runtime.as_ptr(), false);
            promises::track(runtime);
            Ok(Isolate { runtime, context, state })
        }
    }

    fn state(&self) -> &State {
        // SAFETY: it lives until we are dropped, and there are only shared references to it.
        unsafe { self.state.as_ref() }
    }

    /// The most bytes that it had in use at once.
    pub(crate) fn memory_most(&self) -> usize {
        self.state().memory.most()
    }
}

impl Drop for Isolate {
    fn drop(&mut self) {
        // SAFETY: nothing of the engine is in use: what borrows the isolate has ended. The state goes
        // after the engine, which has pointers to it.
        unsafe {
            for promise in self.state().rejected.take() {
                qjs::JS_FreeValue(self.context.as_ptr(), promise);
            }
            for value in self.state().kept.take_all() {
                qjs::JS_FreeValue(self.context.as_ptr(), value);
            }
            qjs::JS_FreeContext(self.context.as_ptr());
            qjs::JS_FreeRuntime(self.runtime.as_ptr());
            debug_assert_eq!(self.state().memory.used(), 0, "the engine gives back all it took");
            drop(Box::from_raw(self.state.as_ptr()));
        }
    }
}
