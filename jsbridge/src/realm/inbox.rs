//! What others have for an isolate: letters of five levels, the most urgent first, those of one level in the order in
//! which they came.
//!
//! Anybody may post, from any thread of any lane, and never waits for another: a background thread that the kernel has
//! stopped in the middle of a post delays nobody. The isolate's fiber takes the letters, and sleeps where there are none:
//!
//! ```text
//!   state      asleep   who changes it
//!   awake      false    the owner falls asleep: sets it, a fence, looks at all levels once more
//!   asleep     true     a poster has linked its letter, a fence; who swaps it back to false rings
//! ```
//!
//! Of a poster and an owner that meet, at least one sees what the other has done: the owner the letter, or the poster
//! that the owner sleeps.
//!
//! A level is a list that is pushed to by compare-and-swap and taken as a whole by a swap: newest first, so what was
//! taken is turned around, in place, and is the owner's alone then.

use crate::primitive::{AtomicBool, AtomicPtr, Ordering, fence};
use std::ptr;

/// The five levels.
pub(crate) const LEVELS: usize = 5;

/// Letters for one owner.
pub(crate) struct Inbox<T> {
    heads: [AtomicPtr<Node<T>>; LEVELS],
    asleep: AtomicBool,
}

struct Node<T> {
    letter: T,
    next: *mut Node<T>,
}

// SAFETY: letters are handed over from who posts to who takes; nothing else is shared.
unsafe impl<T: Send> Send for Inbox<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Inbox<T> {}

/// What the owner has taken and not read yet: lists, the oldest first.
pub(crate) struct Opened<T>([*mut Node<T>; LEVELS]);

// SAFETY: the letters in it are its own.
unsafe impl<T: Send> Send for Opened<T> {}

impl<T> Default for Opened<T> {
    fn default() -> Self {
        Opened([ptr::null_mut(); LEVELS])
    }
}

impl<T> Drop for Opened<T> {
    fn drop(&mut self) {
        for list in self.0 {
            // SAFETY: the lists are ours alone.
            unsafe { free(list) };
        }
    }
}

impl<T: Send> Inbox<T> {
    pub(crate) fn new() -> Inbox<T> {
        Inbox {
            heads: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            asleep: AtomicBool::new(false),
        }
    }

    /// Posts a letter. True: the owner sleeps, and it is the caller's to wake it.
    #[must_use]
    pub(crate) fn post(&self, level: usize, letter: T) -> bool {
        let node = Box::into_raw(Box::new(Node { letter, next: ptr::null_mut() }));
        let head = &self.heads[level];
        let mut newest = head.load(Ordering::Relaxed);
        loop {
            // SAFETY: the node is ours until the exchange below.
            unsafe { (*node).next = newest };
            // ORDERING: Release pairs with the acquire of `open`: the letter and its link.
            match head.compare_exchange_weak(newest, node, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => newest = now,
            }
        }
        // ORDERING: against the fence in `fall_asleep`: the owner sees the letter, or we see that it sleeps.
        fence(Ordering::SeqCst);
        self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed)
    }

    /// The most urgent letter and its level. Only the owner calls this.
    pub(crate) fn take(&self, opened: &mut Opened<T>) -> Option<(usize, T)> {
        (0..LEVELS).find_map(|level| {
            let first = &mut opened.0[level];
            if first.is_null() {
                *first = self.open(level);
            }
            // SAFETY: it came from `Box::into_raw`, and nobody else has the list.
            let Node { letter, next } = (!first.is_null()).then(|| *unsafe { Box::from_raw(*first) })?;
            *first = next;
            Some((level, letter))
        })
    }

    /// The level of the most urgent letter.
    pub(crate) fn most_urgent(&self, opened: &Opened<T>) -> Option<usize> {
        (0..LEVELS).find(|&level| !opened.0[level].is_null() || self.has(level))
    }

    fn has(&self, level: usize) -> bool {
        !self.heads[level].load(Ordering::Relaxed).is_null()
    }

    /// All of a level, the oldest first.
    fn open(&self, level: usize) -> *mut Node<T> {
        let mut oldest = ptr::null_mut();
        if self.has(level) {
            // ORDERING: Acquire pairs with the release of every `post` in the list.
            let mut node = self.heads[level].swap(ptr::null_mut(), Ordering::Acquire);
            while !node.is_null() {
                // SAFETY: the swap gave the list to us alone.
                let next = unsafe { std::mem::replace(&mut (*node).next, oldest) };
                oldest = std::mem::replace(&mut node, next);
            }
        }
        oldest
    }

    /// Drops all letters that are there. Anybody may call this.
    pub(crate) fn clear(&self) {
        for head in &self.heads {
            // ORDERING: Acquire pairs with the release of every `post` in the list.
            let list = head.swap(ptr::null_mut(), Ordering::Acquire);
            // SAFETY: the swap gave it to us alone.
            unsafe { free(list) };
        }
    }

    /// The owner is about to sleep; false: something is there, so it must not. Afterwards, woken or not,
    /// [`wake_up`](Self::wake_up).
    #[must_use]
    pub(crate) fn fall_asleep(&self) -> bool {
        // An exchange, as the posters': the models take a store and an exchange of two threads for unordered.
        self.asleep.swap(true, Ordering::Relaxed);
        // ORDERING: against the fence in `post`.
        fence(Ordering::SeqCst);
        let empty = (0..LEVELS).all(|level| !self.has(level));
        if !empty {
            self.wake_up();
        }
        empty
    }

    /// The owner is awake.
    pub(crate) fn wake_up(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }
}

impl<T> Drop for Inbox<T> {
    fn drop(&mut self) {
        for head in &self.heads {
            // ORDERING: whoever drops has the inbox to itself.
            let list = head.load(Ordering::Relaxed);
            // SAFETY: nobody else is there.
            unsafe { free(list) };
        }
    }
}

/// Drops a list.
///
/// # Safety
/// It is the caller's alone.
unsafe fn free<T>(mut node: *mut Node<T>) {
    while !node.is_null() {
        // SAFETY: it came from `Box::into_raw`, and is the caller's.
        let boxed = unsafe { Box::from_raw(node) };
        node = boxed.next;
    }
}
