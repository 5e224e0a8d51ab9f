//! Functions of the host's that scripts can call.

use super::handle::{Handle, JsResult, Scope};
use super::state::State;
use rquickjs::qjs;
use std::ffi::{CStr, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

/// A native function. It runs on the script's stack, of which only 32 KiB may be left.
pub(crate) trait Native {
    /// Called by a script. Nothing it does may unwind because the fiber is cancelled: that would reach the script
    /// as a panic of the host's.
    fn call<'a>(scope: Scope<'a>, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>>;
}

/// What a native function was called with.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a, 'b> {
    scope: Scope<'a>,
    /// What the function was made with.
    pub(crate) variant: u8,
    this: qjs::JSValue,
    arguments: &'b [qjs::JSValue],
}

impl<'a> Call<'a, '_> {
    /// How many arguments there are.
    pub(crate) fn len(&self) -> usize {
        self.arguments.len()
    }

    /// An argument; `undefined` where there is none.
    pub(crate) fn argument(&self, index: usize) -> Handle<'a> {
        match self.arguments.get(index) {
            Some(value) => self.own(*value),
            None => self.scope.undefined(),
        }
    }

    /// All arguments from this one on.
    pub(crate) fn from(&self, first: usize) -> impl Iterator<Item = Handle<'a>> + use<'a, '_> {
        self.arguments.iter().skip(first).map(|value| self.own(*value))
    }

    /// What it was called on.
    pub(crate) fn this(&self) -> Handle<'a> {
        self.own(self.this)
    }

    fn own(&self, value: qjs::JSValue) -> Handle<'a> {
        // SAFETY: we are inside, and the value is one that the engine has lent for the call; the new reference is the
        // handle's.
        unsafe { self.scope.own(qjs::JS_DupValue(self.scope.as_ptr(), value)) }
    }
}

impl<'a> Scope<'a> {
    /// A function object that calls `N` with `variant`.
    pub(crate) fn new_function<N: Native>(self, name: &CStr, variant: u8) -> JsResult<'a, Handle<'a>> {
        self.new_native::<N>(name, variant, qjs::JSCFunctionEnum_JS_CFUNC_generic_magic)
    }

    /// The same for `new` alone; it is called on what it is the prototype's of, `new.target`.
    pub(crate) fn new_constructor<N: Native>(self, name: &CStr) -> JsResult<'a, Handle<'a>> {
        self.new_native::<N>(name, 0, qjs::JSCFunctionEnum_JS_CFUNC_constructor_magic)
    }

    fn new_native<N: Native>(
        self,
        name: &CStr,
        variant: u8,
        kind: qjs::JSCFunctionEnum,
    ) -> JsResult<'a, Handle<'a>> {
        let function: qjs::JSCFunctionMagic = Some(trampoline::<N>);
        // SAFETY: functions of both kinds are called with their magic number, as its type says.
        let function = unsafe { std::mem::transmute::<qjs::JSCFunctionMagic, qjs::JSCFunction>(function) };
        // SAFETY: we are inside; the reference is ours.
        unsafe {
            let value =
                qjs::JS_NewCFunction2(self.as_ptr(), function, name.as_ptr(), 0, kind, c_int::from(variant));
            self.check(value)
        }
    }
}

/// Where a C function is that the engine calls, and its arguments.
///
/// # Safety
/// The engine called with this context and these arguments, and the call has not ended.
pub(super) unsafe fn called<'a, 'c>(
    context: *mut qjs::JSContext,
    count: c_int,
    arguments: *mut qjs::JSValue,
) -> Option<(Scope<'a>, &'c [qjs::JSValue])> {
    // SAFETY: by the contract; `count` arguments are borrowed for the call.
    unsafe {
        let borrowed = if count > 0 { std::slice::from_raw_parts(arguments, count as usize) } else { &[] };
        Some((scope_of(context)?, borrowed))
    }
}

/// Where the host's code is that the engine calls.
///
/// # Safety
/// The engine calls from inside, with this context, and the call has not ended.
pub(super) unsafe fn scope_of<'a>(context: *mut qjs::JSContext) -> Option<Scope<'a>> {
    let context = NonNull::new(context)?;
    // SAFETY: the state is the runtime's opaque pointer, and outlives the visit.
    unsafe {
        let state = &*qjs::JS_GetRuntimeOpaque(qjs::JS_GetRuntime(context.as_ptr())).cast::<State>();
        Some(Scope::new(context, state))
    }
}

/// What the engine calls. A panic must not unwind through it.
pub(super) unsafe extern "C" fn trampoline<N: Native>(
    context: *mut qjs::JSContext,
    this: qjs::JSValue,
    count: c_int,
    arguments: *mut qjs::JSValue,
    variant: c_int,
) -> qjs::JSValue {
    // SAFETY: the engine calls this, and passes on what it was called with.
    let Some((scope, arguments)) = (unsafe { called(context, count, arguments) }) else {
        return qjs::JS_UNDEFINED;
    };
    let call = Call { scope, variant: variant as u8, this, arguments };
    match catch_unwind(AssertUnwindSafe(|| {
        N::call(scope, call).map(Handle::into_raw).map_err(Handle::into_raw)
    })) {
        Ok(Ok(value)) => value,
        // SAFETY: we are inside; the engine takes the reference over.
        Ok(Err(thrown)) => unsafe { qjs::JS_Throw(context, thrown) },
        // SAFETY: we are inside; the text has no placeholders.
        Err(_) => unsafe { qjs::JS_ThrowInternalError(context, c"a function of the host panicked".as_ptr()) },
    }
}
