//! What wakes a fiber, or a thread, that waits for a future: the waker rings, and who waits hears it.
//!
//! ```text
//! word     meaning                            who changes it
//! QUIET    nothing since the last poll began  whoever waits, before it polls: hears
//! RUNG     another poll is worth while        whoever has the waker, anywhere, at any time: ring
//!
//!   who waits                                  whoever has the waker
//!   poll: pending                              word = RUNG
//!   RUNG? QUIET, poll again                    wake
//!   else sleep, look again
//! ```
//!
//! *No wake-up is lost*, also where the future puts the fiber to sleep itself in its `poll`, and takes the token with which
//! this wakes it: the word is written first, and is this wait's own. Each ring wakes, even if the bell has rung
//! already: who has rung it may be a thread of the background lane that was stopped right there. A wake-up for no reason,
//! or after the end, is a poll more, or a token that somebody takes for a reason to look again.

use crate::primitive::{AtomicU32, Ordering, constructor};

const QUIET: u32 = 0;
const RUNG: u32 = 1;

/// Who waits beside a bell.
pub(crate) trait Wakes {
    /// Ends its sleep, or the next one.
    fn wake(&self);
}

/// See the module's documentation.
pub(crate) struct Bell<W> {
    word: AtomicU32,
    sleeper: W,
}

impl<W: Wakes> Bell<W> {
    constructor! {
        /// It has not rung.
        pub(crate) fn new(sleeper: W) -> Bell<W> {
            Bell { word: AtomicU32::new(QUIET), sleeper }
        }
    }

    /// Whoever waits polls again.
    pub(crate) fn ring(&self) {
        // A store would do; but the models' exchanges may read what is older than a store.
        // ORDERING: Release pairs with the acquire of `hears`: what was done before is seen by the next poll.
        self.word.swap(RUNG, Ordering::Release);
        self.sleeper.wake();
    }

    fn hears(&self) -> bool {
        // ORDERING: Acquire pairs with the release of `ring`.
        self.word.swap(QUIET, Ordering::Acquire) == RUNG
    }

    /// Waits until it rings, or has rung since the last time, by `sleep`, which may fail.
    pub(crate) fn wait<E>(&self, mut sleep: impl FnMut() -> Result<(), E>) -> Result<(), E> {
        while !self.hears() {
            sleep()?;
        }
        Ok(())
    }
}
