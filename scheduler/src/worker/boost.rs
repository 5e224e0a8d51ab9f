//! Helping a started fiber that has been lent a level of a lane above its thread's. It cannot move to a
//! thread of that lane, and its own may get nothing of the CPU beside what runs there, which would be the
//! inversion that loans are against. So a worker of the lanes between makes way: it brings that thread to its own CPU
//! and stands aside, though it has work, until the loan is over. One for each thread below that needs it is enough, and
//! those that would take its place on that CPU.
//!
//! ```text
//! a loan makes a fiber of worker W, in a lane below, as urgent as level k   boost(W, k): W's need, MAKE_WAY
//! a worker of a lane above W's, whose own work is less urgent than k        claims the need, brings W, stands aside
//! others like it that come to run on the same CPU                           stand aside, too
//! W has nothing of a level above its lane any more                          forget_boost(): they come back, or make way
//!                                                                           for the next one in a chain
//! ```
//!
//! *Why W is brought*: the kernel need not see that W could run where somebody has just left. It was seen to leave
//! that CPU idle for milliseconds, while W waited on another one behind a fiber that computes.
//!
//! | field              | written by                                      | read by                    |
//! |--------------------|-------------------------------------------------|----------------------------|
//! | `Remote::need`     | see its own table ([`need`](super::need))       | the same                   |
//! | MAKE_WAY of a lane | who raises a need below sets it, who ends the last one clears it | workers of that lane |
//!
//! Whoever ends a need clears MAKE_WAY, and sets it again if it finds another one: one that was raised before it was
//! cleared is seen, one that is raised later sets it after.

use super::Worker;
use super::crew::Crew;
use super::need::Claim;
use super::remote::Remote;
use super::shared::Shared;
use crate::machine::clock;
use crate::machine::thread;

impl Shared {
    /// A started fiber of `worker` is as urgent as `level` now, by a loan; or it was, and has something to run again.
    #[inline]
    pub(crate) fn boost(&self, worker: usize, level: usize) {
        if self.crew_of(level).lane < self.remotes[worker].lane {
            self.raise_need(worker, level);
        }
    }

    #[cold]
    fn raise_need(&self, worker: usize, level: usize) {
        let remote = &self.remotes[worker];
        if remote.need.raise(level) {
            let above = self.crews.iter().filter(|crew| crew.lane < remote.lane);
            above.for_each(|crew| crew.beacon.set_make_way(true));
            // For where nobody reaches a checkpoint.
            self.watchman.tell_of_need();
        }
        // It may pause.
        let (crew, seat) = self.crew_of_worker(worker);
        if crew.beacon.stands_aside(seat) {
            remote.unpark();
        }
    }

    /// Nobody lends anything to `remote`'s fibers any more, unless there is news.
    fn end_boost(&self, remote: &Remote) {
        if !remote.need.end() {
            return;
        }
        for crew in self.crews.iter().filter(|crew| crew.lane < remote.lane) {
            crew.beacon.set_make_way(false);
            if self.crews.iter().any(|below| below.lane > crew.lane && self.is_anyone_boosted(below)) {
                crew.beacon.set_make_way(true);
            }
            crew.beacon.all_standing().for_each(|seat| self.unpark(crew.worker(seat)));
        }
    }

    /// Does a worker of a lane below need a CPU, and is not asleep?
    pub(crate) fn is_in_need(&self, worker: usize) -> bool {
        let (crew, seat) = self.crew_of_worker(worker);
        self.remotes[worker].need.is_up() && !crew.beacon.is_parked(seat)
    }

    fn is_anyone_boosted(&self, crew: &Crew) -> bool {
        crew.workers().any(|worker| self.remotes[worker].need.is_up())
    }
}

impl Worker {
    /// Our fibers may have given back what they were lent.
    pub(crate) fn forget_boost(&self) {
        let remote = self.remote();
        if !remote.need.review() || remote.has_mail() {
            return;
        }
        let runnable = self.ready_mask.get() | self.running_mask();
        if runnable == 0 || self.shared.crew_of(runnable.trailing_zeros() as usize).lane >= self.lane {
            self.shared.end_boost(remote);
        }
    }

    /// The level of the fiber that runs, as a mask.
    pub(super) fn running_mask(&self) -> u32 {
        self.current().and_then(|carrier| carrier.fiber()).map_or(0, |fiber| 1 << fiber.state.level())
    }

    /// Stands aside for as long as threads below us run for somebody who is more urgent than all that we
    /// have, at most for the time that one stands aside at a stretch.
    pub(super) fn make_way(&self) {
        let (start, most) = (clock::ticks(), self.shared.config.terms.aside_max);
        loop {
            // In a checkpoint, what runs is ours too.
            let mine = self.ready_mask.get() | self.fresh_mask.get() | self.running_mask();
            let left = most.saturating_sub(clock::ticks() - start);
            if mine == 0 || left == 0 || self.remote().has_mail() || self.shared.is_stopping() {
                return;
            }
            let Some((needy, claim)) = self.find_need(mine.trailing_zeros() as usize) else { return };
            let need = &self.shared.remotes[needy].need;
            if claim == Claim::First {
                self.shared.bring_here(needy);
            }
            let away = self.park_aside(left, || need.is_up());
            self.turns.was_away(away);
            if claim == Claim::First {
                need.give_up();
            }
            if need.is_up() {
                // The time is up, or we are needed ourselves.
                return;
            }
        }
    }

    /// We wait for what the thread with that mark does, in a moment, if it gets a CPU, and have work of `level`: if it is a
    /// worker's of a lane below, it is brought to ours, which we are about to leave. `false`: it is not.
    ///
    /// No need is raised: its worker might not look for long whether that is over.
    pub(crate) fn make_way_for(&self, mark: u64, level: usize) -> bool {
        let below = self.shared.crews.iter().filter(|crew| crew.lane > self.lane);
        let mut workers = below.flat_map(|crew| crew.workers());
        let holder = workers.find(|&worker| self.shared.remotes[worker].has_mark(mark));
        if let Some(holder) = holder {
            _ = self.shared.clear_cpu(holder, level);
        }
        holder.is_some()
    }

    /// Finds a worker below whose fiber was lent a level above `level`, and that can use our CPU.
    fn find_need(&self, level: usize) -> Option<(usize, Claim)> {
        let cpu = thread::current_cpu();
        let below = self.shared.crews.iter().filter(|crew| crew.lane > self.lane);
        below.flat_map(|crew| crew.workers().map(move |worker| (crew, worker))).find_map(|(crew, worker)| {
            let remote = &self.shared.remotes[worker];
            // One that sleeps needs no CPU; one that was called and is not up yet needs it all the more.
            let could = remote.need.is_up()
                && !crew.beacon.is_parked(crew.seat(worker))
                && remote.cpu().is_none_or(|tied| tied as usize == cpu);
            let claim = if could { remote.need.claim(cpu, level) } else { None };
            claim.map(|claim| (worker, claim))
        })
    }
}
