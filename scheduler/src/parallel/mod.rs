//! Loops, maps, reductions and sorts whose parts run on all workers.
//!
//! ```
//! use heddle_scheduler::Scheduler;
//! use heddle_scheduler::parallel::{Grain, map, map_reduce, par_sort, parallel_for};
//! use std::sync::atomic::{AtomicU64, Ordering};
//!
//! let scheduler = Scheduler::builder().workers(2).build()?;
//! let mut squares = scheduler.run(|| map(0..1000_u64, Grain::Auto, |n| n * n % 1000));
//! let largest = scheduler.run(|| map_reduce(&squares[..], Grain::Auto, |n| *n, u64::max));
//! assert_eq!(largest, Some(996));
//! scheduler.run(|| par_sort(&mut squares));
//! assert!(squares.is_sorted());
//! let sum = AtomicU64::new(0);
//! scheduler.run(|| parallel_for(0..squares.len(), Grain::Auto, |index| {
//!     sum.fetch_add(squares[index], Ordering::Relaxed);
//! }));
//! assert_eq!(sum.into_inner(), squares.iter().sum());
//! # Ok::<(), heddle_scheduler::Error>(())
//! ```
//!
//! All of it is built on [`join`](crate::join), so its rules hold. The parts may block, and others go on
//! meanwhile. They have the caller's priority. They may borrow; all have ended when the call returns. **Outside
//! of any fiber everything runs in place, one after the other**: enter by [`Scheduler::run`](crate::Scheduler::run).
//!
//! *A panic* in what is called ends all parts before their next piece, what was built is dropped, and the panic
//! comes out of the call. *Cancelled*, or at the end of its
//! [`timeout`](crate::timeout), the caller unwinds, when all parts have come to the end of their
//! piece: each piece begins with a [`checkpoint`](crate::checkpoint). A call that is made while a panic unwinds the
//! fiber, in a destructor, runs in place and to its end.
//!
//! | file        | what it has                                                    |
//! |-------------|----------------------------------------------------------------|
//! | `source`    | what can be divided                                            |
//! | `run`       | how it is divided, how long a piece is, and how it ends early  |
//! | `build`     | results written in place, and dropped if not all come          |
//! | `sort`      | sorting, by merging parts that are sorted                      |
//! | `quicksort` | the same, in place, where equal elements may come in any order |

mod source;
mod run;
mod build;
mod sort;
mod quicksort;

pub use build::map;
pub use quicksort::{par_sort_unstable, par_sort_unstable_by, par_sort_unstable_by_key};
pub use run::Grain;
pub use sort::{par_sort, par_sort_by, par_sort_by_key};
pub use source::{Chunks, ChunksMut, Source, Zip, chunks, chunks_mut, zip};

use run::run;
use std::num::NonZeroUsize;
use std::ops::Range;

/// Calls `body` with each number of `range`, in any order, on all workers.
///
/// ```
/// use heddle_scheduler::parallel::parallel_for;
/// use std::sync::atomic::{AtomicU32, Ordering};
/// let sum = AtomicU32::new(0);
/// parallel_for(0..100_u32, 10, |n| { sum.fetch_add(n, Ordering::Relaxed); });
/// assert_eq!(sum.into_inner(), 4950);
/// ```
pub fn parallel_for<I>(range: Range<I>, grain: impl Into<Grain>, body: impl Fn(I) + Sync)
where
    Range<I>: Source<Element = I>,
{
    for_each(range, grain, body);
}

/// Calls `body` with each element of `source`, in any order, on all workers.
///
/// ```
/// use heddle_scheduler::parallel::{Grain, for_each};
/// let mut numbers = [1, 2, 3];
/// for_each(&mut numbers[..], Grain::Auto, |n| *n += 1);
/// assert_eq!(numbers, [2, 3, 4]);
/// ```
pub fn for_each<S: Source>(source: S, grain: impl Into<Grain>, body: impl Fn(S::Element) + Sync) {
    run(source, grain.into(), &|piece: S| piece.elements().for_each(&body), &|(), ()| ());
}

/// Calls `body` with each chunk of `size` elements, the last one shorter where it does not divide. Where chunks
/// are small, [`for_each`] of [`chunks`] with [`Grain::Auto`] takes several in a row.
///
/// # Panics
/// If `size` is zero, or `body` panics.
pub fn parallel_chunks<T: Sync>(elements: &[T], size: usize, body: impl Fn(&[T]) + Sync) {
    for_each(chunks(elements, size), Grain::Of(NonZeroUsize::MIN), body);
}

/// As [`parallel_chunks`], to change them.
///
/// ```
/// let mut rows = [[0; 4]; 3];
/// heddle_scheduler::parallel::parallel_chunks_mut(rows.as_flattened_mut(), 4, |row| row.fill(7));
/// assert_eq!(rows, [[7; 4]; 3]);
/// ```
///
/// # Panics
/// As [`parallel_chunks`].
pub fn parallel_chunks_mut<T: Send>(elements: &mut [T], size: usize, body: impl Fn(&mut [T]) + Sync) {
    for_each(chunks_mut(elements, size), Grain::Of(NonZeroUsize::MIN), body);
}

/// What `merge` makes of what `map` makes of all elements, where neighbours are merged in order: `merge`
/// need not be commutative, only associative. `None`: there are no elements.
///
/// How they are grouped changes from call to call, so a sum of floating point numbers changes in its last digits.
///
/// ```
/// use heddle_scheduler::parallel::{Grain, map_reduce};
/// let words = ["warp", "and", "weft"];
/// let text = map_reduce(&words[..], Grain::Auto, |word| word.to_string(), |a, b| a + " " + &b);
/// assert_eq!(text.as_deref(), Some("warp and weft"));
/// ```
pub fn map_reduce<S: Source, R: Send>(
    source: S,
    grain: impl Into<Grain>,
    map: impl Fn(S::Element) -> R + Sync,
    merge: impl Fn(R, R) -> R + Sync,
) -> Option<R> {
    let piece = |piece: S| piece.elements().map(&map).reduce(&merge);
    let both = |low: Option<R>, high: Option<R>| match (low, high) {
        (Some(low), Some(high)) => Some(merge(low, high)),
        (one, other) => one.or(other),
    };
    run(source, grain.into(), &piece, &both).flatten()
}

/// [`map_reduce`] of the elements themselves.
///
/// ```
/// use heddle_scheduler::parallel::{Grain, reduce};
/// assert_eq!(reduce(&[3, 9, 4][..], Grain::Auto, std::cmp::max), Some(&9));
/// ```
pub fn reduce<S>(
    source: S,
    grain: impl Into<Grain>,
    merge: impl Fn(S::Element, S::Element) -> S::Element + Sync,
) -> Option<S::Element>
where
    S: Source,
    S::Element: Send,
{
    map_reduce(source, grain, |element| element, merge)
}
