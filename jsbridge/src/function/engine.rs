//! Calls of the engine for code and properties, as safe functions over handles.

use crate::isolate::handle::{Handle, JsResult, Scope};
use rquickjs::qjs;
use std::ffi::CString;

/// A text to be compiled.
pub(super) struct Script<'t> {
    pub(super) text: String,
    pub(super) file: &'t str,
    /// The number of its first line. Not zero, which the engine takes for one.
    pub(super) line: i32,
    pub(super) is_strict: bool,
}

/// Compiles, and gives the serialized code. Nothing of it runs.
///
/// When it has no memory, the engine's compiler goes on with what it has: instructions are missing, and the process may
/// end. So it always has memory; what it takes is in proportion to the text, whose length is bounded.
///
/// # Errors
/// What is wrong with the text.
pub(super) fn compile<'a>(scope: Scope<'a>, script: &Script<'_>) -> JsResult<'a, Vec<u8>> {
    let file: Vec<u8> = script.file.bytes().take_while(|&byte| byte != 0).collect();
    let file = CString::new(file).unwrap_or_default();
    let mut text = script.text.clone().into_bytes();
    // The engine's scanner relies on a zero byte, which is not counted.
    text.push(0);
    let strict = if script.is_strict { qjs::JS_EVAL_FLAG_STRICT } else { 0 };
    let mut options = qjs::JSEvalOptions {
        version: qjs::JS_EVAL_OPTIONS_VERSION as i32,
        eval_flags: (qjs::JS_EVAL_TYPE_GLOBAL | qjs::JS_EVAL_FLAG_COMPILE_ONLY | strict) as i32,
        filename: file.as_ptr(),
        line_num: script.line,
    };
    let length = (text.len() - 1) as qjs::size_t;
    // SAFETY: we are inside; the texts end with a zero byte; the reference is ours.
    let code = scope.memory().without_limit(|| unsafe {
        let compile = || qjs::JS_Eval2(scope.as_ptr(), text.as_ptr().cast(), length, &mut options);
        scope.check(scope.as_host(compile))
    })?;
    serialize(scope, code.raw())
}

/// The longest text that is compiled: memory for it is not refused, and the engine takes some twenty times as much.
pub(super) fn text_most(scope: Scope<'_>) -> usize {
    scope.memory().limit() / 64
}

/// The serialized form of code: a value that a compilation gave, or that of a live function. The engine leaves parts out
/// for which it has no memory, and says nothing of it; so it has.
pub(super) fn serialize<'a>(scope: Scope<'a>, code: qjs::JSValue) -> JsResult<'a, Vec<u8>> {
    let mut length: qjs::size_t = 0;
    // SAFETY: we are inside; the code is alive; so many bytes are there, and are copied before they are freed.
    scope.memory().without_limit(|| unsafe {
        let flags = qjs::JS_WRITE_OBJ_BYTECODE as i32;
        let bytes = qjs::JS_WriteObject(scope.as_ptr(), &mut length, code, flags);
        if bytes.is_null() {
            return Err(scope.take_exception());
        }
        let copy = std::slice::from_raw_parts(bytes, length as usize).to_vec();
        qjs::js_free(scope.as_ptr(), bytes.cast());
        Ok(copy)
    })
}

/// Code from its serialized form, as a value that only [`run`] understands.
///
/// # Safety
/// The bytes are what [`compile`] gave in this process.
pub(super) unsafe fn load<'a>(scope: Scope<'a>, bytes: &[u8]) -> JsResult<'a, Handle<'a>> {
    let length = bytes.len() as qjs::size_t;
    // SAFETY: we are inside; the bytes are the engine's own; the reference is ours.
    unsafe {
        let flags = qjs::JS_READ_OBJ_BYTECODE as i32;
        scope.check(qjs::JS_ReadObject(scope.as_ptr(), bytes.as_ptr(), length, flags))
    }
}

/// Runs a script that was [loaded](load); its value.
pub(super) fn run<'a>(script: Handle<'a>) -> JsResult<'a, Handle<'a>> {
    let (scope, context) = (script.scope, script.context());
    // SAFETY: we are inside; the engine takes the reference over, and the result is ours.
    unsafe { scope.check(qjs::JS_EvalFunction(context, script.into_raw())) }
}

/// A property's name, held for a few calls.
struct Name<'a> {
    scope: Scope<'a>,
    atom: qjs::JSAtom,
}

impl<'a> Name<'a> {
    fn new(scope: Scope<'a>, name: &str) -> JsResult<'a, Name<'a>> {
        // SAFETY: we are inside; the bytes are copied.
        let atom =
            unsafe { qjs::JS_NewAtomLen(scope.as_ptr(), name.as_ptr().cast(), name.len() as qjs::size_t) };
        // Zero is the number of no name.
        if atom == 0 { Err(scope.take_exception()) } else { Ok(Name { scope, atom }) }
    }
}

impl Drop for Name<'_> {
    fn drop(&mut self) {
        // SAFETY: we are inside; the reference is ours.
        unsafe { qjs::JS_FreeAtom(self.scope.as_ptr(), self.atom) };
    }
}

/// An own property, looked at without running anything (but traps, if the object is a proxy).
pub(super) enum Property<'a> {
    Value(Handle<'a>),
    /// Getter and setter, either of which may be undefined.
    Accessor(Handle<'a>, Handle<'a>),
}

/// The own property of this name.
pub(super) fn own_property<'a>(object: &Handle<'a>, name: &str) -> JsResult<'a, Option<Property<'a>>> {
    own_property_of(object, &Name::new(object.scope, name)?)
}

fn own_property_of<'a>(object: &Handle<'a>, name: &Name<'a>) -> JsResult<'a, Option<Property<'a>>> {
    let scope = object.scope;
    let nothing = qjs::JS_UNDEFINED;
    let mut found = qjs::JSPropertyDescriptor { flags: 0, value: nothing, getter: nothing, setter: nothing };
    // SAFETY: we are inside; the references in what was found are ours.
    unsafe {
        let outcome = qjs::JS_GetOwnProperty(scope.as_ptr(), &mut found, object.raw(), name.atom);
        if outcome < 0 {
            return Err(scope.take_exception());
        }
        if outcome == 0 {
            return Ok(None);
        }
        let (value, getter, setter) =
            (scope.own(found.value), scope.own(found.getter), scope.own(found.setter));
        Ok(Some(if found.flags & qjs::JS_PROP_GETSET as i32 != 0 {
            Property::Accessor(getter, setter)
        } else {
            Property::Value(value)
        }))
    }
}

/// Which own properties.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// With names, enumerable or not.
    Named,
    /// Those, and the ones with symbols.
    All,
    /// With names, enumerable.
    Enumerable,
}

/// The own properties of an object, in order. Names of symbols are their descriptions.
pub(super) fn own_properties<'a>(
    object: &Handle<'a>,
    which: Which,
) -> JsResult<'a, Vec<(String, Property<'a>)>> {
    let mut properties = Vec::new();
    for name in own_names(object, which)? {
        if let Some(property) = own_property_of(object, &name)? {
            properties.push((text_of(&name)?, property));
        }
    }
    Ok(properties)
}

/// The names of an object's own properties.
pub(super) fn own_keys<'a>(object: &Handle<'a>, which: Which) -> JsResult<'a, Vec<String>> {
    own_names(object, which)?.iter().map(text_of).collect()
}

fn text_of<'a>(name: &Name<'a>) -> JsResult<'a, String> {
    let scope = name.scope;
    let mut length: qjs::size_t = 0;
    // SAFETY: we are inside; the text is copied before it is freed.
    unsafe {
        let text = qjs::JS_AtomToCStringLen(scope.as_ptr(), &mut length, name.atom);
        if text.is_null() {
            return Err(scope.take_exception());
        }
        let bytes = std::slice::from_raw_parts(text.cast::<u8>(), length as usize);
        let owned = String::from_utf8_lossy(bytes).into_owned();
        qjs::JS_FreeCString(scope.as_ptr(), text);
        Ok(owned)
    }
}

fn own_names<'a>(object: &Handle<'a>, which: Which) -> JsResult<'a, Vec<Name<'a>>> {
    let scope = object.scope;
    let flags = match which {
        Which::Named => qjs::JS_GPN_STRING_MASK,
        Which::All => qjs::JS_GPN_STRING_MASK | qjs::JS_GPN_SYMBOL_MASK,
        Which::Enumerable => qjs::JS_GPN_STRING_MASK | qjs::JS_GPN_ENUM_ONLY,
    };
    let (mut table, mut count) = (std::ptr::null_mut(), 0_u32);
    // SAFETY: we are inside; the names in the table are ours, and it is freed when they are taken out.
    unsafe {
        let done =
            qjs::JS_GetOwnPropertyNames(scope.as_ptr(), &mut table, &mut count, object.raw(), flags as i32);
        if done < 0 {
            return Err(scope.take_exception());
        }
        let mut names = Vec::new();
        for index in 0..count as usize {
            names.push(Name { scope, atom: (*table.add(index)).atom });
        }
        qjs::js_free(scope.as_ptr(), table.cast());
        Ok(names)
    }
}

/// `object[name]`. May run a getter.
pub(super) fn get<'a>(object: &Handle<'a>, name: &str) -> JsResult<'a, Handle<'a>> {
    let name = Name::new(object.scope, name)?;
    // SAFETY: we are inside; the reference is ours.
    unsafe { object.scope.check(qjs::JS_GetProperty(object.context(), object.raw(), name.atom)) }
}

/// The `name` of a function, if it is a text; looking at it runs nothing.
pub(super) fn plain_name(function: &Handle<'_>) -> String {
    // SAFETY: reading the class of what it points to.
    if unsafe { qjs::JS_IsProxy(function.raw()) } {
        return String::new();
    }
    match own_property(function, "name") {
        Ok(Some(Property::Value(name))) if name.is_string() => name.text().unwrap_or_default(),
        _ => String::new(),
    }
}

/// Defines an ordinary property.
pub(super) fn define<'a>(object: &Handle<'a>, name: &str, value: Handle<'a>) -> JsResult<'a, ()> {
    define_with(object, name, value, qjs::JS_PROP_C_W_E)
}

/// Sets a property that is not enumerable, as a function's `name` is.
pub(super) fn define_hidden<'a>(object: &Handle<'a>, name: &str, value: Handle<'a>) -> JsResult<'a, ()> {
    define_with(object, name, value, qjs::JS_PROP_CONFIGURABLE)
}

fn define_with<'a>(object: &Handle<'a>, name: &str, value: Handle<'a>, flags: u32) -> JsResult<'a, ()> {
    let name = Name::new(object.scope, name)?;
    let flags = flags as i32;
    // SAFETY: we are inside; the engine takes the value's reference over.
    let done = unsafe {
        qjs::JS_DefinePropertyValue(object.context(), object.raw(), name.atom, value.into_raw(), flags)
    };
    if done < 0 { Err(object.scope.take_exception()) } else { Ok(()) }
}

/// `Object.getPrototypeOf(object)`
pub(super) fn prototype_of<'a>(object: &Handle<'a>) -> JsResult<'a, Handle<'a>> {
    // SAFETY: we are inside; the reference is ours.
    unsafe { object.scope.check(qjs::JS_GetPrototype(object.context(), object.raw())) }
}

/// The message of what was thrown, for a message of ours. Reads no more than data properties, so it runs nothing.
pub(super) fn message_of(thrown: &Handle<'_>) -> String {
    if !thrown.is_object() {
        return thrown.text().unwrap_or_default();
    }
    match own_property(thrown, "message") {
        Ok(Some(Property::Value(message))) if message.is_string() => message.text().unwrap_or_default(),
        _ => String::new(),
    }
}

/// `Object.is(a, b)`
pub(super) fn is_same(a: &Handle<'_>, b: &Handle<'_>) -> bool {
    // SAFETY: we are inside; this runs no script.
    unsafe { qjs::JS_IsSameValue(a.context(), a.raw(), b.raw()) }
}

/// Compiles a script of ours and runs it.
pub(super) fn eval<'a>(scope: Scope<'a>, script: &Script<'_>) -> JsResult<'a, Handle<'a>> {
    let code = compile(scope, script)?;
    // SAFETY: these are the bytes of a compilation.
    run(unsafe { load(scope, &code)? })
}

/// The text of a function, its file, line and column, by the engine's own functions: a script may have replaced those
/// of its isolate, so they are taken from a context that no script has seen. This takes 0.1 ms.
pub(super) fn describe<'a>(function: &Handle<'a>) -> JsResult<'a, (String, String, i32, i32)> {
    const DESCRIBE: &std::ffi::CStr = c"(f => { const get = name => \
        Object.getOwnPropertyDescriptor(Function.prototype, name).get.call(f); \
        return [Function.prototype.toString.call(f), get('fileName'), get('lineNumber'), get('columnNumber')] })";
    let scope = function.scope;
    // SAFETY: we are inside; the new context is of the same runtime, whose values it may have, and is freed at the end.
    let parts = unsafe {
        let context = qjs::JS_NewContext(scope.runtime());
        if context.is_null() {
            // SAFETY: we are inside. What it returns is no reference.
            qjs::JS_ThrowOutOfMemory(scope.as_ptr());
            return Err(scope.take_exception());
        }
        let length = DESCRIBE.count_bytes() as qjs::size_t;
        let name = c"heddle:describe".as_ptr();
        let describe =
            qjs::JS_Eval(context, DESCRIBE.as_ptr(), length, name, qjs::JS_EVAL_TYPE_GLOBAL as i32);
        let mut argument = function.raw();
        let parts = qjs::JS_Call(context, describe, qjs::JS_UNDEFINED, 1, &mut argument);
        qjs::JS_FreeValue(context, describe);
        let parts = scope.check(parts);
        qjs::JS_FreeContext(context);
        parts?
    };
    let number = |index| parts.at(index)?.to_number();
    Ok((parts.at(0)?.text()?, parts.at(1)?.text()?, number(2)? as i32, number(3)? as i32))
}
