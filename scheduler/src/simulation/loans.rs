//! Priorities that change: by order, and by loans. A fiber that waits for children or for a lock lends its
//! level to whoever it waits for, through chains, until it has what it waits for.

use super::engine::NO_LOCK;
use super::world::{Life, NONE, World};
use super::{Mutation, Promise};
use std::collections::VecDeque;

/// Chains of loans are followed so far.
const DEPTH_MAX: usize = 16;

impl World<'_> {
    /// Changes a fiber's own priority.
    pub(super) fn set_priority(&mut self, id: u32, level: u8) {
        self.fiber(id).base = level;
        self.update_level(id, 0);
    }

    /// The level that a fiber has by right: its own or one that is lent to it.
    pub(super) fn rightful_level(&self, id: u32) -> u8 {
        let fiber = &self.fibers[id as usize];
        let mut level = fiber.base;
        if fiber.parent != NONE && self.fibers[fiber.parent as usize].joins {
            level = level.min(self.fibers[fiber.parent as usize].level);
        }
        if fiber.holds != NO_LOCK {
            let waiters = &self.locks[fiber.holds as usize].waiters;
            for above in 0..level {
                if !waiters[above as usize].is_empty() {
                    level = above;
                    break;
                }
            }
        }
        level
    }

    /// What a fiber is, or is lent, may have changed.
    pub(super) fn update_level(&mut self, id: u32, depth: usize) {
        let old = self.fibers[id as usize].level as usize;
        let mut new = self.rightful_level(id) as usize;
        if self.mutated(Mutation::LoanIgnored) {
            new = self.fibers[id as usize].base as usize;
        }
        if new == old || depth > DEPTH_MAX || (new > old && self.mutated(Mutation::LoanKept)) {
            return;
        }
        match self.fibers[id as usize].life {
            Life::Fresh => self.move_fresh(id, old, new),
            Life::Ready => {
                let queued = self.fibers[id as usize].queued;
                self.remove_ready(id, old);
                self.fiber(id).level = new as u8;
                self.push_ready(id, self.fibers[id as usize].yielded);
                self.fiber(id).queued = queued;
            }
            Life::Running => {
                self.fiber(id).level = new as u8;
                self.workers[self.fibers[id as usize].home as usize].turns.level_changed();
                self.favour(self.fibers[id as usize].home as usize, new);
            }
            Life::Suspended | Life::Done => {
                self.fiber(id).level = new as u8;
                self.move_waiter(id, old, new);
            }
        }
        self.pass_on(id, depth + 1);
    }

    /// A fiber that has not started cannot be pulled out of the queue it is in: it gets a ticket for the
    /// queue of its new level, unless that one holds it already.
    fn move_fresh(&mut self, id: u32, old: usize, new: usize) {
        self.lanes[self.lane_of[old]].fresh[old] -= 1;
        self.lanes[self.lane_of[new]].fresh[new] += 1;
        let fiber = self.fiber(id);
        fiber.level = new as u8;
        if fiber.tickets & 1 << new == 0 {
            fiber.tickets |= 1 << new;
            if self.mutated(Mutation::TicketsLost) {
                return;
            }
            self.push_inbox(new, id);
            let near = 3 * self.random.below(self.cpus.len());
            self.announce(near, new);
        }
    }

    /// A fiber that waits for a lock does so at its new level.
    fn move_waiter(&mut self, id: u32, old: usize, new: usize) {
        let lock = self.fibers[id as usize].wants;
        if lock != NO_LOCK {
            let waiters = &mut self.locks[lock as usize].waiters;
            let at = waiters[old].iter().position(|&waiter| waiter == id).expect("it waits at its level");
            waiters[old].remove(at);
            waiters[new].push_back(id);
        }
    }

    /// Those for whom the fiber waits have what it has.
    fn pass_on(&mut self, id: u32, depth: usize) {
        let (joins, wants) = (self.fibers[id as usize].joins, self.fibers[id as usize].wants);
        if joins {
            let mut child = self.fibers[id as usize].children;
            while child != NONE {
                self.update_level(child, depth);
                child = self.fibers[child as usize].next;
            }
        }
        if wants != NO_LOCK
            && let Some(holder) = self.locks[wants as usize].holder
        {
            self.update_level(holder, depth);
        }
    }

    /// Takes the lock, or begins to wait for it (`false`).
    pub(super) fn take_lock(&mut self, id: u32, lock: u8) -> bool {
        let entry = &mut self.locks[lock as usize];
        if entry.holder.is_none() {
            entry.holder = Some(id);
            self.fiber(id).holds = lock;
            return true;
        }
        entry.waiters[self.fibers[id as usize].level as usize].push_back(id);
        self.fiber(id).wants = lock;
        false
    }

    /// The lock goes to the most urgent one who waits; what was lent for it is returned.
    pub(super) fn release_lock(&mut self, id: u32) {
        let lock = std::mem::replace(&mut self.fiber(id).holds, NO_LOCK);
        let next = self.locks[lock as usize].waiters.iter_mut().find_map(VecDeque::pop_front);
        self.locks[lock as usize].holder = next;
        self.update_level(id, 0);
        if let Some(next) = next {
            self.fiber(next).wants = NO_LOCK;
            self.fiber(next).holds = lock;
            self.update_level(next, 0);
            self.resume(next);
        }
    }

    /// Promise: whoever ends has only its own level.
    pub(super) fn check_loans_returned(&mut self, id: u32) {
        let (level, rightful) = (self.fibers[id as usize].level, self.rightful_level(id));
        if level != rightful {
            let detail = format!("a fiber ends at level {level}, {rightful} is right");
            self.violate(Promise::RightLevel, detail);
        }
    }
}
