//! Whoever waits: a fiber, a thread, or a future.

use super::awaiting::Slot;
use super::current;
use super::resumer::Resumer;
use super::sleeper::{Sleeper, park_thread, this_thread};
use crate::fiber::FiberRef;
use crate::fiber::state::By;
use crate::primitive::{AtomicBool, Ordering};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::Waker;

/// Who waits for the end of a fiber. It borrows the waiter, which stays until it has been woken.
#[derive(Clone, Copy)]
pub(crate) enum Waiter {
    Fiber(FiberRef),
    Thread(NonNull<ThreadWaiter>),
    Future(NonNull<Slot<Waker>>),
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
    /// As one word: the pointer, and in its lowest two bits which kind it is.
    pub(crate) fn into_word(self) -> *mut () {
        match self {
            Waiter::Fiber(fiber) => fiber.as_ptr().cast(),
            Waiter::Thread(waiter) => waiter.as_ptr().map_addr(|address| address | 1).cast(),
            Waiter::Future(slot) => slot.as_ptr().map_addr(|address| address | 2).cast(),
        }
    }

    /// # Safety
    /// `word` comes from [`into_word`](Self::into_word), and the waiter is still there.
    pub(crate) unsafe fn from_word(word: *mut ()) -> Waiter {
        let pointer = word.map_addr(|address| address & !3);
        // SAFETY: each was made from a reference of that type.
        unsafe {
            match word.addr() & 3 {
                0 => Waiter::Fiber(FiberRef::from_ptr(pointer.cast())),
                1 => Waiter::Thread(NonNull::new_unchecked(pointer.cast())),
                _ => Waiter::Future(NonNull::new_unchecked(pointer.cast())),
            }
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
            Waiter::Future(slot) => {
                // SAFETY: the caller's promise.
                let waker = unsafe { slot.as_ref() }.take();
                free();
                let wake = || waker.into_iter().for_each(Waker::wake);
                if let Err(panic) = catch_unwind(AssertUnwindSafe(wake)) {
                    // It is the user's, and was reported by the panic hook; its own destructor may panic, too.
                    std::mem::forget(panic);
                }
            }
        }
    }
}
