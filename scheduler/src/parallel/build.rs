//! A vector that is written by many. Each piece owns what it has written, until it is merged with its
//! neighbour, and drops it if that does not happen; the vector owns nothing before all is there.

use super::run::{Grain, run};
use super::source::{Source, zip};
use std::ops::Range;
use std::ptr;

/// Elements of the vector that were written and that nobody else owns.
struct Built<T> {
    start: *mut T,
    len: usize,
}

// SAFETY: it owns elements that may be sent.
unsafe impl<T: Send> Send for Built<T> {}

impl<T> Built<T> {
    /// With those of the next piece. If there is a gap between (a source had fewer elements than it said), the
    /// other's are dropped.
    fn and(mut self, other: Built<T>) -> Built<T> {
        if ptr::eq(self.start.wrapping_add(self.len), other.start) {
            self.len += other.len;
            std::mem::forget(other);
        }
        self
    }
}

impl<T> Drop for Built<T> {
    fn drop(&mut self) {
        // SAFETY: they were written, are ours, and the vector's memory is there as long as the run.
        unsafe { ptr::slice_from_raw_parts_mut(self.start, self.len).drop_in_place() };
    }
}

/// Where the vector has its elements.
struct Base<T>(*mut T);

// SAFETY: each piece writes to places of its own.
unsafe impl<T: Send> Sync for Base<T> {}

impl<T> Base<T> {
    fn at(&self, index: usize) -> *mut T {
        self.0.wrapping_add(index)
    }
}

/// What `f` makes of each element, in the order of the elements.
///
/// ```
/// use heddle_scheduler::parallel::{Grain, map};
/// assert_eq!(map(&["a", "bc"][..], Grain::Auto, |text| text.len()), [1, 2]);
/// ```
///
/// # Panics
/// If `f` does: what it has made is dropped.
pub fn map<S: Source, R: Send>(
    source: S,
    grain: impl Into<Grain>,
    f: impl Fn(S::Element) -> R + Sync,
) -> Vec<R> {
    let len = source.extent();
    let mut vector: Vec<R> = Vec::with_capacity(len);
    let base = Base(vector.as_mut_ptr());
    let piece = |piece: super::Zip<S, Range<usize>>| {
        let (elements, places) = piece.into_parts();
        let mut built = Built { start: base.at(places.start), len: 0 };
        for (index, element) in places.zip(elements.elements()) {
            let value = f(element);
            // SAFETY: `index` is below the capacity, and a piece's places are its own.
            unsafe { base.at(index).write(value) };
            built.len += 1;
        }
        built
    };
    let built = run(zip(source, 0..len), grain.into(), &piece, &Built::and);
    let count = built.as_ref().map_or(0, |built| built.len);
    assert_eq!(count, len, "a source has to have as many elements as it says");
    std::mem::forget(built);
    // SAFETY: so many were written, from the start on, and nobody else owns them.
    unsafe { vector.set_len(len) };
    vector
}
