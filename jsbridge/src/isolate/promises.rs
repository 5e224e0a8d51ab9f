//! Jobs (what runs when a script has returned: the continuations of promises), the result of a
//! promise, and rejections that nobody handled.

use super::handle::{Handle, Scope};
use super::state::State;
use super::watch::Stop;
use crate::error::Error;
use rquickjs::qjs;
use std::ffi::c_void;
use std::ptr::{self, NonNull};

/// Makes the engine tell us of rejections.
///
/// # Safety
/// The runtime's opaque pointer is its isolate's state.
pub(super) unsafe fn track(runtime: NonNull<qjs::JSRuntime>) {
    // SAFETY: the runtime is alive.
    unsafe { qjs::JS_SetHostPromiseRejectionTracker(runtime.as_ptr(), Some(on_rejection), ptr::null_mut()) };
}

/// A promise was rejected with nobody there to handle it; or (`handled`) somebody came after all.
unsafe extern "C" fn on_rejection(
    context: *mut qjs::JSContext,
    promise: qjs::JSValue,
    _reason: qjs::JSValue,
    handled: bool,
    _opaque: *mut c_void,
) {
    // SAFETY: the engine calls this from inside; the state is the runtime's opaque pointer. Freeing
    // the reference runs no script, and the list is not borrowed meanwhile.
    unsafe {
        let state = &*qjs::JS_GetRuntimeOpaque(qjs::JS_GetRuntime(context)).cast::<State>();
        if !handled {
            state.rejected.borrow_mut().push(qjs::JS_DupValue(context, promise));
            return;
        }
        let address = qjs::JS_VALUE_GET_PTR(promise);
        let known = {
            let mut rejected = state.rejected.borrow_mut();
            let index = rejected.iter().position(|known| qjs::JS_VALUE_GET_PTR(*known) == address);
            index.map(|index| rejected.remove(index))
        };
        if let Some(known) = known {
            qjs::JS_FreeValue(context, known);
        }
    }
}

impl<'a> Scope<'a> {
    /// Runs jobs until there are none, or the script must end.
    pub(super) fn run_jobs(self) -> Result<(), Error> {
        loop {
            // A job may be over before the engine has asked once, and make the next.
            if !self.state.watch.may_go_on(self.state.resident.population()) {
                return self.check_stopped();
            }
            let mut context = ptr::null_mut();
            // SAFETY: we are inside.
            match unsafe { qjs::JS_ExecutePendingJob(self.runtime(), &mut context) } {
                0 => return Ok(()),
                ..0 => return Err(self.take_exception().into_error()),
                _ => {}
            }
        }
    }

    /// An error if the script was ended from outside.
    pub(super) fn check_stopped(self) -> Result<(), Error> {
        match self.state.watch.stopped() {
            None => Ok(()),
            Some(Stop::Time) => Err(Error::timeout(self.state.limits.time)),
            Some(Stop::Cancelled) => Err(Error::cancelled()),
        }
    }

    /// The first rejection that nobody has handled.
    pub(super) fn check_rejections(self) -> Result<(), Error> {
        let first = self.state.rejected.borrow().first().copied();
        let Some(promise) = first else { return Ok(()) };
        // SAFETY: we are inside; the list has a reference, and what is returned is ours.
        let reason = unsafe { self.own(qjs::JS_PromiseResult(self.as_ptr(), promise)) };
        Err(reason.into_error().into_unhandled())
    }

    /// What `value` is settled to, if it is a promise; else itself. Runs jobs.
    pub(crate) fn settle(self, value: Handle<'a>) -> Result<Handle<'a>, Error> {
        self.run_jobs()?;
        // SAFETY: we are inside; what is returned is ours.
        let (state, result) = unsafe {
            let state = qjs::JS_PromiseState(self.as_ptr(), value.raw());
            (state, self.own(qjs::JS_PromiseResult(self.as_ptr(), value.raw())))
        };
        match state {
            qjs::JSPromiseStateEnum_JS_PROMISE_REJECTED => Err(result.into_error()),
            qjs::JSPromiseStateEnum_JS_PROMISE_FULFILLED => Ok(result),
            qjs::JSPromiseStateEnum_JS_PROMISE_PENDING => {
                // A rejection elsewhere says more.
                self.check_rejections()?;
                Err(Error::pending())
            }
            _ => Ok(value),
        }
    }
}
