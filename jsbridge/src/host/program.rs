//! The global `heddle`: the arguments that the script was started with, `exit`, and the version.

use crate::isolate::handle::{Handle, JsResult, Scope};
use crate::isolate::native::{Call, Native};
use crate::isolate::table::Entry;

static TABLE: [Entry; 1] = [Entry::listed::<Exit>(c"exit", 1, 0)];

/// Puts it on the global object.
pub(crate) fn install<'a>(scope: Scope<'a>, arguments: &[String]) -> JsResult<'a, ()> {
    let heddle = scope.new_object()?;
    let list = scope.new_array()?;
    for argument in arguments {
        list.push(scope.string(argument)?)?;
    }
    heddle.set(c"args", list)?;
    heddle.set(c"version", scope.string(env!("CARGO_PKG_VERSION"))?)?;
    heddle.define_table(&TABLE)?;
    scope.global().define(c"heddle", heddle)
}

/// `heddle.exit(code)`: the script ends here.
struct Exit;

impl Native for Exit {
    fn call<'a>(scope: Scope<'a>, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
        let code = call.argument(0);
        let number = if code.is_undefined() { 0.0 } else { code.to_number()? };
        if number.fract() != 0.0 || !(0.0..=255.0).contains(&number) {
            return Err(scope.range_error("heddle.exit: the code must be an integer from 0 to 255"));
        }
        Err(scope.exit(number as i32))
    }
}
