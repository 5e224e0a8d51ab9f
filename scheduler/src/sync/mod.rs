//! What fibers share: a fiber that must wait suspends, and lends its priority to whom it waits for.
//!
//! | file          | what it has                                                          |
//! |---------------|----------------------------------------------------------------------|
//! | `lock_word` | who has the lock, does anybody wait, what was lent: one word          |
//! | `wait_list` | those who wait, the most urgent first                                |
//! | `raw_lock`  | the protocol of the two, which `tests/loom` explores                 |
//! | `mutex`     | the lock with what it protects, as users see it                      |
//!
//! All of it works for threads that are no fibers too, which block.

mod lock_word;
mod wait_list;
mod raw_lock;
mod mutex;

pub use mutex::{Mutex, MutexGuard};
