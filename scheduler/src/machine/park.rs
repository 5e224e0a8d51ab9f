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
//! POLLING              as PARKED, in its poller: the call that      the owner, both ways
//!                      wakes it rings the bell
//! POLLING | TOKEN      as PARKED | TOKEN                            unpark -> this, park_in -> (none)
//! ```
//!
//! *No wake-up is lost*: the owner sleeps only while the word is PARKED alone, which the system
//! compares when it puts the thread to sleep. Whoever sets TOKEN finds PARKED, and wakes; or does not,
//! and then the owner finds TOKEN before it sleeps. A waker that stops between the two has left
//! PARKED | TOKEN, and the next one wakes in its stead.
//!
//! *Nor in a poller*: the poller hears each ring once, as an edge. The owner takes those of earlier sleeps, which came
//! late, at any look; one that is for this sleep is rung after POLLING was set, so after all looks before this one, and
//! stays for the one that sleeps.

use super::bell::Bell;
use super::futex::Futex;
use std::sync::atomic::Ordering;
use std::time::Duration;

const TOKEN: u32 = 1;
const PARKED: u32 = 2;
const POLLING: u32 = 4;

/// See the module's documentation.
pub(crate) struct Parker {
    futex: Futex,
    bell: Bell,
}

impl Parker {
    pub(crate) fn new() -> Parker {
        Parker { futex: Futex::new(0), bell: Bell::new() }
    }

    /// Waits for the token and takes it. `false`: it came back without, as the time is up or for no
    /// reason. Called by the owner's thread only. What was done before the `unpark` is visible then.
    pub(crate) fn park(&self, timeout: Option<Duration>) -> bool {
        let word = &self.futex.word;
        // It fails where there is a token.
        if word.compare_exchange(0, PARKED, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.futex.wait(PARKED, timeout);
        }
        // ORDERING: Acquire pairs with the release of `unpark`.
        word.swap(0, Ordering::Acquire) & TOKEN != 0
    }

    /// As [`park`](Self::park), in the owner's poller: `poll` polls, and sleeps there if its argument is `true`, until
    /// the bell rings at the latest. The bell was opened before.
    pub(crate) fn park_in(&self, poll: impl FnOnce(bool)) -> bool {
        let word = &self.futex.word;
        // ORDERING: Release pairs with the acquire of `unpark`: the bell is there.
        poll(word.compare_exchange(0, POLLING, Ordering::Release, Ordering::Relaxed).is_ok());
        // ORDERING: Acquire pairs with the release of `unpark`.
        word.swap(0, Ordering::Acquire) & TOKEN != 0
    }

    /// What the poller of the owner watches.
    pub(crate) fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Gives the token, and wakes the owner if it sleeps. Two are the same as one, and cost no more
    /// than a look at the word once the owner is up.
    pub(crate) fn unpark(&self) {
        // ORDERING: Release pairs with the acquires of `park` and `park_in`; Acquire with the release of
        // `park_in`: the bell.
        match self.futex.word.fetch_or(TOKEN, Ordering::AcqRel) & (PARKED | POLLING) {
            0 => {}
            POLLING => self.bell.ring(),
            _ => self.futex.wake(),
        }
    }
}
