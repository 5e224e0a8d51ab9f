//! All stacks of a scheduler: a source for each of its sites, so that a stack's pages are on the node whose workers
//! run on it, and the bound that they share.

use super::source::StackSource;
use super::{StackGuard, StackMemory, StackSpec};
use crate::error::Error;
use crate::primitive::{AtomicUsize, Ordering};
use heddle_numa::NodeId;
use heddle_numa::memory::PagesByNode;
use std::sync::Arc;

/// How many stacks may be in use at once. Nothing is counted where there is no bound.
pub(super) struct Bound {
    most: usize,
    taken: AtomicUsize,
}

impl Bound {
    fn has_none(&self) -> bool {
        self.most == usize::MAX
    }

    pub(super) fn is_reached(&self) -> bool {
        self.taken.load(Ordering::Relaxed) >= self.most
    }

    /// One more is in use. `false`: that would be too many.
    pub(super) fn enter(&self) -> bool {
        let one_more = |taken: usize| (taken < self.most).then_some(taken + 1);
        self.has_none() || self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// One less is.
    pub(super) fn leave(&self) {
        if !self.has_none() {
            self.taken.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// See the module's documentation.
pub(crate) struct Stacks {
    size: usize,
    sources: Box<[StackSource]>,
}

impl Stacks {
    /// `nodes`: where the pages of each site should be, if that matters.
    pub(crate) fn new(nodes: &[Option<NodeId>], spec: StackSpec) -> Result<Stacks, Error> {
        let bound = Arc::new(Bound { most: spec.most, taken: AtomicUsize::new(0) });
        let source = |(site, &node)| StackSource::new(site as u16, node, spec, bound.clone());
        let sources = nodes.iter().enumerate().map(source).collect::<Result<_, _>>()?;
        Ok(Stacks { size: spec.size, sources })
    }

    /// A stack of a site, for a thread that may map: one that exists, else a new one.
    pub(crate) fn take(&self, site: usize) -> Result<StackMemory, Error> {
        self.sources[site].take()
    }

    /// A stack of a site, for a thread that may not map, and never waits. `None`: there is none now, so it waits
    /// for a [`supply`](Self::supply) or somebody's `give`.
    pub(crate) fn take_ready(&self, site: usize) -> Result<Option<StackMemory>, Error> {
        self.sources[site].take_ready()
    }

    /// Gives a stack back to where it came from. Waits for nobody.
    pub(crate) fn give(&self, memory: StackMemory) {
        self.sources[memory.source as usize].give(memory);
    }

    /// Are there enough pages to release at a site that somebody who may map should do it now?
    pub(crate) fn has_many_to_release(&self, site: usize) -> bool {
        self.sources[site].has_many_to_release()
    }

    /// The system gets the pages of all stacks that were given back. The caller may map.
    pub(crate) fn release(&self) {
        self.sources.iter().for_each(StackSource::release);
    }

    /// The same at one site.
    pub(crate) fn release_at(&self, site: usize) {
        self.sources[site].release();
    }

    /// How many stacks somebody should supply so that `reserve` wait at a site for threads that may not map.
    pub(crate) fn needs(&self, site: usize, reserve: usize) -> usize {
        self.sources[site].needs(reserve)
    }

    /// Makes `count` stacks for those at a site who may not. The caller may map.
    pub(crate) fn supply(&self, site: usize, count: usize) -> Result<(), Error> {
        self.sources[site].supply(count)
    }

    /// The guard in force, never `Auto`.
    pub(crate) fn guard(&self) -> StackGuard {
        self.sources[0].guard()
    }

    /// Bytes that a fiber can use of each stack.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// How many stacks are in somebody's hands.
    pub(crate) fn taken(&self) -> usize {
        self.sources.iter().map(StackSource::taken).sum()
    }

    /// How many stacks wait for a fiber.
    pub(crate) fn cold(&self) -> usize {
        self.sources.iter().map(StackSource::cold).sum()
    }

    /// Ends the process if the words at `limit`, the low end of a stack with a canary, were overwritten.
    pub(crate) fn check_canary_at(&self, limit: usize) {
        self.sources[0].check_canary_at(limit);
    }

    /// Bytes of the stacks of a site, touched or not.
    pub(crate) fn bytes(&self, site: usize) -> usize {
        self.sources[site].bytes()
    }

    /// Where the pages of a site's stacks are that were touched: asked of the kernel, for each of them.
    pub(crate) fn pages_by_node(&self, site: usize) -> heddle_numa::Result<Vec<PagesByNode>> {
        self.sources[site].pages_by_node()
    }
}
