//! How a thread sleeps that is no worker's, or is one where nothing can be suspended, until somebody gives it
//! its token: by a [`Parker`] of its own.
//!
//! Not by the standard library's token: there a thread that is stopped in the middle of giving it (between the
//! store and the system call) leaves it given, and whoever gives it next wakes nobody. So a thread of the
//! background lane could keep one that waits for somebody else.

use crate::machine::park::Parker;
use std::sync::Arc;
use std::thread::ThreadId;
use std::time::Duration;

/// What wakes a thread.
pub(crate) struct Sleeper {
    parker: Parker,
    pub(super) id: ThreadId,
}

impl Sleeper {
    fn new() -> Arc<Sleeper> {
        Arc::new(Sleeper { parker: Parker::new(), id: std::thread::current().id() })
    }

    pub(super) fn unpark(&self) {
        self.parker.unpark();
    }
}

thread_local! {
    static MINE: Arc<Sleeper> = Sleeper::new();
}

/// The calling thread.
#[inline(never)]
pub(crate) fn this_thread() -> Arc<Sleeper> {
    // A destructor of another thread-local may come after ours. Then the thread does not sleep, see below.
    MINE.try_with(Arc::clone).unwrap_or_else(|_| Sleeper::new())
}

/// Waits for the token of the calling thread, at most for so long. It may come back without.
#[inline(never)]
pub(crate) fn park_thread(timeout: Option<Duration>) {
    if MINE.try_with(|sleeper| sleeper.parker.park(timeout)).is_err() {
        // It has none any more, see above.
        std::thread::yield_now();
    }
}
