//! Whoever waits: a fiber or a thread.

use super::current;
use super::resumer::Resumer;
use super::sleeper::{Sleeper, park_thread, this_thread};
use crate::fiber::FiberRef;
use crate::fiber::state::By;
use crate::primitive::{AtomicBool, Ordering};
use std::ptr::NonNull;
use std::sync::Arc;

/// Who waits for the end of a fiber. It borrows the waiter, which stays until it has been woken.
#[derive(Clone, Copy)]
pub(crate) enum Waiter {
    Fiber(FiberRef),
    Thread(NonNull<ThreadWaiter>),
}

/// A thread that is no worker and waits, in its own stack frame.
pub(crate) struct ThreadWaiter {
    thread: Arc<Sleeper>,
    woken: AtomicBool,
}

impl ThreadWaiter {
    pub(crate) fn new() -> ThreadWaiter {
        ThreadWaiter { thread: this_thread(), woken: AtomicBool::new(false) }
    }

    /// Blocks the thread until it is woken. It does `meanwhile` before it blocks.
    pub(crate) fn wait(&self, meanwhile: impl Fn()) {
        // ORDERING: Acquire pairs with the release of `release`.
        while !self.woken.load(Ordering::Acquire) {
            meanwhile();
            park_thread(None);
        }
    }

    /// It need not wait any longer, and is to be unparked. After this the frame may be gone.
    fn release(&self) -> Arc<Sleeper> {
        let thread = self.thread.clone();
        // ORDERING: Release pairs with the acquire of `wait`.
        self.woken.store(true, Ordering::Release);
        thread
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

    /// Wakes it. It goes on only after `free` was called, and spins until then: so where its thread could take
    /// the CPU from this one, that is called first.
    ///
    /// # Safety
    /// The waiter is still there, and stays until `free` is called.
    pub(super) unsafe fn wake(self, free: impl FnOnce()) {
        match self {
            Waiter::Fiber(fiber) if current::by() == By::Anyone => {
                current::resume(fiber);
                free();
            }
            Waiter::Fiber(fiber) => {
                // SAFETY: the caller's promise.
                let resumer = unsafe { Resumer::of(fiber) };
                free();
                resumer.resume();
            }
            Waiter::Thread(waiter) => {
                // SAFETY: the caller's promise.
                let thread = unsafe { waiter.as_ref() }.release();
                free();
                thread.unpark();
            }
        }
    }
}
