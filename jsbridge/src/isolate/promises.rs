//! Jobs (what runs when a script has returned: the continuations of promises), the result of a
//! promise, and rejections that nobody handled.

use super::handle::{CStrSource, Handle, JsResult, Scope};
use super::state::State;
use super::watch::Stop;
use crate::error::Error;
use rquickjs::qjs;
use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::time::Duration;

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
    pub(crate) fn run_jobs(self) -> Result<(), Error> {
        // Not asked behind the last one: then the fiber is about to wait, and what it has made may begin here.
        while self.has_jobs() {
            // A job may be over before the engine has asked once, and make the next.
            if !self.state.watch.may_go_on(self.state.resident.population()) {
                return self.check_stopped();
            }
            self.run_job()?;
        }
        Ok(())
    }

    /// Runs the next job; false: there is none.
    pub(crate) fn run_job(self) -> Result<bool, Error> {
        let mut context = ptr::null_mut();
        // SAFETY: we are inside.
        match unsafe { qjs::JS_ExecutePendingJob(self.runtime(), &mut context) } {
            0 => Ok(false),
            ..0 => {
                // Of one that was ended from outside, what it threw says nothing.
                let error = self.take_exception().into_error();
                Err(self.check_stopped().err().unwrap_or(error))
            }
            _ => Ok(true),
        }
    }

    /// Is there a job to be run?
    pub(crate) fn has_jobs(self) -> bool {
        // SAFETY: we are inside.
        unsafe { qjs::JS_IsJobPending(self.runtime()) }
    }

    /// An error if the script was ended from outside.
    pub(crate) fn check_stopped(self) -> Result<(), Error> {
        match self.state.watch.stopped() {
            None => Ok(()),
            Some(Stop::Time) => Err(Error::timeout(self.state.limits.time)),
            Some(Stop::Cancelled) => Err(Error::cancelled()),
        }
    }

    /// The first rejection that nobody has handled.
    pub(crate) fn check_rejections(self) -> Result<(), Error> {
        let first = self.state.rejected.borrow().first().copied();
        let Some(promise) = first else { return Ok(()) };
        // SAFETY: we are inside; the list has a reference, and what is returned is ours.
        let reason = unsafe { self.own(qjs::JS_PromiseResult(self.as_ptr(), promise)) };
        Err(reason.into_error().into_unhandled())
    }

    /// `value` if it is a promise or cannot become one; a promise of what it comes to if it has a `then`.
    pub(crate) fn promise_of(self, value: Handle<'a>) -> JsResult<'a, Handle<'a>> {
        if !value.is_object() || value.is_promise() {
            return Ok(value);
        }
        if !value.get(c"then")?.is_function() {
            return Ok(value);
        }
        let (promise, resolve) = self.new_promise()?;
        resolve.call(&self.undefined(), &[&value])?;
        Ok(promise)
    }

    /// A promise, and the function that resolves it.
    pub(crate) fn new_promise(self) -> JsResult<'a, (Handle<'a>, Handle<'a>)> {
        let mut functions = [qjs::JS_UNDEFINED; 2];
        // SAFETY: we are inside; the references to the promise and its two functions are ours.
        unsafe {
            let promise = self.check(qjs::JS_NewPromiseCapability(self.as_ptr(), functions.as_mut_ptr()))?;
            let [resolve, _reject] = functions.map(|function| self.own(function));
            Ok((promise, resolve))
        }
    }

    /// A promise that is settled when this one is, to nothing.
    pub(crate) fn only_settles(self, promise: Handle<'a>) -> JsResult<'a, Handle<'a>> {
        let forget = self.eval(c"<bridge>", &CStrSource::new("async (promise) => { await promise; }"))?;
        forget.call(&self.undefined(), &[&promise])
    }

    /// What a promise was settled to; a value that is no promise is settled to itself. `None`: not yet.
    pub(crate) fn settled(self, value: &Handle<'a>) -> Option<JsResult<'a, Handle<'a>>> {
        if !value.is_promise() {
            return Some(Ok(value.clone()));
        }
        // SAFETY: we are inside; what is returned is ours.
        let (state, result) = unsafe {
            let state = qjs::JS_PromiseState(self.as_ptr(), value.raw());
            if state == qjs::JSPromiseStateEnum_JS_PROMISE_PENDING {
                return None;
            }
            (state, self.own(qjs::JS_PromiseResult(self.as_ptr(), value.raw())))
        };
        let rejected = state == qjs::JSPromiseStateEnum_JS_PROMISE_REJECTED;
        if rejected {
            // Whoever asks handles it.
            self.forget_rejection(value);
        }
        Some(if rejected { Err(result) } else { Ok(result) })
    }

    fn forget_rejection(self, promise: &Handle<'a>) {
        // SAFETY: only an address is compared.
        let address = unsafe { qjs::JS_VALUE_GET_PTR(promise.raw()) };
        let mut rejected = self.state.rejected.borrow_mut();
        // SAFETY: as above.
        let index = rejected.iter().position(|known| unsafe { qjs::JS_VALUE_GET_PTR(*known) } == address);
        if let Some(known) = index.map(|index| rejected.remove(index)) {
            drop(rejected);
            // SAFETY: the list's reference becomes the handle's, and is dropped.
            drop(unsafe { self.own(known) });
        }
    }

    /// What the promises were rejected with that nobody has handled; they are forgotten.
    pub(crate) fn take_rejections(self) -> Vec<Handle<'a>> {
        if self.state.rejected.borrow().is_empty() {
            return Vec::new();
        }
        let rejected = std::mem::take(&mut *self.state.rejected.borrow_mut());
        // SAFETY: we are inside; the list's references become the handles'; what is returned is ours.
        let promises = rejected.into_iter().map(|promise| unsafe { self.own(promise) });
        promises
            // SAFETY: as above.
            .map(|promise| unsafe { self.own(qjs::JS_PromiseResult(self.as_ptr(), promise.raw())) })
            .collect()
    }

    /// May the script go on? Gives way first, if it is time.
    pub(crate) fn go_on(self) -> Result<(), Error> {
        if self.state.watch.may_go_on(self.state.resident.population()) {
            Ok(())
        } else {
            self.check_stopped()
        }
    }

    /// Does something that takes no CPU time of the script's.
    pub(crate) fn away<R>(self, f: impl FnOnce() -> R) -> R {
        self.state.watch.away(f)
    }

    /// A script that was cancelled while it waited may run what cleans up, for so long; then it is over.
    pub(crate) fn clean_up<R>(self, time: Duration, f: impl FnOnce() -> R) -> R {
        self.state.watch.clean_up(time, f)
    }

    /// Lets others run: also equals, or more urgent ones only.
    pub(crate) fn give_way(self, to_equals: bool) {
        self.state.watch.give_way_now(to_equals);
    }

    /// The script may run for as long as one may, counted from here.
    pub(crate) fn rearm(self) {
        self.state.watch.arm(self.state.limits.time);
    }
}

#[cfg(test)]
impl<'a> Scope<'a> {
    /// What `value` is settled to, for tests that have no event loop.
    pub(crate) fn settle(self, value: Handle<'a>) -> Result<Handle<'a>, Error> {
        self.run_jobs()?;
        let settled = self.settled(&value);
        match settled {
            Some(Ok(value)) => self.run_jobs().and_then(|()| self.check_rejections()).map(|()| value),
            Some(Err(thrown)) => Err(thrown.into_error()),
            None => self.check_rejections().and(Err(Error::pending())),
        }
    }
}
