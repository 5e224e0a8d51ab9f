//! `structuredClone(value, { transfer })`.

use crate::clone;
use crate::isolate::handle::{Handle, JsResult, Scope};
use crate::isolate::native::{Call, Native};
use crate::isolate::table::Entry;

/// What is on the global object.
pub(crate) static TABLE: [Entry; 1] = [Entry::listed::<StructuredClone>(c"structuredClone", 1, 0)];

struct StructuredClone;

impl Native for StructuredClone {
    fn call<'a>(scope: Scope<'a>, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
        if call.len() == 0 {
            return Err(scope.type_error("structuredClone: what is to be copied?"));
        }
        let options = call.argument(1);
        let transfer = if options.is_undefined() || options.is_null() {
            Vec::new()
        } else {
            let list = options.get(c"transfer")?;
            if list.is_undefined() { Vec::new() } else { list.to_vec()? }
        };
        clone::structured_clone(scope, &call.argument(0), &transfer)
    }
}
