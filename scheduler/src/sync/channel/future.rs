//! To send and to receive as a future: a place in line that lies in the future, which does not move once it was polled.
//!
//! ```text
//! at first poll      done at once, or the place gets in line
//! later polls        it was served, or gets another waker
//! dropped            leaves the line; a value that it was given goes back to the front of the channel
//! ```

use super::core::{Received, Sent};
use super::error::{RecvError, SendError};
use super::{Receiver, Sender};
use crate::sync::line::Place;
use crate::sync::wait::Who;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Waits for a value. Made by [`Receiver::recv_async`](super::Receiver::recv_async).
#[must_use = "futures do nothing unless they are polled"]
pub struct RecvFuture<T> {
    receiver: Receiver<T>,
    /// `Some`: it has got in line.
    place: Option<Place<Option<T>>>,
}

/// Waits for room. Made by [`Sender::send_async`](super::Sender::send_async).
#[must_use = "futures do nothing unless they are polled"]
pub struct SendFuture<T> {
    sender: Sender<T>,
    /// Until the first poll; then the place has it.
    value: Option<T>,
    place: Option<Place<Option<T>>>,
}

// SAFETY: the place is reached under the latch, or by whoever polls or drops the future, alone; its waker and its value
// are `Send`.
unsafe impl<T: Send> Send for RecvFuture<T> {}
// SAFETY: a shared one does nothing.
unsafe impl<T: Send> Sync for RecvFuture<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for SendFuture<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for SendFuture<T> {}

impl<T> RecvFuture<T> {
    pub(super) fn new(receiver: Receiver<T>) -> RecvFuture<T> {
        RecvFuture { receiver, place: None }
    }
}

impl<T> SendFuture<T> {
    pub(super) fn new(sender: Sender<T>, value: T) -> SendFuture<T> {
        SendFuture { sender, value: Some(value), place: None }
    }
}

impl<T> Future for RecvFuture<T> {
    type Output = Result<T, RecvError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: nothing is moved out but values that were never pinned.
        let this = unsafe { self.get_unchecked_mut() };
        loop {
            if let Some(place) = &this.place {
                if this.receiver.0.renew(place, context.waker()) {
                    return Poll::Pending;
                }
                // SAFETY: it was served, and so is ours again.
                let value = unsafe { place.with_value(Option::take) };
                this.place = None;
                return Poll::Ready(value.ok_or(RecvError));
            }
            match this.receiver.0.try_receive() {
                Received::Value(value) => return Poll::Ready(Ok(value)),
                Received::Disconnected => return Poll::Ready(Err(RecvError)),
                Received::Empty | Received::Cancelled => {}
            }
            let (who, level) = Who::task(context.waker());
            let place = this.place.insert(Place::new(who, None));
            // SAFETY: it stays, as the future is pinned, until `drop`, where it leaves.
            if unsafe { this.receiver.0.enter_receiving(place, level) } {
                return Poll::Pending;
            }
            this.place = None;
        }
    }
}

impl<T> Drop for RecvFuture<T> {
    fn drop(&mut self) {
        if let Some(place) = &self.place
            && !self.receiver.0.leave_receiving(place)
            // SAFETY: it was served, and so is ours again.
            && let Some(value) = unsafe { place.with_value(Option::take) }
        {
            self.receiver.0.put_back(value);
        }
    }
}

impl<T> Future for SendFuture<T> {
    type Output = Result<(), SendError<T>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: nothing is moved out but values that were never pinned.
        let this = unsafe { self.get_unchecked_mut() };
        loop {
            if let Some(place) = &this.place {
                if this.sender.0.renew(place, context.waker()) {
                    return Poll::Pending;
                }
                // SAFETY: it was served, and so is ours again.
                let value = unsafe { place.with_value(Option::take) };
                this.place = None;
                return Poll::Ready(value.map_or(Ok(()), |value| Err(SendError(value))));
            }
            let value = this.value.take().expect("a future is not polled after it has ended");
            let value = match this.sender.0.try_send(value) {
                Sent::Done => return Poll::Ready(Ok(())),
                Sent::Disconnected(value) => return Poll::Ready(Err(SendError(value))),
                Sent::Full(value) | Sent::Cancelled(value) => value,
            };
            let (who, level) = Who::task(context.waker());
            let place = this.place.insert(Place::new(who, Some(value)));
            // SAFETY: it stays, as the future is pinned, until `drop`, where it leaves.
            if unsafe { this.sender.0.enter_sending(place, level) } {
                return Poll::Pending;
            }
            // SAFETY: it is in no line.
            this.value = unsafe { place.with_value(Option::take) };
            this.place = None;
        }
    }
}

impl<T> Drop for SendFuture<T> {
    fn drop(&mut self) {
        if let Some(place) = &self.place {
            // What it has not sent is dropped with it.
            let _ = self.sender.0.leave_sending(place);
        }
    }
}

impl<T> fmt::Debug for RecvFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvFuture").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for SendFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendFuture").finish_non_exhaustive()
    }
}
