//! Fork-join: two branches, of which the second is only a note in the fiber's own list until
//! somebody has time for it.
//!
//! ```text
//!   join(a, b):  note b in the list        oldest <-> ... <-> newest     (frames of joins that wait)
//!                a worker is hungry?  ---> the oldest note becomes a fiber that anyone may steal
//!                call a
//!                b still in the list? ---> take it out and call it
//!                b a fiber by now?    ---> not started: take it back and call it; else wait for it
//! ```
//!
//! The list belongs to the fiber, not to the worker, so a branch may suspend in the middle: the
//! fiber's other branches stay where they are, and its worker turns them into fibers when anybody
//! (it itself included) has nothing better to do.
//!
//! | field            | written by                                | read by                   |
//! |------------------|-------------------------------------------|---------------------------|
//! | `newer`, `older` | the fiber; its worker while it waits      | the same                  |
//! | `promoted`       | the same                                  | the fiber, after `a`      |
//! | `branch`         | the joining fiber, before                 | whoever runs it, once     |
//! | `result`         | the fiber that runs the branch            | the joiner, after its end |

use crate::fiber::branches::{Branches, Note};
use crate::fiber::{CancelUnwind, FiberRef};
use crate::handle::wait_for;
use crate::suspend::unwind_cancelled;
use crate::worker::beacon::{Beacon, Ways};
use crate::worker::cancel::cancel;
use crate::worker::current;
use std::any::Any;
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::OnceLock;

#[repr(C)]
struct Job<B, R> {
    note: Note,
    branch: UnsafeCell<ManuallyDrop<B>>,
    result: UnsafeCell<Option<Result<R, Box<dyn Any + Send>>>>,
}

impl<B, R> Job<B, R> {
    /// Did its fiber end without running it? (The scheduler was stopping, or had no stack.)
    ///
    /// # Safety
    /// The fiber it was turned into has ended.
    unsafe fn never_ran(&self) -> bool {
        // SAFETY: nobody writes the result any more.
        unsafe { (*self.result.get()).is_none() }
    }
}

unsafe fn run_job<B, R>(note: *const Note)
where
    B: FnOnce(&mut Fork) -> R + Send,
{
    // SAFETY: the note is the first field of a job of this type, whose branch is run once.
    unsafe {
        let job = &*note.cast::<Job<B, R>>();
        let branch = ManuallyDrop::take(&mut *job.branch.get());
        *job.result.get() = Some(catch_unwind(AssertUnwindSafe(|| Fork::with(|fork| branch(fork)))));
    }
}

/// The place of the running fiber in its tree of branches. Branches get it from [`join`], and pass it
/// on by joining through it, which saves looking up the fiber.
pub struct Fork {
    list: *const Branches,
    beacon: *const Beacon,
    not_send: PhantomData<*mut ()>,
}

impl Fork {
    /// Calls `f` with the fork of the fiber that runs; outside of any fiber, with one that runs
    /// everything in place.
    pub(crate) fn with<R>(f: impl FnOnce(&mut Fork) -> R) -> R {
        match current::in_fiber() {
            Some((worker, _)) => {
                let carrier = worker.current().expect("a fiber has a carrier");
                f(&mut Fork { list: &carrier.forks, beacon: &worker.crew().beacon, not_send: PhantomData })
            }
            None => {
                // Nobody is ever hungry here, so nothing is promoted.
                static CALM: OnceLock<Beacon> = OnceLock::new();
                let (list, beacon) =
                    (Branches::new(), CALM.get_or_init(|| Beacon::new(0, Ways::default(), &[])));
                f(&mut Fork { list: &list, beacon, not_send: PhantomData })
            }
        }
    }

    /// Runs `a` and `b`, `b` perhaps at the same time on another worker, and returns both results.
    ///
    /// Both have ended when this returns. If one panics, so does this, when the other has ended too;
    /// if both do, the panic is `a`'s.
    #[inline]
    pub fn join<A, B, RA, RB>(&mut self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(&mut Fork) -> RA,
        B: FnOnce(&mut Fork) -> RB + Send,
        RB: Send,
    {
        let job = Job::<B, RB> {
            note: Note::new(run_job::<B, RB>),
            branch: UnsafeCell::new(ManuallyDrop::new(b)),
            result: UnsafeCell::new(None),
        };
        // SAFETY: the list is the running fiber's, and this is that fiber.
        let list = unsafe { &*self.list };
        list.push(&job.note);
        // SAFETY: the beacon outlives the fiber.
        if unsafe { (*self.beacon).is_hungry() } {
            self.feed();
        }
        let ra = match catch_unwind(AssertUnwindSafe(|| a(self))) {
            Ok(ra) => ra,
            Err(panic) => self.abandon(&job, panic),
        };
        if job.note.promoted.get().is_null() {
            list.pop(&job.note);
            // SAFETY: it was in the list until now, so nobody has run it.
            let b = unsafe { ManuallyDrop::take(&mut *job.branch.get()) };
            (ra, b(self))
        } else {
            let rb = self.collect(&job);
            (ra, rb)
        }
    }

    /// Somebody is hungry: the oldest branch becomes a fiber.
    #[cold]
    fn feed(&mut self) {
        // While a panic unwinds the fiber could not wait for what it gave away.
        if std::thread::panicking() {
            return;
        }
        let Some((worker, _)) = current::in_fiber() else { return };
        // SAFETY: as in `join`.
        unsafe {
            if (*self.beacon).answer_hunger() {
                worker.promote_oldest(worker.current().expect("a fiber has a carrier"));
            }
        }
    }

    /// The result of a branch that became a fiber.
    #[cold]
    fn collect<B, R>(&mut self, job: &Job<B, R>) -> R
    where
        B: FnOnce(&mut Fork) -> R + Send,
    {
        // SAFETY: see `never_ran`: its fiber has ended.
        if self.take_back(&job.note) || unsafe { job.never_ran() } {
            // SAFETY: its fiber did nothing and never will.
            let b = unsafe { ManuallyDrop::take(&mut *job.branch.get()) };
            return b(self);
        }
        // SAFETY: the fiber that wrote the result has ended.
        match unsafe { (*job.result.get()).take() }.expect("a branch that ended has a result") {
            Ok(result) => result,
            Err(panic) => {
                if panic.is::<CancelUnwind>() {
                    // It was cancelled because we were interrupted, by what unwinds us too.
                    unwind_cancelled();
                }
                resume_unwind(panic)
            }
        }
    }

    /// `a` panicked: `b` must have ended, or never begin, before the panic goes on.
    #[cold]
    fn abandon<B, R>(&mut self, job: &Job<B, R>, panic: Box<dyn Any + Send>) -> ! {
        let unrun = if job.note.promoted.get().is_null() {
            // SAFETY: as in `join`.
            unsafe { (*self.list).pop(&job.note) };
            true
        } else {
            // SAFETY: the fiber's handle is ours, until it is taken back.
            let fiber = unsafe { FiberRef::from_ptr(job.note.promoted.get()) };
            if fiber.state.has_started() {
                // Nobody wants its result any more.
                cancel(fiber);
            }
            // SAFETY: see `never_ran`: its fiber has ended.
            self.take_back(&job.note) || unsafe { job.never_ran() }
        };
        if unrun {
            // SAFETY: nobody has run it and nobody will.
            let branch = unsafe { ManuallyDrop::take(&mut *job.branch.get()) };
            if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(branch))) {
                std::mem::forget(second);
            }
        }
        resume_unwind(panic)
    }

    /// Takes a branch back from its fiber, or waits until that has ended (`false`).
    fn take_back(&mut self, note: &Note) -> bool {
        let (worker, _) = current::in_fiber().expect("branches are promoted only in fibers");
        // SAFETY: the fiber's handle is ours, until the release below.
        let fiber = unsafe { FiberRef::from_ptr(note.promoted.get()) };
        let mine = fiber.state.revoke(worker.index);
        if let Some(level) = mine {
            note.taken_back.set(true);
            // SAFETY: claimed just now; it sees that it was taken back and returns.
            unsafe { worker.run_in_place(fiber, level) };
        } else {
            wait_for(fiber);
        }
        // SAFETY: it has ended, its result is `()`, and the handle is ours.
        unsafe { crate::handle::release(fiber) };
        mine.is_some()
    }
}

/// Runs `a` and `b`, `b` perhaps at the same time on another worker, and returns both results.
///
/// This is the cheap way to divide work: unless a worker has nothing to do, it is little more than two
/// calls. Branches may block; others go on meanwhile. They get a [`Fork`], through which they fork
/// further at the least cost; [`both`] is the same without.
///
/// Both have ended when this returns. If one panics, so does this, when the other has ended too; if that runs
/// elsewhere it is cancelled. The same if the fiber is cancelled, or its [`timeout`](crate::timeout) over. Outside of any fiber both run in place, one after the other.
///
/// ```
/// use heddle_scheduler::{Fork, Scheduler, join};
///
/// fn sum(fork: &mut Fork, numbers: &[u64]) -> u64 {
///     if numbers.len() <= 1024 {
///         return numbers.iter().sum();
///     }
///     let (left, right) = numbers.split_at(numbers.len() / 2);
///     let (a, b) = fork.join(|f| sum(f, left), |f| sum(f, right));
///     a + b
/// }
///
/// let scheduler = Scheduler::builder().workers(2).build()?;
/// let total = scheduler.run(|| {
///     let numbers: Vec<u64> = (0..100_000).collect();
///     let (left, right) = numbers.split_at(50_000);
///     let (a, b) = join(|f| sum(f, left), |f| sum(f, right));
///     a + b
/// });
/// assert_eq!(total, (0..100_000).sum());
/// # Ok::<(), heddle_scheduler::Error>(())
/// ```
#[inline]
pub fn join<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce(&mut Fork) -> RA,
    B: FnOnce(&mut Fork) -> RB + Send,
    RB: Send,
{
    Fork::with(|fork| fork.join(a, b))
}

/// [`join`] for branches that do not want the [`Fork`].
///
/// ```
/// let (a, b) = heddle_scheduler::both(|| 6 * 7, || "weft".len());
/// assert_eq!((a, b), (42, 4));
/// ```
#[inline]
pub fn both<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA,
    B: FnOnce() -> RB + Send,
    RB: Send,
{
    join(|_| a(), |_| b())
}
