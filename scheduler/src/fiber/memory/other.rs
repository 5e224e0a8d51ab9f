//! Stack memory where there is no `mmap`: corosensei's own stacks, which have a guard page.

use super::StackGuard;
use super::slots::{Number, SLOTS_MAX};
use crate::error::Error;
use corosensei::stack::{DefaultStack, Stack, StackPointer};
use heddle_numa::NodeId;

pub(super) struct Raw(DefaultStack);

impl Raw {
    pub(super) fn base(&self) -> StackPointer {
        self.0.base()
    }

    pub(super) fn limit(&self) -> StackPointer {
        self.0.limit()
    }

    #[cfg(windows)]
    pub(super) fn teb_fields(&self) -> corosensei::stack::StackTebFields {
        self.0.teb_fields()
    }

    #[cfg(windows)]
    pub(super) fn update_teb_fields(&mut self, stack_limit: usize, guaranteed_stack_bytes: usize) {
        self.0.update_teb_fields(stack_limit, guaranteed_stack_bytes)
    }

    pub(super) fn guard_range(&self) -> std::ops::Range<usize> {
        let limit = self.0.limit().get();
        limit..limit + page_size()
    }

    pub(super) fn write_canary(&self) {}

    /// The stack itself, on the heap.
    pub(super) fn into_kept(self) -> *mut () {
        Box::into_raw(Box::new(self.0)).cast()
    }

    /// They keep their pages, so there is nothing to release.
    pub(super) fn pages(&self) -> std::ops::Range<usize> {
        0..0
    }
}

pub(super) fn release_pages(_pages: std::ops::Range<usize>) {}

#[cfg(test)]
pub(super) fn is_writable(_address: usize) -> bool {
    false
}

/// These stacks always have a guard page.
pub(super) fn canary_is_intact(_limit: usize) -> bool {
    true
}

pub(crate) fn page_size() -> usize {
    4096
}

pub(super) fn has_lightweight_guards() -> bool {
    false
}

/// What all stacks of a scheduler have in common.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    size: usize,
    guard: StackGuard,
}

impl Shape {
    pub(super) fn new(size: usize, guard: StackGuard) -> Shape {
        Shape { size, guard }
    }

    pub(super) fn guard(&self) -> StackGuard {
        self.guard
    }

    /// Bytes of a stack, with all that belongs to it.
    pub(super) fn bytes(&self) -> usize {
        self.size
    }

    /// They come with a guard.
    pub(super) fn protect(&self, _raw: &Raw) -> Result<(), Error> {
        Ok(())
    }

    /// # Safety
    /// `kept` comes from [`Raw::into_kept`], once.
    pub(super) unsafe fn find_kept(&self, kept: *mut ()) -> Raw {
        // SAFETY: the caller's promise.
        Raw(*unsafe { Box::from_raw(kept.cast()) })
    }
}

/// Each stack is a mapping of its own, which ends with it.
pub(super) struct Slabs {
    size: usize,
    count: usize,
}

impl Slabs {
    pub(super) fn new(shape: Shape, _node: Option<NodeId>) -> Slabs {
        Slabs { size: shape.size, count: 0 }
    }

    /// They are everywhere.
    pub(super) fn ranges(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        std::iter::empty()
    }

    pub(super) fn cut(&mut self) -> Result<(Number, Raw), Error> {
        if self.count == SLOTS_MAX {
            return Err(Error::no_memory(format!("there are {SLOTS_MAX} stacks, and there can be no more")));
        }
        let raw = DefaultStack::new(self.size).map(Raw).map_err(|error| {
            Error::no_memory(format!("no memory for a stack of {} KiB ({error})", self.size / 1024))
        })?;
        let number = Number(self.count as u32);
        self.count += 1;
        Ok((number, raw))
    }

    /// Nothing is refused when it is protected, so nothing comes back.
    pub(super) fn uncut(&mut self, _number: Number, raw: Raw) {
        drop(raw);
    }
}
