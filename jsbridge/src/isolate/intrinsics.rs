//! The engine's own functions and prototypes, taken when an isolate is made.
//!
//! A script may replace `Map.prototype.forEach`, and delete `RegExp`. The host must not depend on what a script has left
//! there, nor run code of the script's where the standard says that none runs; so it calls these.

use super::handle::{Handle, JsResult, Scope};
use rquickjs::qjs;
use std::cell::OnceCell;
use std::ffi::CStr;

/// Where in the global object something is found: `CONSTRUCTOR.prototype.NAME`, or less of that.
#[derive(Clone, Copy)]
enum Place {
    /// The constructor itself.
    Constructor,
    /// Its prototype.
    Prototype,
    /// A static method.
    Static(&'static CStr),
    /// A method of the prototype.
    Method(&'static CStr),
    /// The getter of a property of the prototype.
    Getter(&'static CStr),
}

/// Writes the enum and the table of the same order.
macro_rules! intrinsics {
    ($($name:ident = $constructor:literal, $place:expr;)*) => {
        /// One of them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Intrinsic { $($name,)* }

        const TABLE: &[(&CStr, Place)] = &[$(($constructor, $place),)*];
    };
}

use Place::{Constructor, Getter, Method, Prototype, Static};

intrinsics! {
    Map = c"Map", Constructor;
    MapForEach = c"Map", Method(c"forEach");
    MapSet = c"Map", Method(c"set");
    Set = c"Set", Constructor;
    SetForEach = c"Set", Method(c"forEach");
    SetAdd = c"Set", Method(c"add");
    SetSize = c"Set", Getter(c"size");
    SetValues = c"Set", Method(c"values");
    ArrayValues = c"Array", Method(c"values");
    RegExp = c"RegExp", Constructor;
    RegExpSource = c"RegExp", Getter(c"source");
    RegExpHasIndices = c"RegExp", Getter(c"hasIndices");
    RegExpGlobal = c"RegExp", Getter(c"global");
    RegExpIgnoreCase = c"RegExp", Getter(c"ignoreCase");
    RegExpMultiline = c"RegExp", Getter(c"multiline");
    RegExpDotAll = c"RegExp", Getter(c"dotAll");
    RegExpUnicode = c"RegExp", Getter(c"unicode");
    RegExpUnicodeSets = c"RegExp", Getter(c"unicodeSets");
    RegExpSticky = c"RegExp", Getter(c"sticky");
    DateGetTime = c"Date", Method(c"getTime");
    NumberValueOf = c"Number", Method(c"valueOf");
    StringValueOf = c"String", Method(c"valueOf");
    BooleanValueOf = c"Boolean", Method(c"valueOf");
    BigInt = c"BigInt", Constructor;
    BigIntValueOf = c"BigInt", Method(c"valueOf");
    BigIntToString = c"BigInt", Method(c"toString");
    BigIntAsIntN = c"BigInt", Static(c"asIntN");
    ErrorStack = c"Error", Getter(c"stack");
    Error = c"Error", Prototype;
    EvalError = c"EvalError", Prototype;
    RangeError = c"RangeError", Prototype;
    ReferenceError = c"ReferenceError", Prototype;
    SyntaxError = c"SyntaxError", Prototype;
    TypeError = c"TypeError", Prototype;
    UriError = c"URIError", Prototype;
    InternalError = c"InternalError", Prototype;
    AggregateError = c"AggregateError", Prototype;
    SuppressedError = c"SuppressedError", Prototype;
    DomException = c"DOMException", Constructor;
    DomExceptionName = c"DOMException", Getter(c"name");
    DomExceptionMessage = c"DOMException", Getter(c"message");
    ArrayBuffer = c"ArrayBuffer", Constructor;
    BufferDetached = c"ArrayBuffer", Getter(c"detached");
    BufferResizable = c"ArrayBuffer", Getter(c"resizable");
    BufferMaxByteLength = c"ArrayBuffer", Getter(c"maxByteLength");
    SharedGrowable = c"SharedArrayBuffer", Getter(c"growable");
    DataView = c"DataView", Constructor;
    DataViewBuffer = c"DataView", Getter(c"buffer");
    DataViewByteOffset = c"DataView", Getter(c"byteOffset");
    DataViewByteLength = c"DataView", Getter(c"byteLength");
}

/// The values, in the order of [`Intrinsic`]; then [begun functions](Scope::begun_function).
pub(super) type Taken = [qjs::JSValue; TABLE.len() + 2];

/// All of them, each with a reference; empty until the isolate is made.
#[derive(Default)]
pub(super) struct Intrinsics(OnceCell<Taken>);

impl Intrinsics {
    /// Those that came with a copy of an engine, which has the references.
    pub(super) fn put(&self, taken: Taken) {
        let unused = self.0.set(taken);
        debug_assert!(unused.is_ok(), "they are taken once");
    }

    pub(super) fn all(&self) -> Option<&Taken> {
        self.0.get()
    }

    /// The references, for the isolate's end.
    pub(super) fn take_all(&self) -> impl Iterator<Item = qjs::JSValue> + use<> {
        self.0.get().copied().into_iter().flatten()
    }
}

impl<'a> Scope<'a> {
    /// Takes them. To be called once, before any script has run.
    pub(super) fn take_intrinsics(self) -> JsResult<'a, ()> {
        let mut taken = Vec::with_capacity(TABLE.len());
        let mut last: Option<(&CStr, Handle<'a>, Handle<'a>)> = None;
        for (constructor, place) in TABLE {
            let (_, function, prototype) = match last.take() {
                Some(found) if found.0 == *constructor => last.insert(found),
                _ => {
                    let function = self.global().get(constructor)?;
                    let prototype = function.get(c"prototype")?;
                    last.insert((constructor, function, prototype))
                }
            };
            taken.push(match place {
                Place::Constructor => function.clone(),
                Place::Prototype => prototype.clone(),
                Place::Static(name) => function.get(name)?,
                Place::Method(name) => prototype.get(name)?,
                Place::Getter(name) => prototype.own_getter(name)?,
            });
        }
        taken.push(self.begun_function(false)?);
        taken.push(self.begun_function(true)?);
        let mut raw = [qjs::JS_UNDEFINED; TABLE.len() + 2];
        for (place, value) in raw.iter_mut().zip(taken) {
            *place = value.into_raw();
        }
        self.state.intrinsics.put(raw);
        Ok(())
    }

    /// What has a shape that a function has for a moment: before it gets its `length`, or then, before it gets its `name`. The
    /// engine gives the shapes of living objects to new ones; one that no object has is made anew, and freed, with each
    /// function: of which there are two for a promise, and one for a closure.
    fn begun_function(self, has_length: bool) -> JsResult<'a, Handle<'a>> {
        let prototype = self.global().get(c"Function")?.get(c"prototype")?;
        // SAFETY: we are inside; the prototype is borrowed, and what is made is ours.
        let begun = unsafe { self.check(qjs::JS_NewObjectProto(self.as_ptr(), prototype.raw()))? };
        if has_length {
            let (name, flags) = (c"length".as_ptr(), qjs::JS_PROP_CONFIGURABLE as i32);
            // SAFETY: as above; a number has no reference.
            let done = unsafe {
                let length = qjs::JS_MKVAL(qjs::JS_TAG_INT, 0);
                qjs::JS_DefinePropertyValueStr(self.as_ptr(), begun.raw(), name, length, flags)
            };
            if done < 0 {
                return Err(self.take_exception());
            }
        }
        Ok(begun)
    }

    /// The value; the reference stays where it is.
    #[inline]
    pub(crate) fn intrinsic_raw(self, which: Intrinsic) -> qjs::JSValue {
        self.state.intrinsics.0.get().map_or(qjs::JS_UNDEFINED, |all| all[which as usize])
    }

    /// Calls one with values that stay the caller's.
    pub(crate) fn call_intrinsic(
        self,
        which: Intrinsic,
        this: qjs::JSValue,
        arguments: &[qjs::JSValue],
    ) -> JsResult<'a, Handle<'a>> {
        let (function, count) = (self.intrinsic_raw(which), arguments.len() as i32);
        // SAFETY: we are inside; the engine borrows the arguments, and does not write to them.
        unsafe {
            self.check(qjs::JS_Call(self.as_ptr(), function, this, count, arguments.as_ptr().cast_mut()))
        }
    }

    /// `new which(...arguments)`.
    pub(crate) fn construct_intrinsic(
        self,
        which: Intrinsic,
        arguments: &[qjs::JSValue],
    ) -> JsResult<'a, Handle<'a>> {
        let (function, count) = (self.intrinsic_raw(which), arguments.len() as i32);
        // SAFETY: as above.
        unsafe {
            self.check(qjs::JS_CallConstructor(self.as_ptr(), function, count, arguments.as_ptr().cast_mut()))
        }
    }
}

impl<'a> Handle<'a> {
    /// The getter of an own property; `undefined` if it has none.
    fn own_getter(&self, name: &CStr) -> JsResult<'a, Handle<'a>> {
        let context = self.context();
        // SAFETY: we are inside. The descriptor is written where the answer is 1, and its three references are ours.
        unsafe {
            let atom = qjs::JS_NewAtom(context, name.as_ptr());
            let mut found = std::mem::MaybeUninit::<qjs::JSPropertyDescriptor>::uninit();
            let there = qjs::JS_GetOwnProperty(context, found.as_mut_ptr(), self.raw(), atom);
            qjs::JS_FreeAtom(context, atom);
            match there {
                ..0 => Err(self.scope.take_exception()),
                0 => Ok(self.scope.undefined()),
                _ => {
                    let found = found.assume_init();
                    qjs::JS_FreeValue(context, found.value);
                    qjs::JS_FreeValue(context, found.setter);
                    Ok(self.scope.own(found.getter))
                }
            }
        }
    }
}
