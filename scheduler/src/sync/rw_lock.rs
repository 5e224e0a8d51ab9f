//! A lock with what it protects: many who read, or one who writes.
//!
//! | state                    | then                                                                       |
//! |--------------------------|----------------------------------------------------------------------------|
//! | `writer`                 | `readers` is 0, and everybody else is in line                              |
//! | `readers` > 0            | the first in line, if there is one, would write                            |
//! | neither                  | nobody is in line                                                          |
//!
//! Who writes is known, as it is lent to. Of those who read, four are known by their numbers, for the report of who waits for
//! whom; a number is nothing but that, so that it may be of a fiber that has ended.

use super::latch::Latch;
use super::lent::Lent;
use super::line::Line;
use super::owner::Owner;
use super::wait::{self, Side, Wakes, or_unwind};
use crate::error::Cancelled;
use crate::primitive::constructor;
use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

/// A value that many read at a time, or one writes.
///
/// A fiber that must wait suspends, and its thread runs others meanwhile; a thread blocks. They are served by priority, and
/// among equals in the order in which they came: who would read waits while somebody at least as urgent waits
/// to write, so neither readers nor writers of one priority keep the others out. Whoever writes counts as urgent as the
/// most urgent of those who wait, until it unlocks. Those who read are lent nothing: there may be any number of them.
///
/// ```
/// use heddle_scheduler::{Scheduler, sync::RwLock};
///
/// static NAMES: RwLock<Vec<String>> = RwLock::new(Vec::new());
///
/// let scheduler = Scheduler::builder().workers(2).build()?;
/// scheduler.scope(|s| {
///     for n in 0..10 {
///         s.go(move || NAMES.write().push(n.to_string()));
///         s.go(|| assert!(NAMES.read().len() <= 10));
///     }
/// });
/// assert_eq!(NAMES.read().len(), 10);
/// # Ok::<(), heddle_scheduler::Error>(())
/// ```
///
/// As with [`Mutex`](super::Mutex), a panic while it is locked unlocks it and poisons nothing, and where nothing can wait
/// the calls block the *thread*.
///
/// # For ever
///
/// A fiber that reads and would read once more may wait for one that would write and waits for the first
/// reading to end; one that reads and would write waits for itself.
pub struct RwLock<T: ?Sized> {
    latch: Latch<State>,
    value: UnsafeCell<T>,
}

// SAFETY: the value is handed from thread to thread.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}
// SAFETY: as above, and read by many at once.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

struct State {
    readers: usize,
    writer: bool,
    line: Line<Want>,
    lent: Lent,
    /// Fibers that read, some of them.
    known: [Reader; KNOWN],
}

/// So many readers are named in a report: more help nobody, and each is looked at when one leaves.
const KNOWN: usize = 4;

/// The number of a fiber that reads; `NOBODY`: none, or a thread.
type Reader = u64;
const NOBODY: Reader = 0;

/// What somebody in line waits for.
#[derive(Clone, Copy)]
enum Want {
    Read(Reader),
    Write(Owner),
}

struct Waiting;

impl Side for Waiting {
    type State = State;
    type Value = Want;

    const WHAT: &'static str = "an RwLock";

    fn line(state: &mut State) -> &mut Line<Want> {
        &mut state.line
    }

    fn holders(state: &State) -> Vec<u64> {
        let readers = state.known.iter().copied().filter(|&reader| reader != NOBODY);
        state.lent.owner_number().into_iter().chain(readers).collect()
    }

    fn settle(state: &mut State, wakes: &mut Wakes) {
        while let Some(want) = state.serve(wakes) {
            state.have(want);
        }
    }

    fn settled(latch: &Latch<State>) {
        while let Some(loan) = latch.with(|state| state.lent.offer(state.line.most_urgent())) {
            loan.lend(|keep| latch.with(|state| keep(&mut state.lent)));
        }
    }
}

impl State {
    #[inline]
    fn take(&mut self, want: Want, level: usize) -> bool {
        let free = match want {
            Want::Read(_) => !self.writer && !self.line.is_before(level),
            Want::Write(_) => !self.writer && self.readers == 0,
        };
        if free {
            self.have(want);
        }
        free
    }

    fn serve(&mut self, wakes: &mut Wakes) -> Option<Want> {
        let (writer, readers) = (self.writer, self.readers);
        let may = |want: &Want| !writer && (readers == 0 || matches!(want, Want::Read(_)));
        self.line.serve_if(may, |want| *want, wakes)
    }

    #[inline]
    fn have(&mut self, want: Want) {
        match want {
            Want::Read(reader) => {
                self.readers += 1;
                self.know(NOBODY, reader);
            }
            Want::Write(owner) => {
                self.writer = true;
                self.lent.comes(owner);
            }
        }
    }
}

impl State {
    /// Puts `after` where `before` is.
    #[inline]
    fn know(&mut self, before: Reader, after: Reader) {
        if before != after
            && let Some(known) = self.known.iter_mut().find(|known| **known == before)
        {
            *known = after;
        }
    }
}

impl<T> RwLock<T> {
    constructor! {
        /// An unlocked one.
        pub fn new(value: T) -> RwLock<T> {
            let (line, lent) = (Line::new(), Lent::new());
            let state = State { readers: 0, writer: false, line, lent, known: [NOBODY; KNOWN] };
            RwLock { latch: Latch::new(state), value: UnsafeCell::new(value) }
        }
    }

    /// What it protected.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits until it may be read. A fiber that is cancelled while it waits unwinds.
    ///
    /// # Panics
    /// If this fiber writes it: it would wait for ever.
    #[inline]
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        or_unwind(self.read_or_cancelled())
    }

    /// As [`read`](Self::read), but a fiber that is cancelled gets an error instead of unwinding.
    ///
    /// # Errors
    /// The fiber is cancelled, and would have to wait.
    ///
    /// # Panics
    /// As [`read`](Self::read).
    #[inline]
    pub fn read_or_cancelled(&self) -> Result<RwLockReadGuard<'_, T>, Cancelled> {
        let me = Owner::caller_number();
        self.lock(Want::Read(me), None)?;
        Ok(RwLockReadGuard::new(self, me))
    }

    /// Reads if that can be done now.
    #[inline]
    pub fn try_read(&self) -> Option<RwLockReadGuard<'_, T>> {
        let (me, level) = (Owner::caller_number(), wait::level());
        self.latch.with(|state| state.take(Want::Read(me), level)).then(|| RwLockReadGuard::new(self, me))
    }

    /// Waits for so long at most. A fiber that is cancelled while it waits unwinds.
    pub fn try_read_for(&self, time: Duration) -> Option<RwLockReadGuard<'_, T>> {
        // Past the end of the clock is for ever.
        match Instant::now().checked_add(time) {
            Some(due) => self.try_read_until(due),
            None => Some(self.read()),
        }
    }

    /// Waits until then at most. A fiber that is cancelled while it waits unwinds.
    pub fn try_read_until(&self, due: Instant) -> Option<RwLockReadGuard<'_, T>> {
        let me = Owner::caller_number();
        or_unwind(self.lock(Want::Read(me), Some(due))).then(|| RwLockReadGuard::new(self, me))
    }

    /// Waits until nobody else has it. A fiber that is cancelled while it waits unwinds.
    ///
    /// # Panics
    /// If this fiber writes it already: it would wait for ever.
    #[inline]
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        or_unwind(self.write_or_cancelled())
    }

    /// As [`write`](Self::write), but a fiber that is cancelled gets an error instead of unwinding.
    ///
    /// # Errors
    /// The fiber is cancelled, and would have to wait.
    ///
    /// # Panics
    /// As [`write`](Self::write).
    #[inline]
    pub fn write_or_cancelled(&self) -> Result<RwLockWriteGuard<'_, T>, Cancelled> {
        let me = Owner::caller();
        self.lock(Want::Write(me), None)?;
        Ok(RwLockWriteGuard::new(self, me))
    }

    /// Takes it if nobody has it.
    #[inline]
    pub fn try_write(&self) -> Option<RwLockWriteGuard<'_, T>> {
        let (me, level) = (Owner::caller(), wait::level());
        self.latch.with(|state| state.take(Want::Write(me), level)).then(|| RwLockWriteGuard::new(self, me))
    }

    /// Waits for so long at most. A fiber that is cancelled while it waits unwinds.
    pub fn try_write_for(&self, time: Duration) -> Option<RwLockWriteGuard<'_, T>> {
        // Past the end of the clock is for ever.
        match Instant::now().checked_add(time) {
            Some(due) => self.try_write_until(due),
            None => Some(self.write()),
        }
    }

    /// Waits until then at most. A fiber that is cancelled while it waits unwinds.
    pub fn try_write_until(&self, due: Instant) -> Option<RwLockWriteGuard<'_, T>> {
        let me = Owner::caller();
        or_unwind(self.lock(Want::Write(me), Some(due))).then(|| RwLockWriteGuard::new(self, me))
    }

    /// The value, without locking: nobody else can have it.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// `false`: the time is over.
    #[inline]
    fn lock(&self, want: Want, due: Option<Instant>) -> Result<bool, Cancelled> {
        let mut again = false;
        let waited = wait::wait_unless::<Waiting>(&self.latch, want, due, |state, level| {
            let taken = state.take(want, level);
            again = !taken && due.is_none() && state.lent.is_owned_by(Owner::caller());
            taken || again
        });
        if again {
            panic!("a fiber locks an RwLock that it writes already, and would wait for itself for ever");
        }
        waited.in_time()
    }

    #[inline]
    fn unlock_read(&self, reader: Reader) {
        let mut wakes = Wakes::default();
        self.latch.with(|state| {
            state.readers -= 1;
            state.know(reader, NOBODY);
            if state.readers == 0 {
                Waiting::settle(state, &mut wakes);
            }
        });
        self.wake(wakes);
    }

    /// # Safety
    /// `owner` has it for writing, and has [noted](Owner::note) that on this thread.
    #[inline]
    unsafe fn unlock_write(&self, owner: Owner, reads_on: Option<Reader>) {
        let mut wakes = Wakes::default();
        let debt = self.latch.with(|state| {
            state.writer = false;
            let debt = state.lent.leaves();
            reads_on.into_iter().for_each(|reader| state.have(Want::Read(reader)));
            Waiting::settle(state, &mut wakes);
            debt
        });
        self.wake(wakes);
        // SAFETY: the caller's promise.
        unsafe {
            debt.settle();
            owner.forget();
        }
    }

    /// Wakes those who were served; if one of them writes, it is lent what those have who wait on.
    #[inline]
    fn wake(&self, wakes: Wakes) {
        if wakes.count() > 0 {
            wakes.call();
            Waiting::settled(&self.latch);
        }
    }
}

/// The right to read what an [`RwLock`] protects, until it is dropped. It stays in its fiber.
#[must_use = "the lock is free again when the guard is dropped"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    reader: Reader,
    not_send: PhantomData<*mut ()>,
}

// SAFETY: a shared guard only gives `&T`.
unsafe impl<T: ?Sized + Sync> Sync for RwLockReadGuard<'_, T> {}

/// The right to use what an [`RwLock`] protects, until it is dropped. It stays in its fiber.
#[must_use = "the lock is free again when the guard is dropped"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    owner: Owner,
    not_send: PhantomData<*mut ()>,
}

// SAFETY: a shared guard only gives `&T`.
unsafe impl<T: ?Sized + Sync> Sync for RwLockWriteGuard<'_, T> {}

impl<'a, T: ?Sized> RwLockReadGuard<'a, T> {
    #[inline]
    fn new(lock: &'a RwLock<T>, reader: Reader) -> RwLockReadGuard<'a, T> {
        RwLockReadGuard { lock, reader, not_send: PhantomData }
    }
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    #[inline]
    fn new(lock: &'a RwLock<T>, owner: Owner) -> RwLockWriteGuard<'a, T> {
        owner.note();
        RwLockWriteGuard { lock, owner, not_send: PhantomData }
    }

    /// Goes on reading. Nobody writes in between, and those who wait to read may do so.
    pub fn downgrade(guard: RwLockWriteGuard<'a, T>) -> RwLockReadGuard<'a, T> {
        let guard = ManuallyDrop::new(guard);
        let reader = Owner::caller_number();
        // SAFETY: noted by `new`, on this thread, which a guard does not leave; the guard is not dropped.
        unsafe { guard.lock.unlock_write(guard.owner, Some(reader)) };
        RwLockReadGuard::new(guard.lock, reader)
    }
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: nobody writes while we read.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is ours.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is ours.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.unlock_read(self.reader);
    }
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: noted by `new`, on this thread, which a guard does not leave.
        unsafe { self.lock.unlock_write(self.owner, None) };
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        RwLock::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> Self {
        RwLock::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_read() {
            Some(guard) => f.debug_struct("RwLock").field("value", &&*guard).finish(),
            None => f.debug_struct("RwLock").field("value", &format_args!("<locked>")).finish(),
        }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
