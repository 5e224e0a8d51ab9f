//! Where an isolate's pages come from once it has grown: 63 at a time.
//!
//! The engine asks for its small blocks by the page, and a thousand Deferreds in flight are five hundred pages. The system's
//! allocator makes a thread's heap longer by one page for each of them, which is a system call and a page fault. Here they
//! come in *slabs* of 256 KiB, which the system fills at once:
//!
//! ```text
//!   slab:   | links, free slots, counts | slot | slot | slot | ...      each with room for a page and its header
//!   ring:   the slabs that have room; those that have nothing taken are at its end, some of them are kept
//! ```
//!
//! | a slab | is in the ring | who changes it |
//! |--------|----------------|----------------|
//! | full   | no             | the next slot that is given back |
//! | used   | yes            | `take`, `give` |
//! | idle   | yes, at the end, [`KEPT`] at most | `take`; `give` frees one too many |
//!
//! All of it belongs to the thread that is in the isolate.

use std::alloc::{Layout, alloc, dealloc};
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// Bytes of a slab.
const SIZE: usize = 256 << 10;
/// What is in front of the slots.
const FRONT: usize = 48;
/// What the engine asks for as a page has at most so many bytes, and seldom fewer.
const PAGES: std::ops::RangeInclusive<usize> = 3_456..=4_096;
/// With its header.
const SLOT: usize = 4_096 + super::memory::HEADER;
const SLOTS: usize = (SIZE - FRONT) / SLOT;
/// Idle slabs that an isolate keeps; picked from thin air.
const KEPT: usize = 8;
/// An isolate that has fewer bytes takes single pages: most have no more than what they were made with.
const FROM: usize = 512 << 10;

const LAYOUT: Layout = match Layout::from_size_align(SIZE, super::memory::ALIGNMENT) {
    Ok(layout) => layout,
    Err(_) => panic!("a slab has a layout"),
};

/// What is in front of the slots.
#[repr(C, align(16))]
pub(super) struct Slab {
    next: *mut Slab,
    last: *mut Slab,
    /// Slots that were given back: each has the next one in its first word.
    free: *mut Free,
    /// Slots that nobody has had yet begin there.
    fresh: usize,
    taken: usize,
}

struct Free(*mut Free);

const _: () = assert!(size_of::<Slab>() == FRONT);

/// The slabs of one isolate.
pub(super) struct Slabs {
    /// The first of those that have room.
    ring: Cell<*mut Slab>,
    idle: Cell<usize>,
}

impl Slabs {
    pub(super) fn new() -> Slabs {
        Slabs { ring: Cell::new(ptr::null_mut()), idle: Cell::new(0) }
    }

    /// Does a block of so many bytes come from here, in an isolate that has `used`?
    #[inline]
    pub(super) fn serves(size: usize, used: usize) -> bool {
        used >= FROM && PAGES.contains(&size)
    }

    /// A slot, and whose it is. `None`: the system has no memory.
    pub(super) fn take(&self) -> Option<(NonNull<u8>, NonNull<Slab>)> {
        let slab = match NonNull::new(self.ring.get()) {
            Some(slab) => slab,
            None => self.more()?,
        };
        // SAFETY: the slabs in the ring are there, and have room.
        unsafe {
            let parts = slab.as_ptr();
            if (*parts).taken == 0 {
                self.idle.set(self.idle.get() - 1);
            }
            (*parts).taken += 1;
            let slot = match NonNull::new((*parts).free) {
                Some(free) => {
                    (*parts).free = free.read().0;
                    free.cast()
                }
                None => {
                    (*parts).fresh += 1;
                    slab.cast::<u8>().add(FRONT + ((*parts).fresh - 1) * SLOT)
                }
            };
            if (*parts).taken == SLOTS {
                self.unlink(slab);
            }
            Some((slot, slab))
        }
    }

    /// Takes a slot back.
    ///
    /// # Safety
    /// It came from [`take`](Self::take) with this slab, and nobody has it any more.
    pub(super) unsafe fn give(&self, slot: NonNull<u8>, slab: NonNull<Slab>) {
        // SAFETY: the caller's promise: so the slab is there, and the slot is a free one from now on.
        unsafe {
            let parts = slab.as_ptr();
            slot.cast().write(Free((*parts).free));
            (*parts).free = slot.as_ptr().cast();
            if (*parts).taken == SLOTS {
                self.ring.set(self.link(slab));
            }
            (*parts).taken -= 1;
            if (*parts).taken == 0 {
                self.unlink(slab);
                if self.idle.get() < KEPT {
                    self.idle.set(self.idle.get() + 1);
                    self.link(slab);
                } else {
                    dealloc(slab.as_ptr().cast(), LAYOUT);
                }
            }
        }
    }

    /// Frees those of which nobody has anything.
    pub(super) fn trim(&self) {
        while self.idle.get() > 0 {
            // SAFETY: idle ones are at the end of the ring.
            unsafe {
                let slab = NonNull::new_unchecked((*self.ring.get()).last);
                self.unlink(slab);
                dealloc(slab.as_ptr().cast(), LAYOUT);
            }
            self.idle.set(self.idle.get() - 1);
        }
    }

    /// A new slab, idle, in the ring.
    fn more(&self) -> Option<NonNull<Slab>> {
        // SAFETY: the layout has a size; the block has room for what is in front.
        unsafe {
            let slab = NonNull::new(alloc(LAYOUT).cast::<Slab>())?;
            populate(slab.cast());
            let (next, free) = (ptr::null_mut(), ptr::null_mut());
            slab.write(Slab { next, last: next, free, fresh: 0, taken: 0 });
            self.link(slab);
            self.idle.set(self.idle.get() + 1);
            Some(slab)
        }
    }

    /// Puts one at the end of the ring, which is before its first.
    ///
    /// # Safety
    /// It is there, and not in the ring.
    unsafe fn link(&self, slab: NonNull<Slab>) -> *mut Slab {
        let (first, new) = (self.ring.get(), slab.as_ptr());
        // SAFETY: those in the ring are there; the caller's promise for the new one.
        unsafe {
            if first.is_null() {
                ((*new).next, (*new).last) = (new, new);
                self.ring.set(new);
            } else {
                let end = (*first).last;
                ((*new).next, (*new).last) = (first, end);
                (*end).next = new;
                (*first).last = new;
            }
        }
        new
    }

    /// # Safety
    /// It is in the ring.
    unsafe fn unlink(&self, slab: NonNull<Slab>) {
        let slab = slab.as_ptr();
        // SAFETY: the caller's promise.
        unsafe {
            let (next, last) = ((*slab).next, (*slab).last);
            if next == slab {
                return self.ring.set(ptr::null_mut());
            }
            (*last).next = next;
            (*next).last = last;
            if self.ring.get() == slab {
                self.ring.set(next);
            }
        }
    }
}

impl Drop for Slabs {
    fn drop(&mut self) {
        self.trim();
        debug_assert!(self.ring.get().is_null(), "all slots were given back");
    }
}

/// Has the system fill a slab now, instead of page by page when it is first written to.
#[cfg(target_os = "linux")]
fn populate(slab: NonNull<u8>) {
    const SYSTEM_PAGE: usize = 4096;
    let begin = slab.addr().get().next_multiple_of(SYSTEM_PAGE) - slab.addr().get();
    // SAFETY: whole pages inside the slab. What is in them stays, and where the system knows no such advice or has no memory,
    // nothing is done.
    unsafe {
        let length = (SIZE - begin) & !(SYSTEM_PAGE - 1);
        libc::madvise(slab.add(begin).as_ptr().cast(), length, libc::MADV_POPULATE_WRITE);
    }
}

#[cfg(not(target_os = "linux"))]
fn populate(_: NonNull<u8>) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle_and_linked(slabs: &Slabs) -> (usize, usize) {
        let (first, mut linked) = (slabs.ring.get(), 0);
        let mut slab = first;
        while !slab.is_null() {
            linked += 1;
            // SAFETY: those in the ring are there.
            slab = unsafe { (*slab).next };
            if slab == first {
                break;
            }
        }
        (slabs.idle.get(), linked)
    }

    #[test]
    fn slots_are_apart_and_come_back_in_any_order() {
        let slabs = Slabs::new();
        for step in [1, 7, 62, 63] {
            let count = 20 * SLOTS + 1;
            let mut taken: Vec<_> = (0..count).map(|_| slabs.take().expect("there is memory")).collect();
            for (index, (slot, _)) in taken.iter().enumerate() {
                // SAFETY: so many bytes are ours.
                unsafe { slot.write_bytes(index as u8, SLOT) };
            }
            for (index, (slot, _)) in taken.iter().enumerate() {
                // SAFETY: as above.
                let bytes = unsafe { std::slice::from_raw_parts(slot.as_ptr(), SLOT) };
                assert!(bytes.iter().all(|&byte| byte == index as u8), "slot {index}");
            }
            assert_eq!(idle_and_linked(&slabs), (0, 1), "all but the last are full");
            while !taken.is_empty() {
                let (slot, slab) = taken.swap_remove(step * taken.len() / 64);
                // SAFETY: it was taken, and nobody has it.
                unsafe { slabs.give(slot, slab) };
            }
            assert_eq!(idle_and_linked(&slabs), (KEPT, KEPT));
        }
        slabs.trim();
        assert_eq!(idle_and_linked(&slabs), (0, 0));
        slabs.trim();
    }

    #[test]
    fn a_page_that_is_given_and_taken_again_costs_no_slab() {
        let slabs = Slabs::new();
        let (first, its) = slabs.take().expect("there is memory");
        for _ in 0..1000 {
            let (slot, slab) = slabs.take().expect("there is memory");
            assert_eq!(slab, its);
            // SAFETY: it was taken, and nobody has it.
            unsafe { slabs.give(slot, slab) };
        }
        // SAFETY: as above.
        unsafe { slabs.give(first, its) };
        assert_eq!(idle_and_linked(&slabs), (1, 1));
    }
}
