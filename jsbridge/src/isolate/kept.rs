//! Values that the host holds between its visits to an isolate: a promise's `resolve`, a timer's function.
//!
//! A [`Handle`] ends with its visit. What must live longer is kept on the isolate's shelf, and the host has a
//! [`Kept`], a number. It is good in the isolate that it came from; in another it finds nothing, or another value of
//! *that* isolate: a mistake, but none that reaches memory it should not.

use super::handle::{Handle, JsResult, Scope};
use rquickjs::qjs;
use std::cell::RefCell;
use std::ffi::CStr;

/// A property's name that the host asks for often, as the engine has it. Good in the isolate that it came from, until that ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name(qjs::JSAtom);

/// The place of a value that is kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kept(u32);

/// Each used place has a reference.
#[derive(Default)]
pub(super) struct Shelf(RefCell<Places>);

#[derive(Default)]
struct Places {
    places: Vec<Option<qjs::JSValue>>,
    free: Vec<u32>,
    names: Vec<Name>,
}

impl Shelf {
    /// Gives everything back, for the isolate's end.
    ///
    /// # Safety
    /// The shelf is that of this context, and nobody is inside.
    pub(super) unsafe fn clear(&self, context: *mut qjs::JSContext) {
        let Places { places, names, .. } = self.0.take();
        for value in places.into_iter().flatten() {
            // SAFETY: the references are the shelf's.
            unsafe { qjs::JS_FreeValue(context, value) };
        }
        for Name(atom) in names {
            // SAFETY: as above.
            unsafe { qjs::JS_FreeAtom(context, atom) };
        }
    }
}

impl<'a> Scope<'a> {
    /// A name, kept until the isolate ends.
    ///
    /// # Errors
    /// There is no memory for it.
    pub(crate) fn name(self, name: &CStr) -> JsResult<'a, Name> {
        // SAFETY: we are inside; the reference is the shelf's.
        let atom = unsafe { qjs::JS_NewAtom(self.as_ptr(), name.as_ptr()) };
        if atom == qjs::JS_ATOM_NULL {
            return Err(self.take_exception());
        }
        self.state.kept.0.borrow_mut().names.push(Name(atom));
        Ok(Name(atom))
    }

    /// Keeps a value until it is [released](Self::release), or the isolate ends.
    pub(crate) fn keep(self, value: Handle<'a>) -> Kept {
        let mut shelf = self.state.kept.0.borrow_mut();
        let value = Some(value.into_raw());
        match shelf.free.pop() {
            Some(place) => {
                shelf.places[place as usize] = value;
                Kept(place)
            }
            None => {
                shelf.places.push(value);
                Kept(shelf.places.len() as u32 - 1)
            }
        }
    }

    /// What is kept there; `undefined` if nothing is.
    pub(crate) fn kept(self, kept: &Kept) -> Handle<'a> {
        let value = self.state.kept.0.borrow().places.get(kept.0 as usize).copied().flatten();
        // SAFETY: we are inside; the shelf has a reference, and the new one is the handle's.
        value.map_or_else(
            || self.undefined(),
            |value| unsafe { self.own(qjs::JS_DupValue(self.as_ptr(), value)) },
        )
    }

    /// Gives back what is kept there.
    pub(crate) fn release(self, kept: Kept) -> Handle<'a> {
        let value = {
            let mut shelf = self.state.kept.0.borrow_mut();
            let value = shelf.places.get_mut(kept.0 as usize).and_then(Option::take);
            if value.is_some() {
                shelf.free.push(kept.0);
            }
            value
        };
        // SAFETY: we are inside; the shelf's reference becomes the handle's.
        value.map_or_else(|| self.undefined(), |value| unsafe { self.own(value) })
    }
}

impl<'a> Handle<'a> {
    /// `this[name]`. May run a getter.
    pub(crate) fn get_by(&self, Name(atom): Name) -> JsResult<'a, Handle<'a>> {
        // SAFETY: we are inside; the reference is ours.
        unsafe { self.scope.check(qjs::JS_GetProperty(self.context(), self.raw(), atom)) }
    }
}
