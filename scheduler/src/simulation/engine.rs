//! The course of events: what fibers do, when workers look for work, when they sleep.

use super::kernel::{Event, NEVER, WEIGHTS};
use super::scenario::{Between, Shape};
use super::world::{Fiber, Life, NONE, State, World};
use super::{Mutation, Promise};
use crate::policy::aside::Window;
use crate::policy::turns::Checkpoint;

/// What a dispatch costs, in ns.
const DISPATCH: u64 = 50;

/// A worker that searched in vain while there is something looks again after so long.
const LOOK_AGAIN: u64 = 1_000;

/// Something is dispatched at least so often, in ns, while there are fibers: a thousand times what any of
/// them sleeps.
const STANDSTILL: u64 = 1_000_000_000;

/// No lock.
pub(super) const NO_LOCK: u8 = u8::MAX;

impl World<'_> {
    /// Runs until nothing is left to do, or a promise is broken.
    pub(super) fn run(&mut self) {
        for source in 0..self.scenario.sources.len() as u32 {
            let start = self.random.below(1000) as u64;
            self.timers.set(start, Event::Arrive(source));
        }
        while self.broken.is_none() {
            let (cpu_time, cpu) = self.soonest.first();
            let timer = self.timers.first();
            if timer <= cpu_time {
                if timer == NEVER {
                    break;
                }
                self.now = timer;
                self.on_timer();
            } else {
                self.now = cpu_time;
                self.cpus[cpu].advance(cpu_time);
                while let Some(lane) = self.cpus[cpu].deciding() {
                    self.decide(3 * cpu + lane);
                }
                self.schedule(cpu);
                if self.now > self.dispatched + STANDSTILL && self.live > 0 {
                    self.violate(Promise::NobodySleepsOnWork, "workers look, and find nothing".into());
                }
            }
        }
        self.check_end();
        self.report.time = self.now;
    }

    fn on_timer(&mut self) {
        match self.timers.take() {
            Some(Event::Up(worker)) => self.get_up(worker as usize),
            Some(Event::Alarm(worker)) => self.sound(worker as usize),
            Some(Event::Arrive(source)) => self.arrive(source),
            None => {}
        }
    }

    fn arrive(&mut self, source: u32) {
        let from = self.scenario.sources[source as usize];
        let left = &mut self.bursts[source as usize];
        if *left == 0 || self.draining {
            return;
        }
        *left -= 1;
        if *left > 0 {
            self.timers.set(self.now + from.every, Event::Arrive(source));
        }
        for _ in 0..from.burst {
            self.spawn(None, from.level, from.shape, source, NONE);
        }
    }

    /// Makes a fiber, on a worker or from outside.
    fn spawn(&mut self, by: Option<usize>, level: u8, shape: Shape, source: u32, parent: u32) {
        let fiber = Fiber {
            life: Life::Fresh,
            base: level,
            level,
            tickets: 1 << level,
            yielded: false,
            shape,
            source,
            done: 0,
            home: 0,
            queued: self.now,
            children: NONE,
            next: NONE,
            previous: NONE,
            parent,
            joins: false,
            holds: NO_LOCK,
            wants: NO_LOCK,
        };
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
            let first = std::mem::replace(&mut self.fiber(parent).children, id);
            self.fiber(id).next = first;
            if first != NONE {
                self.fiber(first).previous = id;
            }
        }
        self.live += 1;
        let level = level as usize;
        let lane = self.lane_of[level];
        self.lanes[lane].fresh[level] += 1;
        match by {
            Some(worker) if self.workers[worker].lane == lane => self.push_deque(worker, level, id),
            _ => self.push_inbox(level, id),
        }
        let near = by.unwrap_or_else(|| 3 * self.random.below(self.cpus.len()));
        self.announce(near, level);
    }

    // ---- workers ---------------------------------------------------------------------------------

    /// A worker's thread has something to decide.
    fn decide(&mut self, worker: usize) {
        if self.workers[worker].current != NONE {
            self.after_piece(worker);
        } else {
            self.seek(worker);
        }
    }

    fn set_left(&mut self, worker: usize, left: u64) {
        self.cpus[worker / 3].threads[worker % 3].left = left;
    }

    /// Looks for a fiber and begins to run it, or parks.
    fn seek(&mut self, worker: usize) {
        if self.stand_aside(worker) {
            return;
        }
        let Some(found) = self.find(worker) else { return self.park(worker) };
        self.stop_searching(worker);
        let id = found.fiber;
        self.check_dispatch(worker, &found);
        let (now, own) = (self.now, &mut self.workers[worker]);
        own.tick += 1;
        own.levels[found.level].tick += 1;
        own.current = id;
        let fiber = &mut self.fibers[id as usize];
        self.report.waited(found.level, now - fiber.queued);
        if fiber.life == Life::Fresh {
            fiber.home = worker as u32;
            own.live += 1;
        }
        fiber.life = Life::Running;
        let left = match (fiber.done < fiber.shape.pieces, fiber.shape.between) {
            (false, _) => 0,
            (true, Between::Nothing) => fiber.shape.longest_piece(),
            (true, _) => u64::from(fiber.shape.piece),
        };
        let thread = &mut self.cpus[worker / 3].threads[worker % 3];
        thread.left = left + DISPATCH;
        thread.weight = WEIGHTS[self.lane_of[found.level].min(worker % 3)];
        self.report.dispatches += 1;
        self.dispatched = now;
        self.draining |= self.report.dispatches >= self.scenario.dispatches;
    }

    /// Nothing to run.
    fn park(&mut self, worker: usize) {
        let lane = self.workers[worker].lane;
        self.workers[worker].turns.rest();
        self.workers[worker].eye.rest();
        if std::mem::take(&mut self.workers[worker].searching) {
            self.lanes[lane].searching -= 1;
        }
        // The last look: one of those that find something goes on searching.
        if self.has_work(lane) && self.lanes[lane].searching == 0 {
            self.workers[worker].searching = true;
            self.lanes[lane].searching += 1;
            return self.set_left(worker, LOOK_AGAIN);
        }
        if let Some(due) = self.workers[worker].timers.next_due() {
            self.timers.set(due, Event::Alarm(worker as u32));
        }
        self.workers[worker].state = State::Parked;
        self.lanes[lane].parked += 1;
        self.cpus[worker / 3].threads[worker % 3].runnable = false;
    }

    /// Wakes the thread of a parked worker.
    pub(super) fn unpark(&mut self, worker: usize) {
        self.workers[worker].state = State::Away;
        self.lanes[worker % 3].parked -= 1;
        let wake_up = 2_000 + self.random.below(18_000) as u64;
        self.timers.set(self.now + wake_up, Event::Up(worker as u32));
    }

    /// A worker sleeps until its first timer is due, and that is now, unless it has been up meanwhile.
    fn sound(&mut self, worker: usize) {
        if self.workers[worker].state == State::Parked && self.workers[worker].timers.soonest() <= self.now {
            self.unpark(worker);
        }
    }

    /// The fibers of `worker` that have slept for long enough are ready.
    pub(super) fn fire_timers(&mut self, worker: usize) {
        let early = if self.mutated(Mutation::WakesEarly) { 500 } else { 0 };
        let mut due = Vec::new();
        self.workers[worker].timers.take_due(self.now + early, &mut due);
        for (id, due) in due {
            if due > self.now {
                let detail = format!("fiber {id} should sleep until {due}");
                self.violate(Promise::NeverEarly, detail);
            }
            if !self.mutated(Mutation::MailLost) || !self.random.chance(2) {
                self.push_ready(id, false);
            }
        }
    }

    fn get_up(&mut self, worker: usize) {
        self.cpus[worker / 3].advance(self.now);
        let clock = self.clock(worker);
        let own = &mut self.workers[worker];
        own.state = State::Up;
        let away = std::mem::take(&mut own.away);
        if away > 0 {
            own.stood += away;
            own.turns.was_away(clock - own.left_at);
            own.eye.was_away(clock - own.left_at);
        }
        let thread = &mut self.cpus[worker / 3].threads[worker % 3];
        thread.runnable = true;
        if self.workers[worker].current == NONE {
            thread.left = DISPATCH;
        }
        self.schedule(worker / 3);
    }

    /// The lanes below on this CPU may be owed time: then the worker stands aside.
    fn stand_aside(&mut self, worker: usize) -> bool {
        let lane = worker % 3;
        if lane == 2 || self.now < self.workers[worker].ask_at {
            return false;
        }
        let used = self.cpus[worker / 3].threads.map(|thread| thread.used);
        let own = &mut self.workers[worker];
        own.ask_at = self.now + self.terms.aside_min;
        let since = |lane: usize| used[lane] - own.asked[lane];
        let window = Window {
            mine: since(lane),
            below: (lane + 1..3).map(since).sum(),
            above: (0..lane).map(since).sum(),
            aside: own.stood,
            was_last: false,
        };
        own.asked = used;
        own.stood = 0;
        let mine = self.busy_levels(worker) | self.hints(lane);
        let below = (lane + 1..3).map(|lane| self.busy_levels(worker - worker % 3 + lane));
        let below = below.fold(0, |mask, levels| mask | levels);
        let away = self.workers[worker].aside.ask(&self.terms, window, mine, below, self.now);
        self.check_column(worker, window, mine, below);
        if away == 0 || self.mutated(Mutation::NeverAside) {
            return false;
        }
        let clock = self.clock(worker);
        let own = &mut self.workers[worker];
        (own.state, own.away, own.left_at) = (State::Away, away, clock);
        own.ask_at = self.now + away;
        self.cpus[worker / 3].threads[lane].runnable = false;
        self.timers.set(self.now + away, Event::Up(worker as u32));
        true
    }

    /// The levels for which a worker that is up, or stands aside, has something to do.
    fn busy_levels(&self, worker: usize) -> u32 {
        let own = &self.workers[worker];
        if own.state == State::Parked || (own.state == State::Away && own.away == 0) {
            return 0;
        }
        let running = if own.current == NONE { 0 } else { 1 << self.fibers[own.current as usize].level };
        running | own.own()
    }

    // ---- what fibers do ----------------------------------------------------------------------------

    /// The fiber that runs has done a piece.
    fn after_piece(&mut self, worker: usize) {
        let id = self.workers[worker].current;
        let fiber = &mut self.fibers[id as usize];
        let shape = fiber.shape;
        if fiber.done < shape.pieces {
            let whole = shape.between == Between::Nothing;
            fiber.done = if whole { shape.pieces } else { fiber.done + 1 };
            let worked = if whole { shape.longest_piece() } else { u64::from(shape.piece) };
            self.report.busy[fiber.level as usize] += worked;
            if fiber.done == 1 || whole {
                self.make_children(worker, id);
            }
        }
        if self.fibers[id as usize].holds != NO_LOCK {
            self.release_lock(id);
        }
        if self.fibers[id as usize].done >= shape.pieces {
            return self.finish(worker, id);
        }
        match shape.between {
            Between::Checkpoint | Between::Nothing => self.checkpoint(worker, id),
            Between::Yield => {
                self.workers[worker].current = NONE;
                self.push_ready(id, true);
            }
            Between::Sleep(time) => {
                self.suspend(worker, id);
                let due = self.now + u64::from(time);
                self.workers[worker].timers.set(due, (id, due));
            }
            Between::Lock(lock) => {
                if self.fibers[id as usize].done.is_multiple_of(2) || self.take_lock(id, lock) {
                    self.checkpoint(worker, id);
                } else {
                    self.suspend(worker, id);
                    let holder = self.locks[lock as usize].holder.expect("it is held by another");
                    self.update_level(holder, 0);
                }
            }
            Between::Wander => {
                let level = (self.fibers[id as usize].base + 1) % 5;
                self.set_priority(id, level);
                self.checkpoint(worker, id);
            }
            Between::Promote => {
                let child = self.fibers[id as usize].children;
                if child != NONE {
                    let level = (self.fibers[child as usize].base + 1) % 5;
                    self.set_priority(child, level);
                }
                self.checkpoint(worker, id);
            }
        }
    }

    /// The worker is left without a fiber, and decides at once what is next.
    fn suspend(&mut self, worker: usize, id: u32) {
        self.fiber(id).life = Life::Suspended;
        self.workers[worker].current = NONE;
    }

    fn make_children(&mut self, worker: usize, id: u32) {
        let Fiber { shape, base, source, .. } = self.fibers[id as usize];
        if shape.depth == 0 || self.draining {
            return;
        }
        let child = Shape { depth: shape.depth - 1, respawns: false, ..shape };
        for _ in 0..shape.children {
            self.spawn(Some(worker), base, child, source, id);
        }
    }

    fn checkpoint(&mut self, worker: usize, id: u32) {
        self.fire_timers(worker);
        let fiber = &self.fibers[id as usize];
        let (level, piece) = (fiber.level as usize, u64::from(fiber.shape.piece));
        let own = &self.workers[worker];
        let waiting = own.own() | self.hints(own.lane);
        let mut looked = false;
        let mut goes = Checkpoint::GoOn;
        if own.turns.should_look(level, waiting) && !self.mutated(Mutation::CheckpointsIgnored) {
            looked = true;
            goes = own.turns.interrupt(&self.terms, level, waiting, own.tick, self.clock(worker));
        }
        if goes == Checkpoint::GoOn {
            self.check_going_on(worker, level, waiting, looked);
            self.set_left(worker, piece);
            self.stand_aside(worker);
        } else {
            let cpu = self.cpu_time(worker);
            self.workers[worker].eye.looked(looked, cpu);
            self.workers[worker].current = NONE;
            self.push_ready(id, goes == Checkpoint::GoLast);
        }
    }

    /// The fiber has done its work: it waits for its children, or ends.
    fn finish(&mut self, worker: usize, id: u32) {
        let mut child = self.fibers[id as usize].children;
        if child != NONE {
            self.fiber(id).joins = true;
            self.suspend(worker, id);
            while child != NONE {
                self.update_level(child, 0);
                child = self.fibers[child as usize].next;
            }
            return;
        }
        self.workers[worker].current = NONE;
        self.workers[worker].live -= 1;
        self.live -= 1;
        self.report.ended += 1;
        self.check_loans_returned(id);
        let Fiber { shape, base, source, .. } = self.fibers[id as usize];
        self.fiber(id).life = Life::Done;
        self.leave_parent(id);
        if shape.respawns && !self.draining {
            self.spawn(Some(worker), base, shape, source, NONE);
        }
        self.release(id);
    }

    fn leave_parent(&mut self, id: u32) {
        let Fiber { parent, previous, next, .. } = self.fibers[id as usize];
        if parent == NONE {
            return;
        }
        if previous == NONE {
            self.fiber(parent).children = next;
        } else {
            self.fiber(previous).next = next;
        }
        if next != NONE {
            self.fiber(next).previous = previous;
        }
        if self.fibers[parent as usize].children == NONE && self.fibers[parent as usize].joins {
            self.fiber(parent).joins = false;
            self.resume(parent);
        }
    }

    /// The object of a fiber that has ended is free when no queue holds it.
    pub(super) fn release(&mut self, id: u32) {
        let fiber = &self.fibers[id as usize];
        if fiber.tickets == 0 && fiber.life == Life::Done {
            self.free.push(id);
        }
    }

    /// Nothing happens any more.
    fn check_end(&mut self) {
        if self.broken.is_none() && self.live > 0 {
            let count = self.live;
            let first = self.fibers.iter().position(|fiber| fiber.life != Life::Done);
            let detail =
                format!("{count} fibers are left, the first is {:?}", first.map(|at| &self.fibers[at]));
            self.violate(Promise::NothingIsLost, detail);
        }
    }
}
