//! Looking at values without running scripts: classes, keys, properties, prototypes.
//!
//! None of this calls a getter, a proxy's trap or a `toString`, unless it says so. Of a proxy one may ask for its class
//! and its target only: everything else would call traps.

use super::handle::{Handle, JsResult, Scope};
use rquickjs::qjs;
use std::ffi::{CStr, c_int};
use std::sync::OnceLock;

/// What an object is, by the engine's own mark: no script can change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Array,
    Error,
    DomException,
    Number,
    String,
    Boolean,
    Symbol,
    BigInt,
    Arguments,
    Date,
    Module,
    Function,
    GeneratorFunction,
    AsyncFunction,
    AsyncGeneratorFunction,
    /// A function that is no script's.
    Native,
    RegExp,
    ArrayBuffer,
    SharedArrayBuffer,
    TypedArray,
    DataView,
    Map,
    Set,
    WeakMap,
    WeakSet,
    WeakRef,
    Proxy,
    Promise,
    Other,
}

/// More than the engine has classes.
const MOST_CLASSES: usize = 128;

/// The engine's names of its classes, but for those that several share.
const CLASSES: [(&str, Class); 35] = [
    ("Array", Class::Array),
    ("Error", Class::Error),
    ("DOMException", Class::DomException),
    ("Number", Class::Number),
    ("String", Class::String),
    ("Boolean", Class::Boolean),
    ("Symbol", Class::Symbol),
    ("BigInt", Class::BigInt),
    ("Arguments", Class::Arguments),
    ("Date", Class::Date),
    ("GeneratorFunction", Class::GeneratorFunction),
    ("AsyncFunction", Class::AsyncFunction),
    ("AsyncGeneratorFunction", Class::AsyncGeneratorFunction),
    ("RegExp", Class::RegExp),
    ("ArrayBuffer", Class::ArrayBuffer),
    ("SharedArrayBuffer", Class::SharedArrayBuffer),
    ("Uint8ClampedArray", Class::TypedArray),
    ("Int8Array", Class::TypedArray),
    ("Uint8Array", Class::TypedArray),
    ("Int16Array", Class::TypedArray),
    ("Uint16Array", Class::TypedArray),
    ("Int32Array", Class::TypedArray),
    ("Uint32Array", Class::TypedArray),
    ("BigInt64Array", Class::TypedArray),
    ("BigUint64Array", Class::TypedArray),
    ("Float16Array", Class::TypedArray),
    ("Float32Array", Class::TypedArray),
    ("Float64Array", Class::TypedArray),
    ("DataView", Class::DataView),
    ("Map", Class::Map),
    ("Set", Class::Set),
    ("WeakMap", Class::WeakMap),
    ("WeakSet", Class::WeakSet),
    ("WeakRef", Class::WeakRef),
    ("Promise", Class::Promise),
];

/// A property's key, with its reference.
pub(crate) struct Key<'a> {
    scope: Scope<'a>,
    atom: qjs::JSAtom,
    pub(crate) enumerable: bool,
}

/// What an object has under a key.
pub(crate) enum Property<'a> {
    Data(Handle<'a>),
    Accessor { get: bool, set: bool },
}

/// A property and how it is marked.
pub(crate) struct Found<'a> {
    pub(crate) property: Property<'a>,
    pub(crate) enumerable: bool,
    pub(crate) writable: bool,
}

/// The state of a promise.
pub(crate) enum Settled<'a> {
    Pending,
    Fulfilled(Handle<'a>),
    Rejected(Handle<'a>),
}

/// A typed array's part of a buffer, in bytes.
pub(crate) struct View<'a> {
    pub(crate) buffer: Handle<'a>,
    pub(crate) offset: usize,
    pub(crate) bytes: usize,
    pub(crate) per_element: usize,
}

impl View<'_> {
    /// Its elements.
    pub(crate) fn length(&self) -> usize {
        self.bytes / self.per_element
    }
}

const fn in_unicode(name: &'static CStr) -> &'static str {
    match name.to_str() {
        Ok(name) => name,
        Err(_) => "",
    }
}

/// Writes the enum and the names in the same order.
macro_rules! well_known {
    ($($which:ident = $name:literal,)*) => {
        /// Symbols of the language.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum WellKnown { $($which,)* }

        impl WellKnown {
            pub(crate) const ALL: [WellKnown; [$($name),*].len()] = [$(WellKnown::$which,)*];
            const NAMES: [&CStr; WellKnown::ALL.len()] = [$($name,)*];

            /// As it is written, in brackets.
            pub(crate) const fn path(self) -> &'static str {
                match self { $(WellKnown::$which => in_unicode($name),)* }
            }
        }
    };
}

well_known! {
    ToStringTag = c"[Symbol.toStringTag]",
    Iterator = c"[Symbol.iterator]",
    ToPrimitive = c"[Symbol.toPrimitive]",
    Match = c"[Symbol.match]",
    MatchAll = c"[Symbol.matchAll]",
    Replace = c"[Symbol.replace]",
    Search = c"[Symbol.search]",
    Split = c"[Symbol.split]",
    IsConcatSpreadable = c"[Symbol.isConcatSpreadable]",
    HasInstance = c"[Symbol.hasInstance]",
    Species = c"[Symbol.species]",
    Unscopables = c"[Symbol.unscopables]",
    AsyncIterator = c"[Symbol.asyncIterator]",
    Dispose = c"[Symbol.dispose]",
    AsyncDispose = c"[Symbol.asyncDispose]",
}

impl<'a> Scope<'a> {
    /// The key of a property with this name.
    pub(crate) fn key(self, name: &CStr) -> JsResult<'a, Key<'a>> {
        // SAFETY: we are inside; the reference is the key's.
        let atom = unsafe { qjs::JS_NewAtom(self.as_ptr(), name.as_ptr()) };
        self.own_key(atom, true)
    }

    /// The key of an element.
    pub(crate) fn index_key(self, index: u32) -> JsResult<'a, Key<'a>> {
        // SAFETY: as above.
        let atom = unsafe { qjs::JS_NewAtomUInt32(self.as_ptr(), index) };
        self.own_key(atom, true)
    }

    /// A symbol of the language as a key, whatever scripts have done to `Symbol`.
    pub(crate) fn well_known(self, which: WellKnown) -> JsResult<'a, Key<'a>> {
        let atoms = self.well_known_atoms()?;
        // SAFETY: we are inside; constants can be counted as the others are.
        let atom = unsafe { qjs::JS_DupAtom(self.as_ptr(), atoms[which as usize]) };
        self.own_key(atom, false)
    }

    /// These atoms are constants of the engine's, the same in each runtime; their names are not exported.
    fn well_known_atoms(self) -> JsResult<'a, [qjs::JSAtom; WellKnown::ALL.len()]> {
        static ATOMS: OnceLock<[qjs::JSAtom; WellKnown::ALL.len()]> = OnceLock::new();
        Ok(match ATOMS.get() {
            Some(atoms) => *atoms,
            None => {
                let atoms = self.find_well_known()?;
                *ATOMS.get_or_init(|| atoms)
            }
        })
    }

    /// `Symbol.for(key)`; `None`: the key cannot be told to the engine.
    pub(crate) fn registered_symbol(self, key: &str) -> JsResult<'a, Option<Handle<'a>>> {
        let Ok(key) = std::ffi::CString::new(key) else { return Ok(None) };
        // SAFETY: we are inside; the reference is ours.
        unsafe { self.check(qjs::JS_NewSymbol(self.as_ptr(), key.as_ptr(), true)).map(Some) }
    }

    /// Has the engine define properties with these names, and reads the keys.
    fn find_well_known(self) -> JsResult<'a, [qjs::JSAtom; WellKnown::ALL.len()]> {
        let mut atoms = [0; WellKnown::ALL.len()];
        for (atom, name) in atoms.iter_mut().zip(WellKnown::NAMES) {
            let object = self.new_object()?;
            let entry = qjs::JSCFunctionListEntry {
                name: name.as_ptr(),
                prop_flags: qjs::JS_PROP_CONFIGURABLE as u8,
                def_type: qjs::JS_DEF_PROP_UNDEFINED as u8,
                magic: 0,
                u: qjs::JSCFunctionListEntry__bindgen_ty_1 { i32_: 0 },
            };
            // SAFETY: we are inside; such an entry is read at once, and not kept.
            let done = unsafe { qjs::JS_SetPropertyFunctionList(self.as_ptr(), object.raw(), &entry, 1) };
            if done < 0 {
                return Err(self.take_exception());
            }
            *atom = object.own_keys(true)?.first().map_or(0, |key| key.atom);
        }
        Ok(atoms)
    }

    fn own_key(self, atom: qjs::JSAtom, enumerable: bool) -> JsResult<'a, Key<'a>> {
        if atom == 0 {
            return Err(self.take_exception());
        }
        Ok(Key { scope: self, atom, enumerable })
    }
}

impl<'a> Key<'a> {
    /// The key as a value: a string or a symbol.
    pub(crate) fn value(&self) -> JsResult<'a, Handle<'a>> {
        // SAFETY: we are inside; the reference is ours.
        unsafe { self.scope.check(qjs::JS_AtomToValue(self.scope.as_ptr(), self.atom)) }
    }

    /// The string; a symbol's description.
    pub(crate) fn text(&self) -> JsResult<'a, String> {
        let mut length: qjs::size_t = 0;
        // SAFETY: we are inside; the bytes are copied before they are freed.
        unsafe {
            let text = qjs::JS_AtomToCStringLen(self.scope.as_ptr(), &mut length, self.atom);
            if text.is_null() {
                return Err(self.scope.take_exception());
            }
            let bytes = std::slice::from_raw_parts(text.cast::<u8>(), length as usize);
            let owned = String::from_utf8_lossy(bytes).into_owned();
            qjs::JS_FreeCString(self.scope.as_ptr(), text);
            Ok(owned)
        }
    }
}

impl Drop for Key<'_> {
    fn drop(&mut self) {
        // SAFETY: we are inside; the reference is ours.
        unsafe { qjs::JS_FreeAtom(self.scope.as_ptr(), self.atom) };
    }
}

impl<'a> Handle<'a> {
    /// What it is, if it is an object.
    pub(crate) fn class(&self) -> Option<Class> {
        if !self.is_object() {
            return None;
        }
        // SAFETY: reading a tag and the class of what it points to.
        let (id, proxy) = unsafe { (qjs::JS_GetClassID(self.raw()), qjs::JS_IsProxy(self.raw())) };
        if proxy {
            return Some(Class::Proxy);
        }
        let class = self.scope.class_of(id);
        // A promise's `resolve` has a class of its own, and other classes of that kind may come.
        Some(if class == Class::Other && self.is_function() { Class::Native } else { class })
    }

    /// Where it is in memory: the same for the same object only.
    pub(crate) fn address(&self) -> usize {
        // SAFETY: reading a pointer, which is not followed.
        unsafe { qjs::JS_VALUE_GET_PTR(self.raw()) }.addr()
    }

    /// Own keys: all, or only the symbols. The strings first, as the language orders them.
    pub(crate) fn own_keys(&self, symbols_only: bool) -> JsResult<'a, Vec<Key<'a>>> {
        let which = if symbols_only { 0 } else { qjs::JS_GPN_STRING_MASK };
        let flags = which | qjs::JS_GPN_SYMBOL_MASK | qjs::JS_GPN_SET_ENUM;
        let (mut table, mut count) = (std::ptr::null_mut(), 0);
        // SAFETY: we are inside; the table and its references are ours.
        unsafe {
            let context = self.context();
            if qjs::JS_GetOwnPropertyNames(context, &mut table, &mut count, self.raw(), flags as c_int) < 0 {
                return Err(self.scope.take_exception());
            }
            let keys = if table.is_null() {
                Vec::new()
            } else {
                let entries = std::slice::from_raw_parts(table, count as usize);
                let key = |entry: &qjs::JSPropertyEnum| Key {
                    scope: self.scope,
                    atom: entry.atom,
                    enumerable: entry.is_enumerable,
                };
                entries.iter().map(key).collect()
            };
            qjs::js_free(context, table.cast());
            Ok(keys)
        }
    }

    /// An own property.
    pub(crate) fn own_property(&self, key: &Key<'a>) -> JsResult<'a, Option<Found<'a>>> {
        let undefined = qjs::JS_UNDEFINED;
        let mut descriptor =
            qjs::JSPropertyDescriptor { flags: 0, value: undefined, getter: undefined, setter: undefined };
        // SAFETY: we are inside; what the descriptor has is ours.
        unsafe {
            match qjs::JS_GetOwnProperty(self.context(), &mut descriptor, self.raw(), key.atom) {
                ..0 => return Err(self.scope.take_exception()),
                0 => return Ok(None),
                _ => {}
            }
            let (value, getter, setter) = (
                self.scope.own(descriptor.value),
                self.scope.own(descriptor.getter),
                self.scope.own(descriptor.setter),
            );
            let has = |flag: u32| descriptor.flags as u32 & flag != 0;
            let property = if has(qjs::JS_PROP_GETSET) {
                Property::Accessor { get: !getter.is_undefined(), set: !setter.is_undefined() }
            } else {
                Property::Data(value)
            };
            let (enumerable, writable) = (has(qjs::JS_PROP_ENUMERABLE), has(qjs::JS_PROP_WRITABLE));
            Ok(Some(Found { property, enumerable, writable }))
        }
    }

    /// An own property that is no accessor.
    pub(crate) fn own_data(&self, name: &CStr) -> JsResult<'a, Option<Handle<'a>>> {
        let found = self.own_property(&self.scope.key(name)?)?;
        Ok(found.and_then(|found| match found.property {
            Property::Data(value) => Some(value),
            Property::Accessor { .. } => None,
        }))
    }

    /// `this[key]`. May run a getter.
    pub(crate) fn get_key(&self, key: &Key<'a>) -> JsResult<'a, Handle<'a>> {
        // SAFETY: we are inside; the reference is ours.
        unsafe { self.scope.check(qjs::JS_GetProperty(self.context(), self.raw(), key.atom)) }
    }

    /// The prototype, null at the end of the chain.
    pub(crate) fn prototype(&self) -> JsResult<'a, Handle<'a>> {
        // SAFETY: we are inside; the reference is ours.
        unsafe { self.scope.check(qjs::JS_GetPrototype(self.context(), self.raw())) }
    }

    /// The target of a proxy, not an object where that was revoked; itself, if it is none.
    pub(crate) fn without_proxies(&self) -> Handle<'a> {
        let mut value = self.clone();
        while value.class() == Some(Class::Proxy) {
            // SAFETY: we are inside; the reference is ours. A revoked proxy throws, which is let go.
            let target = unsafe { self.scope.check(qjs::JS_GetProxyTarget(self.context(), value.raw())) };
            value = target.unwrap_or_else(|_| self.scope.undefined());
        }
        value
    }

    /// The state of a promise.
    pub(crate) fn settled(&self) -> Settled<'a> {
        // SAFETY: we are inside; it is a promise, or `PromiseState` says that it is none; the reference is ours.
        unsafe {
            let result = || self.scope.own(qjs::JS_PromiseResult(self.context(), self.raw()));
            match qjs::JS_PromiseState(self.context(), self.raw()) {
                qjs::JSPromiseStateEnum_JS_PROMISE_REJECTED => Settled::Rejected(result()),
                qjs::JSPromiseStateEnum_JS_PROMISE_FULFILLED => Settled::Fulfilled(result()),
                _ => Settled::Pending,
            }
        }
    }

    /// A copy of a buffer's first bytes, and how many there are; `None` if it is detached.
    pub(crate) fn buffer_bytes(&self, most: usize) -> Option<(Vec<u8>, usize)> {
        let mut size: qjs::size_t = 0;
        // SAFETY: we are inside; the bytes are copied at once.
        unsafe {
            let bytes = qjs::JS_GetArrayBuffer(self.context(), &mut size, self.raw());
            let size = size as usize;
            if bytes.is_null() {
                // An empty buffer has no bytes either, but is no error.
                let failed = qjs::JS_HasException(self.context());
                drop(failed.then(|| self.scope.take_exception()));
                return (!failed).then(|| (Vec::new(), 0));
            }
            Some((std::slice::from_raw_parts(bytes, size.min(most)).to_vec(), size))
        }
    }

    /// What a typed array shows of its buffer; `None` if that is detached.
    pub(crate) fn view(&self) -> JsResult<'a, Option<View<'a>>> {
        let (mut offset, mut bytes, mut per_element) = (0, 0, 0);
        // SAFETY: we are inside; the reference is ours.
        let buffer = unsafe {
            let (offset, bytes, per_element) = (&mut offset, &mut bytes, &mut per_element);
            self.scope.check(qjs::JS_GetTypedArrayBuffer(
                self.context(),
                self.raw(),
                offset,
                bytes,
                per_element,
            ))
        };
        let (offset, bytes, per_element) = (offset as usize, bytes as usize, (per_element as usize).max(1));
        Ok(buffer.ok().map(|buffer| View { buffer, offset, bytes, per_element }))
    }

    /// The characters of a string, half surrogate pairs included.
    pub(crate) fn code_units(&self) -> JsResult<'a, Vec<u16>> {
        let mut length: qjs::size_t = 0;
        // SAFETY: we are inside; the characters are copied before they are freed.
        unsafe {
            let text = qjs::JS_ToCStringLenUTF16(self.context(), &mut length, self.raw());
            if text.is_null() {
                return Err(self.scope.take_exception());
            }
            let owned = std::slice::from_raw_parts(text, length as usize).to_vec();
            qjs::JS_FreeCStringUTF16(self.context(), text);
            Ok(owned)
        }
    }

    /// Which symbol of the language it is.
    pub(crate) fn well_known(&self) -> JsResult<'a, Option<WellKnown>> {
        let atoms = self.scope.well_known_atoms()?;
        // SAFETY: we are inside; the reference is given back, and the number is compared only.
        let atom = unsafe {
            let atom = qjs::JS_ValueToAtom(self.context(), self.raw());
            qjs::JS_FreeAtom(self.context(), atom);
            atom
        };
        Ok(WellKnown::ALL.into_iter().find(|known| self.is_symbol() && atoms[*known as usize] == atom))
    }

    /// The description of a symbol.
    pub(crate) fn description(&self) -> JsResult<'a, String> {
        // SAFETY: we are inside; the reference is the key's.
        let atom = unsafe { qjs::JS_ValueToAtom(self.context(), self.raw()) };
        self.scope.own_key(atom, false)?.text()
    }

    /// `JSON.stringify(this)`, undefined for what JSON has no text for. Runs `toJSON` methods and getters.
    pub(crate) fn to_json(&self) -> JsResult<'a, Handle<'a>> {
        let nothing = qjs::JS_UNDEFINED;
        // SAFETY: we are inside; the reference is ours.
        unsafe { self.scope.check(qjs::JS_JSONStringify(self.context(), self.raw(), nothing, nothing)) }
    }

    /// Defines the next element of an array of ours; runs no setter of `Array.prototype`.
    pub(crate) fn push(&self, value: Handle<'a>) -> JsResult<'a, ()> {
        self.define_at(self.length()? as u32, value)
    }

    /// The same, at a place.
    pub(crate) fn define_at(&self, index: u32, value: Handle<'a>) -> JsResult<'a, ()> {
        let flags = qjs::JS_PROP_C_W_E as c_int;
        // SAFETY: we are inside; the engine takes the reference over.
        let done = unsafe {
            qjs::JS_DefinePropertyValueUint32(self.context(), self.raw(), index, value.into_raw(), flags)
        };
        if done < 0 { Err(self.scope.take_exception()) } else { Ok(()) }
    }

    pub(crate) fn is_symbol(&self) -> bool {
        // SAFETY: reading a tag.
        unsafe { qjs::JS_IsSymbol(self.raw()) }
    }

    pub(crate) fn is_bigint(&self) -> bool {
        // SAFETY: reading a tag.
        unsafe { qjs::JS_IsBigInt(self.raw()) }
    }
}

impl<'a> Scope<'a> {
    /// What the engine's class is.
    pub(super) fn class_of(self, id: qjs::JSClassID) -> Class {
        static BY_ID: OnceLock<[Class; MOST_CLASSES]> = OnceLock::new();
        let by_id = match BY_ID.get() {
            Some(by_id) => by_id,
            // Without memory for the names it is not known, this time.
            None => match self.classes() {
                Ok(by_id) => BY_ID.get_or_init(|| by_id),
                Err(_) => return Class::Other,
            },
        };
        by_id.get(id as usize).copied().unwrap_or(Class::Other)
    }

    fn classes(self) -> JsResult<'a, [Class; MOST_CLASSES]> {
        let mut by_id = [Class::Other; MOST_CLASSES];
        let (mut objects, mut functions) = (0, 0);
        for (id, class) in by_id.iter_mut().enumerate() {
            let name = self.class_name(id as qjs::JSClassID)?;
            // Two names are given to several, in this order: plain objects, modules, proxies; built-in functions, those
            // of scripts, then bound ones and other native ones.
            *class = match name.as_deref() {
                Some("Object") => {
                    objects += 1;
                    if objects == 2 { Class::Module } else { Class::Other }
                }
                Some("Function") => {
                    functions += 1;
                    if functions == 2 { Class::Function } else { Class::Native }
                }
                Some(name) => {
                    CLASSES.iter().find(|known| known.0 == name).map_or(Class::Other, |known| known.1)
                }
                None => Class::Other,
            };
        }
        Ok(by_id)
    }

    /// The engine's first class of this name.
    pub(super) fn class_named(self, name: &str) -> JsResult<'a, Option<qjs::JSClassID>> {
        for id in 1..MOST_CLASSES as qjs::JSClassID {
            if self.class_name(id)?.as_deref() == Some(name) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// What the engine calls its class, if there is one with this id.
    fn class_name(self, id: qjs::JSClassID) -> JsResult<'a, Option<String>> {
        // SAFETY: we are inside; the reference is the key's.
        let atom = unsafe { qjs::JS_GetClassName(self.runtime(), id) };
        if atom == 0 {
            return Ok(None);
        }
        Key { scope: self, atom, enumerable: false }.text().map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{eval, inside};

    #[test]
    fn the_class_of_an_object_is_known_whatever_its_prototype_says() {
        let cases = [
            ("[]", Class::Array),
            ("new RangeError", Class::Error),
            ("new DOMException", Class::DomException),
            ("Object(1)", Class::Number),
            ("Object('')", Class::String),
            ("Object(true)", Class::Boolean),
            ("Object(Symbol())", Class::Symbol),
            ("Object(1n)", Class::BigInt),
            ("(function () { return arguments })()", Class::Arguments),
            ("(function () { 'use strict'; return arguments })()", Class::Arguments),
            ("new Date", Class::Date),
            ("() => 1", Class::Function),
            ("class A {}", Class::Function),
            ("function* f() {}", Class::GeneratorFunction),
            ("async () => 1", Class::AsyncFunction),
            ("async function* f() {}", Class::AsyncGeneratorFunction),
            ("Array", Class::Native),
            ("(() => 1).bind()", Class::Native),
            ("let r; new Promise(f => { r = f }), r", Class::Native),
            ("/a/", Class::RegExp),
            ("new ArrayBuffer(1)", Class::ArrayBuffer),
            ("new SharedArrayBuffer(1)", Class::SharedArrayBuffer),
            ("new Uint8Array(1)", Class::TypedArray),
            ("new BigInt64Array(1)", Class::TypedArray),
            ("new DataView(new ArrayBuffer(1))", Class::DataView),
            ("new Map", Class::Map),
            ("new Set", Class::Set),
            ("new WeakMap", Class::WeakMap),
            ("new WeakSet", Class::WeakSet),
            ("new WeakRef({})", Class::WeakRef),
            ("new Proxy([], {})", Class::Proxy),
            ("Promise.resolve()", Class::Promise),
            ("({})", Class::Other),
            ("Math", Class::Other),
        ];
        for (source, class) in cases {
            inside(|scope| {
                let value = eval(scope, &format!("let v = (() => {{ {} }})(); v", with_return(source)))?;
                assert_eq!(value.class(), Some(class), "{source}");
                Ok(())
            });
        }
    }

    fn with_return(source: &str) -> String {
        match source.strip_prefix("let r; ") {
            Some(rest) => format!("let r; return ({rest})"),
            None => format!("return ({source})"),
        }
    }

    #[test]
    fn looking_runs_no_script() {
        inside(|scope| {
            let value = eval(
                scope,
                "Array.prototype.push = Symbol = null;
                 ({ get a() { throw 1 }, set b(_) {}, c: 3, [5]: 4, toString() { throw 2 } })",
            )?;
            let mut shown = Vec::new();
            for key in value.own_keys(false)? {
                let found = value.own_property(&key)?.unwrap();
                shown.push(match found.property {
                    Property::Data(value) if value.is_number() => {
                        format!("{} {}", key.text()?, value.text()?)
                    }
                    Property::Data(_) => key.text()?,
                    Property::Accessor { get, set } => format!("{} {get} {set}", key.text()?),
                });
            }
            assert_eq!(shown, ["5 4", "a true false", "b false true", "c 3", "toString"]);
            assert_eq!(scope.well_known(WellKnown::ToStringTag)?.text()?, "Symbol.toStringTag");
            assert_eq!(scope.well_known(WellKnown::Iterator)?.text()?, "Symbol.iterator");
            Ok(())
        });
    }
}
