//! Values that cross from one isolate to another, or to and from Rust: the structured clone of the HTML standard.
//!
//! | file        | what it has                                                                       |
//! |-------------|-----------------------------------------------------------------------------------|
//! | [`format`]  | the bytes of a message: numbers, texts, tags                                      |
//! | `message`   | [`Message`]: bytes, and what travels beside them                                  |
//! | `kinds`     | what an object is                                                                 |
//! | `memo`      | which objects have been seen                                                      |
//! | `frame`     | what is half written, and the path to it                                          |
//! | `hosts`     | objects of the host's classes, which are refused                                  |
//! | `write`     | values to bytes: the walk                                                         |
//! | `special`   | values to bytes: what is more than its properties                                 |
//! | `transfer`  | buffers that move instead of being copied                                         |
//! | `read`      | bytes to values: the walk                                                         |
//! | `plain`     | both, for a few numbers and the like                                              |
//! | `rebuild`   | bytes to values: what is more than its properties                                 |
//! | `encode`    | Rust values to bytes                                                              |
//! | `decode`    | bytes to Rust values: the walk, with neither engine nor recursion into the unknown |
//! | `access`    | bytes to Rust values: what serde asks for                                         |
//! | `bytes_of`  | bytes to Rust values: buffers and views                                           |
//! | `json`      | bytes to [`Value`](crate::Value)s                                                 |
//! | `measure`   | what it costs                                                                     |
//!
//! What crosses is what the standard says, with these additions: an error keeps its `cause`, its own enumerable
//! properties, and a name that is not a standard one; `AggregateError` and `SuppressedError` keep what they are made of.
//! What cannot cross is refused with a `DataCloneError` that names the path to it.
//!
//! # The walk
//!
//! No recursion on either side: what is half done waits on a stack of our own, however deep a structure is. A plain
//! object is read where the engine keeps its properties (see [`layout`](crate::isolate::layout)) until a script's code is
//! about to run, which is a getter, or a `toString` of an error's message. Then everything half written goes on in the
//! careful way: key by key, as the standard says, and what has gone meanwhile is left out.

pub(crate) mod format;
mod message;
mod kinds;
mod memo;
mod frame;
mod hosts;
mod write;
mod special;
mod transfer;
mod read;
mod plain;
mod rebuild;
mod encode;
mod decode;
mod bytes_of;
mod access;
mod json;
mod measure;
#[cfg(test)]
mod tests;

use crate::isolate::handle::{Handle, JsResult, Scope};
pub(crate) use hosts::refuse_what;
#[doc(hidden)]
pub use measure::{Cost, clone_costs};
pub(crate) use message::Message;
pub(crate) use {decode::from_message, encode::to_message, json::to_value};

/// Copies values out of their isolate. Several values in one message share identity: cycles, one buffer under several
/// views. The buffers in `transfer` move: they are detached here, and their memory goes along.
///
/// `name` says what the value of an index is called in messages: `args[0]`, `result`.
///
/// # Errors
/// What to throw: a `DataCloneError` with the path to what cannot be cloned, or what a getter threw. Nothing was detached
/// then.
pub(crate) fn write<'a>(
    scope: Scope<'a>,
    values: &[Handle<'a>],
    transfer: &[Handle<'a>],
    name: &dyn Fn(usize) -> String,
) -> JsResult<'a, Message> {
    match plain::write(values) {
        Some(message) if transfer.is_empty() => Ok(message),
        _ => write::write(scope, values, transfer, name),
    }
}

/// Makes the values of a message again, in their order.
///
/// # Errors
/// What to throw; mostly that there is no memory.
pub(crate) fn read<'a>(scope: Scope<'a>, message: Message) -> JsResult<'a, Vec<Handle<'a>>> {
    match plain::read(scope, &message) {
        Some(values) => Ok(values),
        None => read::read(scope, message),
    }
}

/// The one value of a message.
///
/// # Errors
/// As for [`read`].
pub(crate) fn read_one(scope: Scope<'_>, message: Message) -> JsResult<'_, Handle<'_>> {
    match plain::read_one(scope, &message) {
        Some(value) => Ok(value),
        None => Ok(read::read(scope, message)?.pop().unwrap_or_else(|| scope.undefined())),
    }
}

/// `structuredClone(value, { transfer })`.
///
/// # Errors
/// As for [`write`].
pub(crate) fn structured_clone<'a>(
    scope: Scope<'a>,
    value: &Handle<'a>,
    transfer: &[Handle<'a>],
) -> JsResult<'a, Handle<'a>> {
    let message = write(scope, std::slice::from_ref(value), transfer, &|_| "value".to_owned())?;
    Ok(read(scope, message)?.pop().unwrap_or_else(|| scope.undefined()))
}

/// A new `DataCloneError`, to be thrown.
fn refusal<'a>(scope: Scope<'a>, message: &str) -> Handle<'a> {
    use crate::isolate::intrinsics::Intrinsic;
    let make = || -> JsResult<'a, Handle<'a>> {
        let (message, name) = (scope.string(message)?, scope.string("DataCloneError")?);
        scope.construct_intrinsic(Intrinsic::DomException, &[message.raw(), name.raw()])
    };
    // With no memory for it, what the engine threw instead.
    make().unwrap_or_else(|thrown| thrown)
}
