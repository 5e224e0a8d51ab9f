//! An array that grows and whose places stay where they are, so that anybody may read it while anybody
//! lets it grow. It grows by chunks, each twice the one before, of zeros: places that were never used
//! are memory that was never touched.
//!
//! | field    | written by                          | read by  |
//! |----------|-------------------------------------|----------|
//! | `chunks` | once each, by whoever comes first   | everyone |

use crate::primitive::{AtomicPtr, Ordering, zeroed_slice};
use std::ptr;

/// Places of the first chunk.
const FIRST: usize = 64;
const CHUNKS: usize = 20;
/// How many places there can be.
pub(crate) const PLACES_MAX: usize = FIRST * ((1 << CHUNKS) - 1);

/// See the module's documentation.
pub(crate) struct Shelf<T> {
    chunks: [AtomicPtr<T>; CHUNKS],
    /// Zeros, as `new`'s caller has promised.
    empty: fn() -> T,
}

// SAFETY: it owns what is in it, and hands out shared references only.
unsafe impl<T: Send + Sync> Send for Shelf<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Shelf<T> {}

/// In which chunk a place is, and where there.
fn locate(place: usize) -> (usize, usize) {
    let chunk = (place / FIRST + 1).ilog2() as usize;
    (chunk, place - FIRST * ((1 << chunk) - 1))
}

impl<T> Shelf<T> {
    /// # Safety
    /// What `empty` makes is all zeros.
    pub(crate) unsafe fn new(empty: fn() -> T) -> Shelf<T> {
        Shelf { chunks: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())), empty }
    }

    /// Makes sure that there is this place, which is less than [`PLACES_MAX`]. It may allocate.
    pub(crate) fn prepare(&self, place: usize) {
        let (chunk, _) = locate(place);
        if !self.chunks[chunk].load(Ordering::Relaxed).is_null() {
            return;
        }
        // SAFETY: the promise of `new`'s caller.
        let places = Box::into_raw(unsafe { zeroed_slice(FIRST << chunk, self.empty) });
        let (none, places_ptr) = (ptr::null_mut(), places.cast::<T>());
        // ORDERING: Release pairs with the acquire of `get`.
        let set = self.chunks[chunk].compare_exchange(none, places_ptr, Ordering::Release, Ordering::Relaxed);
        if set.is_err() {
            // SAFETY: ours still.
            drop(unsafe { Box::from_raw(places) });
        }
    }

    /// What is in this place, if it was prepared.
    pub(crate) fn get(&self, place: usize) -> Option<&T> {
        let (chunk, offset) = locate(place);
        // ORDERING: Acquire pairs with the release of `prepare`.
        let places = self.chunks[chunk].load(Ordering::Acquire);
        // SAFETY: the chunk has that many places, and stays until `self` goes.
        (!places.is_null()).then(|| unsafe { &*places.add(offset) })
    }
}

impl<T> Drop for Shelf<T> {
    fn drop(&mut self) {
        for (chunk, places) in self.chunks.iter().enumerate() {
            let places = places.load(Ordering::Relaxed);
            if !places.is_null() {
                // SAFETY: `prepare` made it, with that many places.
                drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(places, FIRST << chunk)) });
            }
        }
    }
}
