//! Tables of properties that the engine makes when they are first touched.
//!
//! A function object takes 0.2 us to make, and most scripts touch few of the host's functions. So the host describes
//! them in tables that live as long as the process, and the engine has, in each object, only a pointer to the line of
//! the table: for a script that looks, the property is an ordinary one from the start (writable, configurable, not
//! enumerable, as built-ins are). Accessors are the exception: they are made at once.

use super::guard::Front;
use super::handle::{Handle, JsResult};
use super::native::{Native, trampoline};
use rquickjs::qjs;
use std::ffi::{CStr, c_int};

/// One line of a table.
#[repr(transparent)]
pub(crate) struct Entry(qjs::JSCFunctionListEntry);

// SAFETY: the pointers in it are to statics, which nobody writes to.
unsafe impl Sync for Entry {}

// SAFETY: as above.
unsafe impl Send for Entry {}

const AS_BUILT_IN: u8 = (qjs::JS_PROP_WRITABLE | qjs::JS_PROP_CONFIGURABLE) as u8;
const ENUMERABLE_TOO: u8 = AS_BUILT_IN | qjs::JS_PROP_ENUMERABLE as u8;

/// The engine calls it with a number, so that several functions may be one.
pub(super) const NUMBERED: u8 = qjs::JSCFunctionEnum_JS_CFUNC_generic_magic as u8;
/// What gives the next of an iterator.
pub(super) const STEP: u8 = qjs::JSCFunctionEnum_JS_CFUNC_iterator_next as u8;

impl Entry {
    /// A function that calls `N`.
    pub(crate) const fn built_in<N: Native>(name: &'static CStr, length: u8, variant: u8) -> Entry {
        Self::with_flags::<N>(name, length, variant, AS_BUILT_IN)
    }

    /// The same, found by `Object.keys`: as the functions of `console` are.
    pub(crate) const fn listed<N: Native>(name: &'static CStr, length: u8, variant: u8) -> Entry {
        Self::with_flags::<N>(name, length, variant, ENUMERABLE_TOO)
    }

    const fn with_flags<N: Native>(name: &'static CStr, length: u8, variant: u8, prop_flags: u8) -> Entry {
        let function = qjs::JSCFunctionType { generic_magic: Some(trampoline::<N>) };
        Self::of_function(name, length, variant as i16, (NUMBERED, function), prop_flags)
    }

    const fn of_function(
        name: &'static CStr,
        length: u8,
        magic: i16,
        (cproto, cfunc): (u8, qjs::JSCFunctionType),
        prop_flags: u8,
    ) -> Entry {
        Entry(qjs::JSCFunctionListEntry {
            name: name.as_ptr(),
            prop_flags,
            def_type: qjs::JS_DEF_CFUNC as u8,
            magic,
            u: qjs::JSCFunctionListEntry__bindgen_ty_1 {
                func: qjs::JSCFunctionListEntry__bindgen_ty_1__bindgen_ty_1 { length, cproto, cfunc },
            },
        })
    }

    /// A function in front of one of the engine's, which is called with its number.
    pub(super) const fn numbered(name: &'static CStr, length: u8, magic: i16, function: Front) -> Entry {
        let function = match function {
            Front::Call(function) => (NUMBERED, qjs::JSCFunctionType { generic_magic: Some(function) }),
            Front::Step(function) => (STEP, qjs::JSCFunctionType { iterator_next: Some(function) }),
        };
        Self::of_function(name, length, magic, function, AS_BUILT_IN)
    }

    /// A property that `G` reads and `S` writes (its first argument).
    pub(crate) const fn accessor<G: Native, S: Native>(name: &'static CStr, variant: u8) -> Entry {
        Entry(qjs::JSCFunctionListEntry {
            name: name.as_ptr(),
            prop_flags: qjs::JS_PROP_CONFIGURABLE as u8,
            def_type: qjs::JS_DEF_CGETSET_MAGIC as u8,
            magic: variant as i16,
            u: qjs::JSCFunctionListEntry__bindgen_ty_1 {
                getset: qjs::JSCFunctionListEntry__bindgen_ty_1__bindgen_ty_2 {
                    get: qjs::JSCFunctionType { getter_magic: Some(getter::<G>) },
                    set: qjs::JSCFunctionType { setter_magic: Some(setter::<S>) },
                },
            },
        })
    }

    /// An object that has another table's properties.
    pub(crate) const fn object(name: &'static CStr, table: &'static [Entry]) -> Entry {
        Entry(qjs::JSCFunctionListEntry {
            name: name.as_ptr(),
            prop_flags: AS_BUILT_IN,
            def_type: qjs::JS_DEF_OBJECT as u8,
            magic: 0,
            u: qjs::JSCFunctionListEntry__bindgen_ty_1 {
                prop_list: qjs::JSCFunctionListEntry__bindgen_ty_1__bindgen_ty_4 {
                    tab: table.as_ptr().cast(),
                    len: table.len() as c_int,
                },
            },
        })
    }
}

impl<'a> Handle<'a> {
    /// Gives this object the properties of a table.
    pub(crate) fn define_table(&self, table: &'static [Entry]) -> JsResult<'a, ()> {
        let entries = table.as_ptr().cast();
        // SAFETY: we are inside; the table lives for ever, and its lines are what the engine takes them for.
        let done = unsafe {
            qjs::JS_SetPropertyFunctionList(self.context(), self.raw(), entries, table.len() as c_int)
        };
        if done < 0 { Err(self.scope.take_exception()) } else { Ok(()) }
    }

    /// Defines a data property as built-ins are: writable, configurable, not enumerable. Runs no setter.
    pub(crate) fn define(&self, name: &CStr, value: Handle<'a>) -> JsResult<'a, ()> {
        let flags = c_int::from(AS_BUILT_IN);
        // SAFETY: we are inside; the engine takes the reference over.
        let done = unsafe {
            let value = value.into_raw();
            qjs::JS_DefinePropertyValueStr(self.context(), self.raw(), name.as_ptr(), value, flags)
        };
        if done < 0 { Err(self.scope.take_exception()) } else { Ok(()) }
    }
}

/// What the engine calls to read.
unsafe extern "C" fn getter<N: Native>(
    context: *mut qjs::JSContext,
    this: qjs::JSValue,
    variant: c_int,
) -> qjs::JSValue {
    // SAFETY: called from inside, by the engine, with borrowed values; there are no arguments.
    unsafe { trampoline::<N>(context, this, 0, std::ptr::null_mut(), variant) }
}

/// What the engine calls to write.
unsafe extern "C" fn setter<N: Native>(
    context: *mut qjs::JSContext,
    this: qjs::JSValue,
    mut value: qjs::JSValue,
    variant: c_int,
) -> qjs::JSValue {
    // SAFETY: called from inside, by the engine, with borrowed values; there is one argument.
    unsafe { trampoline::<N>(context, this, 1, &mut value, variant) }
}
