//! What other threads see of a worker.
//!
//! | field      | written by                | read by                                    |
//! |------------|---------------------------|--------------------------------------------|
//! | `mail`     | anyone pushes             | the worker takes                           |
//! | `mask`     | the worker                | thieves: which of its deques have fibers   |
//! | `stealers` | thieves take from them    | thieves                                    |
//! | `thread`   | whoever starts the worker | whoever unparks it                         |
//! | `counters` | the worker                | `stats()`, `wait_all()`                    |

use super::Deques;
use crate::fiber::{FiberRef, Mail};
use crate::priority::LEVELS;
use crate::queue::inbox::{Closed, Inbox, Taken};
use crate::stats::Counters;
use crossbeam_deque::Stealer;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::Thread;

/// Two cache lines, as processors fetch them in pairs.
#[repr(align(128))]
pub(crate) struct Apart<T>(T);

/// See the module's documentation.
pub(crate) struct Remote {
    mail: Apart<Inbox<Mail>>,
    mask: Apart<AtomicU32>,
    pub(crate) stealers: [Stealer<FiberRef>; LEVELS],
    thread: Mutex<Option<Thread>>,
    pub(crate) counters: Apart<Counters>,
}

impl<T> std::ops::Deref for Apart<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl Remote {
    pub(crate) fn new(deques: &Deques, workers: usize) -> Remote {
        Remote {
            mail: Apart(Inbox::new()),
            mask: Apart(AtomicU32::new(0)),
            stealers: std::array::from_fn(|level| deques[level].stealer()),
            thread: Mutex::new(None),
            counters: Apart(Counters::new(workers)),
        }
    }

    /// The levels whose deques may have fibers.
    #[inline]
    pub(crate) fn mask(&self) -> u32 {
        self.mask.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn set_mask(&self, mask: u32) {
        self.mask.store(mask, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn has_mail(&self) -> bool {
        !self.mail.looks_empty()
    }

    /// Puts a fiber's letter in. The fiber's MAIL bit was set by the caller.
    pub(crate) fn post(&self, fiber: FiberRef) -> Result<(), Closed> {
        // SAFETY: MAIL is a hold, and it is the caller's, so the fiber is in no mailbox.
        unsafe { self.mail.push(fiber.mail()) }
    }

    /// All letters, oldest first.
    pub(crate) fn take_mail(&self) -> Taken<Mail> {
        self.mail.take_all().oldest_first()
    }

    /// The same, and no more are accepted.
    pub(crate) fn close_mail(&self) -> Taken<Mail> {
        self.mail.close()
    }

    /// A new thread serves the worker.
    pub(crate) fn attach(&self, thread: Thread) {
        self.mail.reopen();
        *self.thread.lock() = Some(thread);
    }

    pub(crate) fn unpark(&self) {
        if let Some(thread) = &*self.thread.lock() {
            thread.unpark();
        }
    }
}
