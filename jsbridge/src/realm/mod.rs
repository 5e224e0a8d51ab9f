//! The event loop that each isolate has, and what it knows of its bridge.
//!
//! | file        | what it has                                                              |
//! |-------------|--------------------------------------------------------------------------|
//! | [`inbox`]   | letters of five levels, posted by anybody without waiting                |
//! | [`mailbox`] | an inbox, and how the fiber that reads it is woken                       |
//! | [`pending`] | the Deferreds of an isolate that have no outcome yet                     |
//! | [`timers`]  | `setTimeout`                                                             |
//! | [`waits`]   | `Atomics.waitAsync`                                                      |
//! | [`traces`]  | where Deferreds were made                                                |
//! | [`events`]  | [`Local`]: takes one letter or timer, lets its jobs run, then looks again |
//! | [`main`]    | main realms: an isolate that a host evaluates scripts in, one after the other |

#[allow(unsafe_code, reason = "a list of raw pointers")]
pub(crate) mod inbox;
pub(crate) mod mailbox;
pub(crate) mod pending;
pub(crate) mod timers;
pub(crate) mod waits;
pub(crate) mod traces;
pub(crate) mod events;
pub(crate) mod main;
#[cfg(test)]
mod inbox_tests;

pub(crate) use events::Local;
