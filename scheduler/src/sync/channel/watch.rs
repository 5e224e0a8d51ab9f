//! A value that some change and others follow: each sees the latest, and not all that were in between.
//!
//! | what                | is                                                                                      |
//! |---------------------|-----------------------------------------------------------------------------------------|
//! | the value's version | goes up with each change, under the lock that protects the value                        |
//! | the state's version | the highest that was told to those who wait; never ahead of the value's                 |
//! | a receiver's `seen` | the highest that it knows; what is above that has changed                               |
//!
//! No code of the user's runs under the latch. Those who look at the value have an [`RwLock`] for reading meanwhile, so
//! that one who would change it waits for them.

use super::error::{RecvError, RecvOrCancelledError, RecvTimeoutError, SendError};
use crate::error::Cancelled;
use crate::sync::latch::Latch;
use crate::sync::line::Line;
use crate::sync::rw_lock::{RwLock, RwLockReadGuard};
use crate::sync::wait::{self, Side, Wakes, or_unwind};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A channel with a first value, which the receiver counts as seen.
///
/// ```
/// use heddle_scheduler::{Scheduler, sync::channel::watch};
///
/// let scheduler = Scheduler::builder().workers(2).build()?;
/// let (sender, mut receiver) = watch::channel("starting");
/// let fiber = scheduler.go(move || {
///     let state = receiver.wait_for(|state| *state != "starting").unwrap();
///     *state
/// });
/// sender.send("ready").unwrap();
/// assert_eq!(fiber.join().unwrap(), "ready");
/// # Ok::<(), heddle_scheduler::Error>(())
/// ```
pub fn channel<T>(first: T) -> (Sender<T>, Receiver<T>) {
    let (line, closing) = (Line::new(), Line::new());
    let state = State { version: FIRST, sending: 1, receiving: 1, line, closing };
    let value = RwLock::new(Versioned { value: first, version: FIRST });
    let shared = Arc::new(Shared { value, latch: Latch::new(state) });
    (Sender { shared: shared.clone() }, Receiver { shared, seen: FIRST })
}

/// The version of the first value. Who has seen less has not seen any.
const FIRST: u64 = 1;

pub(super) struct Shared<T> {
    value: RwLock<Versioned<T>>,
    pub(super) latch: Latch<State>,
}

struct Versioned<T> {
    value: T,
    version: u64,
}

pub(super) struct State {
    version: u64,
    sending: usize,
    receiving: usize,
    line: Line<()>,
    /// Those who wait until nobody receives.
    closing: Line<()>,
}

impl State {
    /// Has one something to hear of who has seen that version?
    pub(super) fn has_news(&self, seen: u64) -> bool {
        self.version > seen || self.sending == 0
    }

    pub(super) fn is_closed(&self) -> bool {
        self.receiving == 0
    }
}

/// The line of those who wait until nobody receives.
pub(super) struct Closing;

impl Side for Closing {
    type State = State;
    type Value = ();

    const WHAT: &'static str = "the last receiver of a watch channel";

    fn line(state: &mut State) -> &mut Line<()> {
        &mut state.closing
    }
}

/// The line of those who wait for another value.
pub(super) struct Waiting;

impl Side for Waiting {
    type State = State;
    type Value = ();

    const WHAT: &'static str = "a change in a watch channel";

    fn line(state: &mut State) -> &mut Line<()> {
        &mut state.line
    }
}

impl<T> Shared<T> {
    /// Tells all who wait. The lock is free again, so that they can look.
    fn tell(&self, version: u64) {
        let mut wakes = Wakes::default();
        self.latch.with(|state| {
            // Of two who change the value, the second may be here first.
            state.version = state.version.max(version);
            state.line.serve_all(|()| (), &mut wakes);
        });
        wakes.call();
    }

    /// What there is for one who has seen that version, which it then has.
    pub(super) fn see(&self, seen: &mut u64) -> Option<Change> {
        let (version, is_last) = self.latch.with(|state| (state.version, state.sending == 0));
        if version > *seen {
            *seen = version;
            return Some(Change::Seen);
        }
        is_last.then_some(Change::Disconnected)
    }
}

/// The value while somebody looks at it. Who would change it waits as long, so do not keep this.
#[must_use = "nobody can change the value while this exists"]
pub struct Ref<'a, T> {
    guard: RwLockReadGuard<'a, Versioned<T>>,
    changed: bool,
}

impl<T> Ref<'_, T> {
    /// Had the receiver not seen it before?
    pub fn has_changed(&self) -> bool {
        self.changed
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Ref<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Changes the value. Clones change the same. All calls that do wait until nobody looks at it; a fiber that is cancelled
/// meanwhile unwinds, and has changed nothing.
pub struct Sender<T> {
    pub(super) shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Puts another value there.
    ///
    /// # Errors
    /// All receivers are gone; the value comes back.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.is_closed() {
            return Err(SendError(value));
        }
        self.send_replace(value);
        Ok(())
    }

    /// Puts another value there, also if nobody receives it, and returns the one before.
    pub fn send_replace(&self, mut value: T) -> T {
        self.send_modify(|present| std::mem::swap(present, &mut value));
        value
    }

    /// Changes the value. If `change` panics, nobody is told.
    pub fn send_modify(&self, change: impl FnOnce(&mut T)) {
        self.send_if_modified(|value| {
            change(value);
            true
        });
    }

    /// Changes the value, perhaps: the receivers are told if `change` says so, which is the result.
    pub fn send_if_modified(&self, change: impl FnOnce(&mut T) -> bool) -> bool {
        let mut guard = self.shared.value.write();
        let changed = change(&mut guard.value);
        guard.version += u64::from(changed);
        let version = guard.version;
        drop(guard);
        if changed {
            self.shared.tell(version);
        }
        changed
    }

    /// Looks at the value.
    pub fn borrow(&self) -> Ref<'_, T> {
        Ref { guard: self.shared.value.read(), changed: false }
    }

    /// Another receiver, which counts the present value as seen.
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver::new(&self.shared, None)
    }

    /// Are all receivers gone?
    pub fn is_closed(&self) -> bool {
        self.receiver_count() == 0
    }

    /// Waits until all receivers are gone: nobody needs another value. Somebody may [subscribe](Self::subscribe) after that. A
    /// fiber that is cancelled while it waits unwinds.
    ///
    /// ```
    /// use heddle_scheduler::{Scheduler, sync::channel::watch};
    ///
    /// let scheduler = Scheduler::builder().workers(2).build()?;
    /// let (sender, receiver) = watch::channel(0);
    /// let fiber = scheduler.go(move || sender.closed());
    /// drop(receiver);
    /// fiber.join().unwrap();
    /// # Ok::<(), heddle_scheduler::Error>(())
    /// ```
    pub fn closed(&self) {
        or_unwind(self.closed_or_cancelled());
    }

    /// As [`closed`](Self::closed), but a fiber that is cancelled gets an error instead of unwinding.
    ///
    /// # Errors
    /// The fiber is cancelled, and would have to wait.
    pub fn closed_or_cancelled(&self) -> Result<(), Cancelled> {
        self.wait_closed(None).map(|_| ())
    }

    /// As [`closed`](Self::closed), for so long at most: are they gone?
    #[must_use = "the time may have been over"]
    pub fn closed_timeout(&self, time: Duration) -> bool {
        // Past the end of the clock is for ever.
        or_unwind(self.wait_closed(Instant::now().checked_add(time)))
    }

    /// As [`closed`](Self::closed), until then at most: are they gone?
    #[must_use = "the time may have been over"]
    pub fn closed_deadline(&self, due: Instant) -> bool {
        or_unwind(self.wait_closed(Some(due)))
    }

    fn wait_closed(&self, due: Option<Instant>) -> Result<bool, Cancelled> {
        let is_closed = |state: &mut State, _| state.is_closed();
        wait::wait_unless::<Closing>(&self.shared.latch, (), due, is_closed).in_time()
    }

    /// How many receivers there are.
    pub fn receiver_count(&self) -> usize {
        self.shared.latch.with(|state| state.receiving)
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
                state.line.serve_all(|()| (), &mut wakes);
            }
        });
        wakes.call();
    }
}

/// Follows the value. A clone has seen what this one has.
pub struct Receiver<T> {
    pub(super) shared: Arc<Shared<T>>,
    pub(super) seen: u64,
}

impl<T> Receiver<T> {
    /// `None`: it has seen what there is.
    fn new(shared: &Arc<Shared<T>>, seen: Option<u64>) -> Receiver<T> {
        let seen = shared.latch.with(|state| {
            state.receiving += 1;
            seen.unwrap_or(state.version)
        });
        Receiver { shared: shared.clone(), seen }
    }

    /// Looks at the value; it counts as unseen as before. It waits for one who changes it; a fiber that is cancelled
    /// meanwhile unwinds.
    pub fn borrow(&self) -> Ref<'_, T> {
        let guard = self.shared.value.read();
        let changed = guard.version > self.seen;
        Ref { guard, changed }
    }

    /// Looks at the value, which is seen by that. It waits as [`borrow`](Self::borrow) does.
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let guard = self.shared.value.read();
        let changed = guard.version > std::mem::replace(&mut self.seen, guard.version);
        Ref { guard, changed }
    }

    /// Is there a value that it has not seen?
    ///
    /// # Errors
    /// There is not, and all senders are gone.
    pub fn has_changed(&self) -> Result<bool, RecvError> {
        self.shared.latch.with(|state| match state.version > self.seen {
            false if state.sending == 0 => Err(RecvError),
            changed => Ok(changed),
        })
    }

    /// The present value counts as unseen.
    pub fn mark_changed(&mut self) {
        self.seen = self.shared.latch.with(|state| state.version - 1);
    }

    /// The present value counts as seen.
    pub fn mark_unchanged(&mut self) {
        self.seen = self.shared.latch.with(|state| state.version.max(self.seen));
    }

    /// Waits until there is a value that it has not seen, which counts as seen then. A fiber that is cancelled while it
    /// waits unwinds.
    ///
    /// # Errors
    /// There is none, and all senders are gone.
    pub fn changed(&mut self) -> Result<(), RecvError> {
        match or_unwind(self.wait(None)) {
            Change::Seen => Ok(()),
            Change::Disconnected | Change::TooLate => Err(RecvError),
        }
    }

    /// As [`changed`](Self::changed), but a fiber that is cancelled gets an error instead of unwinding.
    ///
    /// # Errors
    /// The fiber is cancelled, and would have to wait; or as for [`changed`](Self::changed).
    pub fn changed_or_cancelled(&mut self) -> Result<(), RecvOrCancelledError> {
        match self.wait(None) {
            Ok(Change::Seen) => Ok(()),
            Ok(Change::Disconnected | Change::TooLate) => Err(RecvOrCancelledError::Disconnected),
            Err(Cancelled(())) => Err(RecvOrCancelledError::Cancelled),
        }
    }

    /// As [`changed`](Self::changed), for so long at most.
    ///
    /// # Errors
    /// The time is over; or as for [`changed`](Self::changed).
    pub fn changed_timeout(&mut self, time: Duration) -> Result<(), RecvTimeoutError> {
        // Past the end of the clock is for ever.
        self.changed_until(Instant::now().checked_add(time))
    }

    /// As [`changed`](Self::changed), until then at most.
    ///
    /// # Errors
    /// The time is over; or as for [`changed`](Self::changed).
    pub fn changed_deadline(&mut self, due: Instant) -> Result<(), RecvTimeoutError> {
        self.changed_until(Some(due))
    }

    /// Waits until `is_right` says so of the value, and looks at it. It looks at the present value first, seen or not.
    ///
    /// # Errors
    /// All senders are gone, and the last value is not right.
    pub fn wait_for(&mut self, mut is_right: impl FnMut(&T) -> bool) -> Result<Ref<'_, T>, RecvError> {
        loop {
            let guard = self.shared.value.read();
            let changed = guard.version > std::mem::replace(&mut self.seen, guard.version);
            if is_right(&guard.value) {
                return Ok(Ref { guard, changed });
            }
            drop(guard);
            match or_unwind(wait_for_change(&self.shared, &mut self.seen, None)) {
                Change::Seen => {}
                Change::Disconnected | Change::TooLate => return Err(RecvError),
            }
        }
    }

    fn changed_until(&mut self, due: Option<Instant>) -> Result<(), RecvTimeoutError> {
        match or_unwind(self.wait(due)) {
            Change::Seen => Ok(()),
            Change::Disconnected => Err(RecvTimeoutError::Disconnected),
            Change::TooLate => Err(RecvTimeoutError::Timeout),
        }
    }

    fn wait(&mut self, due: Option<Instant>) -> Result<Change, Cancelled> {
        wait_for_change(&self.shared, &mut self.seen, due)
    }
}

pub(super) enum Change {
    Seen,
    Disconnected,
    TooLate,
}

fn wait_for_change<T>(shared: &Shared<T>, seen: &mut u64, due: Option<Instant>) -> Result<Change, Cancelled> {
    loop {
        let has_news = |state: &mut State, _| state.has_news(*seen);
        if !wait::wait_unless::<Waiting>(&shared.latch, (), due, has_news).in_time()? {
            return Ok(Change::TooLate);
        }
        if let Some(change) = shared.see(seen) {
            return Ok(change);
        }
        // It was told of what it had seen before it waited.
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Receiver<T> {
        Receiver::new(&self.shared, Some(self.seen))
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut wakes = Wakes::default();
        self.shared.latch.with(|state| {
            state.receiving -= 1;
            if state.is_closed() {
                state.closing.serve_all(|()| (), &mut wakes);
            }
        });
        wakes.call();
    }
}

impl<T: fmt::Debug> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("receivers", &self.receiver_count()).finish_non_exhaustive()
    }
}

impl<T: fmt::Debug> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("changed", &self.has_changed()).finish_non_exhaustive()
    }
}
