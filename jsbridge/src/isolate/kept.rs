//! Values that the host holds between its visits to an isolate: a promise's `resolve`, a timer's function.
//!
//! A [`Handle`] ends with its visit. What must live longer is kept on the isolate's shelf, and the host has a
//! [`Kept`], a number. It is good in the isolate that it came from; in another it finds nothing, or another value of
//! *that* isolate: a mistake, but none that reaches memory it should not.

use super::handle::{Handle, Scope};
use rquickjs::qjs;
use std::cell::RefCell;

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
}

impl Shelf {
    /// Everything, for the isolate's end.
    pub(super) fn take_all(&self) -> Vec<qjs::JSValue> {
        self.0.take().places.into_iter().flatten().collect()
    }
}

impl<'a> Scope<'a> {
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
