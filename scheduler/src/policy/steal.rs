//! Whom to steal from, and whether to wait a little first; how far to go for it; whom to wake.

use crate::priority::Priority;
use std::cell::Cell;
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
    /// How many of the rings are on the worker's own node.
    near: u32,
}

impl Rings {
    /// The rings around worker `center`, which is not in them, of workers 0 to `workers`. All are near.
    pub(crate) fn new(center: usize, workers: usize, distance: impl Fn(usize) -> u32) -> Rings {
        Rings::with_node(center, workers, distance, u32::MAX)
    }

    /// The same, where what is farther away than `node` is on another node.
    pub(crate) fn with_node(
        center: usize,
        workers: usize,
        distance: impl Fn(usize) -> u32,
        node: u32,
    ) -> Rings {
        let mut order: Vec<u32> = (0..workers as u32).filter(|&worker| worker as usize != center).collect();
        order.sort_by_key(|&worker| distance(worker as usize));
        let at = |index: usize| distance(order[index] as usize);
        let is_end = |end: &usize| *end == order.len() || at(*end) != at(*end - 1);
        let ends: Box<[u32]> = (1..=order.len()).filter(is_end).map(|end| end as u32).collect();
        let near = ends.iter().filter(|&&end| at(end as usize - 1) <= node).count() as u32;
        Rings { ends, near, order: order.into() }
    }

    /// Are all equally near?
    pub(crate) fn is_flat(&self) -> bool {
        self.ends.len() <= 1 && self.near as usize == self.ends.len()
    }

    /// All of them, ring by ring. Inside a ring it begins anywhere, as `random` (any number) says, so that
    /// thieves of one node do not all meet at the same victim.
    pub(crate) fn from(&self, random: u32) -> impl Iterator<Item = usize> + '_ {
        self.rings(0, self.ends.len(), random)
    }

    /// Those on the worker's own node, in the same order.
    pub(crate) fn near(&self, random: u32) -> impl Iterator<Item = usize> + '_ {
        self.rings(0, self.near as usize, random)
    }

    /// Those on other nodes, in the same order.
    pub(crate) fn far(&self, random: u32) -> impl Iterator<Item = usize> + '_ {
        self.rings(self.near as usize, self.ends.len(), random)
    }

    fn rings(&self, first: usize, last: usize, random: u32) -> impl Iterator<Item = usize> + '_ {
        (first..last).flat_map(move |ring| {
            let start = if ring == 0 { 0 } else { self.ends[ring - 1] };
            let end = self.ends[ring];
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

/// How far a worker goes to find work.
///
/// Work on another node, in that node's inbox or at its workers, mostly has its memory there: to run it here
/// costs more than to run it there. So a worker that finds nothing on its own node looks there for a while,
/// the *back-off*, before it goes farther:
///
/// ```text
/// near: own queues, inbox of the node, workers of the node  --found-->  run it
///   | nothing                       and nothing far: rest(), no time counts; watch, or park
///   v
/// far_in(..) > 0: look near again, or park for so long      --found near--> run it; the next search begins anew
///   | 0: may go far
///   v
/// far: inboxes of other nodes, their workers, nearest first --found-->  found_far(), run it
/// ```
///
/// A worker that lives on far work, because there is no other, should not wait before each fiber: the search
/// after a fiber from afar goes on where the one before it was. It begins anew when the worker has had
/// anything else to run, which shows in the number of its dispatches; so what the worker runs of its own
/// costs nothing here.
///
/// Two kinds of work are fetched at once, wherever they are, as promised in `bounds`: urgent ones, and those
/// that are more urgent than what the worker would run instead.
#[derive(Debug)]
pub(crate) struct Reach {
    /// Since when nothing near was found, in ticks.
    since: Cell<u64>,
    /// The search of this many dispatches; any other number begins a search.
    tick: Cell<u64>,
}

impl Reach {
    pub(crate) const fn new() -> Reach {
        Reach { since: Cell::new(0), tick: Cell::new(u64::MAX) }
    }

    /// Nothing of `level` was found near. In how many ticks may the worker go far for it? 0: now. `instead`:
    /// it has less urgent work that it would run instead. `tick` is how many dispatches it has made.
    #[inline]
    pub(crate) fn far_in(&self, level: usize, instead: bool, tick: u64, now: u64, backoff: u64) -> u64 {
        if level <= Priority::High.level() || instead {
            return 0;
        }
        if self.tick.get() != tick {
            self.tick.set(tick);
            self.since.set(now);
        }
        backoff.saturating_sub(now.saturating_sub(self.since.get()))
    }

    /// There is no work anywhere, or the worker was asleep: how long that took does not count. Else whoever is
    /// idle would run to the first fiber of a burst, wherever it is, before its own node gets its part.
    #[inline]
    pub(crate) fn rest(&self) {
        self.tick.set(u64::MAX);
    }

    /// Something was found on another node, to be run as the next dispatch after `tick`.
    #[inline]
    pub(crate) fn found_far(&self, tick: u64) {
        // Urgent work may have been fetched without a search before it: that begins none.
        if self.tick.get() == tick {
            self.tick.set(tick + 1);
        }
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
        let rings = Rings::with_node(0, 1, |_| 0, 10);
        assert_eq!(rings.near(7).chain(rings.far(7)).count(), 0);
    }

    #[test]
    fn near_and_far_together_are_all_and_in_order() {
        // Pairs of siblings (1) on nodes of four (10), two nodes a socket (12).
        let distance = |a: usize, b: usize| match (a / 2 == b / 2, a / 4 == b / 4, a / 8 == b / 8) {
            (true, ..) => 1,
            (_, true, _) => 10,
            (.., true) => 12,
            _ => 32,
        };
        let rings = Rings::with_node(5, 16, |worker| distance(5, worker), 10);
        for random in [0, 1 << 30, u32::MAX] {
            let (near, far): (Vec<_>, Vec<_>) = (rings.near(random).collect(), rings.far(random).collect());
            assert_eq!(near[0], 4);
            assert!(near.len() == 3 && near[1..].iter().all(|&worker| worker / 4 == 1));
            assert!(far[..4].iter().all(|&worker| worker < 4) && far[4..].iter().all(|&worker| worker >= 8));
            assert_eq!(
                near.into_iter().chain(far).collect::<Vec<_>>(),
                rings.from(random).collect::<Vec<_>>()
            );
        }
        let one_node = Rings::new(0, 4, |worker| worker as u32);
        assert_eq!((one_node.near(0).count(), one_node.far(0).count()), (3, 0), "all are near");
        let alone_on_its_node = Rings::with_node(0, 4, |_| 20, 10);
        assert_eq!((alone_on_its_node.near(0).count(), alone_on_its_node.far(0).count()), (0, 3));
    }

    const NORMAL: usize = 2;

    #[test]
    fn who_finds_nothing_near_goes_far_after_the_back_off() {
        let reach = Reach::new();
        assert_eq!(reach.far_in(NORMAL, false, 7, 1000, 100), 100, "the search begins");
        assert_eq!(reach.far_in(NORMAL, false, 7, 1060, 100), 40);
        assert_eq!(reach.far_in(NORMAL, false, 7, 1100, 100), 0);
        assert_eq!(reach.far_in(NORMAL, false, 7, 5000, 100), 0, "and it may from then on");
        assert_eq!(reach.far_in(NORMAL, false, 8, 5000, 100), 100, "it has run something: a new search");
    }

    #[test]
    fn who_lives_on_far_work_does_not_wait_before_each_fiber() {
        let reach = Reach::new();
        assert_eq!(reach.far_in(NORMAL, false, 7, 1000, 100), 100);
        assert_eq!(reach.far_in(NORMAL, false, 7, 1100, 100), 0);
        reach.found_far(7);
        assert_eq!(reach.far_in(NORMAL, false, 8, 1200, 100), 0, "that was its one dispatch");
        reach.found_far(8);
        assert_eq!(reach.far_in(NORMAL, false, 10, 1300, 100), 100, "it has had something else to run");
    }

    #[test]
    fn time_without_work_anywhere_does_not_count() {
        let reach = Reach::new();
        assert_eq!(reach.far_in(NORMAL, false, 7, 1000, 100), 100);
        reach.rest();
        assert_eq!(reach.far_in(NORMAL, false, 7, 9000, 100), 100);
        assert_eq!(reach.far_in(NORMAL, false, 7, 9040, 100), 60);
        reach.rest();
        reach.found_far(7);
        assert_eq!(reach.far_in(NORMAL, false, 8, 9100, 100), 100, "what was fetched at rest began nothing");
    }

    #[test]
    fn what_is_urgent_is_fetched_at_once_and_what_would_be_passed_over_too() {
        let reach = Reach::new();
        for level in [0, 1] {
            assert_eq!(reach.far_in(level, false, 7, 1000, 100), 0);
        }
        assert_eq!(reach.far_in(3, true, 7, 1000, 100), 0, "else it would run Background before Low");
        reach.found_far(7);
        assert_eq!(reach.far_in(NORMAL, false, 8, 1000, 100), 100, "none of this was a search");
        // A searcher that fetches something urgent meanwhile has not given up waiting.
        assert_eq!(reach.far_in(1, false, 8, 1050, 100), 0);
        reach.found_far(8);
        assert_eq!(reach.far_in(NORMAL, false, 9, 1060, 100), 40);
    }

    #[test]
    fn no_back_off_is_at_once_and_an_endless_one_never() {
        let reach = Reach::new();
        assert_eq!(reach.far_in(NORMAL, false, 0, 1000, 0), 0);
        assert!(reach.far_in(NORMAL, false, 0, u64::MAX - 1, u64::MAX) > 0);
        assert_eq!(reach.far_in(NORMAL, false, 0, 500, 100), 100, "a clock that goes back does no harm");
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
