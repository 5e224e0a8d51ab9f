//! Whoever waits: a fiber or a thread.

use super::current;
use crate::fiber::FiberRef;
use crate::primitive::{AtomicBool, Ordering};
use std::ptr::NonNull;
use std::thread::Thread;

/// Who waits for the end of a fiber. It borrows the waiter, which stays until it has been woken.
#[derive(Clone, Copy)]
pub(crate) enum Waiter {
    Fiber(FiberRef),
    Thread(NonNull<ThreadWaiter>),
}

/// A thread that is no worker and waits, in its own stack frame.
pub(crate) struct ThreadWaiter {
    thread: Thread,
    woken: AtomicBool,
}

impl ThreadWaiter {
    pub(crate) fn new() -> ThreadWaiter {
        ThreadWaiter { thread: std::thread::current(), woken: AtomicBool::new(false) }
    }

    /// Blocks the thread until it is woken.
    pub(crate) fn wait(&self) {
        // ORDERING: Acquire pairs with the release of `wake`.
        while !self.woken.load(Ordering::Acquire) {
            std::thread::park();
        }
    }

    fn wake(&self) {
        let thread = self.thread.clone();
        // ORDERING: Release pairs with the acquire of `wait`. After this the frame may be gone.
        self.woken.store(true, Ordering::Release);
        thread.unpark();
    }
}

impl Waiter {
    /// As one word: the pointer, and in its lowest bit which kind it is.
    pub(crate) fn into_word(self) -> *mut () {
        match self {
            Waiter::Fiber(fiber) => fiber.as_ptr().cast(),
            Waiter::Thread(waiter) => waiter.as_ptr().map_addr(|address| address | 1).cast(),
        }
    }

    /// # Safety
    /// `word` comes from [`into_word`](Self::into_word), and the waiter is still there.
    pub(crate) unsafe fn from_word(word: *mut ()) -> Waiter {
        if word.addr() & 1 == 0 {
            // SAFETY: the caller's promise.
            Waiter::Fiber(unsafe { FiberRef::from_ptr(word.cast()) })
        } else {
            let waiter = word.map_addr(|address| address & !1).cast();
            // SAFETY: it was made from a reference.
            Waiter::Thread(unsafe { NonNull::new_unchecked(waiter) })
        }
    }

    /// Wakes it.
    ///
    /// # Safety
    /// The waiter is still there, and stays until this returns.
    pub(crate) unsafe fn wake(self) {
        match self {
            Waiter::Fiber(fiber) => current::resume(fiber),
            // SAFETY: the caller's promise.
            Waiter::Thread(waiter) => unsafe { waiter.as_ref() }.wake(),
        }
    }
}
