//! One value on a node.

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr;

use super::{Home, HugePages, Mapping};
use crate::error::{Error, Result};
use crate::id::NodeId;

/// A value in pages of its own on a node, whichever thread touches it first.
///
/// It takes at least a page: meant for per-node and per-worker state, not for small things.
///
/// ```
/// use heddle_numa::{Topology, memory::{Home, NodeBox}};
/// let machine = Topology::detect()?;
/// let home = Home::near(&machine, machine.nodes()[0].id());
/// let mut counters = NodeBox::new(home, [0u64; 512])?;
/// counters[7] += 1;
/// assert_eq!(counters.into_inner()[7], 1);
/// # Ok::<(), heddle_numa::Error>(())
/// ```
///
/// It crosses threads only where its value may:
///
/// ```compile_fail,E0277
/// use heddle_numa::memory::{Home, NodeBox};
/// let value = NodeBox::new(Home::anywhere(), std::rc::Rc::new(1)).unwrap();
/// std::thread::spawn(move || drop(value));
/// ```
pub struct NodeBox<T> {
    /// Invariant: open, and holds one initialised `T` at its start, until dropped or taken.
    mapping: Mapping,
    value: PhantomData<T>,
}

// `Mapping` is Send and Sync whatever lies in it, so the value decides through PhantomData: no unsafe impl is needed.

impl<T> NodeBox<T> {
    /// Moves a value into pages of this home.
    pub fn new(home: Home, value: T) -> Result<Self> {
        const { assert!(align_of::<T>() <= 4096, "pages are only aligned to 4096 bytes") };
        let mapping = Mapping::new(size_of::<T>(), home, HugePages::System)?;
        // SAFETY: the mapping is open for at least `size_of::<T>()` bytes, aligned to a page, and nobody else's.
        unsafe { mapping.as_ptr().cast::<T>().write(value) };
        Ok(NodeBox { mapping, value: PhantomData })
    }

    /// Moves the value out.
    pub fn into_inner(self) -> T {
        let this = ManuallyDrop::new(self);
        // SAFETY: by the invariant there is a `T`; `this` is never dropped, so it is read once and not dropped there.
        let value = unsafe { this.mapping.as_ptr().cast::<T>().read() };
        // SAFETY: `this` is never used again, so the mapping is moved out once; dropping it here gives the pages back.
        drop(unsafe { ptr::read(&this.mapping) });
        value
    }

    /// The node its pages come from; see [`Mapping::home`].
    pub fn home(&self) -> Option<NodeId> {
        self.mapping.home()
    }

    /// Why it is not placed as wished, where it is not.
    pub fn refusal(&self) -> Option<&Error> {
        self.mapping.refusal()
    }

    /// The pages under it.
    pub fn mapping(&self) -> &Mapping {
        &self.mapping
    }
}

impl<T> Deref for NodeBox<T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the invariant; the reference borrows `self`, which owns the pages.
        unsafe { &*self.mapping.as_ptr().cast::<T>() }
    }
}

impl<T> DerefMut for NodeBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the invariant; the reference borrows `self` exclusively.
        unsafe { &mut *self.mapping.as_ptr().cast::<T>() }
    }
}

impl<T> Drop for NodeBox<T> {
    fn drop(&mut self) {
        // SAFETY: the invariant; the value is dropped once, and the pages only after it.
        unsafe { ptr::drop_in_place(self.mapping.as_ptr().cast::<T>()) };
    }
}

impl<T: fmt::Debug> fmt::Debug for NodeBox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
