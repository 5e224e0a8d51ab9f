//! The worker of the calling thread, and the fiber that runs on it.
//!
//! The thread-local is read through functions that are never inlined and is never borrowed across a
//! suspension: the compiler may keep a thread-local's address, and code that is allowed to migrate
//! would then use another thread's.

use super::Worker;
use super::shared::Shared;
use crate::fiber::FiberRef;
use crate::fiber::carrier::Carrier;
use crate::fiber::state::By;
use crate::lane::Lane;
use std::cell::Cell;
use std::ptr;

thread_local! {
    static WORKER: Cell<*const Worker> = const { Cell::new(ptr::null()) };
}

/// Makes `worker` the current one while `f` runs.
pub(crate) fn enter<R>(worker: &Worker, f: impl FnOnce() -> R) -> R {
    WORKER.set(worker);
    let result = f();
    WORKER.set(ptr::null());
    result
}

/// The worker of this thread.
#[inline(never)]
pub(crate) fn worker<'a>() -> Option<&'a Worker> {
    // SAFETY: `enter` keeps the worker alive while the pointer is set; what is called between runs on
    // this thread, and the reference is not kept across the end of a fiber.
    unsafe { WORKER.get().as_ref() }
}

/// The worker of this thread, if a fiber runs on it now.
#[inline]
pub(crate) fn in_fiber<'a>() -> Option<(&'a Worker, FiberRef)> {
    let worker = worker()?;
    let fiber = worker.current()?.fiber()?;
    Some((worker, fiber))
}

/// The worker of this thread, and the carrier of the fiber that runs on it now.
#[inline]
pub(crate) fn on_carrier<'a>() -> Option<(&'a Worker, &'a Carrier)> {
    let worker = worker()?;
    Some((worker, worker.current()?))
}

/// A number that no other thread has while this one lives.
#[inline(never)]
pub(crate) fn thread_mark() -> usize {
    // Not a constant of the frame that calls this, which may have changed threads between two calls.
    std::hint::black_box(WORKER.with(|worker| ptr::from_ref(worker).addr()))
}

/// Is this a place where nothing can wait? In a fiber while a panic unwinds it, since the count of
/// panics is the thread's; and on a worker's own stack, where it drops what has lost its owner.
pub(crate) fn cannot_wait() -> bool {
    match worker() {
        None => false,
        Some(worker) => std::thread::panicking() || worker.current().is_none(),
    }
}

/// May the kernel stop this thread for as long as threads of `lane` run? Then nobody there may wait for
/// what it does in several steps.
pub(crate) fn may_be_frozen_by(lane: Lane) -> bool {
    lane != Lane::Background && worker().is_some_and(|worker| worker.lane == Lane::Background)
}

/// How this thread reaches for fibers of other threads.
#[inline]
pub(crate) fn by() -> By {
    worker().map_or(By::Anyone, Worker::reaches_by)
}

/// Wakes a fiber that is alive and stays so until this returns.
#[inline]
pub(crate) fn resume(fiber: FiberRef) {
    match worker() {
        Some(worker) if is_home(worker, fiber) => worker.resume_here(fiber),
        worker => {
            let by = worker.map_or(By::Anyone, Worker::reaches_by);
            if let Some(home) = fiber.state.resume(by) {
                // SAFETY: the fiber has not ended, so its scheduler exists, and does until we return:
                // the fiber waits for us.
                unsafe { (*fiber.shared.cast::<Shared>()).post(home, fiber, by) };
            }
        }
    }
}

/// Is `fiber` one of this scheduler's?
#[inline]
pub(crate) fn is_of(shared: &Shared, fiber: FiberRef) -> bool {
    ptr::eq(ptr::from_ref(shared).cast(), fiber.shared)
}

/// Is `worker` the one that started `fiber`?
#[inline]
pub(crate) fn is_home(worker: &Worker, fiber: FiberRef) -> bool {
    is_of(&worker.shared, fiber) && fiber.state.home() == Some(worker.index)
}
