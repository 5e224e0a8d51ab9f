//! Why a channel did not do what it was asked to. The names and shapes are those of crossbeam-channel.

use std::error::Error;
use std::fmt;

/// All receivers are gone; the value comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

/// Why a value could not be sent at once; it comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySendError<T> {
    /// The channel is full; without a buffer: nobody waits for a value.
    Full(T),
    /// All receivers are gone.
    Disconnected(T),
}

/// Why a value could not be sent in time; it comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendTimeoutError<T> {
    /// The time is over.
    Timeout(T),
    /// All receivers are gone.
    Disconnected(T),
}

/// Why a value was not sent; it comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendOrCancelledError<T> {
    /// The fiber was cancelled while it waited.
    Cancelled(T),
    /// All receivers are gone.
    Disconnected(T),
}

/// The channel is empty, and all senders are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvError;

/// Why there is no value at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// The channel is empty.
    Empty,
    /// It is empty, and all senders are gone.
    Disconnected,
}

/// Why there was no value in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvTimeoutError {
    /// The time is over.
    Timeout,
    /// The channel is empty, and all senders are gone.
    Disconnected,
}

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvOrCancelledError {
    /// The fiber was cancelled while it waited.
    Cancelled,
    /// The channel is empty, and all senders are gone.
    Disconnected,
}

const NO_RECEIVER: &str = "all receivers of the channel are gone";
const NO_SENDER: &str = "the channel is empty, and all its senders are gone";
const CANCELLED: &str = "the fiber was cancelled while it waited for a channel";

/// The value in an error that returns it: it need not be shown, and may not be able to.
macro_rules! returns_the_value {
    ($($name:ident { $($variant:pat => $text:expr,)* })*) => { $(
        impl<T> fmt::Display for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($variant => $text,)* })
            }
        }

        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl<T> Error for $name<T> {}
    )* };
}

returns_the_value! {
    SendError {
        SendError(_) => NO_RECEIVER,
    }
    TrySendError {
        TrySendError::Full(_) => "the channel has no room at this moment",
        TrySendError::Disconnected(_) => NO_RECEIVER,
    }
    SendTimeoutError {
        SendTimeoutError::Timeout(_) => "the channel had no room for so long",
        SendTimeoutError::Disconnected(_) => NO_RECEIVER,
    }
    SendOrCancelledError {
        SendOrCancelledError::Cancelled(_) => CANCELLED,
        SendOrCancelledError::Disconnected(_) => NO_RECEIVER,
    }
}

/// The value that comes back.
macro_rules! into_inner {
    ($($name:ident($($variant:path),*))*) => { $(
        impl<T> $name<T> {
            /// The value that was not sent.
            pub fn into_inner(self) -> T {
                match self {
                    $($variant(value) => value,)*
                }
            }
        }
    )* };
}

into_inner! {
    SendError(SendError)
    TrySendError(TrySendError::Full, TrySendError::Disconnected)
    SendTimeoutError(SendTimeoutError::Timeout, SendTimeoutError::Disconnected)
    SendOrCancelledError(SendOrCancelledError::Cancelled, SendOrCancelledError::Disconnected)
}

macro_rules! says {
    ($($name:ident { $($variant:pat => $text:expr,)* })*) => { $(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($variant => $text,)* })
            }
        }

        impl Error for $name {}
    )* };
}

says! {
    RecvError {
        RecvError => NO_SENDER,
    }
    TryRecvError {
        TryRecvError::Empty => "the channel is empty at this moment",
        TryRecvError::Disconnected => NO_SENDER,
    }
    RecvTimeoutError {
        RecvTimeoutError::Timeout => "the channel was empty for so long",
        RecvTimeoutError::Disconnected => NO_SENDER,
    }
    RecvOrCancelledError {
        RecvOrCancelledError::Cancelled => CANCELLED,
        RecvOrCancelledError::Disconnected => NO_SENDER,
    }
}
