//! What fibers share and wait for: a fiber that must wait suspends, and others run on its thread meanwhile.
//!
//! | to do what                                        | what                                                       |
//! |---------------------------------------------------|------------------------------------------------------------|
//! | one at a time, or many readers                    | [`Mutex`], [`RwLock`]                                      |
//! | so many at a time                                 | [`Semaphore`]                                              |
//! | until what a mutex protects has changed           | [`Condvar`]                                                |
//! | until something has happened                      | [`Event`]                                                  |
//! | until so many have come, or all have gone         | [`Barrier`], [`WaitGroup`]                                 |
//! | once                                              | [`Once`], [`OnceCell`], [`Lazy`]                           |
//!
//! All of it works for threads that are no fibers too, which block, and between fibers of different
//! schedulers. Those who wait are served by priority (a thread counts as Normal), and among equals in the order in which
//! they came; who changes its priority while it waits gets its new place. A fiber that is cancelled while it
//! waits unwinds, and takes nothing along: what was on its way to it goes to the next. The calls with `_or_cancelled` in their
//! names return an error instead, for code that is called through frames that cannot unwind, as those of C are.
//!
//! # Where nothing can wait
//!
//! In a destructor while a panic unwinds a fiber, and for a value that a worker drops because nobody
//! joined its fiber, all these calls block the *thread*. Destructors should use the forms that begin with `try_`.
//!
//! # How it is made
//!
//! | file        | what it has                                                            |
//! |-------------|------------------------------------------------------------------------|
//! | `lock_word` | who has the mutex, does anybody wait, what was lent: one word          |
//! | `wait_list` | those who wait for it, the most urgent first                           |
//! | `raw_lock`  | the protocol of the two, which `tests/loom` explores                   |
//! | `latch`     | the lock inside all that follows, for a few instructions               |
//! | `line`      | those who wait, behind a latch                                         |
//! | `wait`      | how a fiber, a thread or a future waits in a line                      |
//! | `standing`  | a future's place in a line                                             |
//! | `owner`     | a fiber that has something for which others wait                       |
//! | `lent`      | what those in line have lent to it                                     |
//!
//! The others are each a state behind a latch, with lines, and no atomics of their own; what is made `once` has one that
//! says whether it is there, and a mutex.

mod lock_word;
mod wait_list;
mod raw_lock;
mod mutex;
mod stall;
mod latch;
mod line;
mod wait;
mod standing;
mod semaphore;
mod owner;
mod lent;
mod rw_lock;
mod condvar;
mod barrier;
mod wait_group;
mod event;
mod once;
pub mod channel;
#[doc(hidden)]
pub mod select;

pub use barrier::{Barrier, BarrierWaitResult};
pub use condvar::{Condvar, WaitTimeoutResult};
pub use event::Event;
pub use mutex::{Mutex, MutexGuard};
pub use once::{Lazy, Once, OnceCell};
pub use rw_lock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use semaphore::{Permit, Semaphore};
pub use wait_group::WaitGroup;
