//! What a worker does to find work, by the policy's functions: the twin of `worker/find.rs`.

use super::world::{Life, World};
use super::{Mutation, Promise};
use crate::policy::steal::{Approach, approach, should_wake, whom_to_wake};
use crate::policy::{self, INBOX_INTERVAL, Queue, choose_queue, levels_of};

/// A worker that has so little to go dispatches before a thief has lost its patience.
const SOON: u64 = 500;

/// What a worker was given to run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) fiber: u32,
    pub(super) level: usize,
    /// The levels that had work when it was chosen.
    pub(super) waiting: u32,
    /// Those of which the worker had some itself.
    pub(super) own: u32,
    /// The clock was looked at.
    pub(super) looked: bool,
}

impl World<'_> {
    /// The next fiber for `worker`, which is up and has none.
    pub(super) fn find(&mut self, worker: usize) -> Option<Found> {
        self.read_mail(worker);
        self.fire_timers(worker);
        let tick = self.workers[worker].tick + 1;
        if tick.is_multiple_of(INBOX_INTERVAL) {
            self.look_into_inbox(worker);
        }
        let (mut missed, mut looked) = (0, false);
        loop {
            let own = self.workers[worker].own();
            let hints = self.hints(self.workers[worker].lane);
            let elsewhere = if own != 0 && self.mutated(Mutation::MaskIgnored) { 0 } else { hints };
            let waiting = (own | elsewhere) & !missed;
            if waiting == 0 {
                return None;
            }
            let level = self.choose_level(worker, waiting, tick, &mut looked);
            let found = match own & 1 << level {
                0 => self.take_elsewhere(worker, level),
                _ => self.take_own(worker, level).or_else(|| self.take_elsewhere(worker, level)),
            };
            match found {
                Some(fiber) => return Some(Found { fiber, level, waiting, own, looked }),
                None => {
                    self.workers[worker].turns.missed(&self.terms, level);
                    missed |= 1 << level;
                }
            }
        }
    }

    fn choose_level(&mut self, worker: usize, waiting: u32, tick: u64, looked: &mut bool) -> usize {
        let turns = &self.workers[worker].turns;
        let level = turns.next(waiting, tick).unwrap_or_else(|| {
            *looked = true;
            turns.look(&self.terms, waiting, tick, self.clock(worker))
        });
        match self.mutation {
            Some(Mutation::LowestFirst) => waiting.ilog2() as usize,
            Some(Mutation::SharesDropped) => waiting.trailing_zeros() as usize,
            _ => level,
        }
    }

    /// The levels that the lane's beacon says have work somewhere, as far as the news has come.
    pub(super) fn hints(&self, lane: usize) -> u32 {
        let hints = &self.lanes[lane].hints;
        let mut mask = 0;
        for (level, &seen) in hints.iter().enumerate() {
            if seen <= self.now {
                mask |= 1 << level;
            }
        }
        mask
    }

    fn read_mail(&mut self, worker: usize) {
        if self.workers[worker].mail.is_empty() {
            return;
        }
        for id in std::mem::take(&mut self.workers[worker].mail) {
            self.push_ready(id, false);
        }
    }

    fn look_into_inbox(&mut self, worker: usize) {
        let own = self.workers[worker].own();
        let mut levels = own & own.wrapping_neg();
        if own != levels && self.now.saturating_sub(self.workers[worker].swept) >= self.terms.age_max {
            self.workers[worker].swept = self.now;
            levels = own;
        }
        for level in policy::levels_of(levels) {
            if self.lane_levels[self.workers[worker].lane] & 1 << level != 0 {
                self.take_inbox(worker, level);
            }
        }
    }

    fn take_own(&mut self, worker: usize, level: usize) -> Option<u32> {
        loop {
            let own = &mut self.workers[worker];
            let fresh = own.fresh_mask & 1 << level != 0;
            let levels = &mut own.levels[level];
            let (ready, yielded) = (!levels.ready.is_empty(), !levels.yielded.is_empty());
            let mut queue = choose_queue(ready, fresh, yielded, levels.debt, levels.tick + 1)?;
            if self.mutation == Some(Mutation::ResumedForgotten) && fresh {
                queue = Queue::Fresh;
            }
            let found = match queue {
                Queue::Ready => levels.ready.pop_front(),
                Queue::Yielded => {
                    if fresh {
                        levels.debt = levels.deque.len().min(policy::YIELD_DEBT_MAX);
                    }
                    levels.yielded.pop_front()
                }
                Queue::Fresh => {
                    levels.debt = levels.debt.saturating_sub(1);
                    match self.take_fresh(worker, level) {
                        Some(fiber) => return Some(fiber),
                        None => continue,
                    }
                }
            };
            self.left_ready(worker, level);
            return found;
        }
    }

    /// Claims a fiber out of the worker's own deque.
    fn take_fresh(&mut self, worker: usize, level: usize) -> Option<u32> {
        let own = &self.workers[worker];
        let ageing = &own.levels[level].ageing;
        let oldest = ageing.took()
            && ageing.owes_oldest(self.terms.age_max, self.now, own.live)
            && !self.mutated(Mutation::AgeingDropped);
        loop {
            let Some(id) = self.pop_deque(worker, level, oldest) else {
                self.workers[worker].fresh_mask &= !(1 << level);
                return None;
            };
            if self.claim(id, level) {
                self.check_oldest(worker, level, oldest);
                return Some(id);
            }
        }
    }

    /// Takes the ticket of `level` back; the fiber is the caller's if it has that level and has not started.
    fn claim(&mut self, id: u32, level: usize) -> bool {
        let mutated = self.mutated(Mutation::StaleTicketsRun);
        let fiber = self.fiber(id);
        fiber.tickets &= !(1 << level);
        let won = fiber.life == Life::Fresh && (fiber.level as usize == level || mutated);
        if fiber.life == Life::Done {
            self.release(id);
        }
        if won {
            // It is run at the level that it was found at; the checker sees if that is another.
            let (at, is) = (self.lane_of[level], self.fibers[id as usize].level as usize);
            debug_assert!(mutated || is == level);
            let lane = if mutated { self.lane_of[is] } else { at };
            self.lanes[lane].fresh[is] -= 1;
        }
        won
    }

    pub(super) fn take_elsewhere(&mut self, worker: usize, level: usize) -> Option<u32> {
        let lane = self.workers[worker].lane;
        if self.take_inbox(worker, level) {
            if self.workers[worker].levels[level].deque.len() > 1 {
                self.announce(worker, level);
            }
            if let Some(id) = self.take_fresh(worker, level) {
                return Some(id);
            }
        }
        let found = self.steal(worker, lane, level);
        if found.is_none() && self.lanes[lane].entries[level] == 0 {
            self.lanes[lane].hints[level] = super::kernel::NEVER;
        }
        found
    }

    fn steal(&mut self, worker: usize, lane: usize, level: usize) -> Option<u32> {
        if self.lanes[lane].entries[level] == 0 {
            return None;
        }
        let cpu = self.workers[worker].cpu;
        let random = self.any();
        let rings = self.rings.clone();
        let mut order = rings[cpu].from(random);
        if self.mutated(Mutation::StealReversed) {
            let all: Vec<usize> = order.collect();
            return all.into_iter().rev().find_map(|victim| self.steal_from(cpu, 3 * victim + lane, level));
        }
        order.find_map(|victim| self.steal_from(cpu, 3 * victim + lane, level))
    }

    fn steal_from(&mut self, thief: usize, victim: usize, level: usize) -> Option<u32> {
        let other = &self.workers[victim];
        if other.fresh_mask & 1 << level == 0 {
            return None;
        }
        let waiting = other.levels[level].deque.len();
        if approach(level, waiting, 0) != Approach::Take && self.dispatches_soon(victim) {
            return None;
        }
        while let Some(id) = self.pop_deque(victim, level, true) {
            if self.claim(id, level) {
                self.report.steals += 1;
                self.check_distance(thief, victim, level);
                return Some(id);
            }
        }
        None
    }

    fn dispatches_soon(&self, worker: usize) -> bool {
        let thread = &self.cpus[worker / 3].threads[worker % 3];
        thread.runnable && thread.left <= SOON
    }

    // ---- waking ------------------------------------------------------------------------------------

    /// Work of `level` was queued, by `near` or next to it: the beacon says so, and somebody is woken.
    pub(super) fn announce(&mut self, near: usize, level: usize) {
        let lane = self.lane_of[level];
        if self.lanes[lane].hints[level] == super::kernel::NEVER {
            self.lanes[lane].hints[level] = self.now + self.random.below(300) as u64;
        }
        if self.lanes[lane].parked > 0 && should_wake(level, self.lanes[lane].searching) {
            self.wake_one(near, lane);
        }
    }

    /// Wakes a parked worker of the lane as a searcher.
    pub(super) fn wake_one(&mut self, near: usize, lane: usize) {
        self.wakes += 1;
        if self.mutated(Mutation::WakeLost) && self.wakes.is_multiple_of(8) {
            return;
        }
        let cpu = near / 3;
        let is_parked = |cpu: usize| self.workers[3 * cpu + lane].state == super::world::State::Parked;
        let hindered = |cpu: usize| self.cpus[cpu].threads[..lane].iter().any(|thread| thread.runnable);
        // The own CPU's worker of that lane is the nearest of all.
        let whom = if is_parked(cpu) && !hindered(cpu) {
            Some(cpu)
        } else {
            whom_to_wake(&self.rings[cpu], self.any(), is_parked, hindered)
                .or_else(|| is_parked(cpu).then_some(cpu))
        };
        if let Some(cpu) = whom {
            self.workers[3 * cpu + lane].searching = true;
            self.lanes[lane].searching += 1;
            self.unpark(3 * cpu + lane);
        }
    }

    /// A searcher has found something: if there is more, and nobody else looks, the next one is woken.
    pub(super) fn stop_searching(&mut self, worker: usize) {
        if !std::mem::replace(&mut self.workers[worker].searching, false) {
            return;
        }
        let lane = self.workers[worker].lane;
        self.lanes[lane].searching -= 1;
        if self.lanes[lane].searching == 0 && self.lanes[lane].parked > 0 && self.has_work(lane) {
            self.wake_one(worker, lane);
        }
    }

    /// Is there anything that a worker of the lane could take? The hints are set right.
    pub(super) fn has_work(&mut self, lane: usize) -> bool {
        let mut any = false;
        for level in levels_of(self.lane_levels[lane]) {
            if self.lanes[lane].entries[level] > 0 {
                any = true;
                self.lanes[lane].hints[level] = self.lanes[lane].hints[level].min(self.now);
            }
        }
        any
    }

    /// Resumes a started fiber: a letter to its home.
    pub(super) fn resume(&mut self, id: u32) {
        if self.mutated(Mutation::MailLost) && self.random.chance(2) {
            return;
        }
        let home = self.fibers[id as usize].home as usize;
        let level = self.fibers[id as usize].level as usize;
        self.workers[home].mail.push(id);
        self.favour(home, level);
        if self.workers[home].state == super::world::State::Parked {
            self.unpark(home);
        }
    }

    /// Promise: thieves go to the nearest.
    fn check_distance(&mut self, thief: usize, victim: usize, level: usize) {
        let (machine, lane) = (self.scenario.machine, victim % 3);
        let far = machine.distance(thief, victim / 3);
        if far <= 10 || self.lanes[lane].exposed[level] == 0 {
            return;
        }
        for cpu in self.rings.clone()[thief].from(0) {
            if machine.distance(thief, cpu) >= far {
                break;
            }
            if self.workers[3 * cpu + lane].levels[level].deque.len() > 1 {
                let detail = format!("CPU {thief} took level {level} from CPU {} past {cpu}", victim / 3);
                return self.violate(Promise::NearestFirst, detail);
            }
        }
    }
}
