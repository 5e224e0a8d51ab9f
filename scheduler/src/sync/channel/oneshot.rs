//! One value, once.

use super::error::{RecvError, RecvTimeoutError, SendError, TryRecvError};
use super::{Receiver, RecvFuture, Sender, bounded};
use std::fmt;
use std::future::IntoFuture;
use std::time::{Duration, Instant};

/// A channel for one value, which is sent without waiting.
///
/// ```
/// use heddle_scheduler::sync::channel::oneshot;
/// let (answer, question) = oneshot();
/// std::thread::spawn(move || answer.send(42));
/// assert_eq!(question.recv(), Ok(42));
/// ```
pub fn oneshot<T>() -> (OneshotSender<T>, OneshotReceiver<T>) {
    let (sender, receiver) = bounded(1);
    (OneshotSender(sender), OneshotReceiver(receiver))
}

/// Sends one value. Dropping it without sending gives the receiver an error.
pub struct OneshotSender<T>(Sender<T>);

/// Receives one value.
pub struct OneshotReceiver<T>(pub(crate) Receiver<T>);

impl<T> OneshotSender<T> {
    /// Sends the value; never waits.
    ///
    /// # Errors
    /// The receiver is gone. The error has the value.
    pub fn send(self, value: T) -> Result<(), SendError<T>> {
        self.0.try_send(value).map_err(|error| SendError(error.into_inner()))
    }
}

impl<T> OneshotReceiver<T> {
    /// Waits for the value. A fiber that is cancelled while it waits unwinds.
    ///
    /// # Errors
    /// The sender is gone and has sent nothing.
    pub fn recv(self) -> Result<T, RecvError> {
        self.0.recv()
    }

    /// The value, if it is there.
    ///
    /// # Errors
    /// It is not there, and perhaps never will be, or was taken already.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.0.try_recv()
    }

    /// Waits for the value for so long at most. A fiber that is cancelled while it waits unwinds.
    ///
    /// # Errors
    /// The time is over; or the sender is gone, and there is no value, or no more.
    pub fn recv_timeout(&self, time: Duration) -> Result<T, RecvTimeoutError> {
        self.0.recv_timeout(time)
    }

    /// Waits for the value until then at most. A fiber that is cancelled while it waits unwinds.
    ///
    /// # Errors
    /// The time is over; or the sender is gone, and there is no value, or no more.
    pub fn recv_deadline(&self, due: Instant) -> Result<T, RecvTimeoutError> {
        self.0.recv_deadline(due)
    }

    /// The same as a channel's receiver, for [`select!`](crate::select!) and whatever takes one.
    pub fn as_receiver(&self) -> &Receiver<T> {
        &self.0
    }
}

impl<T> IntoFuture for OneshotReceiver<T> {
    type Output = Result<T, RecvError>;
    type IntoFuture = RecvFuture<T>;

    fn into_future(self) -> RecvFuture<T> {
        RecvFuture::new(self.0)
    }
}

impl<T> fmt::Debug for OneshotSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneshotSender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for OneshotReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneshotReceiver").finish_non_exhaustive()
    }
}
