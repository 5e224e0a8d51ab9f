//! Deferreds: functions that run elsewhere, and whose promises are settled where they were made.
//!
//! | file         | what it has                                                                |
//! |--------------|----------------------------------------------------------------------------|
//! | [`work`]     | one Deferred, between its maker and its fiber: settled exactly once        |
//! | [`slot`]     | a place for a value that threads exchange without waiting                  |
//! | [`answer`]   | where a host finds the outcome, or waits for it                            |
//! | [`run`]      | the fiber: takes an isolate, calls the function, sends the outcome          |
//! | [`natives`]  | what the class's script (`host/js/deferred.js`) calls                       |
//! | [`options`]  | what a script gives to `new Deferred(fn, options)`                          |
//! | [`from_host`] | Deferreds that Rust code makes                                            |

pub(crate) mod work;
mod answer;
#[allow(unsafe_code, reason = "it holds a raw pointer")]
pub(crate) mod slot;
pub(crate) mod run;
pub(crate) mod natives;
pub(crate) mod options;
pub(crate) mod from_host;
