//! The clock by which a worker's levels are charged for their time. It stands still while the kernel has given
//! the CPU to other threads: that time is charged to nobody, where by another clock whichever level was
//! interrupted would pay for what lanes above have used.
//!
//! It is the clock of the machine, less what the thread has lost. That is looked up only where two readings are
//! so far apart that something may have been lost, as it takes a call to the system. Where the thread has
//! slept meanwhile, or waited for something, there is no telling the one from the other, and nothing was lost:
//! code that blocks keeps the worker, and pays for it.

use crate::machine::clock;
use crate::machine::thread::{Usage, usage};
use std::cell::Cell;
use std::time::Duration;

/// Belongs to the worker's thread.
pub(super) struct OwnTime {
    /// What was lost so far, in ticks.
    lost: Cell<u64>,
    /// The last reading, in ticks of the machine.
    read: Cell<u64>,
    /// What the system knew when it was last asked, and when that was.
    usage: Cell<Usage>,
    asked: Cell<u64>,
}

impl OwnTime {
    pub(super) fn new() -> OwnTime {
        OwnTime {
            lost: Cell::new(0),
            read: Cell::new(0),
            usage: Cell::new(Usage::default()),
            asked: Cell::new(0),
        }
    }

    /// The time. What was lost in a `gap` of so many ticks, or less, may go unnoticed.
    #[inline]
    pub(super) fn now(&self, gap: u64) -> u64 {
        let now = clock::ticks();
        let since = now.saturating_sub(self.read.replace(now));
        if since > gap {
            self.lost.set(self.lost.get() + self.lost_in(since, now));
        }
        now - self.lost.get()
    }

    /// How much of the last `since` ticks was lost.
    #[cold]
    fn lost_in(&self, since: u64, now: u64) -> u64 {
        let usage = usage();
        let before = self.usage.replace(usage);
        let passed = now.saturating_sub(self.asked.replace(now));
        if usage.waits != before.waits {
            return 0;
        }
        let had = clock::ticks_in(Duration::from_nanos(usage.cpu.saturating_sub(before.cpu)));
        passed.saturating_sub(had).min(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_in_which_the_thread_waits_by_itself_is_not_lost() {
        let time = OwnTime::new();
        let start = clock::ticks();
        let first = time.now(0);
        std::thread::sleep(Duration::from_millis(5));
        let slept = time.now(0) - first;
        assert!(slept <= clock::ticks() - start);
        // What was lost besides, on a busy machine, is less than what it slept for.
        assert!(clock::nanos(slept) >= 5_000_000, "{slept}");
    }

    #[test]
    fn it_never_goes_back_and_is_never_ahead() {
        let time = OwnTime::new();
        let (start, mut last) = (clock::ticks(), time.now(0));
        let zero = last;
        for _ in 0..10_000 {
            let now = time.now(0);
            assert!(now >= last && now - zero <= clock::ticks() - start);
            last = now;
        }
    }
}
