//! Whom to steal from, and whether to wait a little first; whom to wake.

use crate::priority::Priority;
use std::time::Duration;

/// A stolen fiber that ends sooner would better have stayed where it was: moving its memory to another
/// cache and its result back takes about as long. The thief then holds back, each time for longer.
pub(crate) const TINY: Duration = Duration::from_nanos(500);

/// How long a thief watches a worker that has just one fiber, in turns of a spin loop: about half a
/// microsecond, in which a worker that dispatches would have taken it itself.
pub(crate) const PATIENCE_SPINS: u32 = 32;

/// The other workers of a worker's lane in rings of equal distance, nearest first.
#[derive(Clone, Debug)]
pub(crate) struct Rings {
    order: Box<[u32]>,
    /// Where each ring ends in `order`.
    ends: Box<[u32]>,
}

impl Rings {
    /// The rings around worker `center`, which is not in them, of workers 0 to `workers`.
    pub(crate) fn new(center: usize, workers: usize, distance: impl Fn(usize) -> u32) -> Rings {
        let mut order: Vec<u32> = (0..workers as u32).filter(|&worker| worker as usize != center).collect();
        order.sort_by_key(|&worker| distance(worker as usize));
        let at = |index: usize| distance(order[index] as usize);
        let ends = (1..=order.len()).filter(|&end| end == order.len() || at(end) != at(end - 1));
        Rings { ends: ends.map(|end| end as u32).collect(), order: order.into() }
    }

    /// All of them, ring by ring. Inside a ring it begins anywhere, as `random` (any number) says, so that
    /// thieves of one node do not all meet at the same victim.
    pub(crate) fn from(&self, random: u32) -> impl Iterator<Item = usize> + '_ {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(self.ends.iter().copied()).flat_map(move |(start, end)| {
            let ring = &self.order[start as usize..end as usize];
            let turn = ((u64::from(random) * ring.len() as u64) >> 32) as usize;
            ring[turn..].iter().chain(&ring[..turn]).map(|&worker| worker as usize)
        })
    }

    /// The nearest that `fits`.
    pub(crate) fn nearest(&self, random: u32, mut fits: impl FnMut(usize) -> bool) -> Option<usize> {
        self.from(random).find(|&worker| fits(worker))
    }
}

/// What a thief does about a worker that has fibers of the level it looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Approach {
    /// It takes one.
    Take,
    /// It watches for a while whether the worker dispatches: one that does will run its only fiber itself.
    /// It takes one if not.
    WatchOnce,
    /// It goes on watching for as long as it holds back, then takes one.
    WatchOn,
}

/// Is it worth while to take one of `waiting` fibers of `level` from a worker? Urgent ones are taken at
/// once; of others a single one is left to a worker that dispatches, with its memory in that cache; and if
/// what we took before was tiny (`restraint`, how long to hold back, is not zero), moving it cost more than
/// running it.
#[inline]
pub(crate) fn approach(level: usize, waiting: usize, restraint: u64) -> Approach {
    if level <= Priority::High.level() || (waiting > 1 && restraint == 0) {
        Approach::Take
    } else if waiting <= 1 {
        Approach::WatchOnce
    } else {
        Approach::WatchOn
    }
}

/// How long a thief holds back after it ran a stolen fiber: longer each time that it was tiny.
#[allow(dead_code, reason = "for the workers; simulated thieves have no caches to learn about")]
pub(crate) fn restraint_after(restraint: u64, was_tiny: bool, tiny: u64, most: u64) -> u64 {
    if was_tiny { (2 * restraint + tiny).min(most) } else { 0 }
}

/// Should somebody be woken for work of `level`, where `searching` workers of the lane are awake and look
/// for work already? For Critical, always: a searcher may be on its way to something else, and
/// the wake-up that it would make in turn costs the time of one.
#[inline]
pub(crate) fn should_wake(level: usize, searching: u32) -> bool {
    searching == 0 || level == Priority::Critical.level()
}

/// Whom to wake, of a lane's workers that are parked: the nearest one on a CPU where no lane above is
/// busy, else the nearest.
pub(crate) fn whom_to_wake(
    rings: &Rings,
    random: u32,
    parked: impl Fn(usize) -> bool,
    hindered: impl Fn(usize) -> bool,
) -> Option<usize> {
    rings
        .nearest(random, |worker| parked(worker) && !hindered(worker))
        .or_else(|| rings.nearest(random, parked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_come_first_and_each_comes_once() {
        // Two sockets of four.
        let rings = Rings::new(5, 8, |worker| if worker < 4 { 20 } else { 10 });
        for random in [0, 1 << 30, u32::MAX] {
            let order: Vec<_> = rings.from(random).collect();
            let (mut near, mut far) = (order[..3].to_vec(), order[3..].to_vec());
            near.sort_unstable();
            far.sort_unstable();
            assert_eq!((near, far), (vec![4, 6, 7], vec![0, 1, 2, 3]));
        }
        assert_eq!(rings.from(0).next(), Some(4));
        assert_eq!(rings.from(u32::MAX).next(), Some(7), "it begins anywhere in a ring");
    }

    #[test]
    fn a_worker_alone_has_nobody_to_steal_from() {
        assert_eq!(Rings::new(0, 1, |_| 0).from(7).count(), 0);
    }

    #[test]
    fn who_is_woken_is_near_and_not_in_the_way_of_a_lane_above() {
        let rings = Rings::new(0, 4, |worker| worker as u32);
        assert_eq!(whom_to_wake(&rings, 0, |worker| worker != 1, |_| false), Some(2));
        assert_eq!(whom_to_wake(&rings, 0, |_| true, |worker| worker < 3), Some(3));
        assert_eq!(whom_to_wake(&rings, 0, |_| true, |_| true), Some(1));
        assert_eq!(whom_to_wake(&rings, 0, |_| false, |_| false), None);
        assert!(should_wake(0, 3) && should_wake(1, 0) && !should_wake(1, 1));
    }

    #[test]
    fn urgent_fibers_are_taken_at_once_and_single_ones_left_to_who_dispatches() {
        assert_eq!(approach(1, 1, 100), Approach::Take);
        assert_eq!(approach(2, 2, 0), Approach::Take);
        assert_eq!(approach(2, 1, 0), Approach::WatchOnce);
        assert_eq!(approach(2, 5, 100), Approach::WatchOn);
        assert_eq!(restraint_after(100, true, 10, 150), 150);
        assert_eq!(restraint_after(100, false, 10, 150), 0);
    }
}
