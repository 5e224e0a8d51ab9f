//! The values of captured variables, on their way. This is the only file here that knows how values cross.

use crate::clone::{self, Message};
use crate::isolate::handle::{Handle, JsResult, Scope};
use crate::isolate::intrinsics::Intrinsic;

/// Values of several variables; what they share is shared again.
pub(super) struct Values(Message);

/// Why they were not copied.
pub(super) enum Failure<'a> {
    /// One of them cannot be: a sentence that begins with the variable's name and the path in it.
    Refused(String),
    /// Thrown by a getter, or for lack of memory.
    Thrown(Handle<'a>),
}

/// Copies them. `name` says how the variable of an index is called.
pub(super) fn write<'a>(
    scope: Scope<'a>,
    values: &[Handle<'a>],
    name: &dyn Fn(usize) -> String,
) -> Result<Values, Failure<'a>> {
    clone::write(scope, values, &[], name).map(Values).map_err(|thrown| {
        let text = |getter| scope.call_intrinsic(getter, thrown.raw(), &[]).and_then(|text| text.text());
        match (text(Intrinsic::DomExceptionName), text(Intrinsic::DomExceptionMessage)) {
            (Ok(name), Ok(message)) if name == "DataCloneError" => Failure::Refused(message),
            _ => Failure::Thrown(thrown),
        }
    })
}

/// Makes them again.
///
/// # Errors
/// What to throw; mostly that there is no memory.
pub(super) fn read<'a>(scope: Scope<'a>, values: Values) -> JsResult<'a, Vec<Handle<'a>>> {
    clone::read(scope, values.0)
}
