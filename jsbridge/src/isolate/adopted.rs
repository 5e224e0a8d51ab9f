//! What the host has put on the global object after the isolate was sealed: classes that are made when they are first
//! touched ([`lazy`](crate::host::lazy)).
//!
//! What is adopted is frozen at once, with all functions that it leads to, so that no script can leave anything in it; and
//! it is written down, so that [`protect`](super::protect) knows it from what a script has put there.

use super::handle::{Handle, JsResult, Scope};
use rquickjs::qjs;
use std::ffi::CStr;

/// The name of a global, as the engine has it, and the object that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Adopted {
    pub(super) atom: u32,
    pub(super) object: usize,
}

impl<'a> Scope<'a> {
    /// An object of the host's is the global of that name from now on, and the host keeps it. In an isolate that is not
    /// sealed it stays as it is.
    pub(crate) fn adopt(self, name: &CStr, object: &Handle<'a>) -> JsResult<'a, ()> {
        if !self.state.is_sealed.get() {
            return Ok(());
        }
        let mut seen = Vec::new();
        self.freeze_deeply(object, &mut seen)?;
        // SAFETY: we are inside. The name of a property that is there outlives our reference to it.
        let atom = unsafe {
            let atom = qjs::JS_NewAtom(self.as_ptr(), name.as_ptr());
            qjs::JS_FreeAtom(self.as_ptr(), atom);
            atom
        };
        // SAFETY: reading the address in an object's value.
        let object = unsafe { qjs::JS_VALUE_GET_PTR(object.raw()) }.addr();
        self.state.adopted.borrow_mut().push(Adopted { atom, object });
        Ok(())
    }

    /// Freezes an object, and what is in its properties; not its prototypes.
    fn freeze_deeply(self, object: &Handle<'a>, seen: &mut Vec<usize>) -> JsResult<'a, ()> {
        if !object.is_object() {
            return Ok(());
        }
        // SAFETY: reading the address in an object's value.
        let address = unsafe { qjs::JS_VALUE_GET_PTR(object.raw()) }.addr();
        // SAFETY: we are inside; no script runs: it is no proxy, as the host has made it.
        let is_open = unsafe { qjs::JS_IsExtensible(self.as_ptr(), object.raw()) } > 0;
        // What is closed already is one of the engine's own that were frozen when the isolate was made.
        if !is_open || seen.contains(&address) {
            return Ok(());
        }
        seen.push(address);
        for part in self.own_parts(object)? {
            self.freeze_deeply(&part, seen)?;
        }
        // SAFETY: as above.
        let done = unsafe { qjs::JS_FreezeObject(self.as_ptr(), object.raw()) };
        if done < 0 { Err(self.take_exception()) } else { Ok(()) }
    }

    /// The values, getters and setters of an object's properties. Not what is called `constructor`: that is the class itself,
    /// or one of the engine's own.
    fn own_parts(self, object: &Handle<'a>) -> JsResult<'a, Vec<Handle<'a>>> {
        let flags = (qjs::JS_GPN_STRING_MASK | qjs::JS_GPN_SYMBOL_MASK) as i32;
        let (mut names, mut count) = (std::ptr::null_mut(), 0_u32);
        let mut parts = Vec::new();
        // SAFETY: we are inside. So many names are there, and are given back after; of each property three references are
        // ours.
        unsafe {
            let context = self.as_ptr();
            if qjs::JS_GetOwnPropertyNames(context, &mut names, &mut count, object.raw(), flags) < 0 {
                return Err(self.take_exception());
            }
            let constructor = qjs::JS_NewAtom(context, c"constructor".as_ptr());
            let mut failed = false;
            for index in 0..count as usize {
                let mut property: qjs::JSPropertyDescriptor = std::mem::zeroed();
                let atom = (*names.add(index)).atom;
                match qjs::JS_GetOwnProperty(context, &mut property, object.raw(), atom) {
                    ..0 => failed = true,
                    0 => {}
                    _ if atom == constructor => {
                        drop([property.value, property.getter, property.setter].map(|part| self.own(part)));
                    }
                    _ => parts.extend(
                        [property.value, property.getter, property.setter].map(|part| self.own(part)),
                    ),
                }
                qjs::JS_FreeAtom(context, atom);
            }
            qjs::JS_FreeAtom(context, constructor);
            qjs::js_free(context, names.cast());
            if failed { Err(self.take_exception()) } else { Ok(parts) }
        }
    }
}
