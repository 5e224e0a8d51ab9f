//! A vector on a node.
//!
//! ```text
//! mapping  | T | T | T |   free, opened, not yet in memory   |
//!            0   1   2   len                            capacity
//! ```
//!
//! Growing makes a new mapping of at least twice the size on the same home and moves the values over: whole pages, so
//! capacity is generous and free until touched.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::slice;

use super::{Home, HugePages, Mapping, Pages};
use crate::error::{Error, Kind, Result};
use crate::id::NodeId;

/// A growable array whose pages are on a node, whichever thread touches them first.
///
/// Everything a slice can do it can do, through `Deref`. Growing panics where memory runs out, as
/// `Vec` aborts; [`NodeVec::try_reserve`] returns the error instead.
///
/// ```
/// use heddle_numa::{Topology, memory::{Home, NodeVec}};
/// let machine = Topology::detect()?;
/// let home = Home::near(&machine, machine.nodes()[0].id());
/// let mut samples = NodeVec::with_capacity(home, 1000)?;
/// samples.extend((0..1000).map(f64::from));
/// assert_eq!(samples.iter().sum::<f64>(), 499_500.0);
/// # Ok::<(), heddle_numa::Error>(())
/// ```
///
/// It crosses threads only where its values may:
///
/// ```compile_fail,E0277
/// use heddle_numa::memory::{Home, NodeVec};
/// let value = NodeVec::<std::rc::Rc<u8>>::new(Home::anywhere());
/// std::thread::spawn(move || drop(value));
/// ```
pub struct NodeVec<T> {
    home: Home,
    huge: HugePages,
    /// `None` until the first value, and for values of no size.
    mapping: Option<Mapping>,
    /// Invariant: the first `len` places are initialised; `len <= capacity`.
    len: usize,
    values: PhantomData<T>,
}

impl<T> NodeVec<T> {
    /// An empty vector; takes no memory yet.
    pub const fn new(home: Home) -> Self {
        const { assert!(align_of::<T>() <= 4096, "pages are only aligned to 4096 bytes") };
        NodeVec { home, huge: HugePages::System, mapping: None, len: 0, values: PhantomData }
    }

    /// An empty vector with room for this many values.
    pub fn with_capacity(home: Home, capacity: usize) -> Result<Self> {
        let mut vec = Self::new(home);
        vec.try_reserve(capacity)?;
        Ok(vec)
    }

    /// The same with advice on huge pages, which holds when it grows, too.
    pub fn with_huge_pages(home: Home, capacity: usize, huge: HugePages) -> Result<Self> {
        let mut vec = Self::new(home);
        vec.huge = huge;
        vec.try_reserve(capacity)?;
        Ok(vec)
    }

    /// This many values, made from their indices.
    pub fn from_fn(home: Home, len: usize, make: impl FnMut(usize) -> T) -> Result<Self> {
        let mut vec = Self::with_capacity(home, len)?;
        vec.extend((0..len).map(make));
        Ok(vec)
    }

    /// How many values fit without growing.
    pub fn capacity(&self) -> usize {
        match size_of::<T>() {
            0 => usize::MAX,
            size => self.mapping.as_ref().map_or(0, |mapping| mapping.bytes() / size),
        }
    }

    /// Makes room for this many values more.
    pub fn try_reserve(&mut self, additional: usize) -> Result<()> {
        let too_much = || {
            Error::new(Kind::OutOfMemory, format!("room for {additional} values more cannot be addressed"))
        };
        let needed = self.len.checked_add(additional).ok_or_else(too_much)?;
        if needed <= self.capacity() {
            return Ok(());
        }
        let capacity = needed.max(self.capacity().saturating_mul(2));
        let bytes = capacity.checked_mul(size_of::<T>()).ok_or_else(too_much)?;
        let grown = Mapping::new(bytes, self.home, self.huge)?;
        // SAFETY: the first `len` places are initialised and are moved: the old mapping is freed below without dropping
        // them. The new mapping is open, larger, aligned to a page, and does not overlap.
        unsafe { ptr::copy_nonoverlapping(self.place(0), grown.as_ptr().cast::<T>(), self.len) };
        self.mapping = Some(grown);
        Ok(())
    }

    /// Appends a value.
    ///
    /// # Panics
    /// Where it must grow and there is no memory.
    pub fn push(&mut self, value: T) {
        if self.len == self.capacity()
            && let Err(error) = self.try_reserve(1)
        {
            panic!("{error}");
        }
        // SAFETY: `len < capacity`, so the place is inside the open mapping and holds nothing.
        unsafe { self.place(self.len).write(value) };
        self.len += 1;
    }

    /// Takes the last value.
    pub fn pop(&mut self) -> Option<T> {
        self.len = self.len.checked_sub(1)?;
        // SAFETY: the place was initialised, and is now beyond `len`, so the value is read once.
        Some(unsafe { self.place(self.len).read() })
    }

    /// Drops the values from this length on; the memory stays.
    pub fn truncate(&mut self, len: usize) {
        if len >= self.len {
            return;
        }
        let rest = ptr::slice_from_raw_parts_mut(self.place(len), self.len - len);
        // Shorter first: if a value's drop panics, the rest is leaked and never dropped twice.
        self.len = len;
        // SAFETY: these places were initialised, and are now beyond `len`, so nobody else drops them.
        unsafe { ptr::drop_in_place(rest) };
    }

    /// Drops all values; the memory stays.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// The node its pages come from; see [`Mapping::home`]. Before the first value: the node they will come from.
    pub fn home(&self) -> Option<NodeId> {
        self.mapping.as_ref().map_or(self.home.node(), Mapping::home)
    }

    /// Why it is not placed as wished, where it is not.
    pub fn refusal(&self) -> Option<&Error> {
        self.mapping.as_ref()?.refusal()
    }

    /// The pages under its values (not under its free capacity).
    pub fn pages(&self) -> Pages {
        Pages::touching(&**self)
    }

    /// The address of a place; dangling, and only good for values of no size, while there is no mapping.
    fn place(&self, index: usize) -> *mut T {
        let start = self
            .mapping
            .as_ref()
            .map_or(NonNull::dangling().as_ptr(), |mapping| mapping.as_ptr().cast::<T>());
        start.wrapping_add(index)
    }
}

impl<T> Deref for NodeVec<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        // SAFETY: the first `len` places are initialised; where there is no mapping, `len` is 0 or `T` has no size.
        unsafe { slice::from_raw_parts(self.place(0), self.len) }
    }
}

impl<T> DerefMut for NodeVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`, and `self` is borrowed exclusively.
        unsafe { slice::from_raw_parts_mut(self.place(0), self.len) }
    }
}

impl<T> Extend<T> for NodeVec<T> {
    /// # Panics
    /// Where it must grow and there is no memory.
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        for value in values {
            self.push(value);
        }
    }
}

impl<'a, T> IntoIterator for &'a NodeVec<T> {
    type Item = &'a T;
    type IntoIter = slice::Iter<'a, T>;
    fn into_iter(self) -> slice::Iter<'a, T> {
        self.iter()
    }
}

impl<'a, T> IntoIterator for &'a mut NodeVec<T> {
    type Item = &'a mut T;
    type IntoIter = slice::IterMut<'a, T>;
    fn into_iter(self) -> slice::IterMut<'a, T> {
        self.iter_mut()
    }
}

impl<T> Drop for NodeVec<T> {
    fn drop(&mut self) {
        self.clear();
    }
}

impl<T: fmt::Debug> fmt::Debug for NodeVec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
