//! What senders and receivers share: the values that are there, and those who wait.
//!
//! | there are                     | then                                                             |
//! |-------------------------------|------------------------------------------------------------------|
//! | receivers in line             | no values and no senders: a new value goes to the first of them  |
//! | senders in line, each with its value | the buffer is full: who takes from it puts the first sender's value at its end |
//! | neither                       | whatever there is in the buffer                                  |
//!
//! A channel without a buffer is one whose buffer is always full. A receiver that was served without a value learns that
//! all senders are gone; a sender that was served and has its value still, that all receivers are.
//!
//! Where one fiber has [declared](super::claim) that it receives, senders in line lend to it: whoever has changed their line
//! [settles](Side::settled) that when the latch is free.

use super::buffer::Buffer;
use super::claim::Claim;
use crate::sync::latch::Latch;
use crate::sync::lent::Step;
use crate::sync::line::{Line, Place, Room};
use crate::sync::owner::Owner;
use crate::sync::wait::{self, Side, Waited, Wakes, Who};
use std::marker::PhantomData;
use std::time::Instant;

/// See the module's documentation.
pub(crate) struct Channel<T> {
    latch: Latch<State<T>>,
}

pub(crate) struct State<T> {
    buffer: Buffer<T>,
    /// `usize::MAX`: no bound.
    capacity: usize,
    senders: Line<Option<T>>,
    receivers: Line<Option<T>>,
    /// How many [`Sender`](super::Sender)s and [`Receiver`](super::Receiver)s there are.
    sending: usize,
    receiving: usize,
    claim: Claim,
}

/// The line of those who have something to send.
pub(crate) struct Senders<T>(PhantomData<T>);

/// The line of those who wait for something.
pub(crate) struct Receivers<T>(PhantomData<T>);

impl<T> Side for Senders<T> {
    type State = State<T>;
    type Value = Option<T>;

    const WHAT: &'static str = "room in a channel";

    fn line(state: &mut State<T>) -> &mut Line<Option<T>> {
        &mut state.senders
    }

    fn settled(latch: &Latch<State<T>>) {
        while let Some(step) = latch.with(|state| state.claim.follow(state.senders.most_urgent())) {
            step.take(|keep| latch.with(|state| state.claim.with(keep)));
        }
    }

    fn holders(state: &State<T>) -> Vec<u64> {
        // With other receivers beside it, it need not be the one.
        if state.receiving == 1 { state.claim.number().into_iter().collect() } else { Vec::new() }
    }
}

impl<T> Side for Receivers<T> {
    type State = State<T>;
    type Value = Option<T>;

    const WHAT: &'static str = "a value from a channel";

    fn line(state: &mut State<T>) -> &mut Line<Option<T>> {
        &mut state.receivers
    }
}

/// How a value that was to be sent has fared.
pub(crate) enum Sent<T> {
    Done,
    Disconnected(T),
    /// There is no room, or was none in time.
    Full(T),
    Cancelled(T),
}

/// What was received.
pub(crate) enum Received<T> {
    Value(T),
    Disconnected,
    /// There is nothing, or was nothing in time.
    Empty,
    Cancelled,
}

impl<T> State<T> {
    /// `Sent::Full`: whoever sends would have to wait.
    #[inline]
    fn send(&mut self, value: T, wakes: &mut Wakes) -> Sent<T> {
        if self.receiving == 0 {
            return Sent::Disconnected(value);
        }
        let mut value = Some(value);
        if self.receivers.serve(|slot| *slot = value.take(), wakes).is_some() {
            return Sent::Done;
        }
        // Nobody has taken it.
        match value {
            Some(value) if self.buffer.len() >= self.capacity => Sent::Full(value),
            value => {
                value.into_iter().for_each(|value| self.buffer.push_back(value));
                Sent::Done
            }
        }
    }

    /// `Received::Empty`: whoever receives would have to wait.
    #[inline]
    fn receive(&mut self, wakes: &mut Wakes) -> Received<T> {
        let Some(first) = self.buffer.pop_front() else {
            return match self.serve_sender(wakes) {
                Some(value) => Received::Value(value),
                None if self.sending == 0 => Received::Disconnected,
                None => Received::Empty,
            };
        };
        // There may be one more than fit, see `put_back`.
        if self.buffer.len() < self.capacity && !self.senders.is_empty() {
            let next = self.serve_sender(wakes);
            next.into_iter().for_each(|next| self.buffer.push_back(next));
        }
        Received::Value(first)
    }

    /// Is what those in line lend not what was lent to the one who receives?
    #[inline]
    fn is_unsettled(&self) -> bool {
        self.claim.is_off(&self.senders)
    }

    /// Takes the value of the first sender in line.
    #[inline]
    fn serve_sender(&mut self, wakes: &mut Wakes) -> Option<T> {
        self.senders.serve(Option::take, wakes)?
    }
}

impl<T> Channel<T> {
    /// Empty, with one sender and one receiver.
    pub(crate) fn new(capacity: usize) -> Channel<T> {
        let state = State {
            buffer: Buffer::new(),
            capacity,
            senders: Line::new(),
            receivers: Line::new(),
            sending: 1,
            receiving: 1,
            claim: Claim::new(),
        };
        Channel { latch: Latch::new(state) }
    }

    /// Sends without waiting.
    #[inline]
    pub(crate) fn try_send(&self, value: T) -> Sent<T> {
        let mut wakes = Wakes::default();
        let sent = self.latch.with(|state| state.send(value, &mut wakes));
        wakes.call();
        sent
    }

    /// Sends, waits until then if it must: in the caller's frame, see [`wait::wait`].
    #[inline(always)]
    pub(crate) fn send(&self, value: T, due: Option<Instant>) -> Sent<T> {
        let room = Room::new();
        if let Some(sent) = self.begin_to_send(value, &room) {
            return sent;
        }
        // SAFETY: who is in line has taken the room.
        let place = unsafe { room.place() };
        let waited = wait::wait::<Senders<T>>(&self.latch, place, due);
        let sent = Self::sent(place, waited);
        // SAFETY: as above, and it is not in line any more.
        unsafe { room.clear() };
        sent
    }

    /// `None`: it has to wait, and is in line at a place in that room.
    #[inline(never)]
    fn begin_to_send(&self, value: T, room: &Room<Option<T>>) -> Option<Sent<T>> {
        let mut wakes = Wakes::default();
        let mut state = self.latch.lock();
        let sent = state.with(|state| state.send(value, &mut wakes));
        let Sent::Full(value) = sent else {
            drop(state);
            wakes.call();
            return Some(sent);
        };
        let (who, level) = Who::caller();
        let place = room.put(Place::new(who, Some(value)));
        let unsettled = state.with(|state| {
            // SAFETY: it stays in the frame of `send`, which waits until it is not in line.
            unsafe { state.senders.push(place, level) };
            state.is_unsettled()
        });
        drop(state);
        wakes.call();
        self.settle(unsettled);
        None
    }

    /// The latch is free, and those who send may have to lend more or less than before.
    #[inline]
    fn settle(&self, unsettled: bool) {
        if unsettled {
            Senders::settled(&self.latch);
        }
    }

    /// What has become of what waited at that place.
    #[inline]
    fn sent(place: &Place<Option<T>>, waited: Waited) -> Sent<T> {
        // SAFETY: it is ours, and not in line any more.
        match (unsafe { place.with_value(Option::take) }, waited) {
            (None, _) => Sent::Done,
            (Some(value), Waited::Served) => Sent::Disconnected(value),
            (Some(value), Waited::TimedOut) => Sent::Full(value),
            (Some(value), Waited::Cancelled) => Sent::Cancelled(value),
        }
    }

    /// Receives without waiting.
    #[inline]
    pub(crate) fn try_receive(&self) -> Received<T> {
        let mut wakes = Wakes::default();
        let (received, unsettled) =
            self.latch.with(|state| (state.receive(&mut wakes), state.is_unsettled()));
        wakes.call();
        self.settle(unsettled);
        received
    }

    /// Receives, waits until then if it must: in the caller's frame, see [`wait::wait`].
    #[inline(always)]
    pub(crate) fn receive(&self, due: Option<Instant>) -> Received<T> {
        let room = Room::new();
        if let Some(received) = self.begin_to_receive(&room) {
            return received;
        }
        // SAFETY: who is in line has taken the room.
        let place = unsafe { room.place() };
        let waited = wait::wait::<Receivers<T>>(&self.latch, place, due);
        let received = Self::received(place, waited);
        // SAFETY: as above, and it is not in line any more.
        unsafe { room.clear() };
        received
    }

    /// As [`begin_to_send`](Self::begin_to_send).
    #[inline(never)]
    fn begin_to_receive(&self, room: &Room<Option<T>>) -> Option<Received<T>> {
        let mut wakes = Wakes::default();
        let mut state = self.latch.lock();
        let (received, unsettled) = state.with(|state| (state.receive(&mut wakes), state.is_unsettled()));
        let Received::Empty = received else {
            drop(state);
            wakes.call();
            self.settle(unsettled);
            return Some(received);
        };
        let (who, level) = Who::caller();
        let place = room.put(Place::new(who, None));
        // SAFETY: it stays in the frame of `receive`, which waits until it is not in line.
        state.with(|state| unsafe { state.receivers.push(place, level) });
        drop(state);
        wakes.call();
        None
    }

    /// What has become of one who waited at that place.
    #[inline]
    fn received(place: &Place<Option<T>>, waited: Waited) -> Received<T> {
        // SAFETY: it is ours, and not in line any more.
        match (unsafe { place.with_value(Option::take) }, waited) {
            (Some(value), _) => Received::Value(value),
            (None, Waited::Served) => Received::Disconnected,
            (None, Waited::TimedOut) => Received::Empty,
            (None, Waited::Cancelled) => Received::Cancelled,
        }
    }

    /// Gets in line to send what is at `place`. `false`: there is no need to wait, so it has not.
    ///
    /// # Safety
    /// The place is new, stays where it is, and [leaves](Self::leave_sending) before it is gone.
    pub(crate) unsafe fn enter_sending(&self, place: &Place<Option<T>>, level: usize) -> bool {
        let (waits, unsettled) = self.latch.with(|state| {
            let waits =
                state.receiving > 0 && state.receivers.is_empty() && state.buffer.len() >= state.capacity;
            if waits {
                // SAFETY: the caller's promise.
                unsafe { state.senders.push(place, level) };
            }
            (waits, state.is_unsettled())
        });
        self.settle(unsettled);
        waits
    }

    /// The same for one who would receive.
    ///
    /// # Safety
    /// As for [`enter_sending`](Self::enter_sending).
    pub(crate) unsafe fn enter_receiving(&self, place: &Place<Option<T>>, level: usize) -> bool {
        self.latch.with(|state| {
            let waits = state.sending > 0 && state.buffer.is_empty() && state.senders.is_empty();
            if waits {
                // SAFETY: the caller's promise.
                unsafe { state.receivers.push(place, level) };
            }
            waits
        })
    }

    /// Does not wait any longer. `false`: it was served.
    pub(crate) fn leave_sending(&self, place: &Place<Option<T>>) -> bool {
        wait::leave::<Senders<T>>(&self.latch, place)
    }

    /// Does not wait any longer. `false`: it was served.
    pub(crate) fn leave_receiving(&self, place: &Place<Option<T>>) -> bool {
        wait::leave::<Receivers<T>>(&self.latch, place)
    }

    /// Has another level now.
    pub(crate) fn move_sending(&self, place: &Place<Option<T>>, level: usize) {
        wait::move_to::<Senders<T>>(&self.latch, place, level);
    }

    /// Has another level now.
    pub(crate) fn move_receiving(&self, place: &Place<Option<T>>, level: usize) {
        wait::move_to::<Receivers<T>>(&self.latch, place, level);
    }

    /// Another waker for a future in line. `false`: it was served.
    pub(crate) fn renew(&self, place: &Place<Option<T>>, waker: &std::task::Waker) -> bool {
        let mut waker = Some(waker.clone());
        // The one before is dropped when the latch is free.
        self.latch.with(|_| !place.is_served() && place.who().swap_waker(&mut waker))
    }

    /// A value that somebody was given and does not want: it is the next to be received.
    pub(crate) fn put_back(&self, value: T) {
        let (mut value, mut wakes) = (Some(value), Wakes::default());
        self.latch.with(|state| {
            let served = state.receivers.serve(|slot| *slot = value.take(), &mut wakes);
            if served.is_none()
                && state.receiving > 0
                && let Some(value) = value.take()
            {
                state.buffer.push_front(value);
            }
        });
        wakes.call();
        // Where nobody receives any more, it is dropped here.
    }

    pub(crate) fn add_sender(&self) {
        self.latch.with(|state| state.sending += 1);
    }

    pub(crate) fn add_receiver(&self) {
        self.latch.with(|state| state.receiving += 1);
    }

    /// One sender is gone. Whoever waits for the last one's values gets none.
    pub(crate) fn remove_sender(&self) {
        let mut wakes = Wakes::default();
        self.latch.with(|state| {
            state.sending -= 1;
            if state.sending == 0 {
                state.receivers.serve_all(|_| (), &mut wakes);
            }
        });
        wakes.call();
    }

    /// One receiver is gone. Without any, nobody needs what is there.
    pub(crate) fn remove_receiver(&self) {
        let mut wakes = Wakes::default();
        let (unwanted, unsettled) = self.latch.with(|state| {
            state.receiving -= 1;
            if state.receiving > 0 {
                return (Buffer::new(), false);
            }
            state.senders.serve_all(|_| (), &mut wakes);
            (std::mem::replace(&mut state.buffer, Buffer::new()), state.is_unsettled())
        });
        wakes.call();
        self.settle(unsettled);
        drop(unwanted);
    }

    /// That fiber, the caller, receives from now on, until it [does not](Self::withdraw).
    pub(crate) fn declare(&self, receiver: Owner) {
        let step = self.latch.with(|state| state.claim.add(receiver));
        self.take(step);
    }

    /// The caller had [declared](Self::declare) that it receives, and does not say so any longer.
    pub(crate) fn withdraw(&self, receiver: Owner) {
        let step = self.latch.with(|state| state.claim.remove(receiver));
        self.take(step);
    }

    fn take(&self, step: Option<Step>) {
        if let Some(step) = step {
            step.take(|keep| self.latch.with(|state| state.claim.with(keep)));
        }
        Senders::settled(&self.latch);
    }

    pub(crate) fn len(&self) -> usize {
        self.latch.with(|state| state.buffer.len())
    }

    pub(crate) fn is_full(&self) -> bool {
        self.latch.with(|state| state.buffer.len() >= state.capacity)
    }

    /// `None`: no bound.
    pub(crate) fn capacity(&self) -> Option<usize> {
        self.latch.with(|state| (state.capacity != usize::MAX).then_some(state.capacity))
    }
}
