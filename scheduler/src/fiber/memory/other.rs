//! Stack memory where there is no `mmap`: corosensei's own stacks, which have a guard page.

use super::StackGuard;
use crate::error::Error;
use corosensei::stack::{DefaultStack, Stack, StackPointer};

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

pub(super) struct Slabs {
    size: usize,
}

impl Slabs {
    pub(super) fn new(size: usize, _guard: StackGuard) -> Slabs {
        Slabs { size }
    }

    pub(super) fn cut(&mut self) -> Result<Raw, Error> {
        DefaultStack::new(self.size).map(Raw).map_err(|error| {
            Error::no_memory(format!("no memory for a stack of {} KiB ({error})", self.size / 1024))
        })
    }
}
