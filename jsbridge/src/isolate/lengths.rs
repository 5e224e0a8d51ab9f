//! Functions that go through an array-like by its length, which a script may have made up.
//!
//! | function                                           | the engine                                     | here, if it is no array with its elements in memory |
//! |----------------------------------------------------|------------------------------------------------|----------------------------------------------------|
//! | `apply`, `Reflect.apply`, `Reflect.construct`      | takes `{ length: 2 ** 32 }` for empty          | a `RangeError`, as for other lengths that are too large |
//! | `String.raw`                                       | goes on without memory, up to 2^53             | asks, and ends where there is no memory            |
//! | `JSON.stringify` with names                        | goes through all places, and compares each name with each | asks; more than [`NAMES_MOST`] are refused |
//!
//! Elements are read once and in order into an array, which the engine's function gets.

use super::guard::{self, Engines, Front};
use super::handle::{Handle, JsResult, Scope};
use super::layout::Layout;
use super::look::Class;
use super::strings::Parts;
use super::structures;
use rquickjs::qjs;
use std::collections::HashSet;
use std::ffi::{CStr, c_int};

/// The engine's own limit.
const ARGUMENTS_MOST: i64 = 65_535;
/// The engine compares each with each: 10 ms for so many. Picked from thin air beyond that.
const NAMES_MOST: usize = 4096;
/// Places between two questions.
const EVERY: i64 = 1024;

static FUNCTION: Engines<1> = Engines::new();
static REFLECT: Engines<2> = Engines::new();
static STRING: Engines<1> = Engines::new();
static JSON: Engines<1> = Engines::new();

const FUNCTION_NAMES: [&CStr; 1] = [c"apply"];
const REFLECT_NAMES: [&CStr; 2] = [c"apply", c"construct"];
const STRING_NAMES: [&CStr; 1] = [c"raw"];
const JSON_NAMES: [&CStr; 1] = [c"stringify"];

impl<'a> Scope<'a> {
    /// Puts ours in front of the engine's. Before the first script.
    pub(super) fn guard_lengths(self) -> JsResult<'a, ()> {
        if !structures::known_to_hold() || Layout::get(self).is_none() {
            return Ok(());
        }
        let global = self.global();
        let function = global.get(c"Function")?.get(c"prototype")?;
        self.guard(&function, &FUNCTION_NAMES, 1, &FUNCTION, Front::Call(apply))?;
        self.guard(&global.get(c"Reflect")?, &REFLECT_NAMES, 2, &REFLECT, Front::Call(reflect))?;
        self.guard(&global.get(c"String")?, &STRING_NAMES, 1, &STRING, Front::Call(raw))?;
        self.guard(&global.get(c"JSON")?, &JSON_NAMES, 1, &JSON, Front::Call(stringify))
    }

    /// Is this object a list of which the engine knows the length?
    fn is_listed(self, value: qjs::JSValue) -> bool {
        // SAFETY: reading the class of an object. Of an `arguments` the first property is its length, as it was made.
        unsafe {
            match self.class_of(qjs::JS_GetClassID(value)) {
                Class::TypedArray => true,
                Class::Arguments => Layout::get(self).is_some_and(|layout| {
                    layout.count(layout.shape(value)) > 0 && qjs::JS_IsInt(layout.property(value, 0))
                }),
                _ => false,
            }
        }
    }

    /// The length of an array-like.
    fn length_of(self, value: &Handle<'a>) -> JsResult<'a, i64> {
        let mut length = 0;
        // SAFETY: we are inside. A getter may run.
        let done = unsafe { qjs::JS_GetLength(self.as_ptr(), value.raw(), &mut length) };
        if done < 0 { Err(self.take_exception()) } else { Ok(length) }
    }

    fn element_of(self, value: &Handle<'a>, index: i64) -> JsResult<'a, Handle<'a>> {
        if index > 0 && index % EVERY == 0 {
            self.may_go_on()?;
        }
        // SAFETY: we are inside; the reference is ours. A getter may run.
        unsafe { self.check(qjs::JS_GetPropertyInt64(self.as_ptr(), value.raw(), index)) }
    }

    /// What an array-like has, for a call.
    fn arguments_of(self, value: &Handle<'a>) -> JsResult<'a, Handle<'a>> {
        let length = self.length_of(value)?;
        if length > ARGUMENTS_MOST {
            return Err(self.range_error("too many arguments in function call (only 65535 allowed)"));
        }
        let list = self.new_array()?;
        for index in 0..length {
            list.define_at(index as u32, self.element_of(value, index)?)?;
        }
        Ok(list)
    }

    /// The names that an array has for `JSON.stringify`, each once.
    fn names_of(self, value: &Handle<'a>) -> JsResult<'a, Handle<'a>> {
        let (length, list) = (self.length_of(value)?, self.new_array()?);
        let mut known = HashSet::new();
        for index in 0..length {
            let element = self.element_of(value, index)?;
            let is_name = element.is_string()
                || element.is_number()
                || matches!(element.class(), Some(Class::String | Class::Number));
            if !is_name {
                continue;
            }
            let name = self.to_text(&element)?;
            let count = known.len();
            if known.insert(name.code_units()?) {
                if count >= NAMES_MOST {
                    let most = format!("JSON.stringify: more than {NAMES_MOST} names to look for");
                    return Err(self.range_error(&most));
                }
                list.define_at(count as u32, name)?;
            }
        }
        Ok(list)
    }

    fn raw_text(self, arguments: &[qjs::JSValue]) -> JsResult<'a, Handle<'a>> {
        // SAFETY: we are inside, and the arguments are borrowed for the call.
        let own = |value: &qjs::JSValue| unsafe { self.own(qjs::JS_DupValue(self.as_ptr(), *value)) };
        let template = arguments.first().map_or_else(|| self.undefined(), own);
        let raw = template.get(c"raw")?;
        if raw.is_undefined() || raw.is_null() {
            return Err(self.type_error("cannot convert to object"));
        }
        let (length, mut parts) = (self.length_of(&raw)?, Parts::new(self)?);
        for index in 0..length {
            parts.push(self.to_text(&self.element_of(&raw, index)?)?)?;
            if let Some(value) = arguments.get(index as usize + 1).filter(|_| index + 1 < length) {
                parts.push(self.to_text(&own(value))?)?;
            }
        }
        parts.joined()
    }
}

/// No object: there is no list, or it is none.
fn is_no_object(value: qjs::JSValue) -> bool {
    // SAFETY: reading a tag.
    unsafe { !qjs::JS_IsObject(value) }
}

/// Is it a true array, whose length is its own?
fn is_array_or_none(value: qjs::JSValue) -> bool {
    // SAFETY: reading a tag, and the class of an object.
    is_no_object(value) || unsafe { qjs::JS_GetClassID(value) == u32::from(structures::ARRAY) }
}

/// Calls the engine's function, with a list in the place of an argument if that is neither quick nor a list.
///
/// # Safety
/// The engine has called a guard with these, and there are arguments up to `place`.
unsafe fn with_list<const N: usize>(
    engines: &Engines<N>,
    which: usize,
    (context, this, count, arguments): (*mut qjs::JSContext, qjs::JSValue, c_int, *mut qjs::JSValue),
    place: usize,
    is_quick: impl FnOnce(qjs::JSValue) -> bool,
    list: impl for<'a> FnOnce(Scope<'a>, &Handle<'a>) -> JsResult<'a, Option<Handle<'a>>>,
) -> qjs::JSValue {
    let Some(native) = engines.get().map(|engines| engines[which].engines) else { return qjs::JS_UNDEFINED };
    // SAFETY: the caller's promise.
    unsafe {
        if is_quick(arguments.add(place).read()) {
            return native.call(context, this, count, arguments);
        }
    }
    // SAFETY: the caller's promise. The list lives until the call is over; no function here has more than four arguments
    // that it looks at.
    unsafe {
        guard::inside(context, count, arguments, |scope, borrowed| {
            let value = scope.own(qjs::JS_DupValue(context, arguments.add(place).read()));
            let Some(list) = list(scope, &value)? else {
                return Ok(native.call(context, this, count, arguments));
            };
            let mut changed = [qjs::JS_UNDEFINED; 4];
            changed.iter_mut().zip(borrowed).for_each(|(changed, value)| *changed = *value);
            changed[place] = list.raw();
            Ok(native.call(context, this, count.min(4), changed.as_mut_ptr()))
        })
    }
}

fn listed<'a>(scope: Scope<'a>, value: &Handle<'a>) -> JsResult<'a, Option<Handle<'a>>> {
    if scope.is_listed(value.raw()) { Ok(None) } else { scope.arguments_of(value).map(Some) }
}

/// `function.apply(this, list)`
unsafe extern "C" fn apply(
    context: *mut qjs::JSContext,
    this: qjs::JSValue,
    count: c_int,
    arguments: *mut qjs::JSValue,
    which: c_int,
) -> qjs::JSValue {
    // SAFETY: the engine calls this from inside, with at least two arguments, as its own function's length says.
    unsafe {
        with_list(
            &FUNCTION,
            which as usize,
            (context, this, count, arguments),
            1,
            is_array_or_none,
            |scope, value| {
                if qjs::JS_IsFunction(context, this) { listed(scope, value) } else { Ok(None) }
            },
        )
    }
}

/// `Reflect.apply(function, this, list)`, `Reflect.construct(class, list, target)`
unsafe extern "C" fn reflect(
    context: *mut qjs::JSContext,
    this: qjs::JSValue,
    count: c_int,
    arguments: *mut qjs::JSValue,
    which: c_int,
) -> qjs::JSValue {
    // SAFETY: as above, at least three and two arguments.
    unsafe {
        let place = if which == 0 { 2 } else { 1 };
        with_list(
            &REFLECT,
            which as usize,
            (context, this, count, arguments),
            place,
            is_array_or_none,
            |scope, value| {
                // What is wrong with the others comes first.
                let is_right = if which == 0 {
                    qjs::JS_IsFunction(context, arguments.read())
                } else {
                    count < 3 || qjs::JS_IsConstructor(context, arguments.add(2).read())
                };
                if is_right { listed(scope, value) } else { Ok(None) }
            },
        )
    }
}

/// `String.raw(template, ...values)`
unsafe extern "C" fn raw(
    context: *mut qjs::JSContext,
    _this: qjs::JSValue,
    count: c_int,
    arguments: *mut qjs::JSValue,
    _which: c_int,
) -> qjs::JSValue {
    // SAFETY: the engine calls this from inside.
    unsafe {
        guard::inside(context, count, arguments, |scope, arguments| {
            scope.raw_text(arguments).map(Handle::into_raw)
        })
    }
}

/// `JSON.stringify(value, names, space)`
unsafe extern "C" fn stringify(
    context: *mut qjs::JSContext,
    this: qjs::JSValue,
    count: c_int,
    arguments: *mut qjs::JSValue,
    which: c_int,
) -> qjs::JSValue {
    // SAFETY: the engine calls this from inside, with at least three arguments, as its own function's length says.
    unsafe {
        with_list(
            &JSON,
            which as usize,
            (context, this, count, arguments),
            1,
            is_no_object,
            |scope, value| {
                // Of proxies of arrays, too; of one that was revoked the engine says so.
                let is_array = value.without_proxies().is_array();
                if is_array { scope.names_of(value).map(Some) } else { Ok(None) }
            },
        )
    }
}
