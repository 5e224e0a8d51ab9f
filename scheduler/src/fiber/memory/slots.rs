//! Lists of stacks that never wait: a stack is known by its number, and the lists link numbers. A
//! thread that was stopped anywhere holds at most the one stack that it was taking or giving.
//!
//! ```text
//! a list's head     who changes it
//! bits 0..26        the number of the newest stack and one, 0: none     push, pop, take_all
//! bits 26..64       how often something was taken                       pop, take_all: one more
//! ```
//!
//! Taking is: read the head, read that slot's link, replace the head by the link. Between the two
//! reads and the replacement the slot may be taken, used and given back, with another link: then
//! something was taken since, the count differs, and the replacement fails. The count is back where
//! it was after 2^38 takes, more than two hours at 30 million a second, in which one thread would
//! have to stand still between two of its instructions; then it takes one exact value to go wrong.
//!
//! | field of a slot | written by                         | read by                               |
//! |-----------------|------------------------------------|---------------------------------------|
//! | `kept`          | who has the stack, before its push | who has taken it                      |
//! | `link`          | the same                           | the same; and in vain by other takers |

use crate::primitive::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use crate::queue::shelf::{PLACES_MAX, Shelf};
use std::ptr;

const NUMBER_BITS: u32 = 26;
const NUMBER_MASK: u64 = (1 << NUMBER_BITS) - 1;
const ONE_TAKEN: u64 = 1 << NUMBER_BITS;

/// How many stacks there can be: as many as numbers. With the least memory that a fiber which waits
/// can have, a page for its stack, they fill 256 GiB.
pub(super) const SLOTS_MAX: usize = PLACES_MAX;
const _: () = assert!(SLOTS_MAX as u64 <= NUMBER_MASK);

/// The number of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number(pub(super) u32);

struct Slot {
    link: AtomicU32,
    kept: AtomicPtr<()>,
}

impl Slot {
    fn new() -> Slot {
        Slot { link: AtomicU32::new(0), kept: AtomicPtr::new(ptr::null_mut()) }
    }
}

/// The slots of all stacks of a scheduler.
pub(super) struct Slots(Shelf<Slot>);

impl Slots {
    pub(super) fn new() -> Slots {
        // SAFETY: a slot of zeros is what `Slot::new` makes.
        Slots(unsafe { Shelf::new(Slot::new) })
    }

    /// Makes sure that there is a slot for this stack, which is less than [`SLOTS_MAX`]. It may allocate.
    pub(super) fn prepare(&self, number: Number) {
        self.0.prepare(number.0 as usize);
    }

    fn slot(&self, number: Number) -> &Slot {
        self.0.get(number.0 as usize).expect("a number is known only after `prepare`")
    }

    /// What was kept of a stack that the caller has taken.
    pub(super) fn kept(&self, number: Number) -> *mut () {
        self.slot(number).kept.load(Ordering::Relaxed)
    }

    /// Keeps what is left of a stack that the caller has and is about to give.
    pub(super) fn keep(&self, number: Number, kept: *mut ()) {
        self.slot(number).kept.store(kept, Ordering::Relaxed);
    }
}

/// A list. See the module's documentation.
pub(super) struct List {
    head: AtomicU64,
}

fn newest(head: u64) -> Option<Number> {
    (head & NUMBER_MASK).checked_sub(1).map(|number| Number(number as u32))
}

/// The head after something was taken.
fn taken(head: u64, newest: u64) -> u64 {
    (head & !NUMBER_MASK).wrapping_add(ONE_TAKEN) | newest
}

impl List {
    pub(super) fn new() -> List {
        List { head: AtomicU64::new(0) }
    }

    pub(super) fn looks_empty(&self) -> bool {
        newest(self.head.load(Ordering::Relaxed)).is_none()
    }

    /// Puts a stack in. It is the caller's, who has said what to keep of it.
    pub(super) fn push(&self, slots: &Slots, number: Number) {
        let link = &slots.slot(number).link;
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            link.store((head & NUMBER_MASK) as u32, Ordering::Relaxed);
            let new = head & !NUMBER_MASK | u64::from(number.0 + 1);
            // ORDERING: Release pairs with the acquires of `pop` and `take_all`: the slot's fields.
            match self.head.compare_exchange_weak(head, new, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Takes the stack that was put in last.
    pub(super) fn pop(&self, slots: &Slots) -> Option<Number> {
        // ORDERING: Acquire pairs with the release of the `push` of that slot.
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            let number = newest(head)?;
            let next = u64::from(slots.slot(number).link.load(Ordering::Relaxed));
            let new = taken(head, next);
            // ORDERING: Acquire of another head as above; if it is the same nothing has happened since.
            match self.head.compare_exchange_weak(head, new, Ordering::Relaxed, Ordering::Acquire) {
                Ok(_) => return Some(number),
                Err(now) => head = now,
            }
        }
    }

    /// Takes all stacks, the newest first. Whoever calls this holds them all until they are put back
    /// somewhere, so nobody does who may be frozen.
    pub(super) fn take_all(&self, slots: &Slots) -> Vec<Number> {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // ORDERING: Acquire pairs with the release of every `push` in the list.
            let outcome =
                self.head.compare_exchange_weak(head, taken(head, 0), Ordering::Acquire, Ordering::Relaxed);
            match outcome {
                Ok(_) => break,
                Err(now) => head = now,
            }
        }
        let follow = |&number: &Number| newest(u64::from(slots.slot(number).link.load(Ordering::Relaxed)));
        std::iter::successors(newest(head), follow).collect()
    }
}
