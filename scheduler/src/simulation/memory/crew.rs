//! Workers, their queues, and the inboxes; who sleeps and who is woken.

use super::flows::Flows;
use super::load::Job;
use super::outcome::Outcome;
use super::{Fault, Policy, Trial};
use crate::policy::steal::{Reach, Rings};
use crate::simulation::Random;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// No fiber.
pub(super) const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
pub(super) struct Fiber {
    pub(super) job: Job,
    pub(super) parent: u32,
    /// Children that have not ended. For an actor: 1 while it has messages or handles one.
    pub(super) pending: u32,
    /// Where it has started.
    pub(super) worker: u32,
    pub(super) started: bool,
    /// It has waited for its children, which have ended.
    pub(super) joined: bool,
    /// When it was queued.
    pub(super) queued: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Runs a fiber, or looks for one.
    Up,
    /// Sleeps until it is woken.
    Parked,
    /// Was woken.
    Waking,
}

pub(super) struct Worker {
    pub(super) node: usize,
    pub(super) state: State,
    /// Fibers that have not started, newest last.
    pub(super) deque: VecDeque<u32>,
    /// Fibers that have started here and go on.
    pub(super) ready: VecDeque<u32>,
    pub(super) reach: Reach,
    pub(super) dispatches: u64,
    pub(super) current: u32,
    /// What the current fiber does will take longer than a thief watches.
    pub(super) is_long: bool,
    /// What it still has to read.
    pub(super) reads: [(u8, f64); 3],
    pub(super) began: u64,
    pub(super) searching: bool,
    /// Since when it has had nothing to run, and since when it has been looking for it.
    pub(super) idle_since: Option<u64>,
    pub(super) search_since: u64,
    /// Counts sleeps, so that a timer knows its own.
    pub(super) sleep: u32,
    pub(super) busy: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// The worker has nothing at hand.
    Step(u32),
    /// The fiber that it runs has computed, and goes on to read.
    Computed(u32),
    /// It has been woken.
    Up(u32),
    /// The timer of its sleep of this number.
    Timer(u32, u32),
    /// A request comes.
    Arrive(u32),
    /// Is anything left lying?
    Look,
}

/// Everything.
pub(super) struct Crew<'a> {
    pub(super) trial: &'a Trial,
    pub(super) policy: Policy,
    pub(super) random: Random,
    pub(super) now: u64,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    sequence: u64,
    pub(super) flows: Flows,
    pub(super) fibers: Vec<Fiber>,
    pub(super) free: Vec<u32>,
    pub(super) workers: Vec<Worker>,
    pub(super) rings: Vec<Rings>,
    /// The other nodes around each node.
    pub(super) node_rings: Vec<Rings>,
    /// One for each node; the policies that know of no nodes use the first.
    pub(super) inboxes: Vec<VecDeque<u32>>,
    /// Fibers that have not started, in inboxes and deques, and workers that search and that are parked, by
    /// node.
    pub(super) waiting: Vec<usize>,
    pub(super) searching: Vec<u32>,
    pub(super) parked: Vec<usize>,
    pub(super) live: u64,
    /// What has been done towards each block's next step, for a stencil.
    pub(super) arrived: Vec<[u8; 2]>,
    /// Each actor's messages, by the node that they come from, and its fiber.
    pub(super) mail: Vec<VecDeque<u8>>,
    pub(super) actors: Vec<u32>,
    /// How many messages have been handled, or how many requests have come.
    pub(super) messages: u64,
    pub(super) over: bool,
    pub(super) outcome: Outcome,
}

impl<'a> Crew<'a> {
    pub(super) fn new(trial: &'a Trial, policy: Policy) -> Crew<'a> {
        let hardware = &trial.hardware;
        let (workers, nodes) = (hardware.workers(), hardware.nodes());
        let between = |a: usize, b: usize| hardware.distance(hardware.node_of(a), hardware.node_of(b)) as u32;
        let rings = |worker: usize| Rings::with_node(worker, workers, |other| between(worker, other), 0);
        let node_rings = |node: usize| Rings::new(node, nodes, |other| hardware.distance(node, other) as u32);
        Crew {
            trial,
            policy,
            random: Random::seeded(trial.seed ^ 0x6e_6f_64_65),
            now: 0,
            events: BinaryHeap::new(),
            sequence: 0,
            flows: Flows::new(hardware),
            fibers: Vec::new(),
            free: Vec::new(),
            workers: (0..workers).map(|worker| Worker::new(hardware.node_of(worker))).collect(),
            rings: (0..workers).map(rings).collect(),
            node_rings: (0..nodes).map(node_rings).collect(),
            inboxes: vec![VecDeque::new(); nodes],
            waiting: vec![0; nodes],
            searching: vec![0; nodes],
            parked: vec![hardware.cores_each; nodes],
            live: 0,
            arrived: Vec::new(),
            mail: Vec::new(),
            actors: Vec::new(),
            messages: 0,
            over: false,
            outcome: Outcome::default(),
        }
    }

    pub(super) fn has_fault(&self, fault: Fault) -> bool {
        self.trial.fault == Some(fault)
    }

    /// A number of any size for the policy.
    pub(super) fn any(&self) -> u32 {
        self.random.below(1 << 32) as u32
    }

    pub(super) fn at(&mut self, time: u64, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((time, self.sequence, event)));
    }

    /// When the next event is.
    pub(super) fn next_event(&self) -> u64 {
        self.events.peek().map_or(u64::MAX, |Reverse((time, ..))| *time)
    }

    pub(super) fn take_event(&mut self) -> Option<Event> {
        let Reverse((time, _, event)) = self.events.pop()?;
        self.now = time;
        Some(event)
    }

    fn listens(&self) -> bool {
        matches!(self.policy, Policy::Homes { .. })
    }

    // ---- queues ------------------------------------------------------------------------------------

    /// Makes a fiber, on a worker or from outside. `home`: where the program says that its data is. What it costs
    /// who makes it.
    pub(super) fn spawn(&mut self, by: Option<usize>, job: Job, parent: u32, home: Option<usize>) -> u64 {
        let fiber =
            Fiber { job, parent, pending: 0, worker: NONE, started: false, joined: false, queued: self.now };
        let id = match self.free.pop() {
            Some(id) => {
                self.fibers[id as usize] = fiber;
                id
            }
            None => {
                self.fibers.push(fiber);
                self.fibers.len() as u32 - 1
            }
        };
        if parent != NONE {
            self.fibers[parent as usize].pending += 1;
        }
        self.live += 1;
        let costs = &self.trial.hardware.costs;
        let inbox = match (self.listens(), by) {
            (true, None) => Some(home.unwrap_or_else(|| self.random.below(self.inboxes.len()))),
            (true, Some(_)) => home,
            (false, None) => Some(0),
            (false, Some(_)) => None,
        };
        match (inbox, by) {
            (Some(node), _) => {
                let distance = by.map_or(0, |by| self.trial.hardware.distance(self.workers[by].node, node));
                self.inboxes[node].push_back(id);
                self.waiting[node] += 1;
                if !self.has_fault(Fault::InboxWakesNobody) {
                    self.announce(by, node);
                }
                costs.push + costs.send[distance]
            }
            (None, Some(by)) => {
                self.push(by, id);
                self.announce(Some(by), self.workers[by].node);
                costs.push
            }
            (None, None) => 0,
        }
    }

    /// Queues a fiber that has not started on a worker.
    pub(super) fn push(&mut self, worker: usize, id: u32) {
        let own = &mut self.workers[worker];
        own.deque.push_back(id);
        self.waiting[own.node] += 1;
    }

    /// Takes the newest or the oldest of a worker's fibers.
    pub(super) fn pop(&mut self, worker: usize, oldest: bool) -> Option<u32> {
        let own = &mut self.workers[worker];
        let id = if oldest { own.deque.pop_front() } else { own.deque.pop_back() }?;
        self.waiting[own.node] -= 1;
        Some(id)
    }

    /// A fiber that has started goes on, at its home.
    pub(super) fn resume(&mut self, by: usize, id: u32) -> u64 {
        let home = self.fibers[id as usize].worker as usize;
        self.workers[home].ready.push_back(id);
        let distance = self.trial.hardware.distance(self.workers[by].node, self.workers[home].node);
        if self.workers[home].state == State::Parked {
            self.wake(home, distance);
        }
        if home == by { 0 } else { self.trial.hardware.costs.send[distance] }
    }

    // ---- sleep ---------------------------------------------------------------------------------------

    /// There is something new on `node`: somebody is woken, if nobody looks for it already.
    pub(super) fn announce(&mut self, by: Option<usize>, node: usize) {
        let together = self.has_fault(Fault::SearchersCountedTogether);
        if self.listens() && !together && self.searching[node] == 0 && self.parked[node] > 0 {
            let near = self.any_parked(node);
            return self.wake_for(by, near);
        }
        if self.searching.iter().all(|&searching| searching == 0) {
            self.wake_any(by, node);
        }
    }

    /// Wakes the worker that the policy chooses for work on `node`, if any is parked.
    fn wake_any(&mut self, by: Option<usize>, node: usize) {
        if self.parked.iter().all(|&parked| parked == 0) {
            return;
        }
        let is_parked = |worker: usize| self.workers[worker].state == State::Parked;
        let random = self.any();
        let whom = match (self.policy, by) {
            (Policy::Random, _) => {
                let count = self.workers.len();
                let first = self.random.below(count);
                (first..count).chain(0..first).find(|&worker| is_parked(worker))
            }
            (Policy::Homes { .. }, _) if self.parked[node] > 0 => self.any_parked(node),
            (_, Some(by)) => {
                self.rings[by].nearest(random, is_parked).or_else(|| is_parked(by).then_some(by))
            }
            // Work that came from outside, on a node where nobody is parked.
            (_, None) => {
                let first = node * self.trial.hardware.cores_each;
                self.rings[first].nearest(random, is_parked).or_else(|| is_parked(first).then_some(first))
            }
        };
        self.wake_for(by, whom);
    }

    /// A parked worker of that node.
    fn any_parked(&self, node: usize) -> Option<usize> {
        let cores = self.trial.hardware.cores_each;
        let (first, turn) = (node * cores, self.random.below(cores));
        (0..cores)
            .map(|index| first + (index + turn) % cores)
            .find(|&worker| self.workers[worker].state == State::Parked)
    }

    /// Wakes it as one who searches.
    fn wake_for(&mut self, by: Option<usize>, whom: Option<usize>) {
        let Some(whom) = whom else { return };
        let node = self.workers[whom].node;
        let distance = by.map_or(0, |by| self.trial.hardware.distance(self.workers[by].node, node));
        self.start_searching(whom);
        self.wake(whom, distance);
    }

    fn wake(&mut self, worker: usize, distance: usize) {
        self.outcome.wakes[distance] += 1;
        let costs = &self.trial.hardware.costs;
        let (from, to) = costs.wake;
        let takes = from + self.random.below((to - from) as usize + 1) as u64 + costs.wake_far[distance];
        if !self.has_fault(Fault::RestForgotten) {
            self.workers[worker].reach.rest();
        }
        self.leave_bed(worker, takes);
    }

    /// Its own timer gets it up.
    pub(super) fn wake_by_timer(&mut self, worker: usize, sleep: u32) {
        if self.workers[worker].state == State::Parked && self.workers[worker].sleep == sleep {
            let (from, to) = self.trial.hardware.costs.wake;
            let takes = from + self.random.below((to - from) as usize + 1) as u64;
            self.start_searching(worker);
            self.leave_bed(worker, takes);
        }
    }

    fn leave_bed(&mut self, worker: usize, takes: u64) {
        let own = &mut self.workers[worker];
        own.state = State::Waking;
        self.parked[own.node] -= 1;
        self.at(self.now + takes, Event::Up(worker as u32));
    }

    pub(super) fn park(&mut self, worker: usize, for_ns: Option<u64>) {
        self.quit_searching(worker);
        let own = &mut self.workers[worker];
        own.state = State::Parked;
        own.sleep += 1;
        let sleep = own.sleep;
        self.parked[own.node] += 1;
        if let Some(time) = for_ns {
            self.at(self.now + time, Event::Timer(worker as u32, sleep));
        }
    }

    pub(super) fn start_searching(&mut self, worker: usize) {
        let own = &mut self.workers[worker];
        if !std::mem::replace(&mut own.searching, true) {
            self.searching[own.node] += 1;
        }
    }

    fn quit_searching(&mut self, worker: usize) {
        let own = &mut self.workers[worker];
        if std::mem::replace(&mut own.searching, false) {
            self.searching[own.node] -= 1;
        }
    }

    /// A searcher has found something: if there is more, and nobody else looks, the next one is woken.
    pub(super) fn stop_searching(&mut self, worker: usize) {
        if !self.workers[worker].searching {
            return;
        }
        self.quit_searching(worker);
        let node = self.workers[worker].node;
        if self.waiting[node] > 0 {
            self.announce(Some(worker), node);
        }
        if self.searching.iter().all(|&searching| searching == 0)
            && let Some(more) = (0..self.waiting.len()).find(|&node| self.waiting[node] > 0)
        {
            self.wake_any(Some(worker), more);
        }
    }

    /// The longest that a fiber has waited to start while somebody has been idle for as long, and where.
    pub(super) fn neglect(&self) -> (u64, usize) {
        let idle = self.workers.iter().filter_map(|worker| worker.idle_since).min();
        let Some(idle_since) = idle else { return (0, 0) };
        let queued = |&id: &u32| self.fibers[id as usize].queued;
        let inboxes = self.inboxes.iter().enumerate();
        let in_inboxes = inboxes.filter_map(|(node, inbox)| inbox.front().map(|id| (queued(id), node)));
        let in_deques =
            self.workers.iter().filter_map(|own| own.deque.front().map(|id| (queued(id), own.node)));
        let oldest = in_inboxes.chain(in_deques).min();
        oldest.map_or((0, 0), |(since, node)| (self.now - since.max(idle_since), node))
    }
}

impl Worker {
    fn new(node: usize) -> Worker {
        Worker {
            node,
            state: State::Parked,
            deque: VecDeque::new(),
            ready: VecDeque::new(),
            reach: Reach::new(),
            dispatches: 0,
            current: NONE,
            is_long: false,
            reads: [(0, 0.0); 3],
            began: 0,
            searching: false,
            idle_since: Some(0),
            search_since: 0,
            sleep: 0,
            busy: 0.0,
        }
    }
}
