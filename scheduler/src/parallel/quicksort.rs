//! Sorting where equal elements may come in any order: the slice is divided around one of its elements, in place, the two
//! sides in parallel, until a part is short enough for the standard library.
//!
//! ```text
//!   [ ancestor | part                            ]     all of the part are at least as large as the ancestor, if it has one
//!              [ < pivot      | pivot | >= pivot ]     the pivot is the ancestor of what is right of it
//! ```
//!
//! | what                                                | then                                                            |
//! |-----------------------------------------------------|-----------------------------------------------------------------|
//! | a part is short                                     | the standard library sorts it                                   |
//! | its pivot equals the ancestor                       | those that equal it, too, are in their place; the rest goes on  |
//! | it came of too many divisions, as pivots were bad   | the standard library sorts it: it is quick where this is slow   |
//! | all is in order, or in the opposite one             | that is found first, by a look that ends at the first that is not |
//!
//! *A comparison may panic, or make no sense, at any time*: all that is done is to swap elements of the slice, so each is there
//! once, whenever it ends. Dividing a long part looks around as often as sorting a short one does.

use super::run::{Grain, Run, with_run};
use super::sort::{PART_MAX, PART_MIN, PARTS_EACH};
use crate::fork::Fork;
use crate::worker::current;
use std::cmp::Ordering;

/// How often a part may be divided before it is short, for each time that it takes if all pivots are medians. Picked: it bounds the
/// stack that is needed.
const PATIENCE: u32 = 2;
/// Elements of more bytes are moved only if they go first.
const SMALL: usize = 128;

/// As [`par_sort`](super::par_sort), with equal elements in any order, which is quicker, and in place.
///
/// ```
/// let mut numbers = [17, 4, 8];
/// heddle_scheduler::parallel::par_sort_unstable(&mut numbers);
/// assert_eq!(numbers, [4, 8, 17]);
/// ```
pub fn par_sort_unstable<T: Ord + Send>(elements: &mut [T]) {
    sort(elements, &T::lt, |part| part.sort_unstable(), |part| part.sort_unstable());
}

/// As [`par_sort_unstable`], by a comparison.
pub fn par_sort_unstable_by<T: Send>(elements: &mut [T], compare: impl Fn(&T, &T) -> Ordering + Sync) {
    let less = |a: &T, b: &T| compare(a, b) == Ordering::Less;
    let sort_part = |part: &mut [T]| part.sort_unstable_by(&compare);
    sort(elements, &less, sort_part, sort_part);
}

/// As [`par_sort_unstable`], by a key, which is made for each comparison.
pub fn par_sort_unstable_by_key<T: Send, K: Ord>(elements: &mut [T], key: impl Fn(&T) -> K + Sync) {
    par_sort_unstable_by(elements, |a, b| key(a).cmp(&key(b)));
}

fn sort<T: Send>(
    elements: &mut [T],
    less: &(impl Fn(&T, &T) -> bool + Sync),
    sort_all: impl FnOnce(&mut [T]),
    sort_part: impl Fn(&mut [T]) + Sync,
) {
    let len = elements.len();
    // Outside of any fiber nobody helps, and while a panic unwinds it nobody may.
    let workers = current::in_fiber().map_or(0, |(worker, _)| worker.shared.config.workers);
    if len <= PART_MIN || size_of::<T>() == 0 || workers == 0 || std::thread::panicking() {
        return sort_all(elements);
    }
    let part = len.div_ceil(workers * PARTS_EACH).clamp(PART_MIN, PART_MAX);
    with_run(Grain::from(part), |fork, run| {
        let sorts = Sorts { run, part, less, sort_part: &sort_part };
        if !sorts.finds_order(elements) {
            sorts.sort(fork, elements, None, PATIENCE * (1 + (len / part).ilog2()));
        }
    });
}

struct Sorts<'a, F, S> {
    run: &'a Run,
    part: usize,
    less: &'a F,
    sort_part: &'a S,
}

impl<F, S> Sorts<'_, F, S> {
    /// Sorts a part. Where it ends early, some of its elements are not in order. So often it may be divided.
    fn sort<'s, T: Send>(
        &self,
        fork: &mut Fork,
        mut part: &'s mut [T],
        mut ancestor: Option<&'s mut T>,
        mut patience: u32,
    ) where
        F: Fn(&T, &T) -> bool + Sync,
        S: Fn(&mut [T]) + Sync,
    {
        while part.len() > self.part && patience > 0 {
            self.bring_pivot(part);
            if ancestor.as_deref().is_some_and(|ancestor| !(self.less)(ancestor, &part[0])) {
                // Those that are no larger than the pivot equal the ancestor.
                let Some(equal) = self.divide(part, |element, pivot| !(self.less)(pivot, element)) else {
                    return;
                };
                part = &mut part[equal + 1..];
                ancestor = None;
                continue;
            }
            let Some(middle) = self.divide(part, self.less) else { return };
            patience -= 1;
            let (low, rest) = part.split_at_mut(middle);
            let Some((pivot, high)) = rest.split_first_mut() else { return };
            fork.join(
                |fork| self.sort(fork, low, ancestor, patience),
                |fork| self.sort(fork, high, Some(pivot), patience),
            );
            return;
        }
        if self.run.goes_on() {
            self.run.piece(part.len(), || (self.sort_part)(part));
        }
    }

    /// Puts an element to the front that is likely to be near the middle: the median of three medians of three.
    fn bring_pivot<T>(&self, part: &mut [T])
    where
        F: Fn(&T, &T) -> bool,
    {
        let step = part.len() / 9;
        let median = |a: usize, b: usize, c: usize| {
            let less = |x: usize, y: usize| (self.less)(&part[x], &part[y]);
            match (less(a, b), less(b, c), less(a, c)) {
                (true, true, _) | (false, false, _) => b,
                (true, false, true) | (false, true, false) => c,
                _ => a,
            }
        };
        let three = |n: usize| median(3 * n * step, (3 * n + 1) * step, (3 * n + 2) * step);
        let pivot = median(three(0), three(1), three(2));
        part.swap(0, pivot);
    }

    /// Brings those that go first before the pivot, which is the first element, and the others behind it. The result is where
    /// it is; `None`: it has ended early.
    fn divide<T>(&self, part: &mut [T], goes_first: impl Fn(&T, &T) -> bool) -> Option<usize> {
        let (pivot, others) = part.split_first_mut()?;
        let pivot = &*pivot;
        let mut first = 0;
        let mut next = 0;
        while next < others.len() {
            let end = others.len().min(next + PART_MAX);
            if !self.run.goes_on() {
                return None;
            }
            first = self.run.piece(end - next, || {
                let mut first = first;
                for at in next..end {
                    // Without a branch on the outcome, which nobody can predict, where a move is cheap.
                    let goes = goes_first(&others[at], pivot);
                    if goes || size_of::<T>() <= SMALL {
                        others.swap(at, first);
                    }
                    first += usize::from(goes);
                }
                first
            });
            next = end;
        }
        part.swap(0, first);
        Some(first)
    }

    /// Is all in order, or is it now, as it was in the opposite one? Nothing has changed if not.
    fn finds_order<T>(&self, elements: &mut [T]) -> bool
    where
        F: Fn(&T, &T) -> bool,
    {
        let falls = (self.less)(&elements[1], &elements[0]);
        let mut from = 1;
        while from < elements.len() {
            let end = elements.len().min(from + PART_MAX);
            // Each piece begins with the last of the one before.
            let run = &elements[from - 1..end];
            let is_so = self.run.goes_on()
                && self.run.piece(run.len(), || run.is_sorted_by(|a, b| (self.less)(b, a) == falls));
            if !is_so {
                return false;
            }
            from = end;
        }
        if falls {
            elements.reverse();
        }
        true
    }
}
