//! What to run next, as functions of a state, without threads or a clock in them.

use crate::priority::LEVELS;
use std::time::Duration;

/// Every so many dispatches a worker takes from the least urgent level that has work, in turn,
/// instead of the most urgent, so that no level starves: Background gets at least one dispatch in
/// 64 times the number of levels in use. Small enough that background work moves, large enough that
/// an urgent fiber meets one such dispatch in a hundred.
pub const SHARE_INTERVAL: u64 = 64;

/// Every so many dispatches a worker looks into the inbox of its level, so that work from outside is
/// not starved by fibers that make more fibers.
pub(crate) const INBOX_INTERVAL: u64 = 16;

/// A worker takes the newest of its own fibers that have not started, which keeps trees of fibers
/// small and their memory in the cache. When it has had some for longer than this, every
/// [`OLDEST_INTERVAL`]th is the oldest instead, so that none is left behind for ever. Longer than a
/// burst of forks should take, shorter than anybody notices.
pub(crate) const AGE_MAX: Duration = Duration::from_millis(20);

/// See [`AGE_MAX`].
pub(crate) const OLDEST_INTERVAL: u64 = 16;

/// After so many of the oldest, the next [`AGE_MAX`] begins: a tree of fibers that is large rather
/// than endless should not be opened everywhere at once, as each open branch holds a stack.
pub(crate) const OLDEST_BATCH: u64 = 64;

/// A worker that has so many more live fibers than another, which has nothing to do, leaves new ones to
/// that one: started fibers stay, so balance is made at the start. Small against the thousands that
/// make a difference, large enough that ordinary work never meets it.
pub(crate) const LIVE_SLACK: u64 = 64;

/// How long it waits for the other to come: several times a thread's wake-up.
pub(crate) const LEND_MAX: Duration = Duration::from_micros(200);

/// A stolen fiber that ends sooner would better have stayed where it was: moving its memory to another
/// cache and its result back takes about as long. The thief then holds back, each time for longer.
pub(crate) const TINY: Duration = Duration::from_nanos(500);

/// How long a thief watches a worker that has just one fiber, in turns of a spin loop: about half a
/// microsecond, in which a worker that dispatches would have taken it itself.
pub(crate) const PATIENCE_SPINS: u32 = 32;

/// One in so many waits is timed, for all levels but Critical, of which each is.
pub const SAMPLE_INTERVAL: u64 = 64;

/// A fiber that yields lets at most so many others of its level go first.
pub(crate) const YIELD_DEBT_MAX: usize = 256;

/// The level to serve on a share turn: the levels in `mask` in turn, by the turn's number, least
/// urgent first.
///
/// Returns `None` if there is only one, which then needs no help.
pub(crate) fn share_level(mask: u32, turn: u64) -> Option<usize> {
    let levels = mask.count_ones() as u64;
    if levels < 2 {
        return None;
    }
    let skip = (turn % levels) as usize;
    (0..LEVELS).rev().filter(|level| mask & 1 << level != 0).nth(skip)
}

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

/// Chooses among the queues of one level that have something. Resumed and fresh fibers alternate;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_gets_its_share_turn() {
        let turns: Vec<_> = (0..6).map(|turn| share_level(0b10101, turn).unwrap()).collect();
        assert_eq!(turns, [4, 2, 0, 4, 2, 0]);
        assert_eq!(share_level(0b00100, 7), None);
        assert_eq!(share_level(0, 7), None);
    }

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
}
