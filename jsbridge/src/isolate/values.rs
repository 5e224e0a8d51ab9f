//! Making and taking apart values: what natives and the event loop need of the engine, as safe calls.

use super::handle::{Handle, JsResult, Scope};
use rquickjs::qjs;
use std::ffi::CString;

impl<'a> Scope<'a> {
    /// `undefined`.
    pub(crate) fn undefined(self) -> Handle<'a> {
        // SAFETY: it is no reference to anything.
        unsafe { self.own(qjs::JS_UNDEFINED) }
    }

    /// `true` or `false`.
    pub(crate) fn boolean(self, truth: bool) -> Handle<'a> {
        // SAFETY: it is no reference to anything.
        unsafe { self.own(if truth { qjs::JS_TRUE } else { qjs::JS_FALSE }) }
    }

    /// A number.
    pub(crate) fn number(self, number: f64) -> Handle<'a> {
        // SAFETY: it is no reference to anything.
        unsafe { self.own(qjs::JS_NewNumber(self.as_ptr(), number)) }
    }

    /// A string.
    pub(crate) fn string(self, text: &str) -> JsResult<'a, Handle<'a>> {
        // SAFETY: we are inside; the reference is ours.
        unsafe {
            let length = text.len() as qjs::size_t;
            self.check(qjs::JS_NewStringLen(self.as_ptr(), text.as_ptr().cast(), length))
        }
    }

    /// `[]`.
    pub(crate) fn new_array(self) -> JsResult<'a, Handle<'a>> {
        // SAFETY: we are inside; the reference is ours.
        unsafe { self.check(qjs::JS_NewArray(self.as_ptr())) }
    }

    /// `new Error()`: it knows where we are.
    pub(crate) fn new_error(self) -> JsResult<'a, Handle<'a>> {
        // SAFETY: we are inside; the reference is ours.
        unsafe { self.check(qjs::JS_NewError(self.as_ptr())) }
    }

    /// A new `TypeError`, to be thrown.
    pub(crate) fn type_error(self, message: &str) -> Handle<'a> {
        self.error_of(message, |context, text| {
            // SAFETY: we are inside; the format takes one string.
            unsafe { qjs::JS_ThrowTypeError(context, c"%s".as_ptr(), text.as_ptr()) }
        })
    }

    /// A new `RangeError`, to be thrown.
    pub(crate) fn range_error(self, message: &str) -> Handle<'a> {
        self.error_of(message, |context, text| {
            // SAFETY: we are inside; the format takes one string.
            unsafe { qjs::JS_ThrowRangeError(context, c"%s".as_ptr(), text.as_ptr()) }
        })
    }

    fn error_of(
        self,
        message: &str,
        throw: impl FnOnce(*mut qjs::JSContext, &CString) -> qjs::JSValue,
    ) -> Handle<'a> {
        // The engine cuts such messages off at 255 bytes: long ones are put in after.
        let shown: String = message.chars().filter(|&c| c != '\0').take(60).collect();
        let text = CString::new(shown).unwrap_or_default();
        throw(self.as_ptr(), &text);
        let error = self.take_exception();
        if message.len() > text.count_bytes()
            && let Ok(whole) = self.string(message)
        {
            let flags = (qjs::JS_PROP_CONFIGURABLE | qjs::JS_PROP_WRITABLE) as i32;
            // SAFETY: we are inside; the engine takes the reference to the text over.
            let done = unsafe {
                let name = c"message".as_ptr();
                qjs::JS_DefinePropertyValueStr(self.as_ptr(), error.raw(), name, whole.into_raw(), flags)
            };
            if done < 0 {
                drop(self.take_exception());
            }
        }
        error
    }
}

impl<'a> Handle<'a> {
    /// Calls this function.
    pub(crate) fn call(&self, this: &Handle<'a>, arguments: &[&Handle<'a>]) -> JsResult<'a, Handle<'a>> {
        let mut raw: SmallArguments = SmallArguments::new(arguments);
        let raw = raw.as_mut();
        // SAFETY: we are inside; the arguments are lent for the call, and the result is ours.
        unsafe {
            let count = raw.len() as i32;
            self.scope.check(qjs::JS_Call(self.context(), self.raw(), this.raw(), count, raw.as_mut_ptr()))
        }
    }

    /// `new this(...arguments)`
    pub(crate) fn construct(&self, arguments: &[&Handle<'a>]) -> JsResult<'a, Handle<'a>> {
        let mut raw: SmallArguments = SmallArguments::new(arguments);
        let raw = raw.as_mut();
        // SAFETY: we are inside; the arguments are lent for the call, and the result is ours.
        unsafe {
            let count = raw.len() as i32;
            self.scope.check(qjs::JS_CallConstructor(self.context(), self.raw(), count, raw.as_mut_ptr()))
        }
    }

    /// `this[index]`
    pub(crate) fn at(&self, index: u32) -> JsResult<'a, Handle<'a>> {
        // SAFETY: we are inside; the reference is ours.
        unsafe { self.scope.check(qjs::JS_GetPropertyUint32(self.context(), self.raw(), index)) }
    }

    /// `this[index] = value`
    pub(crate) fn set_at(&self, index: u32, value: Handle<'a>) -> JsResult<'a, ()> {
        // SAFETY: we are inside; the engine takes the value's reference over.
        let done = unsafe { qjs::JS_SetPropertyUint32(self.context(), self.raw(), index, value.into_raw()) };
        if done < 0 { Err(self.scope.take_exception()) } else { Ok(()) }
    }

    /// The `length` of an array.
    pub(crate) fn length(&self) -> JsResult<'a, usize> {
        let mut length = 0_i64;
        // SAFETY: we are inside.
        let done = unsafe { qjs::JS_GetLength(self.context(), self.raw(), &mut length) };
        if done < 0 { Err(self.scope.take_exception()) } else { Ok(length.max(0) as usize) }
    }

    /// What is in an array.
    pub(crate) fn to_vec(&self) -> JsResult<'a, Vec<Handle<'a>>> {
        // Scripts can claim any length.
        (0..self.length()?.min(u32::MAX as usize) as u32).map(|index| self.at(index)).collect()
    }

    /// `Number(this)`
    pub(crate) fn to_number(&self) -> JsResult<'a, f64> {
        let mut number = 0.0;
        // SAFETY: we are inside.
        let done = unsafe { qjs::JS_ToFloat64(self.context(), &mut number, self.raw()) };
        if done < 0 { Err(self.scope.take_exception()) } else { Ok(number) }
    }

    /// `Boolean(this)`
    pub(crate) fn is_truthy(&self) -> bool {
        // SAFETY: we are inside; this runs no script and cannot fail.
        unsafe { qjs::JS_ToBool(self.context(), self.raw()) > 0 }
    }

    /// Is it an array, or a proxy of one?
    pub(crate) fn is_array(&self) -> bool {
        // SAFETY: reading the class of what it points to.
        unsafe { qjs::JS_IsArray(self.raw()) }
    }

    /// Is it a number?
    pub(crate) fn is_number(&self) -> bool {
        // SAFETY: reading a tag.
        unsafe { qjs::JS_IsNumber(self.raw()) }
    }

    /// Is it a string?
    pub(crate) fn is_string(&self) -> bool {
        // SAFETY: reading a tag.
        unsafe { qjs::JS_IsString(self.raw()) }
    }

    /// Is it a promise?
    pub(crate) fn is_promise(&self) -> bool {
        // SAFETY: reading the class of what it points to.
        unsafe { qjs::JS_IsPromise(self.raw()) }
    }
}

/// Arguments as the engine wants them, on the stack if they are few.
struct SmallArguments {
    few: [qjs::JSValue; 4],
    count: usize,
    many: Vec<qjs::JSValue>,
}

impl SmallArguments {
    fn new(arguments: &[&Handle<'_>]) -> SmallArguments {
        let mut few = [qjs::JS_UNDEFINED; 4];
        let mut many = Vec::new();
        if arguments.len() <= few.len() {
            for (place, argument) in few.iter_mut().zip(arguments) {
                *place = argument.raw();
            }
        } else {
            many.extend(arguments.iter().map(|argument| argument.raw()));
        }
        SmallArguments { few, count: arguments.len(), many }
    }

    fn as_mut(&mut self) -> &mut [qjs::JSValue] {
        if self.many.is_empty() { &mut self.few[..self.count] } else { &mut self.many }
    }
}
