//! A line of fibers that have started and may move: first in, first out, for all workers of a lane at a site. Where
//! each worker has lists of its own, a thousand such fibers would share one CPU, and three another.
//!
//! Its ends are behind a flag that nobody waits for: who finds it taken is told so ([`Engaged`]), and does something else,
//! as the kernel may have stopped the thread that has it. (A list without a flag, [`Inbox`](super::inbox::Inbox), can only
//! be taken as a whole: then the second worker finds nothing while the first one takes its fiber.)
//!
//! | field    | written by            | read by                                  |
//! |----------|-----------------------|------------------------------------------|
//! | `taken`  | who comes in and goes | the same                                 |
//! | `ends`   | who is in             | who is in                                |
//! | `length` | who is in             | anyone: a hint, never too low for who has pushed |
//!
//! ```text
//!   first -> ... -> last      linked through a cell of the nodes' own, which the line has from push to pop
//! ```

use super::inbox::Node;
use crate::primitive::{AtomicBool, AtomicUsize, Ordering, UnsafeCell};
use std::ptr::{self, NonNull};

/// See the module's documentation.
pub(crate) struct Relay<T: Node> {
    taken: AtomicBool,
    length: AtomicUsize,
    ends: UnsafeCell<Ends<T>>,
}

struct Ends<T> {
    first: *mut T,
    last: *mut T,
}

// SAFETY: it only hands nodes over, from whoever pushes to whoever pops; that they may cross threads is the promise
// of `push`'s caller. The ends are behind the flag.
unsafe impl<T: Node> Send for Relay<T> {}
// SAFETY: as above.
unsafe impl<T: Node> Sync for Relay<T> {}

/// Somebody is in, and may have been stopped there.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Engaged;

impl<T: Node> Relay<T> {
    pub(crate) fn new() -> Relay<T> {
        Relay {
            taken: AtomicBool::new(false),
            length: AtomicUsize::new(0),
            ends: UnsafeCell::new(Ends { first: ptr::null_mut(), last: ptr::null_mut() }),
        }
    }

    /// How many are in it, as far as can be seen without a fence.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.length.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn looks_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts `node` at the end. Where it is refused it is still the caller's.
    ///
    /// # Safety
    /// `node` is alive and stays so until it is popped, may be sent to the popper's thread, and is in no other list by
    /// this link.
    pub(crate) unsafe fn push(&self, node: NonNull<T>) -> Result<(), Engaged> {
        self.enter(|ends| {
            // SAFETY: the caller's promise; what is in the line is alive.
            unsafe {
                T::link(node).store(ptr::null_mut(), Ordering::Relaxed);
                match NonNull::new(ends.last) {
                    Some(last) => T::link(last).store(node.as_ptr(), Ordering::Relaxed),
                    None => ends.first = node.as_ptr(),
                }
            }
            ends.last = node.as_ptr();
            self.length.store(self.len() + 1, Ordering::Relaxed);
        })
    }

    /// Takes the first.
    pub(crate) fn pop(&self) -> Result<Option<NonNull<T>>, Engaged> {
        if self.looks_empty() {
            return Ok(None);
        }
        self.enter(|ends| {
            let first = NonNull::new(ends.first)?;
            // SAFETY: what is in the line is alive.
            ends.first = unsafe { T::link(first) }.load(Ordering::Relaxed);
            if ends.first.is_null() {
                ends.last = ptr::null_mut();
            }
            self.length.store(self.len() - 1, Ordering::Relaxed);
            Some(first)
        })
    }

    fn enter<R>(&self, f: impl FnOnce(&mut Ends<T>) -> R) -> Result<R, Engaged> {
        // ORDERING: Acquire pairs with the release below: the ends, and the nodes.
        let taken = self.taken.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
        taken.map_err(|_| Engaged)?;
        // SAFETY: the flag is ours, and `f` does not come back here.
        let result = self.ends.with_mut(|ends| f(unsafe { &mut *ends }));
        // ORDERING: Release pairs with the acquire above.
        self.taken.store(false, Ordering::Release);
        Ok(result)
    }
}
