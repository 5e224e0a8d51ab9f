//! What can be divided: ranges, slices, chunks of slices, and pairs of those.

use std::ops::Range;

/// Something with a known number of elements that can be cut in two anywhere: `a..b` of integers, `&[T]`,
/// `&mut [T]`, [`chunks`], [`chunks_mut`], and two of them side by side with [`zip`].
///
/// ```
/// use heddle_scheduler::parallel::Source;
/// let (low, high) = Source::split_at(&[1, 2, 3][..], 1);
/// assert_eq!((low, high.elements().collect::<Vec<_>>()), (&[1][..], vec![&2, &3]));
/// ```
pub trait Source: Sized + Send {
    /// What it is made of.
    type Element;
    /// Its elements, one after the other, in order.
    type Elements: Iterator<Item = Self::Element>;

    /// How many elements there are. [`elements`](Self::elements) has exactly so many.
    fn extent(&self) -> usize;

    /// The first `middle` elements, and the rest. `middle` is at most [`extent`](Self::extent).
    fn split_at(self, middle: usize) -> (Self, Self);

    /// All of them.
    fn elements(self) -> Self::Elements;
}

/// Ranges that are longer than a `usize` counts cannot be; `RangeInclusive` would be.
macro_rules! ranges {
    ($($integer:ty as $unsigned:ty),*) => {$(
        impl Source for Range<$integer> {
            type Element = $integer;
            type Elements = Range<$integer>;

            fn extent(&self) -> usize {
                // The difference of two integers fits into as many bits, without a sign.
                if self.start < self.end { self.end.wrapping_sub(self.start) as $unsigned as usize } else { 0 }
            }

            fn split_at(self, middle: usize) -> (Self, Self) {
                let cut = self.start.wrapping_add(middle as $integer);
                (self.start..cut, cut..self.end)
            }

            fn elements(self) -> Range<$integer> {
                self
            }
        }
    )*};
}

ranges!(u8 as u8, i8 as u8, u16 as u16, i16 as u16, u32 as u32, i32 as u32, usize as usize, isize as usize);
#[cfg(target_pointer_width = "64")]
ranges!(u64 as u64, i64 as u64);

impl<'a, T: Sync> Source for &'a [T] {
    type Element = &'a T;
    type Elements = std::slice::Iter<'a, T>;

    fn extent(&self) -> usize {
        <[T]>::len(self)
    }

    fn split_at(self, middle: usize) -> (Self, Self) {
        <[T]>::split_at(self, middle)
    }

    fn elements(self) -> Self::Elements {
        self.iter()
    }
}

impl<'a, T: Send> Source for &'a mut [T] {
    type Element = &'a mut T;
    type Elements = std::slice::IterMut<'a, T>;

    fn extent(&self) -> usize {
        <[T]>::len(self)
    }

    fn split_at(self, middle: usize) -> (Self, Self) {
        self.split_at_mut(middle)
    }

    fn elements(self) -> Self::Elements {
        self.iter_mut()
    }
}

/// The chunks of a slice; made by [`chunks`].
#[derive(Clone, Copy, Debug)]
pub struct Chunks<'a, T> {
    rest: &'a [T],
    size: usize,
}

/// The elements in chunks of `size`, the last one shorter where it does not divide.
///
/// # Panics
/// If `size` is zero.
pub fn chunks<T: Sync>(elements: &[T], size: usize) -> Chunks<'_, T> {
    assert!(size != 0, "chunks of no elements: give a size of one or more");
    Chunks { rest: elements, size }
}

impl<'a, T: Sync> Source for Chunks<'a, T> {
    type Element = &'a [T];
    type Elements = std::slice::Chunks<'a, T>;

    fn extent(&self) -> usize {
        self.rest.len().div_ceil(self.size)
    }

    fn split_at(self, middle: usize) -> (Self, Self) {
        let (low, high) = self.rest.split_at(cut(self.rest.len(), middle, self.size));
        (Chunks { rest: low, ..self }, Chunks { rest: high, ..self })
    }

    fn elements(self) -> Self::Elements {
        self.rest.chunks(self.size)
    }
}

/// The chunks of a slice, to be changed; made by [`chunks_mut`].
#[derive(Debug)]
pub struct ChunksMut<'a, T> {
    rest: &'a mut [T],
    size: usize,
}

/// As [`chunks`], to be changed.
///
/// # Panics
/// If `size` is zero.
pub fn chunks_mut<T: Send>(elements: &mut [T], size: usize) -> ChunksMut<'_, T> {
    assert!(size != 0, "chunks of no elements: give a size of one or more");
    ChunksMut { rest: elements, size }
}

impl<'a, T: Send> Source for ChunksMut<'a, T> {
    type Element = &'a mut [T];
    type Elements = std::slice::ChunksMut<'a, T>;

    fn extent(&self) -> usize {
        self.rest.len().div_ceil(self.size)
    }

    fn split_at(self, middle: usize) -> (Self, Self) {
        let cut = cut(self.rest.len(), middle, self.size);
        let (low, high) = self.rest.split_at_mut(cut);
        (ChunksMut { rest: low, size: self.size }, ChunksMut { rest: high, size: self.size })
    }

    fn elements(self) -> Self::Elements {
        self.rest.chunks_mut(self.size)
    }
}

/// Where chunk number `middle` begins.
fn cut(len: usize, middle: usize, size: usize) -> usize {
    middle.saturating_mul(size).min(len)
}

/// Two sources side by side; made by [`zip`].
#[derive(Clone, Debug)]
pub struct Zip<A, B>(A, B);

/// Pairs of elements; what the longer one has more is left out.
///
/// ```
/// use heddle_scheduler::parallel::{Grain, for_each, zip};
/// let from = [1, 2, 3];
/// let mut to = [0; 3];
/// for_each(zip(&from[..], &mut to[..]), Grain::Auto, |(from, to)| *to = from * 10);
/// assert_eq!(to, [10, 20, 30]);
/// ```
pub fn zip<A: Source, B: Source>(a: A, b: B) -> Zip<A, B> {
    let len = a.extent().min(b.extent());
    Zip(a.split_at(len).0, b.split_at(len).0)
}

impl<A: Source, B: Source> Source for Zip<A, B> {
    type Element = (A::Element, B::Element);
    type Elements = std::iter::Zip<A::Elements, B::Elements>;

    fn extent(&self) -> usize {
        self.0.extent()
    }

    fn split_at(self, middle: usize) -> (Self, Self) {
        let ((a, rest_a), (b, rest_b)) = (self.0.split_at(middle), self.1.split_at(middle));
        (Zip(a, b), Zip(rest_a, rest_b))
    }

    fn elements(self) -> Self::Elements {
        self.0.elements().zip(self.1.elements())
    }
}

impl<A, B> Zip<A, B> {
    /// The two.
    pub(super) fn into_parts(self) -> (A, B) {
        (self.0, self.1)
    }
}
