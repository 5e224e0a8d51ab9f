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
//!
//! | file            | what it has                                                             |
//! |-----------------|-------------------------------------------------------------------------|
//! | [`stacks`]      | all sources of a scheduler, one a site, and the bound that they share    |
//! | [`source`]      | taking and giving stacks, by threads that may map and by those that may not |
//! | [`slots`]       | the lists they wait in, where nobody waits for anybody                  |
//! | [`system`]      | the calls to the system: `unix.rs`, `other.rs`                          |

#[cfg(unix)]
#[path = "unix.rs"]
mod system;
#[cfg(not(unix))]
#[path = "other.rs"]
mod system;
mod slots;
mod source;
mod stacks;

use corosensei::stack::{Stack, StackPointer};

pub(crate) use stacks::Stacks;
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
    number: slots::Number,
    /// Which source it belongs to.
    source: u16,
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
    /// The site that it belongs to.
    pub(crate) fn site(&self) -> u16 {
        self.source
    }

    /// The addresses whose use means an overflow.
    pub(crate) fn guard_range(&self) -> std::ops::Range<usize> {
        self.raw.guard_range()
    }
}

#[cfg(test)]
mod tests {
    use super::source::DIRTY_MAX;
    use super::*;
    use crate::error::Error;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn source(guard: StackGuard, most: usize) -> Source {
        Source(Stacks::new(&[None], StackSpec { size: 64 * 1024, guard, most }).unwrap())
    }

    /// The only source of a scheduler.
    struct Source(Stacks);

    impl Source {
        fn take(&self) -> Result<StackMemory, Error> {
            self.0.take(0)
        }

        fn take_ready(&self) -> Result<Option<StackMemory>, Error> {
            self.0.take_ready(0)
        }

        fn has_many_to_release(&self) -> bool {
            self.0.has_many_to_release(0)
        }

        fn needs(&self, reserve: usize) -> usize {
            self.0.needs(0, reserve)
        }

        fn supply(&self, count: usize) -> Result<(), Error> {
            self.0.supply(0, count)
        }
    }

    impl std::ops::Deref for Source {
        type Target = Stacks;

        fn deref(&self) -> &Stacks {
            &self.0
        }
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
            assert!(source.has_many_to_release());
            source.release();
            assert!(!source.has_many_to_release());
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

    #[test]
    fn who_may_not_map_takes_what_is_there_and_else_is_told_to_wait() {
        let source = source(StackGuard::Auto, 5);
        assert!(source.take_ready().unwrap().is_none(), "there is nothing yet");
        assert_eq!(source.needs(3), 3);
        source.supply(3).unwrap();
        assert_eq!((source.needs(3), source.taken(), source.cold()), (0, 0, 3));
        let ready: Vec<_> = (0..3).map(|_| source.take_ready().unwrap().unwrap()).collect();
        assert!(source.take_ready().unwrap().is_none());
        assert_eq!(source.needs(3), 2, "more than five there will never be");
        source.supply(2).unwrap();
        let rest = [source.take_ready().unwrap().unwrap(), source.take().unwrap()];
        assert!(source.take_ready().is_err_and(|error| error.to_string().contains("max_stacks")));
        ready.into_iter().chain(rest).for_each(|stack| source.give(stack));
        assert_eq!((source.needs(3), source.taken(), source.cold()), (0, 0, 5));
    }

    #[test]
    fn who_waits_for_a_supply_that_the_system_refuses_gets_the_error() {
        // More addresses than there are.
        let size = usize::MAX / 1024;
        let spec = StackSpec { size, guard: StackGuard::Auto, most: usize::MAX };
        let source = Source(Stacks::new(&[None], spec).unwrap());
        assert!(source.take_ready().unwrap().is_none());
        let refused = source.supply(1).unwrap_err();
        assert!(refused.is_no_memory(), "{refused}");
        let error = source.take_ready().err().expect("it would wait for ever");
        assert!(error.is_no_memory() && error.to_string().contains("ulimit"), "{error}");
    }

    #[test]
    fn the_bound_is_one_for_all_sources_and_a_stack_goes_back_to_its_own() {
        let spec = StackSpec { size: 64 * 1024, guard: StackGuard::Auto, most: 2 };
        let stacks = Stacks::new(&[None, None], spec).unwrap();
        let (first, second) = (stacks.take(0).unwrap(), stacks.take(1).unwrap());
        assert!(stacks.take(0).is_err_and(|error| error.to_string().contains("max_stacks")));
        let base = second.base();
        stacks.give(second);
        assert_eq!((stacks.taken(), stacks.cold()), (1, 1));
        let again = stacks.take(1).unwrap();
        assert_eq!(again.base(), base);
        stacks.give(first);
        stacks.give(again);
        stacks.release();
        assert_eq!((stacks.taken(), stacks.cold()), (0, 2));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn pages_that_should_be_on_a_node_are_there() {
        use heddle_numa::Topology;
        let machine = Topology::detect().unwrap();
        let nodes: Vec<_> = machine.memory_nodes().iter().collect();
        let spec = StackSpec { size: 64 * 1024, guard: StackGuard::Auto, most: usize::MAX };
        let places: Vec<_> = nodes.iter().copied().map(Some).collect();
        let stacks = Stacks::new(&places, spec).unwrap();
        for (site, &node) in nodes.iter().enumerate() {
            let held: Vec<_> = (0..3).map(|_| stacks.take(site).unwrap()).collect();
            for stack in &held {
                let byte = std::ptr::with_exposed_provenance_mut::<u8>(stack.base().get() - 5000);
                // SAFETY: the byte is in the stack that we own.
                unsafe { byte.write(7) };
            }
            let seen = stacks.pages_by_node(site).unwrap();
            assert_eq!(seen.iter().map(|pages| pages.away_from(node)).sum::<usize>(), 0);
            assert!(seen.iter().map(|pages| pages.present()).sum::<usize>() >= 3, "{seen:?}");
            assert!(stacks.bytes(site) >= 3 * 64 * 1024);
            held.into_iter().for_each(|stack| stacks.give(stack));
        }
    }

    #[test]
    fn threads_that_take_and_give_at_once_never_share_a_stack_nor_pass_the_bound() {
        const THREADS: usize = 4;
        const MOST: usize = 3;
        let source = source(StackGuard::Auto, MOST);
        let in_use = AtomicUsize::new(0);
        let hammer = |me: usize| {
            for round in 0..3000 {
                let taken = if me == 0 { source.take_ready() } else { source.take().map(Some) };
                match taken {
                    Ok(Some(stack)) => {
                        assert!(in_use.fetch_add(1, Ordering::Relaxed) < MOST);
                        let word = std::ptr::with_exposed_provenance_mut::<usize>(stack.base().get() - 64);
                        // SAFETY: the word is in the stack that we own.
                        unsafe {
                            word.write_volatile(me);
                            std::thread::yield_now();
                            assert_eq!(word.read_volatile(), me, "somebody else has it too");
                        }
                        in_use.fetch_sub(1, Ordering::Relaxed);
                        source.give(stack);
                    }
                    Ok(None) => std::thread::yield_now(),
                    Err(error) => assert!(error.is_no_memory()),
                }
                if me == 1 && round % 16 == 0 {
                    source.release();
                }
            }
        };
        let hammer = &hammer;
        std::thread::scope(|s| (0..THREADS).for_each(|me| drop(s.spawn(move || hammer(me)))));
        assert_eq!(source.taken(), 0);
        let again: Vec<_> = (0..MOST).map(|_| source.take().unwrap()).collect();
        again.into_iter().for_each(|stack| source.give(stack));
    }
}
