//! To follow a broadcast or a watch channel as a future. They borrow what they wait for: each receiver has a place of
//! its own in what is sent.

use super::broadcast::{self, Look};
use super::error::RecvError;
use super::watch::{self, Change};
use crate::sync::standing::Standing;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Waits for the next value of a broadcast channel. Made by [`broadcast::Receiver::recv_async`].
///
/// One that is dropped has received nothing: a value that was on its way to it is the next one that its receiver gets.
#[must_use = "futures do nothing unless they are polled"]
pub struct BroadcastFuture<'a, T> {
    next: &'a mut broadcast::Next<T>,
    standing: Standing<'a, broadcast::Waiting<T>>,
}

impl<T: Clone> broadcast::Receiver<T> {
    /// The next value as a future.
    ///
    /// ```
    /// use heddle_scheduler::{block_on, sync::channel::broadcast};
    ///
    /// let (sender, mut receiver) = broadcast::channel(4);
    /// sender.send(7).unwrap();
    /// assert_eq!(block_on(receiver.recv_async()), Ok(7));
    /// ```
    pub fn recv_async(&mut self) -> BroadcastFuture<'_, T> {
        BroadcastFuture { standing: Standing::new(&self.shared.latch), next: &mut self.next }
    }
}

impl<T: Clone> Future for BroadcastFuture<'_, T> {
    type Output = Result<T, broadcast::RecvError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: nothing is moved out, and `standing` is used by way of `Pin` only.
        let (next, standing) = unsafe {
            let this = self.get_unchecked_mut();
            (&mut *this.next, Pin::new_unchecked(&mut this.standing))
        };
        let mut look = Look::Empty;
        let waited = standing.poll(context.waker(), None, |state| {
            look = state.look(next);
            !matches!(look, Look::Empty)
        });
        let look = match ready!(waited) {
            Some(given) => next.given(given),
            None => look,
        };
        Poll::Ready(match look {
            Look::Value(value) => Ok(Arc::unwrap_or_clone(value)),
            Look::Lagged(missed) => Err(broadcast::RecvError::Lagged(missed)),
            Look::Disconnected | Look::Empty => Err(broadcast::RecvError::Disconnected),
        })
    }
}

impl<T> Drop for BroadcastFuture<'_, T> {
    fn drop(&mut self) {
        // SAFETY: it is not moved any more.
        if let Some(Some(value)) = unsafe { Pin::new_unchecked(&mut self.standing) }.leave() {
            self.next.put_back(value);
        }
    }
}

/// Waits until there is a value that a receiver of a watch channel has not seen. Made by [`watch::Receiver::changed_async`].
///
/// One that is dropped has seen nothing.
#[must_use = "futures do nothing unless they are polled"]
pub struct ChangedFuture<'a, T> {
    shared: &'a watch::Shared<T>,
    seen: &'a mut u64,
    standing: Standing<'a, watch::Waiting>,
}

impl<T> watch::Receiver<T> {
    /// As [`changed`](Self::changed), as a future.
    ///
    /// ```
    /// use heddle_scheduler::{block_on, sync::channel::watch};
    ///
    /// let (sender, mut receiver) = watch::channel("starting");
    /// sender.send("ready").unwrap();
    /// block_on(receiver.changed_async()).unwrap();
    /// assert_eq!(*receiver.borrow(), "ready");
    /// ```
    pub fn changed_async(&mut self) -> ChangedFuture<'_, T> {
        let shared = &*self.shared;
        ChangedFuture { shared, seen: &mut self.seen, standing: Standing::new(&shared.latch) }
    }
}

impl<T> Future for ChangedFuture<'_, T> {
    type Output = Result<(), RecvError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: nothing is moved out, and `standing` is used by way of `Pin` only.
        let (shared, seen, mut standing) = unsafe {
            let this = self.get_unchecked_mut();
            (this.shared, &mut *this.seen, Pin::new_unchecked(&mut this.standing))
        };
        loop {
            ready!(standing.as_mut().poll(context.waker(), (), |state| state.has_news(*seen)));
            match shared.see(seen) {
                Some(Change::Seen) => return Poll::Ready(Ok(())),
                Some(Change::Disconnected | Change::TooLate) => return Poll::Ready(Err(RecvError)),
                // It was told of what it had seen before it waited.
                None => {}
            }
        }
    }
}

/// Waits until all receivers of a watch channel are gone. Made by [`watch::Sender::closed_async`].
#[must_use = "futures do nothing unless they are polled"]
pub struct ClosedFuture<'a, T> {
    sender: &'a watch::Sender<T>,
    standing: Standing<'a, watch::Closing>,
}

impl<T> watch::Sender<T> {
    /// As [`closed`](Self::closed), as a future.
    pub fn closed_async(&self) -> ClosedFuture<'_, T> {
        ClosedFuture { sender: self, standing: Standing::new(&self.shared.latch) }
    }
}

impl<T> Future for ClosedFuture<'_, T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // SAFETY: nothing is moved out, and `standing` is used by way of `Pin` only.
        let standing = unsafe { Pin::new_unchecked(&mut self.get_unchecked_mut().standing) };
        standing.poll(context.waker(), (), |state| state.is_closed()).map(|_| ())
    }
}

impl<T> fmt::Debug for BroadcastFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BroadcastFuture").finish_non_exhaustive()
    }
}

impl<T: fmt::Debug> fmt::Debug for ChangedFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangedFuture").field("seen", &self.seen).finish_non_exhaustive()
    }
}

impl<T: fmt::Debug> fmt::Debug for ClosedFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClosedFuture").field("sender", &self.sender).finish_non_exhaustive()
    }
}
