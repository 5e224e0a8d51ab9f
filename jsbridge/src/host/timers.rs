//! `setTimeout`, `setInterval`, and what clears them.

use crate::isolate::handle::{Handle, JsResult, Scope};
use crate::isolate::native::{Call, Native};
use crate::isolate::table::Entry;
use crate::realm::{Local, timers};

/// What is on the global object.
pub(crate) static TABLE: [Entry; 4] = [
    Entry::listed::<Set>(c"setTimeout", 1, 0),
    Entry::listed::<Set>(c"setInterval", 1, 1),
    Entry::listed::<Clear>(c"clearTimeout", 0, 0),
    Entry::listed::<Clear>(c"clearInterval", 0, 0),
];

/// `setTimeout(function, milliseconds, ...arguments)`: the number that clears it.
struct Set;

impl Native for Set {
    fn call<'a>(scope: Scope<'a>, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
        let function = call.argument(0);
        if !function.is_function() {
            let name = if call.variant == 0 { "setTimeout" } else { "setInterval" };
            return Err(scope.type_error(&format!("{name}: the first argument must be a function")));
        }
        let after = timers::delay(call.argument(1).to_number()?);
        let arguments = call.from(2).map(|value| scope.keep(value)).collect();
        let function = scope.keep(function);
        let number =
            Local::of(scope).timers().borrow_mut().set(after, call.variant == 1, function, arguments);
        Ok(scope.number(number as f64))
    }
}

/// `clearTimeout(number)`; also of an interval, as everywhere. What is no timer's number clears nothing.
struct Clear;

impl Native for Clear {
    fn call<'a>(scope: Scope<'a>, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
        if call.argument(0).is_number() {
            Local::of(scope).clear_timer(scope, call.argument(0).to_number()? as u64);
        }
        Ok(scope.undefined())
    }
}
