//! Functions of the host's that scripts can call.

use super::handle::{Handle, JsResult, Scope};
use super::state::State;
use rquickjs::qjs;
use std::ffi::{CStr, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

/// A native function. It runs on the script's stack, of which only 32 KiB may be left.
pub(crate) trait Native {
    /// Called by a script. `variant` is what the function was made with.
    fn call<'a>(scope: Scope<'a>, variant: u8, arguments: &[Handle<'a>]) -> JsResult<'a, ()>;
}

impl<'a> Scope<'a> {
    /// A function object that calls `N` with `variant`.
    pub(crate) fn new_function<N: Native>(self, name: &CStr, variant: u8) -> JsResult<'a, Handle<'a>> {
        let function: qjs::JSCFunctionMagic = Some(trampoline::<N>);
        let kind = qjs::JSCFunctionEnum_JS_CFUNC_generic_magic;
        // SAFETY: a function of this kind is called with its magic number, as its type says.
        let function = unsafe { std::mem::transmute::<qjs::JSCFunctionMagic, qjs::JSCFunction>(function) };
        // SAFETY: we are inside; the reference is ours.
        unsafe {
            let value =
                qjs::JS_NewCFunction2(self.as_ptr(), function, name.as_ptr(), 0, kind, c_int::from(variant));
            self.check(value)
        }
    }
}

/// What the engine calls. A panic must not unwind through it.
unsafe extern "C" fn trampoline<N: Native>(
    context: *mut qjs::JSContext,
    _this: qjs::JSValue,
    count: c_int,
    arguments: *mut qjs::JSValue,
    variant: c_int,
) -> qjs::JSValue {
    // SAFETY: the engine calls this from inside, with its context and `count` borrowed arguments; the
    // state is the runtime's opaque pointer.
    let (scope, arguments) = unsafe {
        let state = &*qjs::JS_GetRuntimeOpaque(qjs::JS_GetRuntime(context)).cast::<State>();
        let Some(context) = NonNull::new(context) else { return qjs::JS_UNDEFINED };
        let borrowed = if count > 0 { std::slice::from_raw_parts(arguments, count as usize) } else { &[] };
        (Scope::new(context, state), borrowed)
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: as above; the new references are the handles'.
        let own = |value: &qjs::JSValue| unsafe { scope.own(qjs::JS_DupValue(scope.as_ptr(), *value)) };
        let arguments: Vec<Handle<'_>> = arguments.iter().map(own).collect();
        N::call(scope, variant as u8, &arguments).map_err(Handle::into_raw)
    }));
    match outcome {
        Ok(Ok(())) => qjs::JS_UNDEFINED,
        // SAFETY: we are inside; the engine takes the reference over.
        Ok(Err(thrown)) => unsafe { qjs::JS_Throw(context, thrown) },
        // SAFETY: we are inside; the text has no placeholders.
        Err(_) => unsafe { qjs::JS_ThrowInternalError(context, c"a function of the host panicked".as_ptr()) },
    }
}
