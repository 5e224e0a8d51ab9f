//! A channel of which every receiver sees every value.
//!
//! | what               | is                                                                                        |
//! |--------------------|-------------------------------------------------------------------------------------------|
//! | `slots`            | the last values, at most as many as fit; `first` is the number of the first of them       |
//! | a slot's `unseen`  | how many receivers have not had it; without any, its value is gone                        |
//! | a receiver's `next`| the number of the value that it gets next; below `first`: it has missed some              |
//! | its `back`         | a value that comes before that: a future was given it, and was dropped                    |
//!
//! Who waits has seen all there is, and gets the next value from whoever sends it. Values are in an [`Arc`] here: what is done
//! under the latch is to count; they are cloned and dropped beside it.

use crate::error::Cancelled;
use crate::sync::latch::Latch;
use crate::sync::line::Line;
use crate::sync::wait::{self, Side, Waited, Wakes, or_unwind};
use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use super::error::SendError;

/// A channel that keeps the last `capacity` values for those who have not seen them.
///
/// A receiver that is slower than that misses the oldest ones, and is told [how many](RecvError::Lagged). Nobody waits to
/// send.
///
/// ```
/// use heddle_scheduler::{Scheduler, sync::channel::broadcast};
///
/// let scheduler = Scheduler::builder().workers(2).build()?;
/// let (sender, mut first) = broadcast::channel(16);
/// let mut second = sender.subscribe();
/// let fiber = scheduler.go(move || second.iter().map(|value| value.unwrap()).sum::<u32>());
/// for n in 1..=10 {
///     sender.send(n).unwrap();
/// }
/// drop(sender);
/// assert_eq!(first.recv(), Ok(1));
/// assert_eq!(fiber.join().unwrap(), 55);
/// # Ok::<(), heddle_scheduler::Error>(())
/// ```
///
/// # Panics
/// If the capacity is 0: nobody would ever see a value.
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0, "a broadcast channel has room for one value at least");
    let state =
        State { slots: VecDeque::new(), first: 0, capacity, line: Line::new(), sending: 1, receiving: 1 };
    let shared = Arc::new(Shared { latch: Latch::new(state) });
    (Sender { shared: shared.clone() }, Receiver { shared, next: Next { number: 0, back: None } })
}

pub(super) struct Shared<T> {
    pub(super) latch: Latch<State<T>>,
}

pub(super) struct State<T> {
    slots: VecDeque<Slot<T>>,
    first: u64,
    capacity: usize,
    /// Those who wait, each with the value that it was given.
    line: Line<Option<Arc<T>>>,
    sending: usize,
    receiving: usize,
}

struct Slot<T> {
    /// There, as long as somebody has not seen it.
    value: Option<Arc<T>>,
    unseen: usize,
}

/// Where a receiver is.
pub(super) struct Next<T> {
    number: u64,
    back: Option<Arc<T>>,
}

impl<T> Next<T> {
    /// What one has who has waited and was served: the value after all that it has seen, or word that there will be none.
    pub(super) fn given(&mut self, value: Option<Arc<T>>) -> Look<T> {
        let Some(value) = value else { return Look::Disconnected };
        self.number += 1;
        Look::Value(value)
    }

    /// What one was given who does not want it any more.
    pub(super) fn put_back(&mut self, value: Arc<T>) {
        self.number += 1;
        self.back = Some(value);
    }
}

pub(super) struct Waiting<T>(PhantomData<T>);

impl<T> Side for Waiting<T> {
    type State = State<T>;
    type Value = Option<Arc<T>>;

    const WHAT: &'static str = "a value from a broadcast channel";

    fn line(state: &mut State<T>) -> &mut Line<Option<Arc<T>>> {
        &mut state.line
    }
}

/// What there is for a receiver.
pub(super) enum Look<T> {
    Value(Arc<T>),
    Lagged(u64),
    Disconnected,
    Empty,
}

impl<T> State<T> {
    fn end(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    pub(super) fn look(&mut self, next: &mut Next<T>) -> Look<T> {
        if let Some(value) = next.back.take() {
            return Look::Value(value);
        }
        if next.number < self.first {
            let missed = self.first - std::mem::replace(&mut next.number, self.first);
            return Look::Lagged(missed);
        }
        match self.see(next.number) {
            Some(value) => {
                next.number += 1;
                self.forget_seen();
                Look::Value(value)
            }
            None if self.sending == 0 => Look::Disconnected,
            None => Look::Empty,
        }
    }

    /// One receiver has seen that value. The last one takes it.
    fn see(&mut self, number: u64) -> Option<Arc<T>> {
        let slot = self.slots.get_mut(usize::try_from(number - self.first).ok()?)?;
        // Who has leaked a future that was in line may have seen it by that.
        slot.unseen = slot.unseen.saturating_sub(1);
        if slot.unseen == 0 { slot.value.take() } else { slot.value.clone() }
    }

    /// The slots at the front whose values are gone.
    fn forget_seen(&mut self) {
        while self.slots.front().is_some_and(|slot| slot.unseen == 0) {
            self.slots.pop_front();
            self.first += 1;
        }
    }
}

/// Sends to all receivers. Clones send to the same.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Sends to all receivers that there are, and says how many these are. It does not wait.
    ///
    /// # Errors
    /// There is no receiver; the value comes back.
    pub fn send(&self, value: T) -> Result<usize, SendError<T>> {
        let value = Arc::new(value);
        let mut wakes = Wakes::default();
        let (receivers, _too_old) = self.shared.latch.with(|state| {
            let receivers = state.receiving;
            if receivers == 0 {
                return (0, None);
            }
            state.line.serve_all(|slot| *slot = Some(value.clone()), &mut wakes);
            let unseen = receivers - wakes.count();
            if unseen == 0 && state.slots.is_empty() {
                // All have it.
                state.first += 1;
                return (receivers, None);
            }
            let too_old = (state.slots.len() >= state.capacity).then(|| {
                state.first += 1;
                state.slots.pop_front()
            });
            state.slots.push_back(Slot { value: (unseen > 0).then(|| value.clone()), unseen });
            state.forget_seen();
            (receivers, too_old)
        });
        wakes.call();
        match receivers {
            0 => Err(SendError(Arc::into_inner(value).expect("nobody else has it"))),
            receivers => Ok(receivers),
        }
    }

    /// Another receiver, which gets what is sent from now on.
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver::new(&self.shared)
    }

    /// How many receivers there are.
    pub fn receiver_count(&self) -> usize {
        self.shared.latch.with(|state| state.receiving)
    }

    /// How many values some receiver has not seen.
    pub fn len(&self) -> usize {
        self.shared.latch.with(|state| state.slots.len())
    }

    /// Have all receivers seen everything?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        self.shared.latch.with(|state| state.sending += 1);
        Sender { shared: self.shared.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut wakes = Wakes::default();
        self.shared.latch.with(|state| {
            state.sending -= 1;
            if state.sending == 0 {
                state.line.serve_all(|_| (), &mut wakes);
            }
        });
        wakes.call();
    }
}

/// Gets each value that is sent while it exists.
pub struct Receiver<T> {
    pub(super) shared: Arc<Shared<T>>,
    pub(super) next: Next<T>,
}

impl<T> Receiver<T> {
    fn new(shared: &Arc<Shared<T>>) -> Receiver<T> {
        let number = shared.latch.with(|state| {
            state.receiving += 1;
            state.end()
        });
        Receiver { shared: shared.clone(), next: Next { number, back: None } }
    }

    /// Another receiver, which gets what is sent from now on.
    pub fn resubscribe(&self) -> Receiver<T> {
        Receiver::new(&self.shared)
    }

    /// How many values are there for it, with those that it has missed.
    pub fn len(&self) -> u64 {
        self.shared.latch.with(|state| state.end()) - self.next.number + u64::from(self.next.back.is_some())
    }

    /// Is there nothing for it?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Clone> Receiver<T> {
    /// Waits for the next value. A fiber that is cancelled while it waits unwinds.
    ///
    /// # Errors
    /// It has missed some; the next call gets the oldest that there is. Or there is nothing, and all senders are gone.
    pub fn recv(&mut self) -> Result<T, RecvError> {
        match or_unwind(self.receive(None)) {
            Look::Value(value) => Ok(Arc::unwrap_or_clone(value)),
            Look::Lagged(missed) => Err(RecvError::Lagged(missed)),
            Look::Disconnected | Look::Empty => Err(RecvError::Disconnected),
        }
    }

    /// As [`recv`](Self::recv), but a fiber that is cancelled gets an error instead of unwinding.
    ///
    /// # Errors
    /// The fiber is cancelled, and would have to wait; and as for [`recv`](Self::recv).
    pub fn recv_or_cancelled(&mut self) -> Result<T, RecvOrCancelledError> {
        match self.receive(None) {
            Ok(Look::Value(value)) => Ok(Arc::unwrap_or_clone(value)),
            Ok(Look::Lagged(missed)) => Err(RecvOrCancelledError::Lagged(missed)),
            Ok(Look::Disconnected | Look::Empty) => Err(RecvOrCancelledError::Disconnected),
            Err(Cancelled(())) => Err(RecvOrCancelledError::Cancelled),
        }
    }

    /// The next value, if it is there.
    ///
    /// # Errors
    /// It is not there; and as for [`recv`](Self::recv).
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        match self.shared.latch.with(|state| state.look(&mut self.next)) {
            Look::Value(value) => Ok(Arc::unwrap_or_clone(value)),
            Look::Lagged(missed) => Err(TryRecvError::Lagged(missed)),
            Look::Disconnected => Err(TryRecvError::Disconnected),
            Look::Empty => Err(TryRecvError::Empty),
        }
    }

    /// Waits for the next value for so long at most. A fiber that is cancelled while it waits unwinds.
    ///
    /// # Errors
    /// The time is over; and as for [`recv`](Self::recv).
    pub fn recv_timeout(&mut self, time: Duration) -> Result<T, RecvTimeoutError> {
        // Past the end of the clock is for ever.
        self.recv_some(Instant::now().checked_add(time))
    }

    /// Waits for the next value until then at most. A fiber that is cancelled while it waits unwinds.
    ///
    /// # Errors
    /// The time is over; and as for [`recv`](Self::recv).
    pub fn recv_deadline(&mut self, due: Instant) -> Result<T, RecvTimeoutError> {
        self.recv_some(Some(due))
    }

    /// All values until the last sender is gone, and an error wherever some were missed.
    pub fn iter(&mut self) -> Iter<'_, T> {
        Iter(self)
    }

    fn recv_some(&mut self, due: Option<Instant>) -> Result<T, RecvTimeoutError> {
        match or_unwind(self.receive(due)) {
            Look::Value(value) => Ok(Arc::unwrap_or_clone(value)),
            Look::Lagged(missed) => Err(RecvTimeoutError::Lagged(missed)),
            Look::Disconnected => Err(RecvTimeoutError::Disconnected),
            Look::Empty => Err(RecvTimeoutError::Timeout),
        }
    }

    /// `Empty`: the time is over.
    fn receive(&mut self, due: Option<Instant>) -> Result<Look<T>, Cancelled> {
        let (mut look, next) = (Look::Empty, &mut self.next);
        let (waited, given) = wait::value_unless::<Waiting<T>>(&self.shared.latch, None, due, |state, _| {
            look = state.look(next);
            !matches!(look, Look::Empty)
        });
        match (given, waited) {
            (None, _) => Ok(look),
            (Some(given @ Some(_)), _) | (Some(given), Waited::Served) => Ok(self.next.given(given)),
            (Some(None), Waited::TimedOut) => Ok(Look::Empty),
            (Some(None), Waited::Cancelled) => Err(Cancelled(())),
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        // Dropped when the latch is free again.
        let _unseen: Vec<_> = self.shared.latch.with(|state| {
            state.receiving -= 1;
            let unseen = (self.next.number.max(state.first)..state.end())
                .filter_map(|number| state.see(number))
                .collect();
            state.forget_seen();
            unseen
        });
    }
}

/// The values that a receiver gets. Made by [`Receiver::iter`].
pub struct Iter<'a, T>(&'a mut Receiver<T>);

impl<T: Clone> Iterator for Iter<'_, T> {
    type Item = Result<T, Lagged>;

    fn next(&mut self) -> Option<Result<T, Lagged>> {
        match self.0.recv() {
            Ok(value) => Some(Ok(value)),
            Err(RecvError::Lagged(missed)) => Some(Err(Lagged(missed))),
            Err(RecvError::Disconnected) => None,
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("receivers", &self.receiver_count()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Iter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Iter").field(&self.0).finish()
    }
}

/// So many values were missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lagged(pub u64);

impl fmt::Display for Lagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the receiver was too slow, and has missed {} values", self.0)
    }
}

impl std::error::Error for Lagged {}

/// Why a receiver did not get a value: what all calls have, and what one of them has besides.
macro_rules! errors {
    ($($(#[$attribute:meta])* $name:ident { $($(#[$other:meta])* $variant:ident => $text:literal)? })*) => { $(
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            /// The receiver was too slow, and has missed so many. The next call gets the oldest that there is.
            Lagged(u64),
            /// There is nothing, and all senders are gone.
            Disconnected,
            $($(#[$other])* $variant,)?
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $name::Lagged(missed) => Lagged(*missed).fmt(f),
                    $name::Disconnected => f.write_str("the receiver has seen all, and all senders are gone"),
                    $($name::$variant => f.write_str($text),)?
                }
            }
        }

        impl std::error::Error for $name {}
    )* };
}

errors! {
    /// Why there is no value.
    RecvError {}
    /// Why there is no value at once.
    TryRecvError {
        /// The receiver has seen all there is.
        Empty => "the receiver has seen all at this moment"
    }
    /// Why there was no value in time.
    RecvTimeoutError {
        /// The time is over.
        Timeout => "nothing was sent for so long"
    }
    /// Why there is no value.
    RecvOrCancelledError {
        /// The fiber was cancelled while it waited.
        Cancelled => "the fiber was cancelled while it waited for a channel"
    }
}
