//! The errors of our own that come as [`std::io::Error`].

use crate::error::Cancelled;
use std::fmt;
use std::io;

/// The call would block, where nothing can wait.
#[derive(Debug)]
struct CannotWait;

impl fmt::Display for CannotWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the call would block in a destructor, where nothing can wait: while a fiber unwinds, or for a value that \
             a worker drops because nobody joined its fiber; finish before that, or ignore this error",
        )
    }
}

impl std::error::Error for CannotWait {}

pub(super) fn cancelled() -> io::Error {
    io::Error::other(Cancelled(()))
}

pub(super) fn cannot_wait() -> io::Error {
    io::Error::other(CannotWait)
}

/// The call ended because its fiber was cancelled. The source of such an error is [`Cancelled`].
pub fn is_cancelled(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|source| source.is::<Cancelled>())
}

/// The call would have blocked where nothing can wait: in a destructor, while a fiber unwinds.
pub fn is_unable_to_wait(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|source| source.is::<CannotWait>())
}
