//! Those who wait for a lock. Anybody may come, by one push that waits for nobody; only the holder of
//! the lock takes from it, the most urgent first and of those the first that came.
//!
//! | part      | used by                                                                        |
//! |-----------|--------------------------------------------------------------------------------|
//! | `arrived` | who comes pushes; the holder takes all                                         |
//! | `queue`   | the holder                                                                     |
//!
//! Who waits has a node, shared by the list and itself. Its state:
//!
//! ```text
//!   WAITING  -- the holder: choose -->  CHOSEN  -- grant -->  GRANTED
//!            -- itself: leave ------->  GONE      (dropped when the holder comes across it)
//! ```
//!
//! Who was chosen can leave no more: the lock is on its way to it. A node of one that has left stays
//! in the list until the holder looks there, so a lock that is never unlocked keeps some 100 bytes for
//! each who gave up on it.

use crate::primitive::{AtomicPtr, AtomicU32, Ordering, UnsafeCell, constructor};
use crate::queue::inbox::{self, Inbox};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ptr::{self, NonNull};
use std::sync::Arc;

const WAITING: u32 = 0;
const CHOSEN: u32 = 1;
const GRANTED: u32 = 2;
const GONE: u32 = 3;

/// One who waits.
pub(crate) struct Node<W> {
    link: AtomicPtr<Node<W>>,
    state: AtomicU32,
    level: AtomicU32,
    pub(super) who: W,
}

impl<W> Node<W> {
    pub(super) fn new(level: usize, who: W) -> Node<W> {
        Node {
            link: AtomicPtr::new(ptr::null_mut()),
            state: AtomicU32::new(WAITING),
            level: AtomicU32::new(level as u32),
            who,
        }
    }

    pub(super) fn level(&self) -> usize {
        self.level.load(Ordering::Relaxed) as usize
    }

    /// It has another level now; the holder must be told that somebody has moved.
    pub(super) fn set_level(&self, level: usize) {
        self.level.store(level as u32, Ordering::Relaxed);
    }

    /// Is the lock its own?
    pub(super) fn is_granted(&self) -> bool {
        // ORDERING: Acquire pairs with the release of `grant`.
        self.state.load(Ordering::Acquire) == GRANTED
    }

    /// It does not wait any longer. `false`: it was chosen, and the lock is on its way.
    #[must_use]
    pub(super) fn leave(&self) -> bool {
        self.state.compare_exchange(WAITING, GONE, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn is_gone(&self) -> bool {
        self.state.load(Ordering::Relaxed) == GONE
    }

    fn choose(&self) -> bool {
        self.state.compare_exchange(WAITING, CHOSEN, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// The lock is its own.
    pub(super) fn grant(&self) {
        // ORDERING: Release pairs with the acquire of `is_granted`: what was done under the lock, and what
        // was lent.
        self.state.store(GRANTED, Ordering::Release);
    }
}

// SAFETY: one cell a node, used by the inbox alone.
unsafe impl<W> inbox::Node for Node<W> {
    unsafe fn link<'a>(node: NonNull<Node<W>>) -> &'a AtomicPtr<Node<W>> {
        // SAFETY: the node is alive, by the contract.
        unsafe { &(*node.as_ptr()).link }
    }
}

/// A place in the queue: the level, and how many came before.
type Place = Reverse<(usize, u64)>;

struct Entry<W> {
    place: Place,
    node: Arc<Node<W>>,
}

impl<W> PartialEq for Entry<W> {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl<W> Eq for Entry<W> {}

impl<W> PartialOrd for Entry<W> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<W> Ord for Entry<W> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.place.cmp(&other.place)
    }
}

/// Those the holder has seen.
struct Queue<W> {
    entries: BinaryHeap<Entry<W>>,
    came: u64,
}

/// See the module's documentation.
pub(super) struct WaitList<W> {
    arrived: Inbox<Node<W>>,
    queue: UnsafeCell<Queue<W>>,
}

// SAFETY: nodes are pushed by anybody and taken by the holder of the lock, one at a time, which alone
// uses the queue.
unsafe impl<W: Send + Sync> Sync for WaitList<W> {}

impl<W> WaitList<W> {
    constructor! {
        /// Nobody waits.
        pub(super) fn new() -> WaitList<W> {
            let queue = Queue { entries: BinaryHeap::new(), came: 0 };
            WaitList { arrived: Inbox::new(), queue: UnsafeCell::new(queue) }
        }
    }

    /// Somebody has come. Nobody waits for the pusher, wherever it is stopped.
    pub(super) fn push(&self, node: &Arc<Node<W>>) {
        let node = Arc::into_raw(node.clone()).cast_mut();
        // SAFETY: a new node, in no list; the reference that keeps it alive is the list's.
        let refused = unsafe { self.arrived.push(NonNull::new_unchecked(node)) };
        debug_assert!(refused.is_ok(), "it is never closed");
    }

    /// Takes in who has come; with `sort`, gives everybody the place of its present level.
    ///
    /// # Safety
    /// The caller has the lock.
    pub(super) unsafe fn take_in(&self, sort: bool) {
        let arrived = self.arrived.take_all().oldest_first();
        self.with_queue(|queue| {
            if sort {
                let entries = std::mem::take(&mut queue.entries).into_vec();
                let stay = entries.into_iter().filter(|entry| !entry.node.is_gone());
                queue.entries = stay
                    .map(|Entry { place: Reverse((_, came)), node }| Entry {
                        place: Reverse((node.level(), came)),
                        node,
                    })
                    .collect();
            }
            for node in arrived {
                // SAFETY: the list's reference, taken back.
                let node = unsafe { Arc::from_raw(node.as_ptr()) };
                queue.came += 1;
                queue.entries.push(Entry { place: Reverse((node.level(), queue.came)), node });
            }
        });
    }

    /// Takes the most urgent out.
    ///
    /// # Safety
    /// The caller has the lock.
    pub(super) unsafe fn choose(&self) -> Option<Arc<Node<W>>> {
        self.with_queue(|queue| {
            while let Some(entry) = queue.entries.pop() {
                if entry.node.choose() {
                    return Some(entry.node);
                }
            }
            None
        })
    }

    /// The level of the most urgent, if anybody is left.
    ///
    /// # Safety
    /// The caller has the lock.
    pub(super) unsafe fn most_urgent(&self) -> Option<usize> {
        self.with_queue(|queue| {
            while let Some(entry) = queue.entries.peek() {
                if !entry.node.is_gone() {
                    return Some(entry.place.0.0);
                }
                queue.entries.pop();
            }
            None
        })
    }

    fn with_queue<R>(&self, f: impl FnOnce(&mut Queue<W>) -> R) -> R {
        // SAFETY: only the holder of the lock comes here, and `f` does not come back here.
        self.queue.with_mut(|queue| f(unsafe { &mut *queue }))
    }
}

impl<W> Drop for WaitList<W> {
    fn drop(&mut self) {
        // Those who left when nobody looked any more.
        for node in self.arrived.take_all() {
            // SAFETY: the list's reference, taken back.
            drop(unsafe { Arc::from_raw(node.as_ptr()) });
        }
    }
}
