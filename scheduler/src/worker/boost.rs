//! Helping a started fiber that has been lent a level of a lane above its thread's. It cannot move to a
//! thread of that lane, and its own may get nothing of the CPU beside what runs there, which would be the
//! inversion that loans are against. So a worker of the lanes between makes way: it stands aside, though it
//! has work, until the loan is over. One for each thread below that needs it is enough.
//!
//! ```text
//! a loan makes a fiber of worker W, in a lane below, as urgent as level k     boost(W, k): MAKE_WAY
//! a worker of a lane above W's, whose own work is less urgent than k          stands aside
//! W has nothing of a level above its lane any more                            forget_boost(): comes back
//! ```
//!
//! | field            | written by                                      | read by                    |
//! |------------------|-------------------------------------------------|----------------------------|
//! | `Remote::boost`  | who lends raises it, the worker itself ends it  | workers of the lanes above |
//! | `Boosts::count`  | whoever changes a `boost` from or to none       | workers of the lanes above |
//! | `Boosts::away`   | workers that make way                           | the same                   |

use super::Worker;
use super::remote::Remote;
use super::shared::Shared;
use crate::lane::Lane;
use crate::primitive::{AtomicU32, Ordering};
use crate::priority::LEVELS;

/// The level that a worker's fibers were lent; [`NONE`]: none above its lane.
pub(super) struct Boost(AtomicU32);

/// Less urgent than all.
const NONE: u32 = LEVELS as u32;

impl Boost {
    pub(super) fn none() -> Boost {
        Boost(AtomicU32::new(NONE))
    }

    fn level(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Was a fiber lent a level above the worker's lane?
    pub(super) fn is_up(&self) -> bool {
        self.level() != NONE
    }
}

/// How many workers are boosted, and how many others make way for them.
#[derive(Default)]
pub(crate) struct Boosts {
    count: AtomicU32,
    away: AtomicU32,
}

impl Shared {
    /// A started fiber of `worker` is as urgent as `level` now, by a loan.
    pub(crate) fn boost(&self, worker: usize, level: usize) {
        let remote = &self.remotes[worker];
        if self.crew_of(level).lane >= remote.lane {
            return;
        }
        // What the worker looks at by itself, and when, is in a letter; this is about its CPU time alone, and a
        // hint that comes late costs some of that.
        if remote.boost.0.fetch_min(level as u32, Ordering::Relaxed) == NONE {
            self.boosts.count.fetch_add(1, Ordering::Relaxed);
        }
        for crew in self.crews.iter().filter(|crew| crew.lane < remote.lane) {
            crew.beacon.set_make_way(true);
        }
        // It may pause.
        let (crew, seat) = self.crew_of_worker(worker);
        if crew.beacon.stands_aside(seat) {
            remote.unpark();
        }
    }

    /// Nobody has lent anything to `remote`'s fibers any more.
    fn end_boost(&self, remote: &Remote) {
        if remote.boost.0.swap(NONE, Ordering::Relaxed) == NONE {
            return;
        }
        let last = self.boosts.count.fetch_sub(1, Ordering::Relaxed) == 1;
        for crew in self.crews.iter().filter(|crew| crew.lane < remote.lane) {
            if last {
                crew.beacon.set_make_way(false);
            }
            if let Some(seat) = crew.beacon.standing() {
                self.unpark(crew.worker(seat));
            }
        }
        // One that was made meanwhile has lost its sign.
        if last && self.boosts.count.load(Ordering::Relaxed) > 0 {
            let above = self.crews.iter().filter(|crew| crew.lane < Lane::Background);
            above.for_each(|crew| crew.beacon.set_make_way(true));
        }
    }
}

impl Worker {
    /// Our fibers may have given back what they were lent.
    pub(crate) fn forget_boost(&self) {
        if self.remote().boost.level() == NONE {
            return;
        }
        let running =
            self.current().and_then(|carrier| carrier.fiber()).map_or(0, |fiber| 1 << fiber.state.level());
        let runnable = self.ready_mask.get() | running;
        if runnable == 0 || self.shared.crew_of(runnable.trailing_zeros() as usize).lane >= self.lane {
            self.shared.end_boost(self.remote());
        }
    }

    /// Stands aside for as long as a thread below us runs for somebody who is more urgent than all that we
    /// have, at most for the time that one stands aside at a stretch.
    pub(super) fn make_way(&self) {
        let boosts = &self.shared.boosts;
        // In a checkpoint, what runs is ours too.
        let running =
            self.current().and_then(|carrier| carrier.fiber()).map_or(0, |fiber| 1 << fiber.state.level());
        let mine = self.ready_mask.get() | self.fresh_mask.get() | running;
        if mine == 0 || !self.is_outranked(mine.trailing_zeros()) {
            return;
        }
        if boosts.away.fetch_add(1, Ordering::Relaxed) < boosts.count.load(Ordering::Relaxed) {
            let most = self.shared.config.terms.aside_max;
            let away = self.park_aside(most, || self.is_outranked(mine.trailing_zeros()));
            self.turns.was_away(away);
        }
        boosts.away.fetch_sub(1, Ordering::Relaxed);
    }

    /// Was a fiber in a lane below ours lent a level above `level`?
    fn is_outranked(&self, level: u32) -> bool {
        let below = Lane::ALL.into_iter().filter(|&lane| lane > self.lane);
        below.map(|lane| &self.shared.crews[lane as usize]).any(|crew| {
            // One that sleeps needs no CPU; what it was lent is out of date.
            let up = crew.workers().enumerate().filter(|&(seat, _)| crew.beacon.is_up(seat));
            let mut boosts = up.map(|(_, index)| self.shared.remotes[index].boost.level());
            boosts.any(|boost| boost < level)
        })
    }
}
