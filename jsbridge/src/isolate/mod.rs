//! An isolate: one engine, its memory and its limits.
//!
//! | file           | what it has                                                      |
//! |----------------|------------------------------------------------------------------|
//! | [`slabs`]      | pages of isolates that have grown                                |
//! | [`memory`]     | the allocator: counts, bounds, knows when it refused             |
//! | [`population`] | how many isolates a bridge may have                              |
//! | [`clock`]      | a cheap clock for it                                             |
//! | [`watch`]      | the answer to the engine's "may I go on?"                        |
//! | [`state`]      | what belongs to an isolate and is no part of the engine          |
//! | [`handle`]     | `Scope`, evidence that we are inside; `Handle`, a value held     |
//! | [`values`]     | making and taking apart values, calling functions                |
//! | [`look`]       | looking at values without running scripts                        |
//! | [`exceptions`] | errors that the DOM names, arrays of bytes                     |
//! | [`kept`]       | values that the host holds between its visits                    |
//! | [`compiled`]   | scripts of ours as bytecode                                      |
//! | [`prelude`]    | the parts of ours that are written in JavaScript                 |
//! | [`notes`]      | what the modules above remember of an isolate                    |
//! | [`intrinsics`] | the engine's own functions, safe from what scripts replace       |
//! | [`layout`]     | where the engine keeps things, looked at before it is relied on  |
//! | [`pattern`]    | objects with the same keys as one that was made before            |
//! | [`block`]      | the memory of an `ArrayBuffer` on its way between isolates       |
//! | [`pause`]      | long work of the host's, which gives way as scripts do           |
//! | [`shared`]     | the memory of `SharedArrayBuffer`s                               |
//! | [`modules`]    | modules that scripts import                                      |
//! | [`convert`]    | values and errors that leave: copies, and texts                  |
//! | [`pledge`]     | promises without functions of their own                          |
//! | [`promises`]   | jobs, the result of a promise, rejections that nobody handled    |
//! | [`native`]     | functions of the host's for scripts                              |
//! | [`atomics`]    | `Atomics.wait` and `notify`, which suspend the fiber             |
//! | [`table`]      | tables of them, made by the engine when they are touched         |
//! | `mod.rs`       | [`Isolate`]: making one and ending it                            |
//! | [`enter`]      | the one door: stack limits, the watch, and what is done on leaving |
//! | [`tune`]       | how often the engine asks                                        |
//! | [`blocks`]     | the blocks of a new engine                                       |
//! | [`image`]      | a picture of a new engine, of which isolates are copied          |
//! | [`structures`] | where things are inside the engine's structures, and a test of that |
//! | [`guard`]      | functions of ours in front of the engine's                       |
//! | [`arrays`]     | methods of arrays with made-up lengths                           |
//! | [`search`]     | one text in another, with questions in between                   |
//! | [`strings`]    | methods of strings that search                                   |
//! | [`lengths`]    | functions that go by a length that may be made up                |
//! | [`iterators`]  | the engine's iterators, where they call each other               |
//! | [`shapes`]     | the engine's table of shapes, into which some are put back      |
//! | [`compiler`]   | what is asked before the engine compiles anything                |
//! | [`protect`]    | is an isolate as it was made?                                    |
//! | [`adopted`]    | what the host has put on the global object since                 |
//! | [`slots`]      | where a pool's isolates are, without a lock                      |
//! | [`keeper`]     | what a pool has done later: freeing, collecting, the stock       |
//! | [`pool`]       | the isolates of a bridge, leased to work                         |
//!
//! An isolate belongs to one fiber, and it has at most one script suspended in the middle: two would
//! mix up the engine's list of frames.

mod slabs;
pub(crate) mod memory;
pub(crate) mod population;
mod clock;
pub(crate) mod watch;
mod state;
pub(crate) mod handle;
mod values;
pub(crate) mod kept;
pub(crate) mod compiled;
pub(crate) mod prelude;
mod notes;
pub(crate) mod intrinsics;
pub(crate) mod layout;
pub(crate) mod frames;
pub(crate) mod pattern;
pub(crate) mod block;
pub(crate) mod shared;
mod pause;
pub(crate) mod look;
mod exceptions;
mod modules;
mod convert;
mod promises;
pub(crate) mod native;
pub(crate) mod pledge;
pub(crate) mod atomics;
pub(crate) mod table;
pub(crate) mod enter;
mod tune;
mod structures;
mod guard;
mod arrays;
mod search;
mod strings;
mod lengths;
mod iterators;
mod shapes;
mod blocks;
mod image;
mod compiler;
mod protect;
mod adopted;
mod slots;
mod keeper;
pub(crate) mod pool;
#[cfg(test)]
mod pool_tests;
#[cfg(test)]
mod protect_tests;
#[cfg(test)]
mod measure;
#[cfg(test)]
mod memory_tests;

use crate::error::Error;
use crate::limits::Limits;
use handle::Scope;
use image::{Copied, Image};
use memory::Memory;
use pool::Discard;
use population::Resident;
use protect::Seal;
use rquickjs::qjs;
use state::State;
use std::ffi::c_int;
use std::ptr::NonNull;

/// See the module's documentation. It travels with its fiber, and belongs to one at a time.
pub(crate) struct Isolate {
    runtime: NonNull<qjs::JSRuntime>,
    context: NonNull<qjs::JSContext>,
    /// From a box, and freed last: a reference to it must not claim to be the only one.
    state: NonNull<State>,
    /// What it was like when it was furnished; nothing is known of one that was not.
    seal: Option<Box<Seal>>,
}

// SAFETY: the engine has no thread-locals and does not know on which thread it runs; what it has of the thread's is the
// place of the stack, which is told at every entry, and moves with the fiber in between. What is beside it (`State`, the
// allocator's counts, a `Host` that is `Send`) is reached through the isolate alone, and its values (`Handle`) live only
// inside `enter`, whose frames are the fiber's. So all of it is used by one thread at a time, and changes hands where the isolate or its
// fiber does. It is not `Sync`: reference counts in the engine are plain numbers.
unsafe impl Send for Isolate {}

impl Isolate {
    /// A new isolate: a copy of the process's picture of one, in some 10 us; if there is no such picture, the engine makes it, in 80.
    pub(crate) fn new(limits: Limits, resident: Resident) -> Result<Isolate, Error> {
        // Found out before, as what is made while it is found out does without.
        structures::hold();
        match Image::get() {
            Some(image) => Isolate::copied(image, limits, resident)?.tuned(),
            None => Isolate::untuned(limits, resident)?.tuned(),
        }
    }

    /// With our rate of questions, our compiler, and a clock.
    fn tuned(self) -> Result<Isolate, Error> {
        self.state().watch.set_counter(tune::counter(self.context));
        frames::find();
        self.expect_garbage();
        // SAFETY: the context is alive, nobody is inside, and its state is where it should be.
        let has_clock = unsafe {
            compiler::install(self.context);
            qjs::JS_AddPerformance(self.context.as_ptr()) >= 0
        };
        if has_clock && !self.state().memory.was_refused() {
            Ok(self)
        } else {
            Err(Error::no_isolate(self.state().limits.memory))
        }
    }

    /// A copy of the picture.
    fn copied(image: &Image, limits: Limits, resident: Resident) -> Result<Isolate, Error> {
        let state = NonNull::from(Box::leak(Box::new(State::new(limits, resident))));
        // SAFETY: the state is new, outlives the engine, and stays where it is.
        unsafe {
            let Ok(Copied { runtime, context, intrinsics }) = image.copy(state) else {
                drop(Box::from_raw(state.as_ptr()));
                return Err(Error::no_isolate(limits.memory));
            };
            state.as_ref().intrinsics.put(intrinsics);
            Ok(Isolate { runtime, context, state, seal: None })
        }
    }

    /// One that the engine makes, with its own rate of questions, and without a clock.
    fn untuned(limits: Limits, resident: Resident) -> Result<Isolate, Error> {
        Isolate::made(Box::new(State::new(limits, resident)))
    }

    /// The same, for a picture: every byte of its blocks was written.
    fn pristine(limits: Limits, resident: Resident) -> Result<Isolate, Error> {
        // As in `new`: those that are compared are made with the same knowledge.
        structures::hold();
        let state = Box::new(State::new(limits, resident));
        state.memory.give_zeroes();
        let mut isolate = Isolate::made(state)?;
        isolate.furnish(protect::prepare)?;
        Ok(isolate)
    }

    fn made(state: Box<State>) -> Result<Isolate, Error> {
        let limits = state.limits;
        let state = NonNull::from(Box::leak(state));
        // SAFETY: the state outlives the engine, and stays where it is; all pointers are checked.
        unsafe {
            let memory = &raw mut (*state.as_ptr()).memory;
            let runtime = qjs::JS_NewRuntime2(&Memory::FUNCTIONS, memory.cast());
            let context = if runtime.is_null() { std::ptr::null_mut() } else { new_context(runtime) };
            let parts = NonNull::new(runtime).zip(NonNull::new(context));
            let Some((runtime, context)) = parts.filter(|_| !(*state.as_ptr()).memory.was_refused()) else {
                // The engine overlooks some failures. What there is of it is in no state to be freed by the engine.
                (*state.as_ptr()).memory.free_all();
                drop(Box::from_raw(state.as_ptr()));
                return Err(Error::no_isolate(limits.memory));
            };
            qjs::JS_SetRuntimeOpaque(runtime.as_ptr(), state.as_ptr().cast());
            // `Atomics.wait` would block the thread, and all fibers on it.
            qjs::JS_SetCanBlock(runtime.as_ptr(), false);
            promises::track(runtime);
            shared::install(runtime);
            let isolate = Isolate { runtime, context, state, seal: None };
            let scope = handle::Scope::new(context, isolate.state());
            if scope
                .take_intrinsics()
                .and_then(|()| scope.install_atomics())
                .and_then(|()| scope.guard_arrays())
                .and_then(|()| scope.guard_strings())
                .and_then(|()| scope.guard_lengths())
                .and_then(|()| scope.guard_iterators())
                .is_err()
            {
                return Err(Error::no_isolate(limits.memory));
            }
            layout::Layout::get(scope);
            Ok(isolate)
        }
    }

    /// The engine looks for cycles in the middle of a script only when it has used up a good part of its memory. It
    /// lowers that bound itself each time; so it is set anew after each run.
    fn expect_garbage(&self) {
        let bound = self.state().limits.memory / 4;
        // SAFETY: the runtime is alive.
        unsafe { qjs::JS_SetGCThreshold(self.runtime.as_ptr(), bound as qjs::size_t) };
    }

    fn state(&self) -> &State {
        // SAFETY: it lives until we are dropped, and there are only shared references to it.
        unsafe { self.state.as_ref() }
    }

    /// Runs code of the host's that makes the globals: no script of a user's, so no limit but memory.
    pub(crate) fn furnish<R>(
        &mut self,
        make: impl for<'a> FnOnce(Scope<'a>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        // SAFETY: the runtime is alive. Without a size, the engine does not look at the stack: the host's code does not
        // recurse.
        let scope = unsafe {
            qjs::JS_SetMaxStackSize(self.runtime.as_ptr(), 0);
            Scope::new(self.context, self.state())
        };
        let made = make(scope);
        // What was thrown then may be anything; and the host, too, may have overlooked something.
        if self.state().memory.was_refused() {
            Err(Error::no_isolate(self.state().limits.memory))
        } else {
            made
        }
    }

    /// Writes down what the isolate is like, and freezes most of it: so that it may serve again.
    pub(crate) fn seal(&mut self) -> Result<(), Error> {
        let mut seal = None;
        self.furnish(|scope| {
            seal = Seal::new(scope)?;
            Ok(())
        })?;
        self.seal = seal.map(Box::new);
        self.state().is_sealed.set(true);
        Ok(())
    }

    /// After work: may this isolate serve its realm again? `Ok(true)`: yes, but it should be [collected](Self::collect).
    pub(crate) fn settle_up(&mut self) -> Result<bool, Discard> {
        let state = self.state();
        if state.watch.stopped().is_some() {
            return Err(Discard::Killed);
        }
        if state.memory.was_refused() {
            return Err(Discard::OutOfMemory);
        }
        // SAFETY: the runtime is alive.
        if unsafe { qjs::JS_IsJobPending(self.runtime.as_ptr()) } || !state.rejected.borrow().is_empty() {
            return Err(Discard::Dirty);
        }
        self.expect_garbage();
        // SAFETY: it lives until we are dropped, and there are only shared references to it.
        let adopted = unsafe { self.state.as_ref() }.adopted.borrow();
        let Some(seal) = &mut self.seal else { return Err(Discard::Dirty) };
        // SAFETY: the isolate is alive, and nobody is inside.
        if unsafe { seal.is_whole(&adopted) } { Ok(seal.wants_care()) } else { Err(Discard::Dirty) }
    }

    /// Frees cycles that nothing refers to.
    pub(crate) fn collect(&mut self) {
        // SAFETY: the runtime is alive, and nobody is inside.
        unsafe { qjs::JS_RunGC(self.runtime.as_ptr()) };
        self.state().memory.trim();
    }

    /// Bytes that it has in use.
    #[cfg(test)]
    pub(crate) fn memory_used(&self) -> usize {
        self.state().memory.used()
    }

    /// Bytes of what was written down about it.
    #[cfg(test)]
    fn seal_size(&self) -> usize {
        self.seal.as_ref().map_or(0, |seal| seal.size())
    }

    /// Makes the next look a long one.
    #[cfg(test)]
    fn forget_counts(&mut self) {
        if let Some(seal) = &mut self.seal {
            seal.forget_counts();
        }
    }

    /// How often the engine did not ask for long, since the last call of this.
    pub(crate) fn take_late(&self) -> u32 {
        self.state().watch.take_late()
    }

    /// The most bytes that it had in use at once.
    pub(crate) fn memory_most(&self) -> usize {
        self.state().memory.most()
    }
}

/// A context with all that `JS_NewContext` gives one but the clock, which tells when it was made. Null: there was no memory.
///
/// # Safety
/// The runtime is alive.
unsafe fn new_context(runtime: *mut qjs::JSRuntime) -> *mut qjs::JSContext {
    type Part = unsafe extern "C" fn(*mut qjs::JSContext) -> c_int;
    const PARTS: [Part; 11] = [
        qjs::JS_AddIntrinsicBaseObjects,
        qjs::JS_AddIntrinsicDate,
        qjs::JS_AddIntrinsicEval,
        qjs::JS_AddIntrinsicRegExp,
        qjs::JS_AddIntrinsicJSON,
        qjs::JS_AddIntrinsicProxy,
        qjs::JS_AddIntrinsicMapSet,
        qjs::JS_AddIntrinsicTypedArrays,
        qjs::JS_AddIntrinsicPromise,
        qjs::JS_AddIntrinsicWeakRef,
        qjs::JS_AddIntrinsicAToB,
    ];
    // SAFETY: the caller's promise; each part is added to a context that has those before it.
    unsafe {
        let context = qjs::JS_NewContextRaw(runtime);
        let is_whole = !context.is_null() && PARTS.iter().all(|add| add(context) >= 0);
        if is_whole { context } else { std::ptr::null_mut() }
    }
}

impl Drop for Isolate {
    fn drop(&mut self) {
        // SAFETY: nothing of the engine is in use: what borrows the isolate has ended. The state goes
        // after the engine, which has pointers to it.
        unsafe {
            if let Some(seal) = &mut self.seal {
                seal.release();
            }
            for promise in self.state().rejected.take() {
                qjs::JS_FreeValue(self.context.as_ptr(), promise);
            }
            self.state().kept.clear(self.context.as_ptr());
            for value in self.state().intrinsics.take_all() {
                qjs::JS_FreeValue(self.context.as_ptr(), value);
            }
            qjs::JS_FreeContext(self.context.as_ptr());
            let has_lost = self.state().memory.was_refused() && structures::known_to_hold();
            if has_lost {
                // Where an allocation fails, the engine now and then loses count of a value, and at its end it insists
                // that there are none. So it forgets them, and their memory is freed below. What they have elsewhere,
                // the bytes of a buffer that came by transfer, is not found again.
                qjs::JS_RunGC(self.runtime.as_ptr());
                structures::forget_counted(self.runtime);
            }
            qjs::JS_FreeRuntime(self.runtime.as_ptr());
            if has_lost {
                self.state().memory.free_all();
            }
            debug_assert!(has_lost || self.state().memory.used() == 0, "the engine gives back all it took");
            drop(Box::from_raw(self.state.as_ptr()));
        }
    }
}
