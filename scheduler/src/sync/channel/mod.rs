//! Channels: values go from those who send to those who receive.
//!
//! | made by                 | what it is                                                                   |
//! |-------------------------|------------------------------------------------------------------------------|
//! | [`bounded`]`(n)`        | `n` values fit; who sends another waits. Any number of senders and receivers |
//! | [`bounded`]`(0)`        | none fits: sender and receiver meet                                          |
//! | [`unbounded`]           | nobody waits to send                                                         |
//! | [`oneshot`](oneshot())  | one value, once                                                              |
//! | [`broadcast::channel`]  | every receiver sees every value, and one that is too slow is told so         |
//! | [`watch::channel`]      | a value that changes: every receiver sees the latest                         |
//!
//! [`select!`](crate::select!) waits for several at once. Values are received in the order in which they were sent. Who waits is
//! served by priority, and what somebody was given who was cancelled in that moment is not lost, as he has it.
//!
//! ```
//! use heddle_scheduler::{Scheduler, go, sync::channel};
//!
//! let scheduler = Scheduler::builder().workers(2).build()?;
//! let (sender, receiver) = channel::bounded(4);
//! let sum = scheduler.go(move || {
//!     for part in 0..4 {
//!         let sender = sender.clone();
//!         go(move || (0..100).for_each(|n| sender.send(part * 100 + n).unwrap()));
//!     }
//!     drop(sender);
//!     receiver.iter().sum::<u32>() // ends when the last sender is gone
//! });
//! assert_eq!(sum.join().unwrap(), 79_800);
//! # Ok::<(), heddle_scheduler::Error>(())
//! ```
//!
//! # Priority
//!
//! A fiber that waits for room lends its priority to the one that receives, if that has [said so](Receiver::declare). Who waits
//! for a value lends to nobody: any sender might be the one.
//!
//! # Futures
//!
//! [`Receiver::recv_async`], [`Sender::send_async`], [`broadcast::Receiver::recv_async`], [`watch::Receiver::changed_async`] and
//! [`watch::Sender::closed_async`] are futures, which take part in any runtime. A future that is dropped
//! has sent and received nothing: a value that was on its way to it is the next to be received.

mod buffer;
mod claim;
mod core;
mod declared;
mod error;
mod future;
mod oneshot;
pub mod broadcast;
pub mod watch;
mod following;

pub use self::oneshot::{OneshotReceiver, OneshotSender, oneshot};
pub use declared::Declared;
pub use error::{
    RecvError, RecvOrCancelledError, RecvTimeoutError, SendError, SendOrCancelledError, SendTimeoutError,
    TryRecvError, TrySendError,
};
pub use following::{BroadcastFuture, ChangedFuture, ClosedFuture};
pub use future::{RecvFuture, SendFuture};

pub(crate) use self::core::{Channel, Received, Sent};
use super::wait::unwind;
use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A channel with room for so many values. With none, each sender waits until a receiver takes its value.
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let channel = Arc::new(Channel::new(capacity));
    (Sender(channel.clone()), Receiver(channel))
}

/// A channel that has room for all that memory can hold.
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    bounded(usize::MAX)
}

/// Sends values into a channel. When the last is dropped, those who receive get what is there, and then an error.
pub struct Sender<T>(pub(crate) Arc<Channel<T>>);

/// Receives values from a channel. When the last is dropped, what is there is dropped too, and those who send get an
/// error.
pub struct Receiver<T>(pub(crate) Arc<Channel<T>>);

impl<T> Sender<T> {
    /// Sends, and waits for room if there is none. A fiber that is cancelled while it waits unwinds, and the
    /// value is dropped.
    ///
    /// # Errors
    /// All receivers are gone. The error has the value.
    #[inline(always)]
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        match self.0.send(value, None) {
            Sent::Done => Ok(()),
            Sent::Disconnected(value) => Err(SendError(value)),
            Sent::Full(_) | Sent::Cancelled(_) => unwind(),
        }
    }

    /// As [`send`](Self::send), but a fiber that is cancelled gets an error instead of unwinding.
    ///
    /// # Errors
    /// The fiber was cancelled while it waited, or all receivers are gone. The error has the value.
    pub fn send_or_cancelled(&self, value: T) -> Result<(), SendOrCancelledError<T>> {
        match self.0.send(value, None) {
            Sent::Done => Ok(()),
            Sent::Disconnected(value) => Err(SendOrCancelledError::Disconnected(value)),
            Sent::Full(value) | Sent::Cancelled(value) => Err(SendOrCancelledError::Cancelled(value)),
        }
    }

    /// Sends if that needs no waiting.
    ///
    /// # Errors
    /// There is no room, or all receivers are gone. The error has the value.
    #[inline]
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        match self.0.try_send(value) {
            Sent::Done => Ok(()),
            Sent::Disconnected(value) => Err(TrySendError::Disconnected(value)),
            Sent::Full(value) | Sent::Cancelled(value) => Err(TrySendError::Full(value)),
        }
    }

    /// Sends, and waits for room for so long at most. A fiber that is cancelled while it waits unwinds.
    ///
    /// # Errors
    /// The time is over, or all receivers are gone. The error has the value.
    pub fn send_timeout(&self, value: T, time: Duration) -> Result<(), SendTimeoutError<T>> {
        // Past the end of the clock is for ever.
        self.send_until(value, Instant::now().checked_add(time))
    }

    /// Sends, and waits for room until then at most. A fiber that is cancelled while it waits unwinds.
    ///
    /// # Errors
    /// The time is over, or all receivers are gone. The error has the value.
    pub fn send_deadline(&self, value: T, due: Instant) -> Result<(), SendTimeoutError<T>> {
        self.send_until(value, Some(due))
    }

    fn send_until(&self, value: T, due: Option<Instant>) -> Result<(), SendTimeoutError<T>> {
        match self.0.send(value, due) {
            Sent::Done => Ok(()),
            Sent::Disconnected(value) => Err(SendTimeoutError::Disconnected(value)),
            Sent::Full(value) => Err(SendTimeoutError::Timeout(value)),
            Sent::Cancelled(_) => unwind(),
        }
    }

    /// Sends as a future, which waits for room.
    pub fn send_async(&self, value: T) -> SendFuture<T> {
        SendFuture::new(self.clone(), value)
    }

    /// How many values are in the channel.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Is no value in the channel?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Is there no room? Without a buffer: always.
    pub fn is_full(&self) -> bool {
        self.0.is_full()
    }

    /// How many values fit; `None`: there is no bound.
    pub fn capacity(&self) -> Option<usize> {
        self.0.capacity()
    }

    /// Do both send into the same channel?
    pub fn same_channel(&self, other: &Sender<T>) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> Receiver<T> {
    /// The next value; waits for it if there is none. A fiber that is cancelled while it waits unwinds.
    ///
    /// # Errors
    /// The channel is empty, and all senders are gone.
    #[inline(always)]
    pub fn recv(&self) -> Result<T, RecvError> {
        match self.0.receive(None) {
            Received::Value(value) => Ok(value),
            Received::Disconnected => Err(RecvError),
            Received::Empty | Received::Cancelled => unwind(),
        }
    }

    /// As [`recv`](Self::recv), but a fiber that is cancelled gets an error instead of unwinding.
    ///
    /// # Errors
    /// The fiber was cancelled while it waited; or the channel is empty, and all senders are gone.
    pub fn recv_or_cancelled(&self) -> Result<T, RecvOrCancelledError> {
        match self.0.receive(None) {
            Received::Value(value) => Ok(value),
            Received::Disconnected => Err(RecvOrCancelledError::Disconnected),
            Received::Empty | Received::Cancelled => Err(RecvOrCancelledError::Cancelled),
        }
    }

    /// The next value, if there is one.
    ///
    /// # Errors
    /// The channel is empty, and perhaps all senders are gone.
    #[inline]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        match self.0.try_receive() {
            Received::Value(value) => Ok(value),
            Received::Disconnected => Err(TryRecvError::Disconnected),
            Received::Empty | Received::Cancelled => Err(TryRecvError::Empty),
        }
    }

    /// The next value; waits for it for so long at most. A fiber that is cancelled while it waits unwinds.
    ///
    /// # Errors
    /// The time is over; or the channel is empty, and all senders are gone.
    pub fn recv_timeout(&self, time: Duration) -> Result<T, RecvTimeoutError> {
        // Past the end of the clock is for ever.
        self.recv_until(Instant::now().checked_add(time))
    }

    /// The next value; waits for it until then at most. A fiber that is cancelled while it waits unwinds.
    ///
    /// # Errors
    /// The time is over; or the channel is empty, and all senders are gone.
    pub fn recv_deadline(&self, due: Instant) -> Result<T, RecvTimeoutError> {
        self.recv_until(Some(due))
    }

    fn recv_until(&self, due: Option<Instant>) -> Result<T, RecvTimeoutError> {
        match self.0.receive(due) {
            Received::Value(value) => Ok(value),
            Received::Disconnected => Err(RecvTimeoutError::Disconnected),
            Received::Empty => Err(RecvTimeoutError::Timeout),
            Received::Cancelled => unwind(),
        }
    }

    /// The next value as a future.
    pub fn recv_async(&self) -> RecvFuture<T> {
        RecvFuture::new(self.clone())
    }

    /// All values, until the last sender is gone. It waits for each.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter(self)
    }

    /// The values that need not be waited for.
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter(self)
    }

    /// How many values are in the channel.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Is no value in the channel?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Is there no room? Without a buffer: always.
    pub fn is_full(&self) -> bool {
        self.0.is_full()
    }

    /// How many values fit; `None`: there is no bound.
    pub fn capacity(&self) -> Option<usize> {
        self.0.capacity()
    }

    /// Do both receive from the same channel?
    pub fn same_channel(&self, other: &Receiver<T>) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        self.0.add_sender();
        Sender(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.remove_sender();
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Receiver<T> {
        self.0.add_receiver();
        Receiver(self.0.clone())
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.0.remove_receiver();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("len", &self.len()).field("capacity", &self.capacity()).finish()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.len()).field("capacity", &self.capacity()).finish()
    }
}

/// See [`Receiver::iter`].
#[derive(Debug)]
pub struct Iter<'a, T>(&'a Receiver<T>);

/// See [`Receiver::try_iter`].
#[derive(Debug)]
pub struct TryIter<'a, T>(&'a Receiver<T>);

/// All values of a receiver that it owns, until the last sender is gone. It waits for each.
#[derive(Debug)]
pub struct IntoIter<T>(Receiver<T>);

impl<T> Iterator for Iter<'_, T> {
    type Item = T;

    #[inline(always)]
    fn next(&mut self) -> Option<T> {
        self.0.recv().ok()
    }
}

impl<T> Iterator for TryIter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.try_recv().ok()
    }
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    #[inline(always)]
    fn next(&mut self) -> Option<T> {
        self.0.recv().ok()
    }
}

impl<T> FusedIterator for Iter<'_, T> {}
impl<T> FusedIterator for IntoIter<T> {}

impl<'a, T> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter(self)
    }
}
