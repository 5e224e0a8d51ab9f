//! Sorting: parts are sorted by the standard library, then merged, in parallel, to and fro between the slice
//! and a buffer of its length.
//!
//! ```text
//!   slice    [ sorted by std ][ std ][ std ][ std ]        parts: `Part`, sorted to where it is needed next
//!   buffer     [ merged       ][ merged     ]              merges: `Merge`, cut in two where they are long
//!   slice        [ merged                  ]
//! ```
//!
//! *A comparison may panic, or make no sense, at any time*, and a task may never begin: in the end each element must
//! be in the slice, once. So a task is a value whose destructor puts what it is to deal with to where it is expected,
//! in whatever order: a part that is dropped is copied there if need be, a merge copies what it has not merged yet.
//! What is done in the normal course is that destructor, too. Between two tasks of a part, while its halves are elsewhere,
//! a [`Copy`] has that duty.

use super::run::{Grain, Run, with_run};
use crate::fork::Fork;
use crate::worker::current;
use std::cmp::Ordering;
use std::ptr;

/// No part is longer, and no merge that is not cut: a millisecond to sort a part of numbers, 20 us to merge them.
pub(super) const PART_MAX: usize = 32 * 1024;
const MERGE_MAX: usize = 8 * 1024;
/// Shorter parts are not worth a merge. Picked.
pub(super) const PART_MIN: usize = 1024;
/// So many parts for each worker: the last to finish keeps the others for a part's time.
pub(super) const PARTS_EACH: usize = 4;

/// Sorts, with equal elements in the order that they had. Memory: as many elements again.
///
/// If a comparison panics the slice has all its elements, in some order; if comparisons contradict each other this may
/// panic too, as that of the standard library.
///
/// ```
/// let mut words = ["weft", "warp", "shed"];
/// heddle_scheduler::parallel::par_sort(&mut words);
/// assert_eq!(words, ["shed", "warp", "weft"]);
/// ```
pub fn par_sort<T: Ord + Send>(elements: &mut [T]) {
    par_sort_by(elements, T::cmp);
}

/// As [`par_sort`], by a comparison.
pub fn par_sort_by<T: Send>(elements: &mut [T], compare: impl Fn(&T, &T) -> Ordering + Sync) {
    sort(elements, &compare, &|part| part.sort_by(&compare));
}

/// As [`par_sort`], by a key, which is made for each comparison.
pub fn par_sort_by_key<T: Send, K: Ord>(elements: &mut [T], key: impl Fn(&T) -> K + Sync) {
    par_sort_by(elements, |a, b| key(a).cmp(&key(b)));
}

fn sort<T: Send>(
    elements: &mut [T],
    compare: &(impl Fn(&T, &T) -> Ordering + Sync),
    sort_part: &(impl Fn(&mut [T]) + Sync),
) {
    let len = elements.len();
    // Outside of any fiber nobody helps, and while a panic unwinds it nobody may.
    let workers = current::in_fiber().map_or(0, |(worker, _)| worker.shared.config.workers);
    if len <= PART_MIN || size_of::<T>() == 0 || workers == 0 || std::thread::panicking() {
        return sort_part(elements);
    }
    let part = len.div_ceil(workers * PARTS_EACH).clamp(PART_MIN, PART_MAX);
    let mut buffer: Vec<T> = Vec::with_capacity(len);
    let whole = Part { here: elements.as_mut_ptr(), there: buffer.as_mut_ptr(), len, moves: false };
    let less = |a: &T, b: &T| compare(a, b) == Ordering::Less;
    with_run(Grain::from(part), |fork, run| {
        let sorts = Sorts { run, part, less: &less, sort_part };
        // SAFETY: both have room for `len`, and the elements are initialized.
        unsafe { sorts.sort(fork, whole) };
    });
}

/// Puts elements to where they are expected.
struct Copy<T> {
    from: *const T,
    to: *mut T,
    len: usize,
}

impl<T> Drop for Copy<T> {
    fn drop(&mut self) {
        // SAFETY: its maker's promise: the elements are there and there is room for them, elsewhere.
        unsafe { ptr::copy_nonoverlapping(self.from, self.to, self.len) };
    }
}

/// Elements to be sorted: `here`, or if they move, from here to `there`. See the module's documentation.
struct Part<T> {
    here: *mut T,
    there: *mut T,
    len: usize,
    moves: bool,
}

// SAFETY: it owns elements that may be sent.
unsafe impl<T: Send> Send for Part<T> {}

impl<T> Drop for Part<T> {
    fn drop(&mut self) {
        if self.moves {
            drop(Copy { from: self.here, to: self.there, len: self.len });
        }
    }
}

impl<T> Part<T> {
    /// From `start` on, with the other direction.
    ///
    /// # Safety
    /// It is within this part.
    unsafe fn half(&self, start: usize, len: usize) -> Part<T> {
        // SAFETY: the caller's promise.
        let (here, there) = unsafe { (self.here.add(start), self.there.add(start)) };
        Part { here, there, len, moves: !self.moves }
    }
}

/// Two sorted neighbours to be merged to `to`, less what has been already.
struct Merge<T> {
    low: Sorted<T>,
    high: Sorted<T>,
    to: *mut T,
}

/// Sorted elements.
struct Sorted<T> {
    start: *const T,
    len: usize,
}

// SAFETY: it owns elements that may be sent.
unsafe impl<T: Send> Send for Merge<T> {}

impl<T> Drop for Merge<T> {
    fn drop(&mut self) {
        drop(Copy { from: self.low.start, to: self.to, len: self.low.len });
        let to = self.to.wrapping_add(self.low.len);
        drop(Copy { from: self.high.start, to, len: self.high.len });
    }
}

impl<T> Sorted<T> {
    /// # Safety
    /// There are more than `index`.
    unsafe fn get(&self, index: usize) -> &T {
        // SAFETY: the caller's promise, and they are ours.
        unsafe { &*self.start.add(index) }
    }

    /// The first ones and the rest.
    fn split_at(&self, middle: usize) -> (Sorted<T>, Sorted<T>) {
        let rest = Sorted { start: self.start.wrapping_add(middle), len: self.len - middle };
        (Sorted { start: self.start, len: middle }, rest)
    }

    /// How many come first for which `goes_first` holds.
    fn count_first(&self, goes_first: impl Fn(&T) -> bool) -> usize {
        let (mut known, mut end) = (0, self.len);
        while known < end {
            let middle = known + (end - known) / 2;
            // SAFETY: below the length.
            if goes_first(unsafe { self.get(middle) }) {
                known = middle + 1;
            } else {
                end = middle;
            }
        }
        known
    }
}

struct Sorts<'a, F, S> {
    run: &'a Run,
    part: usize,
    less: &'a F,
    sort_part: &'a S,
}

impl<F, S> Sorts<'_, F, S> {
    /// Sorts it to where it is expected. Where it ends early, it is there all the same.
    ///
    /// # Safety
    /// Its elements are here, there is room there, and both are nobody else's.
    unsafe fn sort<T: Send>(&self, fork: &mut Fork, part: Part<T>)
    where
        F: Fn(&T, &T) -> bool + Sync,
        S: Fn(&mut [T]) + Sync,
    {
        if part.len <= self.part {
            if self.run.goes_on() {
                // SAFETY: the caller's promise.
                let elements = unsafe { std::slice::from_raw_parts_mut(part.here, part.len) };
                self.run.piece(part.len, || (self.sort_part)(elements));
            }
            return;
        }
        let (len, middle) = (part.len, part.len / 2);
        // The halves go to where they are merged from.
        let (from, to) = if part.moves { (part.here, part.there) } else { (part.there, part.here) };
        // SAFETY: within the part.
        let (low, high) = unsafe { (part.half(0, middle), part.half(middle, len - middle)) };
        std::mem::forget(part);
        let copies = Copy { from, to, len };
        // SAFETY: the halves are apart from each other, and else as the part.
        fork.join(|fork| unsafe { self.sort(fork, low) }, |fork| unsafe { self.sort(fork, high) });
        std::mem::forget(copies);
        let (low, high) = Sorted { start: from, len }.split_at(middle);
        // SAFETY: both are sorted, if all went well, and there is room for them where they go.
        unsafe { self.merge(fork, Merge { low, high, to }) };
    }

    /// # Safety
    /// The elements are there, there is room for them at `to`, and all is nobody else's.
    unsafe fn merge<T: Send>(&self, fork: &mut Fork, mut merge: Merge<T>)
    where
        F: Fn(&T, &T) -> bool + Sync,
        S: Sync,
    {
        let (low, high) = (merge.low.len, merge.high.len);
        if low == 0 || high == 0 {
            return;
        }
        if low + high <= MERGE_MAX {
            if self.run.goes_on() {
                // SAFETY: the caller's promise.
                self.run.piece(low + high, || unsafe { merge.all(self.less) });
            }
            return;
        }
        // SAFETY: neither is empty.
        if !(self.less)(unsafe { merge.high.get(0) }, unsafe { merge.low.get(low - 1) }) {
            // They are in order already.
            return;
        }
        // Equal ones of the lower part stay before those of the higher part.
        let (cut_low, cut_high) = if low >= high {
            // SAFETY: below the length.
            let pivot = unsafe { merge.low.get(low / 2) };
            (low / 2, merge.high.count_first(|other| (self.less)(other, pivot)))
        } else {
            // SAFETY: below the length.
            let pivot = unsafe { merge.high.get(high / 2) };
            (merge.low.count_first(|other| !(self.less)(pivot, other)), high / 2)
        };
        let ((low_a, low_b), (high_a, high_b)) = (merge.low.split_at(cut_low), merge.high.split_at(cut_high));
        let a = Merge { low: low_a, high: high_a, to: merge.to };
        let b = Merge { low: low_b, high: high_b, to: merge.to.wrapping_add(cut_low + cut_high) };
        std::mem::forget(merge);
        // SAFETY: the two are apart from each other, and else as the whole.
        fork.join(|fork| unsafe { self.merge(fork, a) }, |fork| unsafe { self.merge(fork, b) });
    }
}

impl<T> Merge<T> {
    /// # Safety
    /// As for [`Sorts::merge`].
    unsafe fn all(&mut self, less: impl Fn(&T, &T) -> bool) {
        while self.low.len != 0 && self.high.len != 0 {
            // SAFETY: neither is empty. What is copied is not looked at any more where it was.
            unsafe {
                let takes_high = less(self.high.get(0), self.low.get(0));
                let from = if takes_high { self.high.start } else { self.low.start };
                ptr::copy_nonoverlapping(from, self.to, 1);
                self.to = self.to.add(1);
                let (high, low) = (usize::from(takes_high), usize::from(!takes_high));
                self.high.start = self.high.start.add(high);
                self.high.len -= high;
                self.low.start = self.low.start.add(low);
                self.low.len -= low;
            }
        }
    }
}
