//! Functions that cross from one isolate to another: as code, with the variables that they capture.
//!
//! | file         | what it has                                                                            |
//! |--------------|----------------------------------------------------------------------------------------|
//! | `opcodes`    | the table of the engine's instructions                                                 |
//! | `bytecode`   | reads the engine's serialized code                                                     |
//! | `facts`      | what is known of the engine beyond its documented functions, tried once per process    |
//! | `scan`       | which names compiled code leaves free, what a live function's code tells               |
//! | `tokens`     | where in a text a name is                                                              |
//! | `refusal`    | why a function cannot be sent, in words                                                |
//! | `engine`     | calls of the engine for code and properties                                            |
//! | `text`       | a function's text, compiled by itself                                                  |
//! | `code`       | [`Code`], and the [`CodeCache`] of a bridge                                            |
//! | `plan`       | where each name that a function uses comes from                                        |
//! | `table`      | what one isolate knows: functions that it has sent, code that it has run               |
//! | `captured`   | the values of captured variables                                                       |
//! | `natives`    | things of the engine's own, by their paths                                             |
//! | `ship`       | [`Shipment`]: functions on their way                                                   |
//! | `pack`       | functions are taken apart                                                              |
//! | `objects`    | plain objects with functions in them                                                   |
//! | `receive`    | and put together                                                                       |
//!
//! # The way of a function
//!
//! ```text
//!   a function object --> its code's address --> in this isolate's table? --> Shipment
//!                                                  | no: once per isolate          ^
//!                                                  v                               |
//!                                  serialize the live code, read it                |
//!                                  (text, place, captured variables)               |
//!                                                  |                               |
//!                                                  v                               |
//!                               in the bridge's cache? -- no: compile the text ----+
//!                                                         by itself, scan it
//! ```
//!
//! The engine cannot write a function object, and what it could write, the code of a live function, cannot be used
//! elsewhere where that function captures anything. So what is sent is the function's *text*, compiled anew in a script
//! that gives the function, with parameters for what it captures ([`text`]). The live code is only read.
//!
//! # What is promised
//!
//! * A name in a function means there what it means here, or the function is refused and the message says why and where.
//!   Values are copies of the moment at which the function is sent.
//! * Bytes that are run come from a compilation in this process, never from outside.
//! * Nothing of this runs code of a script's, but for getters of `capture` and of the global object.

#[allow(dead_code, reason = "the list is whole")]
mod opcodes;
mod bytecode;
mod facts;
mod scan;
mod tokens;
mod refusal;
mod engine;
mod text;
mod code;
mod plan;
mod natives;
mod table;
mod captured;
mod ship;
mod objects;
mod pack;
mod receive;
#[cfg(test)]
mod tests;

pub(crate) use code::{Code, CodeCache, global_names};
pub(crate) use ship::Shipment;
