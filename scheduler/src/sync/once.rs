//! What is made once, by whoever comes first, while the others wait.
//!
//! | `full` | `value`        | who changes it                                                |
//! |--------|----------------|---------------------------------------------------------------|
//! | 0      | nothing there  | who has the mutex: writes the value, then sets `full`         |
//! | 1      | there          | nobody, as long as it is shared                               |
//!
//! The mutex lends to the one who makes it the priority of those who wait. `maker` tells one who would wait for itself.

use super::mutex::Mutex;
use super::wait::{self, or_unwind};
use crate::error::Cancelled;
use crate::primitive::{AtomicU32, AtomicU64, Ordering, constructor};
use std::cell::UnsafeCell;
use std::convert::Infallible;
use std::fmt;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};

const EMPTY: u32 = 0;
const FULL: u32 = 1;

/// A value that is set once, or made when it is first needed.
///
/// A fiber that needs it while another one makes it suspends; the one that makes it may suspend, too, and counts
/// as urgent as those who wait. If that one panics or is cancelled the cell stays empty, and the next makes the value.
///
/// ```
/// use heddle_scheduler::{Scheduler, sleep, sync::OnceCell};
/// use std::time::Duration;
///
/// static CONFIG: OnceCell<String> = OnceCell::new();
///
/// let scheduler = Scheduler::builder().workers(2).build()?;
/// let made = || CONFIG.get_or_init(|| {
///     sleep(Duration::from_micros(100)); // the others wait, their threads do not
///     "read from somewhere".to_string()
/// });
/// let fibers: Vec<_> = (0..10).map(|_| scheduler.go(move || made().len())).collect();
/// assert!(fibers.into_iter().all(|fiber| fiber.join().unwrap() == 19));
/// # Ok::<(), heddle_scheduler::Error>(())
/// ```
pub struct OnceCell<T> {
    full: AtomicU32,
    maker: AtomicU64,
    lock: Mutex<()>,
    value: UnsafeCell<Option<T>>,
}

// SAFETY: the value is written by one, who has the mutex, before it is shared; it may be dropped by another.
unsafe impl<T: Send + Sync> Sync for OnceCell<T> {}

// Whoever sees it sees it whole.
impl<T: UnwindSafe> UnwindSafe for OnceCell<T> {}
impl<T: RefUnwindSafe + UnwindSafe> RefUnwindSafe for OnceCell<T> {}

impl<T> OnceCell<T> {
    constructor! {
        /// Empty.
        pub fn new() -> OnceCell<T> {
            OnceCell {
                full: AtomicU32::new(EMPTY),
                maker: AtomicU64::new(0),
                lock: Mutex::new(()),
                value: UnsafeCell::new(None),
            }
        }
    }

    /// What is in it. It does not wait for somebody who makes it.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        // ORDERING: Acquire pairs with the release of `fill`: the value.
        if self.full.load(Ordering::Acquire) == FULL {
            // SAFETY: it is full, and so nobody writes it.
            unsafe { (*self.value.get()).as_ref() }
        } else {
            None
        }
    }

    /// What is in it, to be changed.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut().as_mut()
    }

    /// Puts a value in. It waits for somebody who makes one; a fiber that is cancelled meanwhile unwinds.
    ///
    /// # Errors
    /// There is one already: the value comes back.
    ///
    /// # Panics
    /// If it is called by what makes the value.
    pub fn set(&self, value: T) -> Result<(), T> {
        let mut value = Some(value);
        self.get_or_init(|| value.take().expect("it is made once"));
        value.map_or(Ok(()), Err)
    }

    /// What is in it, made by `make` if there is nothing. It waits for somebody else who makes it; a fiber that is
    /// cancelled meanwhile unwinds.
    ///
    /// # Panics
    /// If `make` does, and if `make` needs the value itself.
    #[inline]
    pub fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        match self.get_or_try_init(|| Ok::<T, Infallible>(make())) {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// The same where making it may fail. Then it stays empty.
    ///
    /// # Errors
    /// Those of `make`.
    ///
    /// # Panics
    /// As [`get_or_init`](Self::get_or_init).
    #[inline]
    pub fn get_or_try_init<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        match self.get() {
            Some(value) => Ok(value),
            None => or_unwind(self.make(make)),
        }
    }

    /// As [`get_or_init`](Self::get_or_init), but a fiber that is cancelled while it waits for another to make it gets an
    /// error instead of unwinding.
    ///
    /// # Errors
    /// The fiber is cancelled, and would have to wait.
    ///
    /// # Panics
    /// As [`get_or_init`](Self::get_or_init).
    pub fn get_or_init_or_cancelled(&self, make: impl FnOnce() -> T) -> Result<&T, Cancelled> {
        if let Some(value) = self.get() {
            return Ok(value);
        }
        match self.make(|| Ok::<T, Infallible>(make()))? {
            Ok(value) => Ok(value),
            Err(never) => match never {},
        }
    }

    /// Takes the value out; the cell is empty then.
    pub fn take(&mut self) -> Option<T> {
        std::mem::take(self).into_inner()
    }

    /// What was in it.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    #[cold]
    fn make<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<Result<&T, E>, Cancelled> {
        /// Also when it unwinds.
        struct Making<'a>(&'a AtomicU64);
        impl Drop for Making<'_> {
            fn drop(&mut self) {
                self.0.store(0, Ordering::Relaxed);
            }
        }
        let me = wait::identity();
        // What another one stores is never ours.
        if self.maker.load(Ordering::Relaxed) == me {
            panic!(
                "what makes the value of a OnceCell, a Lazy or a Once needs that value, and would wait for itself for ever"
            );
        }
        let _guard = self.lock.lock_or_cancelled()?;
        if let Some(value) = self.get() {
            return Ok(Ok(value));
        }
        self.maker.store(me, Ordering::Relaxed);
        let making = Making(&self.maker);
        let made = make();
        drop(making);
        Ok(made.map(|value| self.fill(value)))
    }

    /// By who has the mutex, when it is empty.
    fn fill(&self, value: T) -> &T {
        // SAFETY: nobody looks before it is full, and nobody else has the mutex.
        let value = unsafe { (*self.value.get()).insert(value) };
        // ORDERING: Release pairs with the acquire of `get`: the value.
        self.full.store(FULL, Ordering::Release);
        value
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> Self {
        OnceCell::new()
    }
}

impl<T> From<T> for OnceCell<T> {
    /// A full one.
    fn from(value: T) -> Self {
        let cell = OnceCell::new();
        cell.fill(value);
        cell
    }
}

impl<T: Clone> Clone for OnceCell<T> {
    fn clone(&self) -> Self {
        self.get().map_or_else(OnceCell::new, |value| OnceCell::from(value.clone()))
    }
}

impl<T: PartialEq> PartialEq for OnceCell<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for OnceCell<T> {}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get() {
            Some(value) => f.debug_tuple("OnceCell").field(value).finish(),
            None => f.write_str("OnceCell(<empty>)"),
        }
    }
}

/// A value that is made when it is first used. If what makes it panics, or is cancelled, the next one who uses it
/// has it made once more.
///
/// ```
/// use heddle_scheduler::sync::Lazy;
///
/// static SQUARES: Lazy<Vec<u64>> = Lazy::new(|| (0..100).map(|n| n * n).collect());
/// assert_eq!(SQUARES[9], 81);
/// ```
pub struct Lazy<T, F = fn() -> T> {
    cell: OnceCell<T>,
    make: F,
}

impl<T, F: Fn() -> T> Lazy<T, F> {
    constructor! {
        /// `make` makes it.
        pub fn new(make: F) -> Lazy<T, F> {
            Lazy { cell: OnceCell::new(), make }
        }
    }

    /// The value, as by `*lazy`.
    ///
    /// # Panics
    /// As [`OnceCell::get_or_init`].
    #[inline]
    pub fn force(lazy: &Lazy<T, F>) -> &T {
        lazy.cell.get_or_init(&lazy.make)
    }

    /// The value, if it was made.
    pub fn get(lazy: &Lazy<T, F>) -> Option<&T> {
        lazy.cell.get()
    }
}

impl<T, F: Fn() -> T> Deref for Lazy<T, F> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        Lazy::force(self)
    }
}

impl<T: Default> Default for Lazy<T> {
    fn default() -> Self {
        Lazy::new(T::default)
    }
}

impl<T: fmt::Debug, F> fmt::Debug for Lazy<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cell.get() {
            Some(value) => f.debug_tuple("Lazy").field(value).finish(),
            None => f.write_str("Lazy(<not made>)"),
        }
    }
}

/// Something that is done once, by whoever comes first, while the others wait. If that one panics, or is cancelled, it
/// has not been done, and the next one does it.
///
/// ```
/// use heddle_scheduler::sync::Once;
///
/// static START: Once = Once::new();
/// START.call_once(|| println!("once"));
/// START.call_once(|| unreachable!());
/// assert!(START.is_completed());
/// ```
#[derive(Debug)]
pub struct Once(OnceCell<()>);

impl Once {
    constructor! {
        /// Not done.
        pub fn new() -> Once {
            Once(OnceCell::new())
        }
    }

    /// Does it, if nobody has; else waits until it is done. A fiber that is cancelled while it waits unwinds.
    ///
    /// # Panics
    /// As [`OnceCell::get_or_init`].
    #[inline]
    pub fn call_once(&self, f: impl FnOnce()) {
        self.0.get_or_init(f);
    }

    /// As [`call_once`](Self::call_once), but a fiber that is cancelled gets an error instead of unwinding.
    ///
    /// # Errors
    /// The fiber is cancelled, and would have to wait.
    ///
    /// # Panics
    /// As [`OnceCell::get_or_init`].
    pub fn call_once_or_cancelled(&self, f: impl FnOnce()) -> Result<(), Cancelled> {
        self.0.get_or_init_or_cancelled(f).copied()
    }

    /// Was it done?
    pub fn is_completed(&self) -> bool {
        self.0.get().is_some()
    }
}

impl Default for Once {
    fn default() -> Self {
        Once::new()
    }
}
