//! A future's place in a line, which is in the future: that does not move once it was polled.
//!
//! ```text
//! at first poll      nothing to wait for, or the place gets in line
//! later polls        it was served, or gets another waker
//! dropped            leaves the line; what it was given is whose it is to say (`leave`)
//! ```

use super::latch::Latch;
use super::line::Place;
use super::wait::{self, Side, Who};
use std::pin::Pin;
use std::task::{Poll, Waker};

/// See the module's documentation.
pub(crate) struct Standing<'a, S: Side> {
    latch: &'a Latch<S::State>,
    /// `Some`: it has got in line.
    place: Option<Place<S::Value>>,
}

// SAFETY: the place is reached under the latch, or by whoever polls or drops the future, alone; its waker is `Send`.
unsafe impl<S: Side<State: Send, Value: Send>> Send for Standing<'_, S> {}
// SAFETY: a shared one does nothing.
unsafe impl<S: Side<State: Send, Value: Send>> Sync for Standing<'_, S> {}

impl<'a, S: Side> Standing<'a, S> {
    /// Not in line.
    pub(crate) fn new(latch: &'a Latch<S::State>) -> Standing<'a, S> {
        Standing { latch, place: None }
    }

    /// Waits with `value`, unless `has` finds under the latch that there is no need to. The result has what became of the
    /// value of one who has waited and was served.
    pub(crate) fn poll(
        self: Pin<&mut Self>,
        waker: &Waker,
        value: S::Value,
        has: impl FnOnce(&mut S::State) -> bool,
    ) -> Poll<Option<S::Value>> {
        // SAFETY: the place is not moved while it is in line.
        let this = unsafe { self.get_unchecked_mut() };
        if let Some(place) = &this.place {
            let mut waker = Some(waker.clone());
            // The one before is dropped when the latch is free.
            if this.latch.with(|_| !place.is_served() && place.who().swap_waker(&mut waker)) {
                return Poll::Pending;
            }
            return Poll::Ready(this.place.take().map(Place::into_value));
        }
        // The user's code, and so not under the latch.
        let (who, level) = Who::task(waker);
        let place = this.place.insert(Place::new(who, value));
        let waits = this.latch.with(|state| {
            let waits = !has(state);
            if waits {
                // SAFETY: it stays, as we are pinned, until it was served or has left, in `leave` at the latest.
                unsafe { S::line(state).push(place, level) };
            }
            waits
        });
        if !waits {
            this.place = None;
            return Poll::Ready(None);
        }
        S::settled(this.latch);
        Poll::Pending
    }

    /// Does not wait any longer. `Some`: it was served before that.
    pub(crate) fn leave(self: Pin<&mut Self>) -> Option<S::Value> {
        // SAFETY: the place is not moved while it is in line.
        let this = unsafe { self.get_unchecked_mut() };
        let left = wait::leave::<S>(this.latch, this.place.as_ref()?);
        this.place.take().filter(|_| !left).map(Place::into_value)
    }
}

impl<S: Side> Drop for Standing<'_, S> {
    fn drop(&mut self) {
        // SAFETY: it is not moved any more.
        drop(unsafe { Pin::new_unchecked(self) }.leave());
    }
}
