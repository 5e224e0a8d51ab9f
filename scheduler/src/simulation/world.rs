//! The state: fibers, workers, lanes.
//!
//! Fibers, queues and tickets follow the same rules as the real ones: a fiber that has not started is in
//! the queues for which it has *tickets*, and is claimed only at its level; one that has started stays on
//! its home.

use super::checker::Eye;
use super::kernel::{Cpu, Soonest, Timers};
use super::report::Report;
use super::scenario::{Scenario, Shape};
use super::{Mutation, Random, Violation};
use crate::policy::Terms;
use crate::policy::aside::Aside;
use crate::policy::queues::Ageing;
use crate::policy::steal::Rings;
use crate::policy::turns::Turns;
use crate::policy::weights::Weights;
use crate::priority::LEVELS;
use crate::wheel::Wheel;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// No fiber.
pub(super) const NONE: u32 = u32::MAX;

/// Where a fiber is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// In queues, by its tickets.
    Fresh,
    /// Started, and in a list of its home.
    Ready,
    Running,
    /// Started, and waits to be resumed.
    Suspended,
    Done,
}

#[derive(Clone, Debug)]
pub(super) struct Fiber {
    pub(super) life: Life,
    /// Its own priority.
    pub(super) base: u8,
    /// The more urgent one of that and of what is lent to it.
    pub(super) level: u8,
    /// Bit k: a queue of level k holds it.
    pub(super) tickets: u8,
    pub(super) yielded: bool,
    pub(super) shape: Shape,
    pub(super) source: u32,
    pub(super) done: u16,
    pub(super) home: u32,
    /// When it was queued.
    pub(super) queued: u64,
    /// Children that have not ended, as a list through them.
    pub(super) children: u32,
    pub(super) next: u32,
    pub(super) previous: u32,
    pub(super) parent: u32,
    /// It waits for its children, and lends to them.
    pub(super) joins: bool,
    /// The lock that it holds, or waits for; 255: none.
    pub(super) holds: u8,
    pub(super) wants: u8,
}

/// What is queued of one level on one worker.
pub(super) struct Level {
    pub(super) ready: VecDeque<u32>,
    pub(super) yielded: VecDeque<u32>,
    pub(super) deque: VecDeque<u32>,
    pub(super) debt: usize,
    pub(super) ageing: Ageing,
    /// Dispatches of this level.
    pub(super) tick: u64,
}

/// What a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Runs a fiber, or looks for one.
    Up,
    /// Parked until somebody wakes it.
    Parked,
    /// Was woken, or stands aside: a timer gets it up.
    Away,
}

pub(super) struct Worker {
    pub(super) cpu: usize,
    pub(super) lane: usize,
    pub(super) state: State,
    pub(super) searching: bool,
    pub(super) current: u32,
    pub(super) tick: u64,
    pub(super) live: u64,
    pub(super) levels: [Level; LEVELS],
    /// Levels with something ready, and with something in the deque.
    pub(super) ready_mask: u32,
    pub(super) fresh_mask: u32,
    pub(super) mail: Vec<u32>,
    /// When it last looked into the inboxes of all levels.
    pub(super) swept: u64,
    /// Its fibers that sleep, and until when.
    pub(super) timers: Wheel<(u32, u64)>,
    pub(super) turns: Turns,
    pub(super) aside: Aside,
    /// When it next asks whether to stand aside, and the CPU times at the last time.
    pub(super) ask_at: u64,
    pub(super) asked: [u64; 3],
    /// How long it stands aside, since when by its own clock, and how long it stood since it last asked.
    pub(super) away: u64,
    pub(super) left_at: u64,
    pub(super) stood: u64,
    pub(super) eye: Eye,
}

/// What the workers of a lane share.
pub(super) struct Lane {
    pub(super) inboxes: [VecDeque<u32>; LEVELS],
    /// Since when each level's bit of the beacon is seen by others; `NEVER`: it is clear.
    pub(super) hints: [u64; LEVELS],
    /// Fibers that have not started, by level.
    pub(super) fresh: [u64; LEVELS],
    /// Entries in inboxes and deques, by level, stale ones too.
    pub(super) entries: [u64; LEVELS],
    /// Entries that anybody may take at once, and since when there are any.
    pub(super) exposed: [u64; LEVELS],
    pub(super) exposed_at: [u64; LEVELS],
    pub(super) parked: usize,
    pub(super) searching: u32,
    /// Since when somebody is parked who should have been woken.
    pub(super) stuck: u64,
}

#[derive(Default)]
pub(super) struct Lock {
    pub(super) holder: Option<u32>,
    /// Those that wait, by level.
    pub(super) waiters: [VecDeque<u32>; LEVELS],
}

/// Everything.
pub(super) struct World<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) mutation: Option<Mutation>,
    pub(super) terms: Terms,
    /// What the checker believes in; the mutated policy may have other terms.
    pub(super) promised: Terms,
    pub(super) lane_of: [usize; LEVELS],
    /// The levels of each lane.
    pub(super) lane_levels: [u32; 3],
    pub(super) random: Random,
    pub(super) now: u64,
    pub(super) cpus: Vec<Cpu>,
    pub(super) soonest: Soonest,
    pub(super) timers: Timers,
    pub(super) fibers: Vec<Fiber>,
    pub(super) free: Vec<u32>,
    pub(super) workers: Vec<Worker>,
    pub(super) lanes: Vec<Lane>,
    pub(super) rings: Rc<[Rings]>,
    pub(super) locks: Vec<Lock>,
    /// How many bursts each source still has.
    pub(super) bursts: Vec<u32>,
    pub(super) live: u64,
    /// When there last was a dispatch.
    pub(super) dispatched: u64,
    pub(super) draining: bool,
    pub(super) report: Report,
    /// The first promise that was broken.
    pub(super) broken: Option<Violation>,
    /// See [`Scenario::longest_piece`].
    pub(super) longest_piece: u64,
    pub(super) long_only: bool,
    /// Counts wake-ups, for the mutation that loses some.
    pub(super) wakes: u64,
}

impl<'a> World<'a> {
    pub(super) fn new(scenario: &'a Scenario) -> World<'a> {
        let machine = scenario.machine;
        let cpus = machine.cpus();
        let nanos = |time: Duration| time.as_nanos() as u64;
        let max_wait = scenario.max_wait.map(Duration::from_nanos);
        let promised = Terms::new(Weights::new(scenario.weights), max_wait, nanos);
        let mut terms = promised.clone();
        if scenario.mutation == Some(Mutation::WaitsForgotten) {
            terms.max_wait = [u64::MAX; LEVELS];
        }
        let lane_of = machine.lane_of();
        let mut lane_levels = [0; 3];
        for level in 0..LEVELS {
            lane_levels[lane_of[level]] |= 1 << level;
        }
        World {
            scenario,
            mutation: scenario.mutation,
            terms,
            promised,
            lane_of,
            lane_levels,
            random: Random::seeded(scenario.seed ^ 0x5eed),
            now: 0,
            cpus: vec![Cpu::new(); cpus],
            soonest: Soonest::new(cpus),
            timers: Timers::default(),
            fibers: Vec::new(),
            free: Vec::new(),
            workers: (0..3 * cpus).map(|index| Worker::new(index / 3, index % 3)).collect(),
            lanes: (0..3).map(|_| Lane::new(cpus)).collect(),
            rings: (0..cpus).map(|cpu| Rings::new(cpu, cpus, |other| machine.distance(cpu, other))).collect(),
            locks: (0..4).map(|_| Lock::default()).collect(),
            bursts: scenario.sources.iter().map(|source| source.bursts).collect(),
            live: 0,
            dispatched: 0,
            draining: false,
            report: Report::default(),
            broken: None,
            longest_piece: scenario.longest_piece(),
            long_only: scenario.has_long_pieces_only(),
            wakes: 0,
        }
    }

    /// A promise is broken; the first time counts.
    #[cold]
    pub(super) fn violate(&mut self, what: super::Promise, detail: String) {
        if self.broken.is_none() {
            let (at, dispatch) = (self.now, self.report.dispatches);
            self.broken = Some(Violation { what, detail, at, dispatch });
        }
    }

    pub(super) fn mutated(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    pub(super) fn fiber(&mut self, id: u32) -> &mut Fiber {
        &mut self.fibers[id as usize]
    }

    /// CPU time that a worker has had.
    pub(super) fn cpu_time(&self, worker: usize) -> u64 {
        self.cpus[worker / 3].threads[worker % 3].used
    }

    /// A worker's clock: it stands still while lanes above have the CPU, which is nobody's turn.
    pub(super) fn clock(&self, worker: usize) -> u64 {
        let mut now = self.now;
        for thread in &self.cpus[worker / 3].threads[..worker % 3] {
            now -= thread.used;
        }
        now
    }

    /// A number of any size for the policy.
    pub(super) fn any(&self) -> u32 {
        self.random.below(1 << 32) as u32
    }

    // ---- queues, with the counts that go with them -----------------------------------------------

    /// Entries of a deque of this length that anybody may take at once: a single one of a level that
    /// is not urgent is left to its worker for a moment.
    fn exposed_of(level: usize, length: usize) -> u64 {
        if length > 1 || level <= 1 { length as u64 } else { 0 }
    }

    fn count(&mut self, lane: usize, level: usize, entries: i64, exposed: i64) {
        let lane = &mut self.lanes[lane];
        lane.entries[level] = lane.entries[level].wrapping_add(entries as u64);
        let before = lane.exposed[level];
        lane.exposed[level] = before.wrapping_add(exposed as u64);
        if before == 0 {
            lane.exposed_at[level] = self.now;
        }
    }

    pub(super) fn push_inbox(&mut self, level: usize, id: u32) {
        let lane = self.lane_of[level];
        self.lanes[lane].inboxes[level].push_back(id);
        self.count(lane, level, 1, 1);
    }

    /// All that is in an inbox goes to the deque of `worker`, so that its end has the oldest.
    pub(super) fn take_inbox(&mut self, worker: usize, level: usize) -> bool {
        let lane = self.lane_of[level];
        let length = self.lanes[lane].inboxes[level].len();
        if length == 0 {
            return false;
        }
        self.count(lane, level, -(length as i64), -(length as i64));
        while let Some(id) = self.lanes[lane].inboxes[level].pop_back() {
            self.push_deque(worker, level, id);
        }
        true
    }

    pub(super) fn push_deque(&mut self, worker: usize, level: usize, id: u32) {
        let now = self.now;
        let own = &mut self.workers[worker];
        if own.fresh_mask & 1 << level == 0 {
            own.fresh_mask |= 1 << level;
            own.levels[level].ageing.begin(now);
        }
        let deque = &mut own.levels[level].deque;
        let before = Self::exposed_of(level, deque.len());
        deque.push_back(id);
        let exposed = Self::exposed_of(level, deque.len()) as i64 - before as i64;
        self.count(self.lane_of[level], level, 1, exposed);
    }

    /// Takes the newest or the oldest entry of a deque.
    pub(super) fn pop_deque(&mut self, worker: usize, level: usize, oldest: bool) -> Option<u32> {
        let deque = &mut self.workers[worker].levels[level].deque;
        let before = Self::exposed_of(level, deque.len());
        let id = if oldest { deque.pop_front() } else { deque.pop_back() }?;
        let exposed = Self::exposed_of(level, deque.len()) as i64 - before as i64;
        self.count(self.lane_of[level], level, -1, exposed);
        Some(id)
    }

    /// Queues a started fiber at its home.
    pub(super) fn push_ready(&mut self, id: u32, yielded: bool) {
        let now = self.now;
        let fiber = &mut self.fibers[id as usize];
        (fiber.life, fiber.yielded, fiber.queued) = (Life::Ready, yielded, now);
        let (home, level) = (fiber.home as usize, fiber.level as usize);
        let worker = &mut self.workers[home];
        let levels = &mut worker.levels[level];
        let list = if yielded { &mut levels.yielded } else { &mut levels.ready };
        list.push_back(id);
        worker.ready_mask |= 1 << level;
        self.favour(home, level);
    }

    /// Takes a started fiber out of the list that it is in.
    pub(super) fn remove_ready(&mut self, id: u32, level: usize) {
        let (home, yielded) = (self.fibers[id as usize].home as usize, self.fibers[id as usize].yielded);
        let levels = &mut self.workers[home].levels[level];
        let list = if yielded { &mut levels.yielded } else { &mut levels.ready };
        let at = list.iter().position(|&other| other == id).expect("a ready fiber is in its list");
        list.remove(at);
        self.left_ready(home, level);
    }

    pub(super) fn left_ready(&mut self, worker: usize, level: usize) {
        let levels = &self.workers[worker].levels[level];
        if levels.ready.is_empty() && levels.yielded.is_empty() {
            self.workers[worker].ready_mask &= !(1 << level);
        }
    }

    /// A thread that has a fiber which somebody in a lane above waits for gets that lane's weight,
    /// until its next dispatch.
    pub(super) fn favour(&mut self, worker: usize, level: usize) {
        let (cpu, lane) = (worker / 3, self.lane_of[level]);
        let weight = super::kernel::WEIGHTS[lane];
        if lane < worker % 3 && self.cpus[cpu].threads[worker % 3].weight < weight {
            self.cpus[cpu].advance(self.now);
            self.cpus[cpu].threads[worker % 3].weight = weight;
            self.schedule(cpu);
        }
    }

    /// The threads of a CPU, or what they want, have changed.
    pub(super) fn schedule(&mut self, cpu: usize) {
        self.soonest.set(cpu, self.cpus[cpu].next());
    }
}

impl Worker {
    fn new(cpu: usize, lane: usize) -> Worker {
        let level = |_| Level {
            ready: VecDeque::new(),
            yielded: VecDeque::new(),
            deque: VecDeque::new(),
            debt: 0,
            ageing: Ageing::new(),
            tick: 0,
        };
        Worker {
            cpu,
            lane,
            state: State::Parked,
            searching: false,
            current: NONE,
            tick: 0,
            live: 0,
            levels: std::array::from_fn(level),
            ready_mask: 0,
            fresh_mask: 0,
            mail: Vec::new(),
            swept: 0,
            timers: Wheel::new(),
            turns: Turns::new(),
            aside: Aside::new(),
            ask_at: 0,
            asked: [0; 3],
            away: 0,
            left_at: 0,
            stood: 0,
            eye: Eye::default(),
        }
    }

    /// The levels of which it has something of its own.
    pub(super) fn own(&self) -> u32 {
        self.ready_mask | self.fresh_mask
    }
}

impl Lane {
    fn new(cpus: usize) -> Lane {
        Lane {
            inboxes: std::array::from_fn(|_| VecDeque::new()),
            hints: [super::kernel::NEVER; LEVELS],
            fresh: [0; LEVELS],
            entries: [0; LEVELS],
            exposed: [0; LEVELS],
            exposed_at: [0; LEVELS],
            parked: cpus,
            searching: 0,
            stuck: super::kernel::NEVER,
        }
    }
}
