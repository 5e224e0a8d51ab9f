//! How many isolates a bridge has, who may have one, and the bounds on that.
//!
//! Work holds an isolate until it ends, also while it is suspended. So whoever is let in decides whether others can ever
//! go on. Two budgets share the isolates of a bridge ([`Budget`]):
//!
//! | of 256     | for                  | most at once                                          | past that        |
//! |------------|----------------------|-------------------------------------------------------|------------------|
//! | 160 roots  | work of the realms   | Critical 160, High 140, Normal 120, Low 100, Background 80 | it waits    |
//! | 96 nested  | what leased isolates made | depth 1: 48, depth 2: 72, depth 3: 84, ... 96    | it waits, or is refused |
//!
//! *Urgent work does not wait because less urgent is suspended*: the lowest level can hold half of the roots, each level
//! above it an eighth more, and the last eighth is for Critical alone. So 10,000 suspended Background scripts (80, and
//! the others wait without an isolate) leave 80 places, and 20 of them even when High, Normal and Low are full. A bridge
//! with a single place for roots can keep none free: there even Critical work waits.
//!
//! *Nobody waits for ever.* Work at depth `d` is waited for by one at depth `d - 1` (a root has depth 0), which
//! keeps its own isolate meanwhile. If it finds no place, it may wait only while some work at depth `d` or deeper has one;
//! else it is refused, and its maker gets an error. Proof that this ends: of those that have an isolate look at one that is
//! deepest. What it makes is deeper still, so it is let in or refused, and does not wait. So the deepest waits
//! for nobody; it ends, and its place is free for one of its depth or below. When the last of a depth ends and there
//! is still no place, those that wait at that depth are refused then. That roots never use the places of nested work is what
//! lets the same be said of trees of different roots.

use crate::error::Error;
use heddle_scheduler::Priority;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Depths that are told apart; what is deeper counts as this deep, and is not left to wait.
pub(crate) const DEPTHS: usize = 16;

/// The bounds, see the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    /// The most roots at once, of each level.
    roots: [usize; Priority::ALL.len()],
    nested: usize,
}

impl Budget {
    pub(crate) fn of(isolates: usize) -> Budget {
        // Three eighths, and one as soon as there are two: else nothing nested could ever run.
        let nested = if isolates < 2 { 0 } else { (isolates / 8 * 3 + isolates % 8 * 3 / 8).max(1) };
        let roots = isolates - nested;
        let most = |level: usize| {
            let reserve = (roots / 8 * level + roots % 8 * level / 8).max(usize::from(level > 0));
            (roots - reserve.min(roots)).max(1)
        };
        Budget { roots: std::array::from_fn(most), nested }
    }

    /// The most nested work when one more of this depth is let in.
    fn nested_at(&self, depth: usize) -> usize {
        self.nested - self.nested.checked_shr(depth as u32).unwrap_or(0)
    }
}

/// May one more have an isolate?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Yes, and it is counted.
    In(Place),
    /// Later.
    Wait,
    /// It would wait for those that wait for it.
    Never,
}

/// A place that is counted, to be given back by [`Population::leave`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Place {
    Root,
    Nested { depth: u8 },
}

/// The isolates of one bridge.
///
/// | field      | counts                             | ordering                                                     |
/// |------------|------------------------------------|--------------------------------------------------------------|
/// | `live`     | isolates that exist                | relaxed: it is a number to show, and a bound that is its own  |
/// | `roots`, `nested`, `at_depth` | work that has a place | `SeqCst`, with the count of those that wait in `pool`      |
pub(crate) struct Population {
    live: AtomicUsize,
    most: usize,
    /// Of those, isolates outside of any pool: each is one script's.
    alone: AtomicUsize,
    budget: Budget,
    roots: AtomicUsize,
    nested: AtomicUsize,
    /// Nested work by its depth, from 1 on.
    at_depth: [AtomicUsize; DEPTHS],
}

impl Population {
    pub(crate) fn new(most: usize) -> Population {
        Population {
            live: AtomicUsize::new(0),
            most,
            alone: AtomicUsize::new(0),
            budget: Budget::of(most),
            roots: AtomicUsize::new(0),
            nested: AtomicUsize::new(0),
            at_depth: Default::default(),
        }
    }

    /// One more isolate, while the resident lives: for a single script, which is refused past the bound.
    pub(crate) fn enter(self: &Arc<Population>) -> Result<Resident, Error> {
        let live = self.live.fetch_add(1, Ordering::Relaxed);
        self.alone.fetch_add(1, Ordering::Relaxed);
        let resident = Resident { population: self.clone(), alone: true };
        if live >= self.most { Err(Error::limit(self.most)) } else { Ok(resident) }
    }

    /// One more isolate, for a pool: it has its own bound.
    pub(crate) fn house(self: &Arc<Population>) -> Resident {
        self.live.fetch_add(1, Ordering::Relaxed);
        Resident { population: self.clone(), alone: false }
    }

    pub(crate) fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// How many have a place.
    pub(crate) fn leased(&self) -> usize {
        self.roots.load(Ordering::Relaxed) + self.nested.load(Ordering::Relaxed)
    }

    /// May running scripts let their equals start? Each of those outside of a pool would take one more isolate, or
    /// fail; so past half of the bound they run to their end, and only more urgent ones come in between. Those of a
    /// pool wait without one.
    pub(crate) fn has_room(&self) -> bool {
        self.alone.load(Ordering::Relaxed) <= self.most / 2
    }

    /// Asks for a place: for a root of that level, or for nested work (`depth` above 0).
    pub(crate) fn admit(&self, level: Priority, depth: usize) -> Admission {
        if depth == 0 {
            let most = self.budget.roots[level as usize];
            return if count_below(&self.roots, most) { Admission::In(Place::Root) } else { Admission::Wait };
        }
        let known = depth.min(DEPTHS);
        if !count_below(&self.nested, self.budget.nested_at(known)) {
            let may_wait = depth <= DEPTHS && self.is_one_as_deep_as(depth);
            return if may_wait { Admission::Wait } else { Admission::Never };
        }
        // ORDERING: pairs with `is_one_as_deep_as`; see `pool`, where those that wait are counted.
        self.at_depth[known - 1].fetch_add(1, Ordering::SeqCst);
        Admission::In(Place::Nested { depth: known as u8 })
    }

    /// Does any nested work at this depth, or deeper, have a place?
    pub(crate) fn is_one_as_deep_as(&self, depth: usize) -> bool {
        // ORDERING: pairs with the counting in `admit` and `leave`.
        self.at_depth[depth.clamp(1, DEPTHS) - 1..].iter().any(|count| count.load(Ordering::SeqCst) > 0)
    }

    /// Gives a place back.
    pub(crate) fn leave(&self, place: Place) {
        match place {
            // ORDERING: pairs with `admit`: whoever sees the place free sees what was done in it. And with the
            // count of those that wait, see `pool`.
            Place::Root => self.roots.fetch_sub(1, Ordering::SeqCst),
            Place::Nested { depth } => {
                // ORDERING: as above.
                self.at_depth[usize::from(depth) - 1].fetch_sub(1, Ordering::SeqCst);
                // ORDERING: as above.
                self.nested.fetch_sub(1, Ordering::SeqCst)
            }
        };
    }

    /// How much nested work may have a place.
    pub(crate) fn nested_most(&self) -> usize {
        self.budget.nested
    }
}

/// One more, if that is not more than `most`.
fn count_below(count: &AtomicUsize, most: usize) -> bool {
    let more = |now: usize| (now < most).then_some(now + 1);
    // ORDERING: pairs with `Population::leave`.
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok()
}

/// One isolate's place in the count.
pub(crate) struct Resident {
    population: Arc<Population>,
    alone: bool,
}

impl Resident {
    pub(crate) fn population(&self) -> &Population {
        &self.population
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        self.population.live.fetch_sub(1, Ordering::Relaxed);
        if self.alone {
            self.population.alone.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_the_bound_there_is_an_error_and_the_count_stays_right() {
        let population = Arc::new(Population::new(2));
        let first = population.enter().unwrap();
        assert!(population.has_room());
        let second = population.enter().unwrap();
        assert!(!population.has_room());
        assert!(population.enter().err().unwrap().is_limit());
        assert_eq!(population.live(), 2);
        drop((first, second));
        assert_eq!(population.live(), 0);
    }

    #[test]
    fn the_table_in_the_documentation_is_what_the_code_does() {
        let budget = Budget::of(256);
        assert_eq!((budget.roots, budget.nested), ([160, 140, 120, 100, 80], 96));
        assert_eq!([1, 2, 3, 16].map(|depth| budget.nested_at(depth)), [48, 72, 84, 96]);
    }

    #[test]
    fn every_budget_adds_up_and_lets_each_level_in() {
        for isolates in (0..2000).chain([usize::MAX]) {
            let budget = Budget::of(isolates);
            if isolates > 0 {
                assert_eq!(budget.roots[0] + budget.nested, isolates);
            }
            assert!(budget.roots.windows(2).all(|pair| pair[0] >= pair[1]) && budget.roots[4] >= 1);
            assert!(isolates < 4 || budget.roots[0] > budget.roots[1], "{isolates}: {budget:?}");
            assert!(isolates < 2 || budget.nested_at(1) >= 1, "{isolates}");
            let deeper: Vec<_> = (1..=DEPTHS).map(|depth| budget.nested_at(depth)).collect();
            assert!(deeper.is_sorted() && deeper[DEPTHS - 1] <= budget.nested);
        }
    }

    #[test]
    fn background_roots_leave_room_for_critical_ones() {
        let population = Population::new(16);
        let take = |level| (0..100).take_while(|_| population.admit(level, 0) != Admission::Wait).count();
        assert_eq!(take(Priority::Background), 5);
        assert_eq!(take(Priority::Normal), 3);
        assert_eq!(take(Priority::High), 1);
        assert_eq!(take(Priority::Critical), 1);
        population.leave(Place::Root);
        assert_eq!([take(Priority::High), take(Priority::Critical)], [0, 1]);
    }

    #[test]
    fn nested_work_waits_only_for_work_that_does_not_wait_for_it() {
        let population = Population::new(8);
        assert_eq!(population.nested_most(), 3);
        let admit = |depth| population.admit(Priority::Normal, depth);
        assert_eq!([admit(1), admit(1)].map(|it| matches!(it, Admission::In(_))), [true, true]);
        // One of its own depth runs.
        assert_eq!(admit(1), Admission::Wait);
        assert!(matches!(admit(2), Admission::In(_)));
        assert_eq!(admit(2), Admission::Wait);
        // All that have a place may wait for it.
        assert_eq!(admit(3), Admission::Never);
        population.leave(Place::Nested { depth: 2 });
        assert_eq!(admit(100), Admission::In(Place::Nested { depth: DEPTHS as u8 }));
        assert_eq!(admit(100), Admission::Never);
    }
}
