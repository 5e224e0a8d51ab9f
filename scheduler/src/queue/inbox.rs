//! A list that anybody may push to and that is taken as a whole: a Treiber stack without a pop, so
//! without an ABA problem. Pushing is one compare-and-swap and never waits for another thread, not
//! even for one that was stopped in the middle of a push; taking is one swap.
//!
//! ```text
//! state        head                 who changes it
//! empty        null                 push -> non-empty, close -> closed
//! non-empty    newest node          push, take_all -> empty, close -> closed
//! closed       CLOSED (address 1)   nobody; push is refused, take_all yields nothing
//! ```
//!
//! The nodes are linked through a cell of their own, which the list owns from push to take.
//! It is used for work from outside a worker, one list a level, and for each worker's mail.

use crate::primitive::{AtomicPtr, Ordering, constructor};
use std::ptr::{self, NonNull};

/// What can be in an [`Inbox`].
///
/// # Safety
/// `link` must always return the same cell, which nobody else uses while the node is in an inbox.
pub(crate) unsafe trait Node: Sized {
    /// The cell that links the node to the one pushed before it.
    ///
    /// # Safety
    /// `node` is alive.
    unsafe fn link<'a>(node: NonNull<Self>) -> &'a AtomicPtr<Self>;
}

/// The list. See the module's documentation.
pub(crate) struct Inbox<T: Node> {
    head: AtomicPtr<T>,
}

// SAFETY: the inbox only hands nodes over, from whoever pushes to whoever takes; that the nodes may
// cross threads is the promise of `push`'s caller.
unsafe impl<T: Node> Send for Inbox<T> {}
// SAFETY: as above.
unsafe impl<T: Node> Sync for Inbox<T> {}

fn closed<T>() -> *mut T {
    ptr::without_provenance_mut(1)
}

/// The inbox was closed; the node is still the caller's.
#[must_use]
#[derive(Debug)]
pub(crate) struct Closed;

impl<T: Node> Inbox<T> {
    constructor! {
        /// An open one, with nothing in it.
        pub(crate) fn new() -> Self {
            Inbox { head: AtomicPtr::new(ptr::null_mut()) }
        }
    }

    /// Puts `node` in. The node stays alive and its link untouched until it is taken.
    ///
    /// # Safety
    /// `node` is alive, may be sent to the taker's thread, and is in no other list by this link.
    pub(crate) unsafe fn push(&self, node: NonNull<T>) -> Result<(), Closed> {
        // SAFETY: the caller's promise.
        let link = unsafe { T::link(node) };
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if head == closed() {
                return Err(Closed);
            }
            link.store(head, Ordering::Relaxed);
            // ORDERING: Release pairs with the acquire of `take_all`: the node's contents and link.
            match self.head.compare_exchange_weak(head, node.as_ptr(), Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(now) => head = now,
            }
        }
    }

    /// Is there nothing in it, as far as can be seen without a fence?
    #[inline]
    pub(crate) fn looks_empty(&self) -> bool {
        let head = self.head.load(Ordering::Relaxed);
        head.is_null() || head == closed()
    }

    /// Takes everything, newest first.
    pub(crate) fn take_all(&self) -> Taken<T> {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if head.is_null() || head == closed() {
                return Taken { next: ptr::null_mut() };
            }
            // ORDERING: Acquire pairs with the release of every `push` in the list.
            match self.head.compare_exchange_weak(head, ptr::null_mut(), Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return Taken { next: head },
                Err(now) => head = now,
            }
        }
    }

    /// Puts back the rest of what was taken. It comes back as the error if there is something in the inbox
    /// by now, or it was closed.
    pub(crate) fn put_back(&self, rest: Taken<T>) -> Result<(), Taken<T>> {
        if rest.next.is_null() {
            return Ok(());
        }
        // ORDERING: Release pairs with the acquire of `take_all`: who takes the rest sees what we took over.
        match self.head.compare_exchange(ptr::null_mut(), rest.next, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => Ok(()),
            Err(_) => Err(rest),
        }
    }

    /// Takes everything and refuses what comes later.
    pub(crate) fn close(&self) -> Taken<T> {
        // ORDERING: Acquire pairs with the release of every `push` in the list.
        let head = self.head.swap(closed(), Ordering::Acquire);
        Taken { next: if head == closed() { ptr::null_mut() } else { head } }
    }

    /// Takes things again after `close`.
    pub(crate) fn reopen(&self) {
        let _ = self.head.compare_exchange(closed(), ptr::null_mut(), Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// What was taken from an inbox, newest first.
pub(crate) struct Taken<T> {
    next: *mut T,
}

impl<T: Node> Taken<T> {
    /// Cuts the first `count` off; the rest is the result.
    pub(crate) fn split_off(&mut self, count: usize) -> Taken<T> {
        let mut last = ptr::null_mut();
        let mut node = self.next;
        for _ in 0..count {
            let Some(this) = NonNull::new(node) else { break };
            last = node;
            // SAFETY: the nodes of a taken list are alive and ours until we hand them out.
            node = unsafe { T::link(this) }.load(Ordering::Relaxed);
        }
        match NonNull::new(last) {
            // SAFETY: as above.
            Some(last) => unsafe { T::link(last) }.store(ptr::null_mut(), Ordering::Relaxed),
            None => self.next = ptr::null_mut(),
        }
        Taken { next: node }
    }

    /// The same, oldest first.
    pub(crate) fn oldest_first(mut self) -> Taken<T> {
        let mut reversed: *mut T = ptr::null_mut();
        while let Some(node) = NonNull::new(self.next) {
            // SAFETY: the nodes of a taken list are alive and ours until we hand them out.
            let link = unsafe { T::link(node) };
            self.next = link.load(Ordering::Relaxed);
            link.store(reversed, Ordering::Relaxed);
            reversed = node.as_ptr();
        }
        Taken { next: reversed }
    }
}

impl<T: Node> Iterator for Taken<T> {
    type Item = NonNull<T>;

    fn next(&mut self) -> Option<NonNull<T>> {
        let node = NonNull::new(self.next)?;
        // SAFETY: as above; the link is read before the node is handed out.
        self.next = unsafe { T::link(node) }.load(Ordering::Relaxed);
        Some(node)
    }
}
