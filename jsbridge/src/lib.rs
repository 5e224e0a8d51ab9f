//! JavaScript on the fibers of [`heddle_scheduler`].
//!
//! A [`Bridge`] runs JavaScript functions and scripts as fibers, each of a priority and in an *isolate*: an engine
//! (QuickJS) with its own heap and limits, and nothing of the host in reach but what it is given. While JavaScript runs, the engine
//! asks us all the time whether it may go on; so it gives its thread to more urgent fibers in the middle of a loop, and is
//! ended when it has run for too long or is cancelled.
//!
//! ```
//! use heddle_jsbridge::{Bridge, Value};
//! use heddle_scheduler::{Priority, Scheduler};
//!
//! let scheduler = Scheduler::builder().workers(2).build()?;
//! let bridge = Bridge::builder(&scheduler).build()?;
//!
//! // A function, called from Rust.
//! let endless = bridge.defer("() => { while (true) {} }").priority(Priority::Background).spawn::<()>()?;
//! let sum: u32 = bridge.defer("(...all) => all.reduce((a, b) => a + b)").args([1, 2, 3]).spawn()?.join()?;
//! assert_eq!(sum, 6);
//! endless.cancel();
//! assert!(endless.join().unwrap_err().is_cancelled());
//!
//! // A realm whose scripts make Deferreds of their own.
//! let realm = bridge.realm()?;
//! let answer = realm.eval("const half = 21; await new Deferred(() => half * 2, { priority: 'high' })").join()?;
//! assert_eq!(answer, Value::Number(42.0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What scripts can do is in `docs/javascript.md`.
//!
//! # What to know
//!
//! * The engine asks at jumps back and at calls. In the middle of a long built-in (`JSON.parse` of megabytes, a big sort without a
//!   callback, a garbage collection) it does not, and a script cannot be preempted or ended there; other lanes
//!   of the scheduler are not held up by that.
//! * A script is never dropped in the middle: the engine's C frames cannot be unwound. Whoever ends it
//!   raises a flag, and the script runs on to its next question, where it ends; `catch` and `finally`
//!   do not see that.
//! * Values are copied when they leave their isolate: [`Value`], or any type of `serde`'s.
//! * In builds with its assertions on, the engine checks itself: a leaked value ends the process when its isolate is dropped.
//!
//! # Where the unsafe code is
//!
//! In `isolate`, `clone` and `function`, which are all that call the engine: `isolate/enter.rs` is the one door into it. And in two small
//! files that hand values from thread to thread, `realm/inbox.rs` and `deferred/slot.rs`. The rest is safe code.

#![deny(unsafe_code)]

mod error;
mod limits;
mod value;
mod loader;
mod script;
#[allow(unsafe_code, reason = "the engine is C; see above")]
mod isolate;
mod primitive;
mod realm;
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
