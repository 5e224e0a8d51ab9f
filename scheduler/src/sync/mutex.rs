//! A lock with what it protects.

use super::lock_word::Holder;
use super::raw_lock::{Party, RawLock};
use super::wait_list::Node;
use crate::error::Cancelled;
use crate::fiber::FiberRef;
use crate::fiber::awaited::Awaited;
use crate::fiber::loans::Lender;
use crate::priority::Priority;
use crate::suspend::{Resumer, suspend, suspend_shielded, unwind_cancelled};
use crate::worker::sleeper::park_thread;
use crate::worker::{current, loan};
use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often to look again before going to the wait list: long enough for another worker to leave a
/// critical section of some ten instructions, too short to matter where the holder does not run.
const SPINS: u32 = 40;

/// A value that one fiber, or thread, uses at a time.
///
/// A fiber that must wait suspends, and its thread runs others meanwhile; a thread blocks. The holder
/// counts as urgent as the most urgent of those who wait, until it unlocks (a thread that waits counts
/// as Normal). They are served by priority, and among equals in the order in which they came; the lock
/// goes straight to the next one, and nobody gets in between.
///
/// ```
/// use heddle_scheduler::{Scheduler, sync::Mutex, yield_now};
///
/// static TOTAL: Mutex<u64> = Mutex::new(0);
///
/// let scheduler = Scheduler::builder().workers(2).build()?;
/// scheduler.scope(|s| {
///     for n in 1..=100 {
///         s.go(move || {
///             let mut total = TOTAL.lock();
///             yield_now(); // other fibers run on this thread while the lock is held
///             *total += n;
///         });
///     }
/// });
/// assert_eq!(*TOTAL.lock(), 5050);
/// # Ok::<(), heddle_scheduler::Error>(())
/// ```
///
/// # No poisoning
///
/// A panic while the lock is held unlocks it, and who comes next finds the value as it was left. To
/// cancel a fiber is ordinary here, and unwinds it from whatever it waits for: were that to poison the
/// locks it holds, each cancellation would become an error elsewhere.
///
/// # Where nothing can wait
///
/// In a destructor while a panic unwinds a fiber, and for a value that a worker drops because nobody
/// joined its fiber, `lock` blocks the *thread*. Destructors should use [`try_lock`](Self::try_lock).
pub struct Mutex<T: ?Sized> {
    lock: RawLock<Waiter>,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached by one at a time, and handed from thread to thread.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

/// The right to use what a [`Mutex`] protects, until it is dropped. It stays in its fiber.
#[must_use = "the lock is free again when the guard is dropped"]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    /// Who has locked; `None`: a thread.
    holder: Option<FiberRef>,
    not_send: PhantomData<*mut ()>,
}

// SAFETY: a shared guard only gives `&T`.
unsafe impl<T: ?Sized + Sync> Sync for MutexGuard<'_, T> {}

impl<T> Mutex<T> {
    /// An unlocked one.
    pub const fn new(value: T) -> Mutex<T> {
        Mutex { lock: RawLock::new(), value: UnsafeCell::new(value) }
    }

    /// What it protected.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits until nobody else has it. A fiber that is cancelled while it waits unwinds.
    ///
    /// # Panics
    /// If this fiber has it already, or if it cannot wait (see [above](Self#where-nothing-can-wait))
    /// for one that lives on the same thread: they would wait for ever.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        match self.lock_or_cancelled() {
            Ok(guard) => guard,
            Err(Cancelled(())) => cancelled(),
        }
    }

    /// As [`lock`](Self::lock), but a fiber that is cancelled while it waits gets an error instead of
    /// unwinding: for code that is called through frames that cannot unwind, as those of C are.
    ///
    /// # Errors
    /// The fiber is cancelled, and would have to wait.
    ///
    /// # Panics
    /// As [`lock`](Self::lock).
    #[inline]
    pub fn lock_or_cancelled(&self) -> Result<MutexGuard<'_, T>, Cancelled> {
        let me = running();
        if !self.lock.try_lock(holder_of(me)) {
            self.lock.wait(me, None)?;
        }
        Ok(self.guard(me))
    }

    /// Takes it if nobody has it.
    #[inline]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let me = running();
        self.lock.try_lock(holder_of(me)).then(|| self.guard(me))
    }

    /// Waits for so long at most. A fiber that is cancelled while it waits unwinds.
    pub fn try_lock_for(&self, time: Duration) -> Option<MutexGuard<'_, T>> {
        // Past the end of the clock is for ever.
        self.try_lock_until_some(Instant::now().checked_add(time))
    }

    /// Waits until then at most. A fiber that is cancelled while it waits unwinds.
    pub fn try_lock_until(&self, due: Instant) -> Option<MutexGuard<'_, T>> {
        self.try_lock_until_some(Some(due))
    }

    fn try_lock_until_some(&self, due: Option<Instant>) -> Option<MutexGuard<'_, T>> {
        let me = running();
        if !self.lock.try_lock(holder_of(me)) {
            match self.lock.wait(me, due) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(Cancelled(())) => cancelled(),
            }
        }
        Some(self.guard(me))
    }

    /// Has somebody locked it at this moment?
    pub fn is_locked(&self) -> bool {
        self.lock.is_locked()
    }

    /// The value, without locking: nobody else can have it.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// The lock has been taken.
    #[inline]
    fn guard(&self, holder: Option<FiberRef>) -> MutexGuard<'_, T> {
        if let Some(fiber) = holder {
            fiber.note_lock();
        }
        MutexGuard { mutex: self, holder, not_send: PhantomData }
    }
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// What it has locked.
    pub(super) fn mutex(guard: &MutexGuard<'a, T>) -> &'a Mutex<T> {
        guard.mutex
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is ours.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is ours.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the lock is ours, and its holder alive: it runs, or has noted that it has this one.
        unsafe { self.mutex.lock.unlock(holder_of(self.holder)) };
        if let Some(fiber) = self.holder {
            // SAFETY: noted when it was locked, on this thread, which a guard does not leave.
            unsafe { fiber.forget_lock() };
        }
    }
}

/// The fiber that runs here.
#[inline]
fn running() -> Option<FiberRef> {
    current::in_fiber().map(|(_, fiber)| fiber)
}

#[inline]
fn holder_of(fiber: Option<FiberRef>) -> Holder {
    fiber.map_or(Holder::THREAD, |fiber| Holder::new(fiber.as_ptr().expose_provenance() as u64))
}

#[cold]
fn cancelled() -> ! {
    unwind_cancelled();
    unreachable!("while a panic unwinds a fiber waits without hearing of its cancellation")
}

/// # Safety
/// The holder is a fiber, and alive.
unsafe fn fiber_of(holder: Holder) -> FiberRef {
    // SAFETY: the caller's promise; the address comes from `holder_of`.
    unsafe { FiberRef::from_ptr(ptr::with_exposed_provenance_mut(holder.address() as usize)) }
}

/// One who waits for a lock.
struct Waiter {
    holder: Holder,
    resumer: Resumer,
}

impl Party for Waiter {
    fn holder(&self) -> Holder {
        self.holder
    }

    fn wake(&self) {
        self.resumer.resume();
    }

    unsafe fn lend(to: Holder, level: usize) {
        // SAFETY: the caller's promise.
        loan::lend(unsafe { fiber_of(to) }, level);
    }

    unsafe fn take_back(from: Holder, level: usize) {
        // SAFETY: the caller's promise.
        loan::take_back(unsafe { fiber_of(from) }, level);
    }

    unsafe fn hold(holder: Holder) {
        // SAFETY: the caller's promise.
        unsafe { fiber_of(holder) }.state.hold();
    }

    unsafe fn release(holder: Holder) {
        // SAFETY: the caller's promise.
        let fiber = unsafe { fiber_of(holder) };
        if fiber.state.release() {
            // SAFETY: that was the last hold.
            unsafe { fiber.free() };
        }
    }
}

/// A fiber in a wait list, as its home sees it.
struct Waiting {
    lock: *const RawLock<Waiter>,
    node: Arc<Node<Waiter>>,
}

impl Lender for Waiting {
    fn level_is(&self, level: usize) {
        if self.node.level() != level {
            // SAFETY: whoever waits, in whose frame this is, borrows the lock.
            unsafe { &*self.lock }.moved(&self.node, level);
        }
    }

    fn waits_for(&self) -> Awaited {
        // SAFETY: as above.
        let lock = unsafe { &*self.lock };
        // SAFETY: it is pinned.
        let holder = lock.with_holder(|holder| unsafe { fiber_of(holder) }.id.0);
        Awaited::Lock { address: self.lock.addr(), holder }
    }
}

impl RawLock<Waiter> {
    /// Waits for the lock, until `due` if there is such a time (`false`: it has come).
    #[cold]
    fn wait(&self, me: Option<FiberRef>, due: Option<Instant>) -> Result<bool, Cancelled> {
        let holder = holder_of(me);
        if due.is_none() && holder.is_fiber() && self.has_holder(holder) {
            panic!("a fiber locks a Mutex that it has locked already, and would wait for itself for ever");
        }
        if self.spin(holder) {
            return Ok(true);
        }
        let suspends = me.filter(|_| !current::cannot_wait());
        let level = me.map_or(Priority::Normal.level(), |fiber| fiber.state.level());
        let resumer = if suspends.is_some() { Resumer::current() } else { Resumer::of_thread() };
        let node = Arc::new(Node::new(level, Waiter { holder, resumer }));
        if self.enter(&node) {
            return Ok(true);
        }
        match suspends {
            Some(fiber) => self.wait_as_fiber(fiber, node, due),
            None => Ok(self.wait_as_thread(&node, due)),
        }
    }

    fn spin(&self, me: Holder) -> bool {
        for _ in 0..SPINS {
            if !self.is_worth_spinning() {
                return false;
            }
            std::hint::spin_loop();
            if !self.is_locked() && self.try_lock(me) {
                return true;
            }
        }
        false
    }

    fn wait_as_fiber(
        &self,
        me: FiberRef,
        node: Arc<Node<Waiter>>,
        due: Option<Instant>,
    ) -> Result<bool, Cancelled> {
        let timer = due.and_then(|due| Some((current::worker()?, due)));
        let timer = timer.map(|(worker, due)| (worker, worker.timers.set(due, me)));
        let waiting = Waiting { lock: self, node };
        let node = &waiting.node;
        let outcome = loan::while_lending(&waiting, || {
            while !node.is_granted() {
                let outcome = suspend();
                let late = due.is_some_and(|due| Instant::now() >= due);
                if outcome.is_err() || late {
                    if node.leave() {
                        return outcome.map(|()| false);
                    }
                    while !node.is_granted() {
                        // The lock is on its way.
                        suspend_shielded();
                    }
                    return outcome.map(|()| true);
                }
            }
            Ok(true)
        });
        if let Some((worker, key)) = timer {
            worker.timers.clear(key);
        }
        if outcome.is_err() && node.is_granted() {
            // SAFETY: the lock is ours, and we run.
            unsafe { self.unlock(holder_of(Some(me))) };
        }
        outcome
    }

    fn wait_as_thread(&self, node: &Node<Waiter>, due: Option<Instant>) -> bool {
        if let Some(worker) = current::worker() {
            // SAFETY: the holder is pinned.
            let lives_here = |holder| current::is_home(worker, unsafe { fiber_of(holder) });
            if self.with_holder(lives_here) == Some(true) && due.is_none() && node.leave() {
                panic!(
                    "Mutex::lock was called where nothing can wait (by a destructor, during a panic or on a worker's \
                     own stack), for a lock that a fiber of the same thread has; use try_lock there"
                );
            }
        }
        while !node.is_granted() {
            let Some(due) = due else {
                park_thread(None);
                continue;
            };
            let left = due.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                park_thread(Some(left));
            } else if node.leave() {
                return false;
            } else {
                // The lock is on its way.
                park_thread(None);
            }
        }
        true
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Mutex::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Self {
        Mutex::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_lock() {
            Some(guard) => f.debug_struct("Mutex").field("value", &&*guard).finish(),
            None => f.debug_struct("Mutex").field("value", &format_args!("<locked>")).finish(),
        }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
