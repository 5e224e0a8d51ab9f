//! Being inside an isolate, and values held there.

use super::state::State;
use rquickjs::qjs;
use std::cell::Cell;
use std::ffi::CStr;
use std::marker::PhantomData;
use std::ptr::NonNull;

/// Evidence that this thread is inside an isolate, through the door in `enter`: the engine knows the
/// stack we run on, and is watched. Everything that calls the engine is a method of this, or of a
/// [`Handle`], which has one.
///
/// `'a` belongs to one visit alone (it is invariant, and [`enter`](super::Isolate::enter)'s closure
/// takes any), so that values of two isolates cannot be mixed up.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) context: NonNull<qjs::JSContext>,
    pub(super) state: &'a State,
    visit: PhantomData<Cell<&'a ()>>,
}

/// One reference to a value in an isolate, given back when dropped.
pub(crate) struct Handle<'a> {
    pub(crate) scope: Scope<'a>,
    value: qjs::JSValue,
}

/// `Err` is what the engine threw.
pub(crate) type JsResult<'a, T> = Result<T, Handle<'a>>;

impl<'a> Scope<'a> {
    /// # Safety
    /// The caller runs inside this isolate.
    pub(crate) unsafe fn new(context: NonNull<qjs::JSContext>, state: &'a State) -> Scope<'a> {
        Scope { context, state, visit: PhantomData }
    }

    pub(crate) fn as_ptr(self) -> *mut qjs::JSContext {
        self.context.as_ptr()
    }

    pub(crate) fn runtime(self) -> *mut qjs::JSRuntime {
        // SAFETY: the context is alive while we are inside.
        unsafe { qjs::JS_GetRuntime(self.as_ptr()) }
    }

    /// Takes over one reference.
    ///
    /// # Safety
    /// `value` belongs to this isolate, and the reference to the caller.
    pub(crate) unsafe fn own(self, value: qjs::JSValue) -> Handle<'a> {
        Handle { scope: self, value }
    }

    /// Takes over what a call of the engine returned, or what it threw.
    ///
    /// # Safety
    /// As for [`own`](Self::own).
    pub(crate) unsafe fn check(self, value: qjs::JSValue) -> JsResult<'a, Handle<'a>> {
        // SAFETY: reading a tag.
        if unsafe { qjs::JS_IsException(value) } {
            return Err(self.take_exception());
        }
        // SAFETY: the caller's promise.
        Ok(unsafe { self.own(value) })
    }

    /// What was thrown. Null, if the engine had no memory to make an error.
    pub(crate) fn take_exception(self) -> Handle<'a> {
        // SAFETY: we are inside; the reference is ours.
        unsafe { self.own(qjs::JS_GetException(self.as_ptr())) }
    }

    /// The global object.
    pub(crate) fn global(self) -> Handle<'a> {
        // SAFETY: we are inside; the reference is ours.
        unsafe { self.own(qjs::JS_GetGlobalObject(self.as_ptr())) }
    }

    /// `{}`.
    pub(crate) fn new_object(self) -> JsResult<'a, Handle<'a>> {
        // SAFETY: we are inside; the reference is ours.
        unsafe { self.check(qjs::JS_NewObject(self.as_ptr())) }
    }

    /// Runs `source` as a global script in which `await` is allowed: a promise of the value of its last statement.
    pub(crate) fn eval_async(self, name: &CStr, source: &CStrSource) -> JsResult<'a, Handle<'a>> {
        let flags = (qjs::JS_EVAL_TYPE_GLOBAL | qjs::JS_EVAL_FLAG_ASYNC) as i32;
        let promise = self.eval_with(name, source, flags)?;
        // The engine's promise is for `{ value }`.
        let unwrap = self.eval(c"<bridge>", &CStrSource::new("async (promise) => (await promise).value"))?;
        unwrap.call(&self.undefined(), &[&promise])
    }

    /// Runs `source` as a global script.
    pub(crate) fn eval(self, name: &CStr, source: &CStrSource) -> JsResult<'a, Handle<'a>> {
        self.eval_with(name, source, qjs::JS_EVAL_TYPE_GLOBAL as i32)
    }

    /// The same with other flags of the engine's.
    pub(super) fn eval_with(self, name: &CStr, source: &CStrSource, flags: i32) -> JsResult<'a, Handle<'a>> {
        let (text, length) = (source.0.as_ptr(), source.0.len() - 1);
        // SAFETY: we are inside; the text ends with a zero byte that is not counted; the reference is
        // ours.
        unsafe {
            let value = self.as_host(|| {
                qjs::JS_Eval(self.as_ptr(), text.cast(), length as qjs::size_t, name.as_ptr(), flags)
            });
            self.check(value)
        }
    }
}

/// The text of a script and a zero byte, which the engine's scanner relies on. Zero bytes inside are
/// allowed, as in JavaScript.
#[derive(Clone, Debug)]
pub(crate) struct CStrSource(Vec<u8>);

impl CStrSource {
    pub(crate) fn new(source: &str) -> CStrSource {
        let mut bytes = Vec::with_capacity(source.len() + 1);
        bytes.extend_from_slice(source.as_bytes());
        bytes.push(0);
        CStrSource(bytes)
    }

    /// The text and its zero byte.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<'a> Handle<'a> {
    /// The value; the reference stays with the handle.
    pub(crate) fn raw(&self) -> qjs::JSValue {
        self.value
    }

    /// The value and its reference, for a call that takes it over.
    pub(crate) fn into_raw(self) -> qjs::JSValue {
        std::mem::ManuallyDrop::new(self).value
    }

    pub(crate) fn context(&self) -> *mut qjs::JSContext {
        self.scope.as_ptr()
    }

    /// `this.name`. May run a getter.
    pub(crate) fn get(&self, name: &CStr) -> JsResult<'a, Handle<'a>> {
        // SAFETY: we are inside; the reference is ours.
        unsafe { self.scope.check(qjs::JS_GetPropertyStr(self.context(), self.raw(), name.as_ptr())) }
    }

    /// `this.name = value`.
    pub(crate) fn set(&self, name: &CStr, value: Handle<'a>) -> JsResult<'a, ()> {
        // SAFETY: we are inside; the engine takes the value's reference over.
        let done =
            unsafe { qjs::JS_SetPropertyStr(self.context(), self.raw(), name.as_ptr(), value.into_raw()) };
        if done < 0 { Err(self.scope.take_exception()) } else { Ok(()) }
    }

    /// `String(this)`; half surrogate pairs become U+FFFD.
    pub(crate) fn text(&self) -> JsResult<'a, String> {
        let mut length: usize = 0;
        // SAFETY: we are inside; the bytes are read before they are freed.
        unsafe {
            let text = qjs::JS_ToCStringLen(self.context(), &mut length, self.raw());
            if text.is_null() {
                return Err(self.scope.take_exception());
            }
            let bytes = std::slice::from_raw_parts(text.cast::<u8>(), length);
            let owned = std::str::from_utf8(bytes).map(str::to_owned);
            qjs::JS_FreeCString(self.context(), text);
            owned.or_else(|_| self.text_with_halves())
        }
    }

    /// The same for a string that is not well formed.
    fn text_with_halves(&self) -> JsResult<'a, String> {
        let mut length: qjs::size_t = 0;
        // SAFETY: as in `text`.
        unsafe {
            let text = qjs::JS_ToCStringLenUTF16(self.context(), &mut length, self.raw());
            if text.is_null() {
                return Err(self.scope.take_exception());
            }
            let owned = String::from_utf16_lossy(std::slice::from_raw_parts(text, length as usize));
            qjs::JS_FreeCStringUTF16(self.context(), text);
            Ok(owned)
        }
    }

    pub(crate) fn is_undefined(&self) -> bool {
        // SAFETY: reading a tag.
        unsafe { qjs::JS_IsUndefined(self.raw()) }
    }

    pub(crate) fn is_null(&self) -> bool {
        // SAFETY: reading a tag.
        unsafe { qjs::JS_IsNull(self.raw()) }
    }

    pub(crate) fn is_error(&self) -> bool {
        // SAFETY: reading a tag and the class of what it points to.
        unsafe { qjs::JS_IsError(self.raw()) }
    }

    pub(crate) fn is_object(&self) -> bool {
        // SAFETY: reading a tag.
        unsafe { qjs::JS_IsObject(self.raw()) }
    }

    pub(crate) fn is_function(&self) -> bool {
        // SAFETY: we are inside.
        unsafe { qjs::JS_IsFunction(self.context(), self.raw()) }
    }
}

impl Clone for Handle<'_> {
    fn clone(&self) -> Self {
        // SAFETY: we are inside; the new reference is the clone's.
        unsafe { self.scope.own(qjs::JS_DupValue(self.context(), self.raw())) }
    }
}

impl Drop for Handle<'_> {
    fn drop(&mut self) {
        // SAFETY: we are inside; the reference is ours and goes here.
        unsafe { qjs::JS_FreeValue(self.context(), self.value) };
    }
}
