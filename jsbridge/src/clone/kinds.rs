//! What an object is, by the engine's class of it, which no script can change.

use crate::isolate::handle::Scope;
use rquickjs::qjs;
use std::ffi::CStr;
use std::sync::OnceLock;

/// As the HTML standard tells objects apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    /// What a function sees as `arguments`.
    Arguments,
    Error,
    Number,
    String,
    Boolean,
    BigInt,
    Date,
    RegExp,
    ArrayBuffer,
    SharedArrayBuffer,
    /// A typed array; see [`format::ELEMENT_SHIFT`](super::format::ELEMENT_SHIFT).
    Typed,
    DataView,
    Map,
    Set,
    DomException,
    /// What cannot be cloned.
    Other,
}

/// The engine's names of the classes.
const NAMES: [(&CStr, Kind); 28] = [
    (c"Object", Kind::Object),
    (c"Array", Kind::Array),
    (c"Error", Kind::Error),
    (c"Number", Kind::Number),
    (c"String", Kind::String),
    (c"Boolean", Kind::Boolean),
    (c"BigInt", Kind::BigInt),
    (c"Date", Kind::Date),
    (c"RegExp", Kind::RegExp),
    (c"ArrayBuffer", Kind::ArrayBuffer),
    (c"SharedArrayBuffer", Kind::SharedArrayBuffer),
    (c"Uint8ClampedArray", Kind::Typed),
    (c"Int8Array", Kind::Typed),
    (c"Uint8Array", Kind::Typed),
    (c"Int16Array", Kind::Typed),
    (c"Uint16Array", Kind::Typed),
    (c"Int32Array", Kind::Typed),
    (c"Uint32Array", Kind::Typed),
    (c"BigInt64Array", Kind::Typed),
    (c"BigUint64Array", Kind::Typed),
    (c"Float16Array", Kind::Typed),
    (c"Float32Array", Kind::Typed),
    (c"Float64Array", Kind::Typed),
    (c"DataView", Kind::DataView),
    (c"Map", Kind::Map),
    (c"Set", Kind::Set),
    (c"DOMException", Kind::DomException),
    (c"Arguments", Kind::Arguments),
];

/// The engine's own classes have small numbers; the host's follow.
const CLASSES: usize = 128;

/// Classes by their number, which is the same in all isolates for the engine's own.
#[derive(Clone, Copy)]
pub(super) struct Kinds(&'static [Kind; CLASSES]);

impl Kinds {
    pub(super) fn get(scope: Scope<'_>) -> Kinds {
        static TABLE: OnceLock<[Kind; CLASSES]> = OnceLock::new();
        Kinds(TABLE.get_or_init(|| Self::learn(scope)))
    }

    /// The first class of a name is the engine's: its numbers come before the host's. (There are two kinds of
    /// `Arguments`; and a module's namespace is called `Object` too, and comes later.)
    fn learn(scope: Scope<'_>) -> [Kind; CLASSES] {
        let (mut table, mut seen) = ([Kind::Other; CLASSES], [false; NAMES.len()]);
        for (id, kind) in table.iter_mut().enumerate().skip(1) {
            let Some(name) = class_name(scope, id as qjs::JSClassID) else { continue };
            let known = NAMES.iter().position(|(known, _)| *known == name.as_c_str());
            if let Some(known) = known
                && (!seen[known] || NAMES[known].1 == Kind::Arguments)
            {
                seen[known] = true;
                *kind = NAMES[known].1;
            }
        }
        table
    }

    /// # Panics
    /// Never: what has no class is no object, and `Other`.
    #[inline]
    pub(super) fn of(self, value: qjs::JSValue) -> Kind {
        // SAFETY: reading a tag, and the class of what it points to.
        let class = unsafe { qjs::JS_GetClassID(value) } as usize;
        self.0.get(class).copied().unwrap_or(Kind::Other)
    }

    /// The number of the first class of this kind.
    pub(super) fn class(self, kind: Kind) -> qjs::JSClassID {
        self.0.iter().position(|known| *known == kind).unwrap_or(0) as qjs::JSClassID
    }
}

/// The name of a class, if there is one of that number.
pub(super) fn class_name(scope: Scope<'_>, class: qjs::JSClassID) -> Option<std::ffi::CString> {
    // SAFETY: we are inside; the atom and the text are given back.
    unsafe {
        if !qjs::JS_IsRegisteredClass(scope.runtime(), class) {
            return None;
        }
        let atom = qjs::JS_GetClassName(scope.runtime(), class);
        let text = qjs::JS_AtomToCStringLen(scope.as_ptr(), std::ptr::null_mut(), atom);
        qjs::JS_FreeAtom(scope.as_ptr(), atom);
        if text.is_null() {
            drop(scope.take_exception());
            return None;
        }
        let name = CStr::from_ptr(text).to_owned();
        qjs::JS_FreeCString(scope.as_ptr(), text);
        Some(name)
    }
}
