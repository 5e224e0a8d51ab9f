//! `Event`, `CustomEvent`, `EventTarget`, `AbortSignal`, `AbortController`: see `js/events.js`.

use super::lazy::{self, Globals, lazy};
use crate::clone;
use crate::isolate::handle::{Handle, JsResult, Scope};
use crate::isolate::native::{Call, Native};
use crate::isolate::prelude::Prelude;
use crate::isolate::table::Entry;
use std::ffi::{CStr, CString};

static PRELUDE: Prelude = Prelude::new(c"heddle:events", include_str!("js/events.js"));

/// The classes.
pub(crate) struct Events;

impl Events {
    /// The place of a class in [`Globals::NAMES`], for [`lazy::get`].
    const ABORT_CONTROLLER: usize = 4;
}

impl Globals for Events {
    const NAMES: &'static [&'static CStr] =
        &[c"Event", c"CustomEvent", c"EventTarget", c"AbortSignal", c"AbortController"];

    fn make<'a>(scope: Scope<'a>, which: usize) -> JsResult<'a, Handle<'a>> {
        exports(scope)?.get(Self::NAMES[which])
    }
}

/// The lines of the global table.
pub(crate) static TABLE: [Entry; 5] =
    [lazy::<Events>(0), lazy::<Events>(1), lazy::<Events>(2), lazy::<Events>(3), lazy::<Events>(4)];

/// `AbortController`, whatever scripts have put in its place.
pub(crate) fn abort_controller(scope: Scope<'_>) -> JsResult<'_, Handle<'_>> {
    lazy::get::<Events>(scope, Events::ABORT_CONTROLLER)
}

fn exports(scope: Scope<'_>) -> JsResult<'_, Handle<'_>> {
    PRELUDE.once(scope, |prelude| {
        let make = scope.new_function::<MakeException>(c"DOMException", 0)?;
        let timer = scope.global().get(c"setTimeout")?;
        let now = scope.new_function::<Now>(c"now", 0)?;
        let call = scope.new_function::<CallOn>(c"call", 0)?;
        let made = prelude.instantiate(scope, &[&make, &timer, &now, &call])?;
        clone::refuse_what(scope, made.get(c"classOf")?);
        Ok(made)
    })
}

/// `(message, name) => DOMException`
struct MakeException;

impl Native for MakeException {
    fn call<'a>(scope: Scope<'a>, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
        let name = CString::new(call.argument(1).text()?).unwrap_or_default();
        Ok(scope.dom_exception(&name, &call.argument(0).text()?))
    }
}

/// Milliseconds, as the engine's own clock for scripts has them.
struct Now;

impl Native for Now {
    fn call<'a>(scope: Scope<'a>, _: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
        let performance = scope.global().get(c"performance")?;
        if !performance.is_object() {
            return Ok(scope.number(0.0));
        }
        let now = performance.get(c"now")?;
        if now.is_function() { now.call(&performance, &[]) } else { Ok(scope.number(0.0)) }
    }
}

/// `(method, this, argument) => result`
struct CallOn;

impl Native for CallOn {
    fn call<'a>(_: Scope<'a>, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
        call.argument(0).call(&call.argument(1), &[&call.argument(2)])
    }
}
