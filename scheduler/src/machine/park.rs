//! How a worker's thread sleeps: one token, which its owner waits for and anybody gives. No lock and
//! no allocation, and no waker relies on another: a thread that was frozen in the middle of waking
//! somebody keeps nobody else from waking the same one.
//!
//! ```text
//! bits of the word     meaning                                      who changes it
//! (none)               the owner is up, and has no token
//! TOKEN                the owner is up, and will not sleep next     unpark sets it, park takes it
//! PARKED               the owner sleeps, or is about to             the owner, both ways
//! PARKED | TOKEN       the owner is to get up; the call that wakes  unpark -> this, park -> (none)
//!                      it may be still to come, from whoever left
//!                      the token: so each unpark makes that call
//! ```
//!
//! *No wake-up is lost*: the owner sleeps only while the word is PARKED alone, which the system
//! compares when it puts the thread to sleep. Whoever sets TOKEN finds PARKED, and wakes; or does not,
//! and then the owner finds TOKEN before it sleeps. A waker that stops between the two has left
//! PARKED | TOKEN, and the next one wakes in its stead.

use super::futex::Futex;
use std::sync::atomic::Ordering;
use std::time::Duration;

const TOKEN: u32 = 1;
const PARKED: u32 = 2;

/// See the module's documentation.
pub(crate) struct Parker(Futex);

impl Parker {
    pub(crate) fn new() -> Parker {
        Parker(Futex::new(0))
    }

    /// Waits for the token and takes it. `false`: it came back without, as the time is up or for no
    /// reason. Called by the owner's thread only. What was done before the `unpark` is visible then.
    pub(crate) fn park(&self, timeout: Option<Duration>) -> bool {
        let word = &self.0.word;
        // It fails where there is a token.
        if word.compare_exchange(0, PARKED, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.0.wait(PARKED, timeout);
        }
        // ORDERING: Acquire pairs with the release of `unpark`.
        word.swap(0, Ordering::Acquire) & TOKEN != 0
    }

    /// Gives the token, and wakes the owner if it sleeps. Two are the same as one, and cost no more
    /// than a look at the word once the owner is up.
    pub(crate) fn unpark(&self) {
        // ORDERING: Release pairs with the acquires of `park`.
        if self.0.word.fetch_or(TOKEN, Ordering::Release) & PARKED != 0 {
            self.0.wake();
        }
    }
}
