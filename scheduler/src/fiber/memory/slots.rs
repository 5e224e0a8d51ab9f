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
//!
//! Slots stay where they are as the table grows: it grows by chunks, each twice the one before. They
//! begin as zeros, so that the memory of slots that were never given back is never touched.

use crate::primitive::{AtomicPtr, AtomicU32, AtomicU64, Ordering, zeroed_slice};
use std::ptr;

const NUMBER_BITS: u32 = 26;
const NUMBER_MASK: u64 = (1 << NUMBER_BITS) - 1;
const ONE_TAKEN: u64 = 1 << NUMBER_BITS;

/// Slots of the first chunk.
const FIRST: usize = 64;
const CHUNKS: usize = 20;
/// How many stacks there can be: as many as numbers. With the least memory that a fiber which waits
/// can have, a page for its stack, they fill 256 GiB.
pub(super) const SLOTS_MAX: usize = FIRST * ((1 << CHUNKS) - 1);

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
pub(super) struct Slots {
    chunks: [AtomicPtr<Slot>; CHUNKS],
}

/// In which chunk the slot is, and where.
fn place(number: Number) -> (usize, usize) {
    let number = number.0 as usize;
    let chunk = (number / FIRST + 1).ilog2() as usize;
    (chunk, number - FIRST * ((1 << chunk) - 1))
}

impl Slots {
    pub(super) fn new() -> Slots {
        Slots { chunks: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())) }
    }

    /// Makes sure that there is a slot for this stack, which is less than [`SLOTS_MAX`]. It allocates.
    pub(super) fn prepare(&self, number: Number) {
        let (chunk, _) = place(number);
        if !self.chunks[chunk].load(Ordering::Relaxed).is_null() {
            return;
        }
        // SAFETY: a slot of zeros is what `new` makes.
        let slots = unsafe { zeroed_slice(FIRST << chunk, Slot::new) };
        let slots = Box::into_raw(slots);
        // ORDERING: Release pairs with the acquire of `slot`.
        let outcome = self.chunks[chunk].compare_exchange(
            ptr::null_mut(),
            slots.cast(),
            Ordering::Release,
            Ordering::Relaxed,
        );
        if outcome.is_err() {
            // SAFETY: ours still.
            drop(unsafe { Box::from_raw(slots) });
        }
    }

    fn slot(&self, number: Number) -> &Slot {
        let (chunk, offset) = place(number);
        // ORDERING: Acquire pairs with the release of `prepare`.
        let slots = self.chunks[chunk].load(Ordering::Acquire);
        debug_assert!(!slots.is_null());
        // SAFETY: a number is in a list, or in somebody's hands, only after `prepare`, and a chunk stays
        // until `self` goes.
        unsafe { &*slots.add(offset) }
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

impl Drop for Slots {
    fn drop(&mut self) {
        for (chunk, slots) in self.chunks.iter().enumerate() {
            let slots = slots.load(Ordering::Relaxed);
            if !slots.is_null() {
                // SAFETY: `prepare` made it, with that many slots.
                drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(slots, FIRST << chunk)) });
            }
        }
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
