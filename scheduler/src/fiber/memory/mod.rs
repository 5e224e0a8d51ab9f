//! Memory for stacks: where it comes from, what guards it, when it goes back.
//!
//! ```text
//!  one slot of a slab                                       high addresses
//!  +-------+----------------------------------------------+
//!  | guard |  never touched   ...   |  pages in use        |  <- the stack starts here, grows left
//!  +-------+----------------------------------------------+
//! ```
//!
//! Slots are cut from slabs, which are mapped side by side with the same rights, so that the kernel
//! keeps them as one mapping however many there are. The guard page is a *lightweight guard*
//! (`MADV_GUARD_INSTALL`, Linux 6.13) where the kernel has it, which costs no mapping either; else a
//! protected page, which splits the mapping in two, so that only about half of `vm.max_map_count`
//! such stacks may exist; or, if the caller chooses so, no guard but a *canary* that is looked at
//! when the fiber suspends or ends: damage is then noticed late, and ends the process.

#[cfg(unix)]
#[path = "unix.rs"]
mod system;
#[cfg(not(unix))]
#[path = "other.rs"]
mod system;

use crate::error::Error;
use corosensei::stack::{Stack, StackPointer};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) use system::page_size;

/// What protects the memory below a stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StackGuard {
    /// `Lightweight` where the kernel has it, else `Mapped`.
    #[default]
    Auto,
    /// A guard page that is no mapping of its own (Linux 6.13 and newer).
    Lightweight,
    /// A protected page. About 30,000 of them fit under the usual `vm.max_map_count`; past that, a
    /// fiber that would need one more fails with an error.
    Mapped,
    /// No guard. An overflow overwrites the neighbour's memory, and is noticed only afterwards, when
    /// the words at the stack's end have changed: the process is then ended.
    Canary,
}

/// Bounds and kind of all stacks of a scheduler.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StackSpec {
    /// Bytes that a fiber can use.
    pub(crate) size: usize,
    pub(crate) guard: StackGuard,
    /// The most stacks that may exist at once.
    pub(crate) most: usize,
}

/// One stack's memory.
pub(crate) struct StackMemory {
    raw: system::Raw,
}

// SAFETY: a system::Raw is memory of at least `MIN_STACK_SIZE` bytes between `limit` and `base`,
// with a guard at the low end, or the canary that the user asked for in its stead.
unsafe impl Stack for StackMemory {
    #[inline]
    fn base(&self) -> StackPointer {
        self.raw.base()
    }

    #[inline]
    fn limit(&self) -> StackPointer {
        self.raw.limit()
    }

    #[cfg(windows)]
    fn teb_fields(&self) -> corosensei::stack::StackTebFields {
        self.raw.teb_fields()
    }

    #[cfg(windows)]
    fn update_teb_fields(&mut self, stack_limit: usize, guaranteed_stack_bytes: usize) {
        self.raw.update_teb_fields(stack_limit, guaranteed_stack_bytes)
    }
}

/// Where the stacks of one scheduler come from and go back to.
pub(crate) struct StackSource {
    spec: StackSpec,
    /// The guard in force, never `Auto`.
    guard: StackGuard,
    state: Mutex<State>,
    taken: AtomicUsize,
    cold: AtomicUsize,
}

struct State {
    slabs: system::Slabs,
    /// Only addresses: the system has the pages.
    free: Vec<StackMemory>,
    /// Given back, and with their pages still: they are released many at a time, as each release
    /// interrupts every CPU that runs one of our threads.
    dirty: Vec<StackMemory>,
}

/// How many given stacks keep their pages until the next release.
const DIRTY_MAX: usize = 256;

impl StackSource {
    pub(crate) fn new(spec: StackSpec) -> Result<StackSource, Error> {
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
        let state = Mutex::new(State {
            slabs: system::Slabs::new(spec.size, guard),
            free: Vec::new(),
            dirty: Vec::new(),
        });
        Ok(StackSource { spec, guard, state, taken: AtomicUsize::new(0), cold: AtomicUsize::new(0) })
    }

    /// The guard in force.
    pub(crate) fn guard(&self) -> StackGuard {
        self.guard
    }

    /// Bytes that a fiber can use of each stack.
    pub(crate) fn size(&self) -> usize {
        self.spec.size
    }

    /// A stack, cold or new.
    pub(crate) fn take(&self) -> Result<StackMemory, Error> {
        let mut state = self.state.lock();
        if self.taken.load(Ordering::Relaxed) >= self.spec.most {
            return Err(Error::no_memory(format!(
                "{} stacks are in use, which is the bound set by Builder::max_stacks; \
                 raise it, or start fewer fibers that block at the same time",
                self.spec.most
            )));
        }
        let memory = match state.dirty.pop().or_else(|| state.free.pop()) {
            Some(memory) => {
                self.cold.fetch_sub(1, Ordering::Relaxed);
                memory
            }
            None => StackMemory { raw: state.slabs.cut()? },
        };
        self.taken.fetch_add(1, Ordering::Relaxed);
        if self.guard == StackGuard::Canary {
            memory.raw.write_canary();
        }
        Ok(memory)
    }

    /// Gives a stack back; the system gets its pages, soon.
    pub(crate) fn give(&self, memory: StackMemory) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
        self.cold.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state.lock();
        state.dirty.push(memory);
        if state.dirty.len() >= DIRTY_MAX {
            state.release();
        }
    }

    /// A worker has nothing to do: the system gets the pages of all stacks that were given back.
    pub(crate) fn release(&self) {
        if self.cold() > 0 {
            self.state.lock().release();
        }
    }

    /// Ends the process if the words at `limit`, the low end of a stack with a canary, were
    /// overwritten.
    pub(crate) fn check_canary_at(&self, limit: usize) {
        if !system::canary_is_intact(limit) {
            canary_died(self.spec.size);
        }
    }

    /// How many stacks hold or may hold pages.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// How many stacks are only addresses.
    pub(crate) fn cold(&self) -> usize {
        self.cold.load(Ordering::Relaxed)
    }
}

impl State {
    /// Releases the pages of the dirty stacks, neighbours with one call.
    fn release(&mut self) {
        self.dirty.sort_unstable_by_key(|memory| memory.raw.pages().start);
        let mut run: Option<std::ops::Range<usize>> = None;
        for memory in &self.dirty {
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
        self.free.append(&mut self.dirty);
    }
}

#[cold]
fn canary_died(size: usize) -> ! {
    eprintln!(
        "heddle: a fiber overflowed its stack of {} KiB, which had a canary for a guard; other stacks may be \
         damaged, so the process ends. Give fibers more with Builder::stack_size, or choose StackGuard::Auto.",
        size / 1024
    );
    std::process::abort();
}

impl StackMemory {
    /// The addresses whose use means an overflow.
    pub(crate) fn guard_range(&self) -> std::ops::Range<usize> {
        self.raw.guard_range()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(guard: StackGuard, most: usize) -> StackSource {
        StackSource::new(StackSpec { size: 64 * 1024, guard, most }).unwrap()
    }

    #[test]
    fn a_stack_that_went_back_comes_again_and_is_clean() {
        let source = source(StackGuard::Auto, 8);
        let first = source.take().unwrap();
        let top = first.base().get();
        let byte = std::ptr::with_exposed_provenance_mut::<u8>(top - 1);
        // SAFETY: the byte is in the stack that we own.
        unsafe { byte.write(7) };
        source.give(first);
        source.release();
        assert_eq!((source.taken(), source.cold()), (0, 1));
        let second = source.take().unwrap();
        assert_eq!(second.base().get(), top);
        // SAFETY: as above.
        assert_eq!(unsafe { byte.read() }, 0, "cold stacks give their pages back");
        source.give(second);
    }

    #[test]
    fn stacks_that_are_released_together_keep_their_guards() {
        for guard in [StackGuard::Auto, StackGuard::Mapped] {
            let source = source(guard, usize::MAX);
            let stacks: Vec<_> = (0..2 * DIRTY_MAX).map(|_| source.take().unwrap()).collect();
            let guards: Vec<_> = stacks.iter().map(|stack| stack.guard_range()).collect();
            stacks.into_iter().for_each(|stack| source.give(stack));
            source.release();
            for guard in guards {
                assert!(!system::is_writable(guard.start), "a guard was lost");
            }
        }
    }

    #[test]
    fn past_the_bound_there_is_an_error_that_names_it() {
        let source = source(StackGuard::Auto, 1);
        let first = source.take().unwrap();
        let error = source.take().err().unwrap();
        assert!(error.is_no_memory() && error.to_string().contains("max_stacks"), "{error}");
        source.give(first);
    }

    #[test]
    fn a_damaged_canary_is_noticed() {
        let source = source(StackGuard::Canary, 8);
        let memory = source.take().unwrap();
        assert!(system::canary_is_intact(memory.limit().get()));
        let end = std::ptr::with_exposed_provenance_mut::<u8>(memory.limit().get() + 3);
        // SAFETY: the byte is in the stack that we own.
        unsafe { end.write(1) };
        assert!(!system::canary_is_intact(memory.limit().get()));
        source.give(memory);
    }
}
