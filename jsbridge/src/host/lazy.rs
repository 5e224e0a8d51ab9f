//! Globals that are made when a script first touches them.
//!
//! ```text
//!   globalThis.AbortController      accessor --- read ---> made, kept, and a data property from now on
//!                                            --- written -> a data property with what was written
//! ```
//!
//! Both ways the property is then as if it had been one of the built-in classes from the start: writable, configurable,
//! not enumerable. What was made is frozen, so that the next work in the isolate finds it as it was. If it cannot be made (no memory), the reader gets the error and may try again.

use crate::isolate::handle::{Handle, JsResult, Scope};
use crate::isolate::kept::Kept;
use crate::isolate::native::{Call, Native};
use crate::isolate::table::Entry;
use std::cell::RefCell;
use std::ffi::CStr;
use std::marker::PhantomData;

/// A family of globals.
///
/// ```text
/// impl Globals for Abort {
///     const NAMES: &'static [&'static CStr] = &[c"AbortController", c"AbortSignal"];
///     fn make<'a>(scope: Scope<'a>, which: usize) -> JsResult<'a, Handle<'a>> { ... }
/// }
/// static TABLE: [Entry; 2] = [lazy::<Abort>(0), lazy::<Abort>(1)];
/// scope.global().define_table(&TABLE)?;
/// ```
pub(crate) trait Globals: 'static {
    /// Their names, at most 256.
    const NAMES: &'static [&'static CStr];

    /// Makes `NAMES[which]`. Called once in an isolate, unless it fails; others of the family may be asked for with
    /// [`get`] meanwhile.
    fn make<'a>(scope: Scope<'a>, which: usize) -> JsResult<'a, Handle<'a>>;
}

/// The line of a table for the `which`th of a family.
pub(crate) const fn lazy<G: Globals>(which: usize) -> Entry {
    Entry::accessor::<Read<G>, Write<G>>(G::NAMES[which], which as u8)
}

/// What this family has made in one isolate.
struct Made<G> {
    values: RefCell<Vec<Option<Kept>>>,
    family: PhantomData<fn() -> G>,
}

impl<G> Default for Made<G> {
    fn default() -> Self {
        Made { values: RefCell::default(), family: PhantomData }
    }
}

/// The `which`th of a family, whatever scripts have put in its place: made now if it was not yet.
pub(crate) fn get<G: Globals>(scope: Scope<'_>, which: usize) -> JsResult<'_, Handle<'_>> {
    let made = scope.note::<Made<G>>();
    let found = |made: &Made<G>| {
        made.values.borrow().get(which).and_then(Option::as_ref).map(|kept| scope.kept(kept))
    };
    if let Some(value) = found(made) {
        return Ok(value);
    }
    let value = G::make(scope, which)?;
    // Making it may have touched it.
    if let Some(value) = found(made) {
        return Ok(value);
    }
    scope.adopt(G::NAMES[which], &value)?;
    let kept = scope.keep(value.clone());
    let mut values = made.values.borrow_mut();
    if values.len() <= which {
        values.resize_with(G::NAMES.len(), || None);
    }
    values[which] = Some(kept);
    Ok(value)
}

struct Read<G>(PhantomData<G>);
struct Write<G>(PhantomData<G>);

impl<G: Globals> Native for Read<G> {
    fn call<'a>(scope: Scope<'a>, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
        let which = usize::from(call.variant);
        let value = get::<G>(scope, which)?;
        scope.global().define(G::NAMES[which], value.clone())?;
        Ok(value)
    }
}

impl<G: Globals> Native for Write<G> {
    fn call<'a>(scope: Scope<'a>, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
        scope.global().define(G::NAMES[usize::from(call.variant)], call.argument(0))?;
        Ok(scope.undefined())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{eval, inside};
    use std::cell::Cell;

    thread_local! {
        static MADE: Cell<u32> = const { Cell::new(0) };
    }

    struct Tools;

    impl Globals for Tools {
        const NAMES: &'static [&'static CStr] = &[c"hammer", c"saw", c"broken"];

        fn make<'a>(scope: Scope<'a>, which: usize) -> JsResult<'a, Handle<'a>> {
            MADE.with(|made| made.set(made.get() + 1));
            match which {
                // One asks for another, and for itself by the global.
                0 => get::<Tools>(scope, 1),
                1 => scope.new_object(),
                _ => Err(scope.type_error("not today")),
            }
        }
    }

    static TABLE: [Entry; 3] = [lazy::<Tools>(0), lazy::<Tools>(1), lazy::<Tools>(2)];

    #[test]
    fn a_global_is_made_once_when_it_is_first_read() {
        inside(|scope| {
            scope.global().define_table(&TABLE)?;
            assert_eq!(MADE.get(), 0);
            let found =
                eval(scope, "Object.keys(globalThis).includes('hammer') + ' ' + ('hammer' in globalThis)")?;
            assert_eq!((found.text()?.as_str(), MADE.get()), ("false true", 0));
            assert!(eval(scope, "hammer === saw && hammer === hammer")?.is_truthy());
            assert_eq!(MADE.get(), 2);
            let shape = eval(scope, "JSON.stringify(Object.getOwnPropertyDescriptor(globalThis, 'saw'))")?;
            assert_eq!(
                shape.text()?,
                r#"{"value":{},"writable":true,"enumerable":false,"configurable":true}"#
            );
            Ok(())
        });
    }

    #[test]
    fn what_a_script_puts_in_its_place_stays() {
        inside(|scope| {
            scope.global().define_table(&TABLE)?;
            let text = eval(
                scope,
                "const read = Object.getOwnPropertyDescriptor(globalThis, 'hammer').get;
                 hammer = 1; delete globalThis.saw; [hammer, typeof saw, typeof read.call(null)] + ''",
            )?;
            assert_eq!(text.text()?, "1,undefined,object");
            Ok(())
        });
    }

    #[test]
    fn one_that_cannot_be_made_is_an_error_each_time_it_is_read() {
        inside(|scope| {
            scope.global().define_table(&TABLE)?;
            for _ in 0..2 {
                let error = eval(scope, "broken").map(drop).unwrap_err().into_error();
                assert_eq!(error.to_string(), "TypeError: not today");
            }
            Ok(())
        });
    }
}
