//! Functions of ours that scripts find where the engine's were, and that let the engine's run where these are over soon.
//!
//! The engine asks whether it may go on at jumps and calls of scripts, and not inside of its own functions. Those whose
//! time has no bound get one of ours in front: [`arrays`](super::arrays), [`strings`](super::strings).

use super::handle::{Handle, JsResult, Scope};
use super::native::called;
use super::structures::{Native, Object};
use rquickjs::qjs;
use std::ffi::{CStr, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

/// What scripts call; the last is the number of the function.
pub(super) type Guard =
    unsafe extern "C" fn(*mut qjs::JSContext, qjs::JSValue, c_int, *mut qjs::JSValue, c_int) -> qjs::JSValue;

type Plain =
    unsafe extern "C" fn(*mut qjs::JSContext, qjs::JSValue, c_int, *mut qjs::JSValue) -> qjs::JSValue;
type Numbered = Guard;

const PLAIN: u8 = qjs::JSCFunctionEnum_JS_CFUNC_generic as u8;
const NUMBERED: u8 = qjs::JSCFunctionEnum_JS_CFUNC_generic_magic as u8;

/// The engine's functions of some names; the same for all isolates.
pub(super) type Engines<const N: usize> = OnceLock<[Native; N]>;

impl<'a> Scope<'a> {
    /// Writes down the engine's functions of these names, and puts ours in front of the first `ours`. Before the first script.
    pub(super) fn guard<const N: usize>(
        self,
        object: &Handle<'a>,
        names: &[&CStr; N],
        ours: usize,
        engines: &Engines<N>,
        guard: Guard,
    ) -> JsResult<'a, ()> {
        let mut natives = Vec::with_capacity(N);
        for name in names {
            let function = object.get(name)?;
            // SAFETY: it is the engine's own, as no script has run; the callers know that the offsets hold.
            let native = Object::of(function.raw()).map(|function| unsafe { function.native() });
            natives.extend(native.filter(|native| matches!(native.kind, PLAIN | NUMBERED)));
        }
        let Ok(natives) = <[Native; N]>::try_from(natives) else { return Ok(()) };
        let engines = engines.get_or_init(|| natives);
        for (which, (name, native)) in names.iter().zip(engines).take(ours).enumerate() {
            let kind = qjs::JSCFunctionEnum_JS_CFUNC_generic_magic;
            let function: qjs::JSCFunctionMagic = Some(guard);
            // SAFETY: a function of this kind is called with its number, as its type says. We are inside; the reference is
            // ours. With its length, the engine fills in arguments that the engine's function relies on.
            let function = unsafe {
                let function = std::mem::transmute::<qjs::JSCFunctionMagic, qjs::JSCFunction>(function);
                let length = c_int::from(native.length);
                self.check(qjs::JS_NewCFunction2(
                    self.as_ptr(),
                    function,
                    name.as_ptr(),
                    length,
                    kind,
                    which as c_int,
                ))?
            };
            object.define(name, function)?;
        }
        Ok(())
    }
}

impl Native {
    /// Calls the engine's function.
    ///
    /// # Safety
    /// We are inside; it is one that [`Scope::guard`] has found, and there are `count` arguments, or as many as its length
    /// says if these are more.
    #[inline]
    pub(super) unsafe fn call(
        self,
        context: *mut qjs::JSContext,
        this: qjs::JSValue,
        count: c_int,
        arguments: *mut qjs::JSValue,
    ) -> qjs::JSValue {
        // SAFETY: the caller's promise; the function has the type that its kind says.
        unsafe {
            if self.kind == PLAIN {
                std::mem::transmute::<usize, Plain>(self.code)(context, this, count, arguments)
            } else {
                let number = c_int::from(self.number);
                std::mem::transmute::<usize, Numbered>(self.code)(context, this, count, arguments, number)
            }
        }
    }
}

/// Does `work` inside of a [`Guard`], and gives the engine what it returns or throws.
///
/// # Safety
/// The engine has called the guard with this context and these arguments.
pub(super) unsafe fn inside(
    context: *mut qjs::JSContext,
    count: c_int,
    arguments: *mut qjs::JSValue,
    work: impl for<'a> FnOnce(Scope<'a>, &[qjs::JSValue]) -> JsResult<'a, qjs::JSValue>,
) -> qjs::JSValue {
    // SAFETY: the caller's promise.
    let Some((scope, borrowed)) = (unsafe { called(context, count, arguments) }) else {
        return qjs::JS_UNDEFINED;
    };
    match catch_unwind(AssertUnwindSafe(|| work(scope, borrowed).map_err(Handle::into_raw))) {
        Ok(Ok(value)) => value,
        // SAFETY: we are inside; the engine takes the reference over.
        Ok(Err(thrown)) => unsafe { qjs::JS_Throw(context, thrown) },
        // SAFETY: we are inside; the text has no placeholders.
        Err(_) => unsafe { qjs::JS_ThrowInternalError(context, c"a function of the host panicked".as_ptr()) },
    }
}
