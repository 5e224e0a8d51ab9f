//! Inside one level: which of its queues, and which end of the deque.

use super::{OLDEST_BATCH, OLDEST_INTERVAL};
use std::cell::Cell;

/// A fiber that yields lets at most so many others of its level go first.
pub(crate) const YIELD_DEBT_MAX: usize = 256;

/// Which of the three queues of a level is served next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Queue {
    /// Started fibers that were resumed.
    Ready,
    /// Fibers that have not started.
    Fresh,
    /// Started fibers that yielded.
    Yielded,
}

/// Chooses among the queues of one level that have something; `tick` counts the dispatches *of that level*
/// (of all levels, it could be odd whenever this one has its turn, and leave a queue out for ever). Resumed and fresh fibers alternate;
/// yielded ones wait until as many fresh ones have gone as there were (`debt`).
pub(crate) fn choose_queue(ready: bool, fresh: bool, yielded: bool, debt: usize, tick: u64) -> Option<Queue> {
    match (ready, fresh, yielded) {
        (false, false, false) => None,
        (true, false, false) => Some(Queue::Ready),
        (true, true, _) if tick.is_multiple_of(2) => Some(Queue::Ready),
        (true, false, true) if !tick.is_multiple_of(4) => Some(Queue::Ready),
        (_, true, true) if debt == 0 => Some(Queue::Yielded),
        (_, true, _) => Some(Queue::Fresh),
        (_, false, true) => Some(Queue::Yielded),
    }
}

/// When the oldest fiber of a deque goes instead of the newest; see [`AGE_MAX`](super::AGE_MAX).
///
/// ```text
/// took() -> false          the newest
///        -> true           ask owes_oldest(clock, live): every 16th
/// ```
pub(crate) struct Ageing {
    /// When the deque last was empty, or the last batch of oldest ended with too many left.
    since: Cell<u64>,
    taken: Cell<u64>,
    /// How many of the batch are left, and how many fibers were live at its start.
    batch: Cell<u64>,
    live: Cell<u64>,
}

impl Ageing {
    pub(crate) fn new() -> Ageing {
        Ageing { since: Cell::new(0), taken: Cell::new(0), batch: Cell::new(0), live: Cell::new(0) }
    }

    /// There is a first fiber in the deque.
    #[inline]
    pub(crate) fn begin(&self, now: u64) {
        self.since.set(now);
        self.batch.set(0);
    }

    /// See the field.
    pub(crate) fn since(&self) -> u64 {
        self.since.get()
    }

    /// One is about to be taken. `true`: it may be the turn of the oldest.
    #[inline]
    pub(crate) fn took(&self) -> bool {
        let taken = self.taken.get() + 1;
        self.taken.set(taken);
        taken.is_multiple_of(OLDEST_INTERVAL)
    }

    /// Would [`took`](Self::took) say so?
    #[inline]
    pub(crate) fn is_turn_of_oldest(&self) -> bool {
        (self.taken.get() + 1).is_multiple_of(OLDEST_INTERVAL)
    }

    /// Is it the turn of the oldest? `live` is how many fibers of this worker have started and not ended.
    ///
    /// What the oldest of a backlog start also ends: the batches follow each other, and a backlog of
    /// any length is worked off at one in [`OLDEST_INTERVAL`]. What the oldest of a tree start stays:
    /// after a batch the tree is left alone for the time of another `age`.
    #[cold]
    pub(crate) fn owes_oldest(&self, age: u64, now: u64, live: u64) -> bool {
        if now.saturating_sub(self.since.get()) < age {
            return false;
        }
        match self.batch.get() {
            0 => {
                self.batch.set(OLDEST_BATCH);
                self.live.set(live);
            }
            1 => {
                self.batch.set(0);
                if live > self.live.get() + OLDEST_BATCH / 2 {
                    self.since.set(now);
                }
            }
            left => self.batch.set(left - 1),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_queue_with_work_is_left_out_for_ever() {
        for mask in 1..8_u32 {
            let (ready, fresh, yielded) = (mask & 1 != 0, mask & 2 != 0, mask & 4 != 0);
            let mut served = std::collections::HashSet::new();
            let mut debt = 5;
            for tick in 0..64 {
                let queue = choose_queue(ready, fresh, yielded, debt, tick).unwrap();
                match queue {
                    Queue::Fresh => debt = debt.saturating_sub(1),
                    Queue::Yielded => debt = 5,
                    Queue::Ready => {}
                }
                served.insert(format!("{queue:?}"));
            }
            assert_eq!(served.len(), mask.count_ones() as usize, "mask {mask:03b}: {served:?}");
        }
    }

    /// How many of the oldest go in 100,000 dispatches of 1 us, if so many of them stay.
    fn oldest_of(stays: bool) -> u64 {
        let ageing = Ageing::new();
        ageing.begin(0);
        let (mut oldest, mut live) = (0, 5);
        for dispatch in 0..100_000_u64 {
            if ageing.took() && ageing.owes_oldest(20_000, dispatch, live) {
                oldest += 1;
                live += u64::from(stays);
            }
        }
        oldest
    }

    #[test]
    fn a_backlog_of_any_length_is_worked_off_from_its_oldest_end() {
        assert_eq!(oldest_of(false), 80_000 / OLDEST_INTERVAL);
    }

    #[test]
    fn a_tree_is_opened_a_batch_at_a_time() {
        let opened = oldest_of(true);
        assert!((3 * OLDEST_BATCH..=5 * OLDEST_BATCH).contains(&opened), "{opened}");
    }
}
