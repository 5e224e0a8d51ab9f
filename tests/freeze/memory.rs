//! How much memory the process has, by its own count and by the system's.

use heddle_scheduler::Scheduler;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// At every so many steps memory is looked at.
pub(crate) const STRIDE: usize = 150;
/// Rounds until every cache has what it keeps.
pub(crate) const WARM_UP: usize = 30;
/// Rounds that must add nothing to it.
pub(crate) const ROUNDS: usize = 60;

/// What caches and the allocator may still gain: a round in which nothing were freed takes a third of
/// it, so that the rounds together would take twenty times as much.
const SLACK: usize = 256 * 1024;
/// In resident memory; the system counts in pages, and the allocator keeps some.
const RESIDENT_SLACK: usize = 2 << 20;

struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: all is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// What there is at a moment.
#[derive(Debug)]
pub(crate) struct Size {
    allocated: usize,
    resident: usize,
    stacks: usize,
}

impl Size {
    pub(crate) fn now(scheduler: &Scheduler) -> Size {
        let stacks = scheduler.stats().stacks;
        Size {
            allocated: ALLOCATED.load(Ordering::Relaxed),
            resident: resident(),
            stacks: stacks.in_use + stacks.warm + stacks.cold,
        }
    }

    pub(crate) fn expect_no_more_than(&self, before: &Size, place: &str) {
        let flat = self.allocated <= before.allocated + SLACK
            && self.resident <= before.resident + RESIDENT_SLACK
            && self.stacks <= before.stacks + crate::WORKERS * 3;
        assert!(flat, "frozen at {place}, {ROUNDS} rounds took memory: {before:?}, then {self:?}");
    }
}

/// From now on the system gives memory in small pages: in large ones it would come and go by megabytes.
pub(crate) fn in_small_pages() {
    // SAFETY: takes integers.
    unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) };
}

/// Bytes of resident memory.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    // SAFETY: takes an integer.
    pages * unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize
}
