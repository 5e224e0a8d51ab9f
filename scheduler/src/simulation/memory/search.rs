//! How a worker finds something to run that is not its own, by each policy: the twin of `worker/find.rs`.

use super::crew::Crew;
use super::{Fault, Policy};
use crate::policy::steal::{Approach, approach};
use crate::priority::Priority;

/// How long a thief watches a worker that has just one fiber, in ns.
const WATCH: u64 = 500;

/// To move a fiber from an inbox into the own queue.
const MOVE: u64 = 5;

/// What a look around came to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found {
    /// This fiber.
    Fiber(u32),
    Nothing,
    /// Nothing near; there is something far, for which it may go in so many ns.
    LaterFar(u64),
}

const LEVEL: usize = Priority::Normal as usize;

impl Crew<'_> {
    /// Looks wherever the policy says, and tells how long that took.
    pub(super) fn search(&mut self, worker: usize) -> (Found, u64) {
        let mut took = self.trial.hardware.costs.look[0];
        let found = match self.policy {
            Policy::Random => {
                let count = self.workers.len();
                let first = self.random.below(count);
                self.take_inbox(worker, 0, &mut took).or_else(|| {
                    self.steal(
                        worker,
                        (first..count).chain(0..first).filter(|&victim| victim != worker),
                        &mut took,
                    )
                })
            }
            Policy::NearestFirst => self.take_inbox(worker, 0, &mut took).or_else(|| {
                let victims: Vec<usize> = self.rings[worker].from(self.any()).collect();
                self.steal(worker, victims.into_iter(), &mut took)
            }),
            Policy::Homes { backoff } => return self.search_homes(worker, backoff, took),
        };
        (found.map_or(Found::Nothing, Found::Fiber), took)
    }

    fn search_homes(&mut self, worker: usize, backoff: u64, mut took: u64) -> (Found, u64) {
        let node = self.workers[worker].node;
        if self.waiting[node] > 0 {
            let near = self.take_inbox(worker, node, &mut took).or_else(|| {
                let victims: Vec<usize> = self.rings[worker].near(self.any()).collect();
                self.steal(worker, victims.into_iter(), &mut took)
            });
            if let Some(id) = near {
                return (Found::Fiber(id), took);
            }
        }
        let tick = self.workers[worker].dispatches;
        if (0..self.waiting.len()).all(|other| other == node || self.waiting[other] == 0) {
            if !self.has_fault(Fault::RestForgotten) {
                self.workers[worker].reach.rest();
            }
            return (Found::Nothing, took);
        }
        let wait = self.workers[worker].reach.far_in(LEVEL, false, tick, self.now, backoff);
        if wait > 0 {
            return (Found::LaterFar(wait), took);
        }
        let nodes: Vec<usize> = self.node_rings[node].from(self.any()).collect();
        let mut far = nodes.into_iter().find_map(|other| self.take_far_inbox(worker, other, &mut took));
        if far.is_none() && !self.has_fault(Fault::FarWorkersIgnored) {
            let victims: Vec<usize> = self.rings[worker].far(self.any()).collect();
            far = self.steal(worker, victims.into_iter(), &mut took);
        }
        match far {
            Some(id) => {
                self.workers[worker].reach.found_far(tick);
                (Found::Fiber(id), took)
            }
            None => (Found::Nothing, took),
        }
    }

    /// Moves all of the worker's own inbox to its queue, but for the oldest, which it gets.
    fn take_inbox(&mut self, worker: usize, inbox: usize, took: &mut u64) -> Option<u32> {
        self.take(worker, inbox, usize::MAX, took)
    }

    /// Moves up to so many from an inbox to the worker's own queue, but for the oldest, which it gets.
    fn take(&mut self, worker: usize, inbox: usize, most: usize, took: &mut u64) -> Option<u32> {
        if self.inboxes[inbox].is_empty() || self.has_fault(Fault::InboxesIgnored) {
            return None;
        }
        let count = self.inboxes[inbox].len().min(most);
        let mut taken: Vec<u32> = self.inboxes[inbox].drain(..count).collect();
        let distance = self.distance_to(worker, inbox);
        *took += self.trial.hardware.costs.take[distance] + MOVE * count as u64;
        self.waiting[inbox] -= count;
        self.outcome.fetched[distance] += count as u64;
        // The oldest is taken next.
        taken.reverse();
        let first = taken.pop()?;
        for &id in &taken {
            self.push(worker, id);
        }
        if !taken.is_empty() {
            self.announce(Some(worker), self.workers[worker].node);
        }
        Some(first)
    }

    /// An inbox that is everybody's is near to everybody.
    fn distance_to(&self, worker: usize, inbox: usize) -> usize {
        match self.policy {
            Policy::Homes { .. } => self.trial.hardware.distance(self.workers[worker].node, inbox),
            _ => 0,
        }
    }

    /// Takes a few fibers out of another node's inbox, and leaves the others where they belong.
    fn take_far_inbox(&mut self, worker: usize, inbox: usize, took: &mut u64) -> Option<u32> {
        if self.has_fault(Fault::FarInboxesIgnored) || self.inboxes[inbox].is_empty() {
            return None;
        }
        *took += self.trial.hardware.costs.look[self.distance_to(worker, inbox)];
        self.take(worker, inbox, self.trial.handful, took)
    }

    /// Takes the oldest fiber of the first of these that has one to give.
    fn steal(
        &mut self,
        thief: usize,
        mut victims: impl Iterator<Item = usize>,
        took: &mut u64,
    ) -> Option<u32> {
        victims.find_map(|victim| {
            let other = &self.workers[victim];
            if other.deque.is_empty() {
                return None;
            }
            let distance = self.trial.hardware.distance(self.workers[thief].node, other.node);
            let costs = &self.trial.hardware.costs;
            *took += costs.look[distance];
            if approach(LEVEL, other.deque.len(), 0) != Approach::Take {
                *took += WATCH;
                let dispatches = !other.is_long && other.state == super::crew::State::Up;
                if dispatches {
                    return None;
                }
            }
            *took += costs.take[distance];
            self.outcome.steals[distance] += 1;
            self.pop(victim, true)
        })
    }
}
