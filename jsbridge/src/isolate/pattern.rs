//! Objects with the same keys as one that was made before.
//!
//! The engine defines properties one by one: each time it looks for the shape with one more, and a whole object of three
//! takes 1,800 instructions. Where a thousand objects have the keys of the first, they are given its shape at once, and
//! take 400:
//!
//! ```text
//!   first  ---> shape {id, name, on} <---+         properties: as many places as the shape has room for
//!   empty  ---> shape {}                 |
//!   new    ---> shape {}  -- becomes --> +
//! ```
//!
//! *The shapes stay*: a pattern holds `first` and `empty`, so each of the two shapes has an owner beside the new object.
//!
//! *The room is right from the start*: a new object gets as many places as its shape says, so the empty one says as many as the other while it
//! is made. What else may happen meanwhile is that the engine collects garbage, which adds no properties.

use super::handle::{Handle, JsResult};
use super::layout::{Layout, Shape, ShapeEntry, address, at, offset};
use rquickjs::qjs;
use std::ptr::NonNull;

/// See the module.
pub(crate) struct Pattern<'a> {
    layout: Layout,
    first: Handle<'a>,
    empty: Handle<'a>,
    shape: Shape,
    /// For properties.
    room: usize,
}

impl<'a> Pattern<'a> {
    /// Of an object that was made with [`new_object`](super::handle::Scope::new_object) and has so many properties; `None`: there
    /// can be none.
    pub(crate) fn of(first: &Handle<'a>, count: usize) -> JsResult<'a, Option<Pattern<'a>>> {
        let scope = first.scope;
        let Some(layout) = Layout::get(scope).filter(|_| count > 0) else { return Ok(None) };
        // SAFETY: the callers pass an object, which nobody changes meanwhile.
        let (shape, room) = unsafe {
            let shape = layout.shape(first.raw());
            let is_plain = |entry: ShapeEntry| entry.flags == qjs::JS_PROP_C_W_E && entry.atom != 0;
            let fits = shape.is_shared()
                && layout.count(shape) as usize == count
                && (0..count as u32).all(|index| is_plain(layout.entry(shape, index)));
            if !fits {
                return Ok(None);
            }
            (shape, shape.room())
        };
        let empty = scope.new_object()?;
        Ok(Some(Pattern { layout, first: first.clone(), empty, shape, room }))
    }

    /// A new object with these values, in the order of the keys. It takes the references over; not where it fails.
    pub(crate) fn make(&self, values: &[qjs::JSValue]) -> JsResult<'a, Handle<'a>> {
        assert!(values.len() <= self.room);
        // SAFETY: we are inside. The object is new, and nobody else has it; its shape is that of `empty`, which stays, as does
        // the pattern's. The properties have room for the shape's, of which there are as many as values.
        unsafe {
            let old = self.layout.shape(self.empty.raw());
            let object = old.with_room(self.room, || self.first.scope.new_object())?;
            let place = address(object.raw());
            debug_assert!(
                self.layout.shape(self.first.raw()) == self.shape,
                "nobody changes what is being read"
            );
            assert!(old == self.layout.shape(object.raw()), "objects that are made alike have one shape");
            let properties: NonNull<qjs::JSValue> = at(place, offset::PROPERTIES);
            properties.copy_from_nonoverlapping(NonNull::from(values).cast(), values.len());
            place.add(offset::SHAPE).cast().write(self.shape);
            self.shape.count_owner(1);
            old.count_owner(-1);
            Ok(object)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{eval, inside};

    #[test]
    fn objects_of_a_pattern_are_like_those_of_the_engine() {
        inside(|scope| {
            let first = eval(scope, "({id: 1, name: 'one', on: true, more: null})")?;
            let twin = eval(scope, "globalThis.twin = {id: 1, name: 'one', on: true, more: null}")?;
            let pattern = Pattern::of(&first, 4)?.expect("the layout is known");
            // SAFETY: it is an object.
            let room = || unsafe { pattern.layout.shape(pattern.empty.raw()).room() };
            let before = room();
            for _ in 0..1000 {
                let name = scope.string("two")?;
                let values =
                    [scope.number(2.0).into_raw(), name.into_raw(), qjs::JS_FALSE, twin.clone().into_raw()];
                let made = pattern.make(&values)?;
                scope.global().set(c"made", made)?;
            }
            assert_eq!(room(), before, "for others there is as much room as before");
            let found = eval(
                scope,
                "const before = JSON.stringify(made);
                 made.yet = [1]; delete made.id; made.name += '!'; Object.freeze(made);
                 before + JSON.stringify(made) + (made.more === twin) + Object.keys(twin)",
            )?;
            let twin = r#"{"id":1,"name":"one","on":true,"more":null}"#;
            assert_eq!(
                found.text()?,
                format!(
                    r#"{{"id":2,"name":"two","on":false,"more":{twin}}}{{"name":"two!","on":false,"more":{twin},"yet":[1]}}trueid,name,on,more"#
                )
            );
            Ok(())
        });
    }

    #[test]
    fn what_is_not_plain_is_no_pattern() {
        inside(|scope| {
            for (source, count) in [
                ("({})", 0),
                ("({a: 1})", 2),
                ("({get a() {}})", 1),
                ("Object.freeze({a: 1})", 1),
                ("(() => { const o = {a: 1, b: 2}; delete o.a; return o })()", 2),
            ] {
                assert!(Pattern::of(&eval(scope, source)?, count)?.is_none(), "{source}");
            }
            Ok(())
        });
    }
}
