//! JavaScript on the fibers of [`heddle_scheduler`].
//!
//! A [`Bridge`] evaluates scripts. Each runs as a fiber of a priority, in an *isolate* of its own: an
//! engine (QuickJS) with its own heap, its own limits, and nothing of the host in reach but
//! `console`. While it runs, the engine asks us every few thousand steps whether it may go on; so a
//! script gives its thread to more urgent fibers in the middle of a loop, and is ended when it has run
//! for too long or is cancelled.
//!
//! ```
//! use heddle_jsbridge::{Bridge, Value};
//! use heddle_scheduler::{Priority, Scheduler};
//!
//! let scheduler = Scheduler::builder().workers(1).build()?;
//! let bridge = Bridge::builder(&scheduler).build()?;
//! let endless = bridge.eval(Priority::Background, "while (true) {}");
//! let sum = bridge.eval(Priority::High, "[1, 2, 3].reduce((a, b) => a + b)");
//! assert_eq!(sum.join()?, Value::Number(6.0));
//! endless.cancel();
//! assert!(endless.join().unwrap_err().is_cancelled());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What to know
//!
//! * The engine asks at jumps back and at calls: every 40 to 130 us in ordinary code. In the middle of
//!   a long built-in (`JSON.parse` of megabytes, a big sort without a callback, a garbage collection)
//!   it does not, and a script cannot be preempted or ended there.
//! * A script is never dropped in the middle: the engine's C frames cannot be unwound. Whoever ends it
//!   raises a flag, and the script runs on to its next question, where it ends; `catch` and `finally`
//!   do not see that.
//! * A result crosses as a [`Value`]: what `JSON.stringify` can write, and the primitives.
//! * The engine checks itself: a leaked value ends the process when its isolate is dropped.
//!
//! # Where the unsafe code is
//!
//! In `isolate` and `clone`, which are all that call the engine. `isolate/enter.rs` is the one door into it. What
//! lies above (`host`, `bridge`) is safe code.

#![deny(unsafe_code)]
#![allow(dead_code, reason = "parts of the bridge arrive one by one")]

mod error;
mod limits;
mod value;
mod loader;
mod script;
#[allow(unsafe_code, reason = "the engine is C; see above")]
mod isolate;
mod primitive;
#[allow(unsafe_code, reason = "the inbox is a list of raw pointers; see realm/inbox.rs")]
mod realm;
#[allow(unsafe_code, reason = "slots are raw pointers; see deferred/slot.rs")]
mod deferred;
#[allow(unsafe_code, reason = "it walks the engine's values; see above")]
mod clone;
#[allow(unsafe_code, reason = "it reads and writes the engine's code")]
mod function;
mod host;
mod stats;
mod bridge;

pub use bridge::{Bridge, Builder};
#[doc(hidden)]
pub use clone::{Cost, clone_costs};
pub use deferred::from_host::{Defer, Deferred, EvalHandle, Function};
pub use error::{Error, Location};
pub use host::console::ConsoleLevel;
pub use loader::{ModuleLoader, ModuleMeta};
pub use realm::main::{Realm, RealmEnd, RealmEval};
pub use script::Script;
pub use stats::{DeferredStats, PoolStats, Stats};
pub use value::Value;
