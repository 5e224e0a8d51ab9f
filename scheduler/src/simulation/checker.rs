//! The promises, checked at every dispatch and checkpoint. What is checked is computed here from the
//! state of the queues and from the CPU time that passed, not by the policy.

use super::find::Found;
use super::world::{Life, World};
use super::{Promise, kernel::NEVER};
use crate::policy::aside::Window;
use crate::policy::{LOOK_MAX, OLDEST_BATCH, OLDEST_INTERVAL, bounds, levels_of};
use crate::priority::LEVELS;

/// News of work takes so long at most to be seen by all, in ns.
const NEWS: u64 = 1_000;

/// A worker that should have been woken is up within this, in ns.
const WAKE_BOUND: u64 = 100_000;

/// A resumed fiber lets at most so many others of its level go first in a row while it is at the head.
const RESUMED_BOUND: u8 = 4;

/// What the checker knows of a worker. Times are CPU time of the worker's thread, in ns: what the
/// kernel gives to others is not the worker's doing.
#[derive(Clone, Debug)]
pub(super) struct Eye {
    /// Since when it has passed over each level.
    passed: [u64; LEVELS],
    /// How much less than its share each level had, at most since it has work.
    due: [i64; LEVELS],
    /// When a level that has work had its last turn.
    served: [u64; LEVELS],
    /// The same by its clock, from when it began to wait; and whether the level that ran was overdue.
    turn_at: [u64; LEVELS],
    overdue: bool,
    /// What waited at the last dispatch, what ran, and when that was by the worker's clock.
    mask: u32,
    competing: u32,
    ran: usize,
    at: u64,
    /// The last look at the clock, or moment without competition; the longest time between two of them, and
    /// the same by its clock.
    looked: u64,
    gap: u64,
    looked_at: u64,
    gap_at: u64,
    /// How many others of its level went before a resumed fiber.
    resumed: [u8; LEVELS],
    /// The oldest fiber of each deque, and how many of its level were taken since it is.
    oldest: [(u32, u64); LEVELS],
    /// What the lanes below have had less than their share.
    column: i64,
}

impl Default for Eye {
    fn default() -> Eye {
        Eye {
            passed: [NEVER; LEVELS],
            due: [0; LEVELS],
            served: [0; LEVELS],
            turn_at: [0; LEVELS],
            overdue: false,
            mask: 0,
            competing: 0,
            ran: 0,
            at: 0,
            looked: 0,
            gap: 0,
            looked_at: 0,
            gap_at: 0,
            resumed: [0; LEVELS],
            oldest: [(super::world::NONE, 0); LEVELS],
            column: 0,
        }
    }
}

impl Eye {
    /// The worker has nothing to run.
    pub(super) fn rest(&mut self) {
        self.passed = [NEVER; LEVELS];
        self.due = [0; LEVELS];
        self.mask = 0;
        self.competing = 0;
    }

    /// It stood aside, and knows for how long.
    pub(super) fn was_away(&mut self, time: u64) {
        self.at += time;
        self.looked_at += time;
    }

    /// The longest time between two looks, as the policy sees it: what the kernel gave to lanes below
    /// meanwhile belongs to it, up to the bound on credits.
    fn gap_between(&self, cpu: u64, now: u64, credit_max: u64) -> u64 {
        let wall = self.gap_at.max(now - self.looked_at.min(now));
        self.gap.max(cpu - self.looked).max(wall.min(credit_max))
    }

    /// It looked at the clock.
    pub(super) fn looked(&mut self, looked: bool, cpu: u64) {
        if looked {
            self.gap = self.gap.max(cpu - self.looked);
            self.looked = cpu;
        }
    }
}

impl World<'_> {
    /// `worker` is about to run what it found.
    pub(super) fn check_dispatch(&mut self, worker: usize, found: &Found) {
        let Found { fiber: id, level, own, waiting, looked } = *found;
        let fiber = &self.fibers[id as usize];
        if !matches!(fiber.life, Life::Fresh | Life::Ready) {
            let detail = format!("{fiber:?} is run again, by worker {worker}");
            return self.violate(Promise::RunOnce, detail);
        }
        let (is, resumed) = (fiber.level as usize, fiber.life == Life::Ready);
        let rightful = self.rightful_level(id) as usize;
        if is != level || rightful != level {
            let detail = format!("run at level {level}, it has {is}, {rightful} is right");
            return self.violate(Promise::RightLevel, detail);
        }
        self.check_resumed(worker, level, resumed);
        self.check_turn(worker, level, own, waiting, looked);
        self.check_inversion(worker, level, waiting);
        self.check_stuck(self.workers[worker].lane);
    }

    /// The fiber of `level` that runs goes on after a checkpoint.
    pub(super) fn check_going_on(&mut self, worker: usize, level: usize, waiting: u32, looked: bool) {
        let own = self.workers[worker].own() | 1 << level;
        self.check_turn(worker, level, own, waiting | 1 << level, looked);
        self.check_inversion(worker, level, waiting | 1 << level);
    }

    /// Promise 2, and the looks at the clock on which it rests.
    fn check_turn(&mut self, worker: usize, level: usize, own: u32, waiting: u32, looked: bool) {
        let cpu = self.cpu_time(worker);
        let (now, credit_max) = (self.clock(worker), self.promised.credit_max);
        let eye = &mut self.workers[worker].eye;
        // The time since the last dispatch belongs to what waited then.
        let time = (now - eye.at).min(credit_max);
        let weights = self.promised.weight_of(eye.mask);
        if eye.mask.count_ones() > 1 && weights > 0 && !eye.overdue {
            for waited in levels_of(eye.mask) {
                eye.due[waited] += (time * self.promised.weights[waited] / weights) as i64;
            }
            eye.due[eye.ran] -= time as i64;
        }
        if eye.overdue && eye.mask.count_ones() > 1 {
            // What it has so is not charged, but it is owed less.
            eye.due[eye.ran] -= time as i64;
        }
        if eye.mask.count_ones() <= 1 {
            // Alone, it has more than any share.
            eye.due[eye.ran] -= time as i64;
            (eye.looked, eye.looked_at) = (cpu, now);
        }
        if looked {
            if now - eye.looked_at > credit_max {
                // What is beyond that is forgotten.
                eye.due = [0; LEVELS];
            }
            eye.gap_at = eye.gap_at.max(now - eye.looked_at);
            eye.looked_at = now;
        }
        eye.looked(looked, cpu);
        eye.served[eye.ran] = cpu;
        eye.turn_at[eye.ran] = now;
        for other in 0..LEVELS {
            if own & eye.mask & 1 << other == 0 {
                (eye.due[other], eye.served[other]) = (0, cpu);
            }
            if waiting & eye.mask & 1 << other == 0 {
                eye.turn_at[other] = now;
            }
            eye.due[other] = eye.due[other].max(0);
        }
        // The policy may have seen the end of its last turn so much earlier, if the worker then stood aside.
        let in_turn = eye.overdue && eye.ran == level && !looked;
        eye.overdue =
            in_turn || now - eye.turn_at[level] + self.promised.slice >= self.promised.max_wait[level];
        (eye.mask, eye.ran, eye.at) = (waiting, level, now);
        let gap = eye.gap.max(cpu - eye.looked);
        let lag = bounds::lag(&self.promised, eye.gap_between(cpu, now, credit_max));
        // At most all debt that the level had, and all that it is owed now.
        let late = levels_of(own).find(|&other| eye.due[other] > 2 * lag as i64);
        let (due, served) = (eye.due, eye.served);
        if let Some(late) = late {
            let detail = format!("worker {worker}: level {late} had {} ns less than its share", due[late]);
            self.violate(Promise::Share, detail);
        }
        self.check_gap(worker, gap);
        for other in levels_of(own & !(1 << level)) {
            let waits = cpu - served[other];
            self.report.longest_gap[other] = self.report.longest_gap[other].max(waits);
            if waits > bounds::wait(&self.promised, other, gap) {
                let detail = format!("worker {worker}: level {other} had no turn for {waits} ns");
                self.violate(Promise::LongestWait, detail);
            }
        }
    }

    /// The clock is looked at often enough, where levels compete.
    fn check_gap(&mut self, worker: usize, gap: u64) {
        // Both the dispatch and the first piece are costs that the policy cannot see coming.
        let piece = self.longest_piece + 100;
        // So many dispatches, and as many checkpoints.
        let most = if self.long_only { 2 * piece + NEWS } else { 2 * LOOK_MAX * piece };
        if gap > most {
            let detail = format!("worker {worker}: {gap} ns between two looks at the clock, not {most}");
            self.violate(Promise::Looks, detail);
        }
    }

    /// Promise 1.
    fn check_inversion(&mut self, worker: usize, level: usize, waiting: u32) {
        let cpu = self.cpu_time(worker);
        let lane = &self.lanes[worker % 3];
        let worker_own = self.workers[worker].own();
        let (now, credit_max) = (self.clock(worker), self.promised.credit_max);
        let eye = &mut self.workers[worker].eye;
        let gap = eye.gap_between(cpu, now, credit_max);
        eye.competing |= waiting | worker_own | 1 << level;
        let competing = eye.competing;
        let mut broken = None;
        for above in 0..LEVELS {
            let is_seen = lane.exposed[above] > 0 && lane.exposed_at[above] + NEWS <= self.now;
            if above >= level || (worker_own & 1 << above == 0 && !is_seen) {
                eye.passed[above] = NEVER;
                continue;
            }
            eye.passed[above] = eye.passed[above].min(cpu);
            let time = cpu - eye.passed[above];
            self.report.inversions[above][level] += 1;
            let longest = &mut self.report.longest_inversion[above][level];
            *longest = (*longest).max(time);
            let bound =
                bounds::inversion(&self.promised, above, waiting | 1 << above | 1 << level, competing, gap);
            if time > bound && broken.is_none() {
                broken = Some((above, time, bound));
            }
        }
        if let Some((above, time, bound)) = broken {
            let detail = format!(
                "worker {worker} went past level {above} to level {level} and others for {time} ns, not {bound}"
            );
            self.violate(Promise::Inversion, detail);
        }
    }

    /// Inside a level, resumed fibers have their turn.
    fn check_resumed(&mut self, worker: usize, level: usize, resumed: bool) {
        let own = &mut self.workers[worker];
        let waits = !own.levels[level].ready.is_empty() && !resumed;
        own.eye.resumed[level] = if waits { own.eye.resumed[level] + 1 } else { 0 };
        if own.eye.resumed[level] > RESUMED_BOUND {
            let detail = format!("worker {worker}: a resumed fiber of level {level} waits behind fresh ones");
            self.violate(Promise::OldestInTime, detail);
        }
    }

    /// Inside a level, the oldest fiber has its turn, where few that started are still there.
    pub(super) fn check_oldest(&mut self, worker: usize, level: usize, took_oldest: bool) {
        let age = self.promised.age_max;
        let own = &mut self.workers[worker];
        let Some(&first) = own.levels[level].deque.front() else { return };
        let (oldest, taken) = own.eye.oldest[level];
        let queued = self.fibers[first as usize].queued;
        // By its own level's tickets and age, as a fiber may be older than its place here.
        let since = self.now.saturating_sub(own.levels[level].ageing.since());
        let aged = self.now.saturating_sub(queued) > 2 * age && since > age && own.live < OLDEST_BATCH / 2;
        if oldest != first || took_oldest || !aged {
            own.eye.oldest[level] = (first, 0);
            return;
        }
        own.eye.oldest[level] = (first, taken + 1);
        if taken > 2 * OLDEST_INTERVAL {
            let detail = format!("worker {worker}: {taken} of level {level} were taken before its oldest");
            self.violate(Promise::OldestInTime, detail);
        }
    }

    /// No worker is parked while there is something for it that nobody looks for.
    fn check_stuck(&mut self, lane: usize) {
        let now = self.now;
        let at = &mut self.lanes[lane];
        let is_stuck = at.parked > 0 && at.searching == 0 && at.exposed.iter().any(|&exposed| exposed > 0);
        if !is_stuck {
            at.stuck = NEVER;
        } else if at.stuck == NEVER {
            at.stuck = now;
        } else if now - at.stuck > WAKE_BOUND {
            let (parked, fresh) = (at.parked, at.exposed);
            let detail = format!("lane {lane}: {parked} workers sleep while {fresh:?} fibers wait");
            self.violate(Promise::NobodySleepsOnWork, detail);
        }
    }

    /// Promise 2 between lanes: those below get their share of the CPU.
    pub(super) fn check_column(&mut self, worker: usize, window: Window, own: u32, below: u32) {
        let (lower, upper) = (self.promised.weight_of(below), self.promised.weight_of(own));
        let credit_max = self.promised.credit_max;
        let piece = self.longest_piece;
        let eye = &mut self.workers[worker].eye;
        // What ran for so long without a checkpoint is beyond the promise.
        if lower == 0 || upper == 0 || window.mine * lower > self.promised.slice * upper {
            eye.column = 0;
            return;
        }
        // Time that was left to them and that they did not want is theirs as well.
        let used = window.below.max(window.aside.saturating_sub(window.above));
        eye.column += ((window.mine + used) * lower / (lower + upper)) as i64 - used as i64;
        eye.column = eye.column.max(0);
        let bound = 2 * (credit_max + self.promised.aside_max + piece);
        if eye.column > bound as i64 {
            let detail =
                format!("worker {worker}: the lanes below had {} ns less than their share", eye.column);
            self.violate(Promise::Share, detail);
        }
    }
}
