//! The one door into an isolate.
//!
//! ```text
//!   a fiber's stack                                              high addresses
//!   +-------+------------------+---------------------------+---------------------+
//!   | guard |  margin, 32 KiB  |  what scripts may use      | eval's own frames   |
//!   +-------+------------------+---------------------------+---------------------+
//!                              ^ the engine refuses        ^ enter()             ^ StackTop
//!                                to recurse below
//! ```
//!
//! The engine measures its stack from an address that it was told, and an isolate may be entered from
//! another stack each time: the address and the size are told at every entry. Told wrongly, it would
//! refuse `1 + 1`, or run into the guard.

use super::Isolate;
use super::handle::Scope;
use super::state::State;
use crate::error::Error;
use crate::limits::STACK_MARGIN;
use rquickjs::qjs;
use std::ffi::{c_int, c_void};

/// Where the current fiber's stack begins, nearly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StackTop {
    address: usize,
    size: usize,
}

impl StackTop {
    /// To be called in the outermost function of a fiber whose stack has `size` bytes. What is above
    /// this call, less than 4 KiB, is counted to the margin.
    #[inline(never)]
    pub(crate) fn here(size: usize) -> StackTop {
        StackTop { address: near_address(), size }
    }

    /// Bytes that a script entered from here may use.
    fn room(self) -> usize {
        let used = self.address.saturating_sub(near_address());
        self.size.saturating_sub(used + STACK_MARGIN)
    }
}

/// An address in the caller's frame, or next to it.
#[inline(never)]
fn near_address() -> usize {
    let local = 0_u8;
    (&raw const local).addr()
}

impl Isolate {
    /// Enters, does `visit` inside, and leaves. Jobs are the visit's to run.
    ///
    /// # Errors
    /// Those of `visit`; and whatever was the reason if the script was ended from outside, also if
    /// `visit` has a result: an engine that was told to stop may go on for a while and return
    /// nonsense.
    pub(crate) fn enter<R>(
        &mut self,
        top: StackTop,
        visit: impl for<'a> FnOnce(Scope<'a>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let runtime = self.runtime.as_ptr();
        let state = self.state();
        // Zero would mean no limit.
        let room = top.room().min(state.limits.stack).max(1);
        state.floor.set(near_address().saturating_sub(room));
        // SAFETY: the runtime is alive. The hook's pointer is good as long as the runtime.
        let scope = unsafe {
            qjs::JS_SetMaxStackSize(runtime, room as qjs::size_t);
            qjs::JS_UpdateStackTop(runtime);
            state.watch.arm(state.limits.time);
            qjs::JS_SetInterruptHandler(runtime, Some(may_stop), self.state.as_ptr().cast());
            Scope::new(self.context, state)
        };
        let result = visit(scope);
        // SAFETY: as above.
        unsafe { qjs::JS_SetInterruptHandler(runtime, None, std::ptr::null_mut()) };
        scope.check_stopped()?;
        result
    }
}

impl Scope<'_> {
    /// Have scripts used all of the stack that they may use?
    pub(super) fn is_stack_over(self) -> bool {
        near_address() < self.state.floor.get()
    }

    /// Bytes of stack that scripts may still use; and below that are 32 KiB for functions of the host's. For those that
    /// recurse.
    pub(crate) fn stack_left(self) -> StackLeft {
        let (here, floor) = (near_address(), self.state.floor.get());
        StackLeft { scripts: here.saturating_sub(floor), host: (here + STACK_MARGIN).saturating_sub(floor) }
    }
}

/// Bytes of stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StackLeft {
    pub(crate) scripts: usize,
    pub(crate) host: usize,
}

/// The engine's question; not zero: stop.
unsafe extern "C" fn may_stop(_runtime: *mut qjs::JSRuntime, state: *mut c_void) -> c_int {
    // SAFETY: `enter` has set this pointer, and nobody has another kind of reference to the state.
    let state = unsafe { &*state.cast::<State>() };
    state.memory.end_compiling();
    // It goes on computing, so what it has made is not for it to run soon.
    heddle_scheduler::announce();
    c_int::from(!state.watch.may_go_on(state.resident.population()))
}
