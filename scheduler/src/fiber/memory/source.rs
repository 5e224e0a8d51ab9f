//! Where the stacks of one site come from and where they go back to. All sources of a scheduler: [`Stacks`](super::Stacks).
//!
//! ```text
//!            cut                 take                 give
//! nothing --------> cold ----------------> in use ----------> dirty
//!         (may map)  ^                       ^                | |
//!                    |                       +-----take-------+ |
//!                    +-----------release (may map)--------------+
//! ```
//!
//! Cold stacks are only addresses; dirty ones have their pages still, and are taken first. Dirty ones are
//! released many at a time, neighbours with one call.
//!
//! A background thread can be frozen by the kernel anywhere, so it makes no call that maps, protects or
//! releases memory, and holds nothing that others wait for: it takes and gives through [`List`]s only.
//! Where they are empty it waits for a helper thread, which [`supply`](StackSource::supply)s more. All
//! other threads may map: they take from the lists first, then cut new ones.
//!
//! | field       | written by                             | waits for                            |
//! |-------------|----------------------------------------|--------------------------------------|
//! | lists       | everyone                               | nobody                               |
//! | `taken`     | everyone                               | nobody                               |
//! | `given`     | everyone                               | nobody                               |
//! | `slabs`     | who may map, in `cut`                  | others who cut, for a `mmap` at most |
//! | `releasing` | who may map, in `release`              | nobody, but see `take`               |
//! | `made`      | who may map, in `cut`                  | nobody                               |
//! | `refused`   | who may map, in `supply`               | nobody                               |
//!
//! `taken` is counted with the stack in hand, and never above the [`Bound`]: whoever finds it reached puts
//! the stack back.

use super::slots::{List, Number, Slots};
use super::stacks::Bound;
use super::{StackGuard, StackMemory, StackSpec, canary_died, page_size, system};
use crate::error::Error;
use crate::machine::thread;
use crate::primitive::{AtomicBool, AtomicUsize, Mutex, Ordering};
use heddle_numa::NodeId;
use heddle_numa::memory::{self, Pages, PagesByNode};
use std::sync::Arc;

/// How many given stacks keep their pages until the next release: each release interrupts every CPU
/// that runs one of our threads.
pub(super) const DIRTY_MAX: usize = 256;

/// See the module's documentation.
pub(super) struct StackSource {
    /// Which of the scheduler's sources this is.
    index: u16,
    spec: StackSpec,
    bound: Arc<Bound>,
    shape: system::Shape,
    slots: Slots,
    /// Only addresses: the system has the pages.
    cold: List,
    /// Given back, and with their pages still.
    dirty: List,
    /// How many were given since the last release.
    given: AtomicUsize,
    taken: AtomicUsize,
    /// How many exist, wherever they are.
    made: AtomicUsize,
    slabs: Mutex<system::Slabs>,
    releasing: Mutex<()>,
    /// The last `supply` failed.
    refused: AtomicBool,
}

impl StackSource {
    /// `node` is where the pages should be, if that matters.
    pub(super) fn new(
        index: u16,
        node: Option<NodeId>,
        spec: StackSpec,
        bound: Arc<Bound>,
    ) -> Result<StackSource, Error> {
        let guard = match spec.guard {
            StackGuard::Auto if system::has_lightweight_guards() => StackGuard::Lightweight,
            StackGuard::Auto => StackGuard::Mapped,
            StackGuard::Lightweight if !system::has_lightweight_guards() => {
                return Err(Error::config(
                    "stack_guard(Lightweight) needs Linux 6.13 or newer; choose StackGuard::Auto",
                ));
            }
            chosen => chosen,
        };
        let shape = system::Shape::new(spec.size, guard);
        Ok(StackSource {
            index,
            spec,
            bound,
            shape,
            slots: Slots::new(),
            cold: List::new(),
            dirty: List::new(),
            given: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            made: AtomicUsize::new(0),
            slabs: Mutex::new(system::Slabs::new(shape, node)),
            releasing: Mutex::new(()),
            refused: AtomicBool::new(false),
        })
    }

    /// The guard in force, never `Auto`.
    pub(super) fn guard(&self) -> StackGuard {
        self.shape.guard()
    }

    /// A stack, for a thread that may map: one that exists, else a new one.
    pub(super) fn take(&self) -> Result<StackMemory, Error> {
        if self.is_exhausted() {
            return Err(self.exhausted());
        }
        let memory = match self.pop() {
            Some(memory) => memory,
            None => self.cut().or_else(|error| {
                // What is just being released is in no list for a moment.
                drop(self.releasing.lock());
                self.pop().ok_or(error)
            })?,
        };
        self.count(memory)
    }

    /// Gives a stack back; the system gets its pages at the next release. Waits for nobody.
    pub(super) fn give(&self, memory: StackMemory) {
        self.put(&self.dirty, memory);
        self.given.fetch_add(1, Ordering::Relaxed);
        self.taken.fetch_sub(1, Ordering::Relaxed);
        self.bound.leave();
    }

    /// Are there enough pages to release that somebody who may map should do it now?
    pub(super) fn has_many_to_release(&self) -> bool {
        self.given.load(Ordering::Relaxed) >= DIRTY_MAX
    }

    /// The system gets the pages of all stacks that were given back, neighbours with one call. The
    /// caller may map, and has nothing to do or has found that there are many.
    pub(super) fn release(&self) {
        thread::assert_may_map();
        if self.dirty.looks_empty() {
            return;
        }
        // Another one does it.
        let Some(_releasing) = self.releasing.try_lock() else { return };
        self.given.store(0, Ordering::Relaxed);
        let stacks = self.dirty.take_all(&self.slots);
        let mut stacks: Vec<StackMemory> = stacks.into_iter().map(|number| self.memory(number)).collect();
        stacks.sort_unstable_by_key(|memory| memory.raw.pages().start);
        let mut run: Option<std::ops::Range<usize>> = None;
        for memory in &stacks {
            let pages = memory.raw.pages();
            run = match run {
                // What lies between is a guard, which stays.
                Some(run) if pages.start - run.end <= page_size() => Some(run.start..pages.end),
                Some(run) => {
                    system::release_pages(run);
                    Some(pages)
                }
                None => Some(pages),
            };
        }
        run.into_iter().for_each(system::release_pages);
        // The lowest addresses are taken first.
        stacks.into_iter().rev().for_each(|memory| self.put(&self.cold, memory));
    }

    /// Ends the process if the words at `limit`, the low end of a stack with a canary, were
    /// overwritten.
    pub(super) fn check_canary_at(&self, limit: usize) {
        if !system::canary_is_intact(limit) {
            canary_died(self.spec.size);
        }
    }

    /// How many stacks are in somebody's hands.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// How many stacks wait for a fiber.
    pub(super) fn cold(&self) -> usize {
        self.made.load(Ordering::Relaxed).saturating_sub(self.taken())
    }

    fn is_exhausted(&self) -> bool {
        self.bound.is_reached()
    }

    #[cold]
    fn exhausted(&self) -> Error {
        Error::no_memory(format!(
            "{} stacks are in use, which is the bound set by Builder::max_stacks; \
             raise it, or start fewer fibers that block at the same time",
            self.spec.most
        ))
    }

    /// Counts a stack that the caller has, unless there are too many: then it goes back.
    fn count(&self, memory: StackMemory) -> Result<StackMemory, Error> {
        if !self.bound.enter() {
            // It may have pages.
            self.put(&self.dirty, memory);
            return Err(self.exhausted());
        }
        self.taken.fetch_add(1, Ordering::Relaxed);
        if self.guard() == StackGuard::Canary {
            memory.raw.write_canary();
        }
        Ok(memory)
    }

    /// A new stack.
    fn cut(&self) -> Result<StackMemory, Error> {
        thread::assert_may_map();
        // Protecting it is a call to the system that others need not wait for.
        let (number, raw) = self.slabs.lock().cut()?;
        if let Err(error) = self.shape.protect(&raw) {
            self.slabs.lock().uncut(number, raw);
            return Err(error);
        }
        self.slots.prepare(number);
        self.made.fetch_add(1, Ordering::Relaxed);
        Ok(StackMemory { raw, number, source: self.index })
    }

    /// A stack out of the lists.
    fn pop(&self) -> Option<StackMemory> {
        let number = self.dirty.pop(&self.slots).or_else(|| self.cold.pop(&self.slots))?;
        Some(self.memory(number))
    }

    fn put(&self, list: &List, memory: StackMemory) {
        self.slots.keep(memory.number, memory.raw.into_kept());
        list.push(&self.slots, memory.number);
    }

    /// A stack that was taken out of a list.
    fn memory(&self, number: Number) -> StackMemory {
        // SAFETY: it was kept when it was put into the list, and was taken out once.
        let raw = unsafe { self.shape.find_kept(self.slots.kept(number)) };
        StackMemory { raw, number, source: self.index }
    }

    /// Bytes of its stacks, touched or not.
    pub(super) fn bytes(&self) -> usize {
        self.made.load(Ordering::Relaxed) * self.shape.bytes()
    }

    /// Where the pages that were touched are: asked of the kernel, for each of them.
    pub(super) fn pages_by_node(&self) -> heddle_numa::Result<Vec<PagesByNode>> {
        let ranges: Vec<_> = self.slabs.lock().ranges().collect();
        let pages = |range: &std::ops::Range<usize>| {
            Pages::around(std::ptr::with_exposed_provenance(range.start), range.len())
        };
        ranges.iter().map(|range| memory::pages_by_node(pages(range))).collect()
    }
}

/// For threads that may not map, and whoever maps for them.
impl StackSource {
    /// A stack, for a thread that may not map, and never waits. `None`: there is none now, so it waits
    /// for a [`supply`](Self::supply) or somebody's `give`.
    pub(super) fn take_ready(&self) -> Result<Option<StackMemory>, Error> {
        if self.is_exhausted() {
            return Err(self.exhausted());
        }
        match self.pop() {
            Some(memory) => self.count(memory).map(Some),
            None if self.refused.load(Ordering::Relaxed) => Err(Error::no_memory(format!(
                "no memory for a stack of {} KiB; raise the limit (ulimit -v, the container's memory, \
                 vm.max_map_count), or start fewer fibers that block at the same time",
                self.spec.size / 1024
            ))),
            None => Ok(None),
        }
    }

    /// How many stacks somebody should supply so that `reserve` wait for threads that may not map.
    pub(super) fn needs(&self, reserve: usize) -> usize {
        let made = self.made.load(Ordering::Relaxed);
        reserve.saturating_sub(self.cold()).min(self.spec.most.saturating_sub(made))
    }

    /// Makes `count` stacks for those who may not. The caller may map. While the last call has failed,
    /// those who would wait get an error instead.
    pub(super) fn supply(&self, count: usize) -> Result<(), Error> {
        let outcome = (0..count).try_for_each(|_| self.cut().map(|memory| self.put(&self.cold, memory)));
        self.refused.store(outcome.is_err(), Ordering::Relaxed);
        outcome
    }
}

impl Drop for StackSource {
    fn drop(&mut self) {
        // Where each stack owns its memory, this is its end.
        for list in [&self.dirty, &self.cold] {
            for number in list.take_all(&self.slots) {
                let _ends_here = self.memory(number);
            }
        }
    }
}
