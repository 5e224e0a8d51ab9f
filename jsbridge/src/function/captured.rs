//! The values of captured variables, on their way. This is the only file here that knows how values cross.

use super::engine;
use crate::isolate::handle::{Handle, JsResult, Scope};
use rquickjs::qjs;

/// Values of several variables; what they share is shared again.
pub(super) struct Values(Vec<u8>);

/// Copies them. `name` says how the variable of an index is called in messages.
pub(super) fn write<'a>(
    scope: Scope<'a>,
    values: &[Handle<'a>],
    _name: &dyn Fn(usize) -> String,
) -> JsResult<'a, Values> {
    let array = scope.new_array()?;
    for (index, value) in values.iter().enumerate() {
        array.set_at(index as u32, value.clone())?;
    }
    let mut length: qjs::size_t = 0;
    // SAFETY: we are inside; the bytes are copied before they are freed.
    unsafe {
        let flags = qjs::JS_WRITE_OBJ_REFERENCE as i32;
        let bytes = qjs::JS_WriteObject(scope.as_ptr(), &mut length, array.raw(), flags);
        if bytes.is_null() {
            return Err(scope.take_exception());
        }
        let copy = std::slice::from_raw_parts(bytes, length as usize).to_vec();
        qjs::js_free(scope.as_ptr(), bytes.cast());
        Ok(Values(copy))
    }
}

/// Makes them again.
pub(super) fn read<'a>(scope: Scope<'a>, values: Values) -> JsResult<'a, Vec<Handle<'a>>> {
    // SAFETY: we are inside; the reference is ours.
    let array = unsafe {
        let flags = qjs::JS_READ_OBJ_REFERENCE as i32;
        let length = values.0.len() as qjs::size_t;
        scope.check(qjs::JS_ReadObject(scope.as_ptr(), values.0.as_ptr(), length, flags))?
    };
    (0..array.length()?).map(|index| array.at(index as u32)).collect()
}

/// What was thrown, as the refusal of a function.
pub(super) fn explain<'a>(scope: Scope<'a>, thrown: Handle<'a>) -> Handle<'a> {
    super::refusal::refuse(scope, &super::refusal::Problem::Value(engine::message_of(&thrown)), None)
}
