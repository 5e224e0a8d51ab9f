//! Built-in methods as they were before the first script ran.
//!
//! Some contents the engine gives to its own methods only: the entries of a `Map`, the time of a `Date`. Scripts may
//! replace those methods; the host holds on to the original ones.

use crate::isolate::handle::{Handle, JsResult, Scope};
use crate::isolate::kept::Kept;
use crate::isolate::native::{Call, Native};
use std::cell::RefCell;
use std::ffi::CStr;

/// Which one.
#[derive(Clone, Copy)]
pub(crate) enum Intrinsic {
    MapForEach,
    SetForEach,
    DateGetTime,
    RegExpToString,
    NumberValueOf,
    StringValueOf,
    BooleanValueOf,
    SymbolValueOf,
    BigIntValueOf,
}

/// Of each, its class and its name, in the order of [`Intrinsic`].
const METHODS: [(&CStr, &CStr); 9] = [
    (c"Map", c"forEach"),
    (c"Set", c"forEach"),
    (c"Date", c"getTime"),
    (c"RegExp", c"toString"),
    (c"Number", c"valueOf"),
    (c"String", c"valueOf"),
    (c"Boolean", c"valueOf"),
    (c"Symbol", c"valueOf"),
    (c"BigInt", c"valueOf"),
];

/// This isolate's.
#[derive(Default)]
struct Table(RefCell<Vec<Kept>>);

/// Takes them; before the first script.
pub(crate) fn take(scope: Scope<'_>) -> JsResult<'_, ()> {
    let table = scope.note::<Table>();
    if !table.0.borrow().is_empty() {
        return Ok(());
    }
    let global = scope.global();
    let mut taken = Vec::with_capacity(METHODS.len());
    for (class, method) in METHODS {
        taken.push(scope.keep(global.get(class)?.get(c"prototype")?.get(method)?));
    }
    *table.0.borrow_mut() = taken;
    Ok(())
}

/// Calls one on `this`. Where [`take`] was not called, they are taken now.
pub(crate) fn call<'a>(
    which: Intrinsic,
    this: &Handle<'a>,
    arguments: &[&Handle<'a>],
) -> JsResult<'a, Handle<'a>> {
    let scope = this.scope;
    take(scope)?;
    let method = scope.note::<Table>().0.borrow().get(which as usize).map(|kept| scope.kept(kept));
    method.unwrap_or_else(|| scope.undefined()).call(this, arguments)
}

/// The first entries of a `Map` (keys and values in turn) or a `Set`, and how many there are in all.
pub(crate) fn entries<'a>(
    this: &Handle<'a>,
    map: bool,
    most: usize,
) -> JsResult<'a, (Vec<Handle<'a>>, usize)> {
    let scope = this.scope;
    let gathered = scope.new_array()?;
    let gather = scope.new_function::<Gather>(c"", u8::from(map))?;
    let room = &scope.note::<Room>().0;
    // A visit in a visit has its own count.
    let outer = room.replace(Counted { room: most, all: 0 });
    let which = if map { Intrinsic::MapForEach } else { Intrinsic::SetForEach };
    let done = call(which, this, &[&gather, &gathered]);
    let counted = room.replace(outer);
    done?;
    let count = gathered.length()? as u32;
    Ok(((0..count).map(|index| gathered.at(index)).collect::<JsResult<'a, Vec<_>>>()?, counted.all))
}

#[derive(Default)]
struct Counted {
    room: usize,
    all: usize,
}

#[derive(Default)]
struct Room(RefCell<Counted>);

/// The callback of `forEach`, called on the array that gathers.
struct Gather;

impl Native for Gather {
    fn call<'a>(scope: Scope<'a>, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
        let wanted = {
            let mut counted = scope.note::<Room>().0.borrow_mut();
            counted.all += 1;
            counted.all <= counted.room
        };
        if wanted {
            if call.variant == 1 {
                call.this().push(call.argument(1))?;
            }
            call.this().push(call.argument(0))?;
        }
        Ok(scope.undefined())
    }
}
