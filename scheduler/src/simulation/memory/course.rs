//! The course of events: fibers begin, compute, read, fork, send messages, end.

use super::crew::{Crew, Event, NONE, State};
use super::load::{HERE, Hints, Job, Kind, Work, children, fraction, mix};
use super::outcome::Outcome;
use super::search::Found;
use super::{Neglect, Policy, Trial};

/// Computing that takes less than this is over before a thief has watched it.
const SHORT: f64 = 500.0;

/// What a fiber computes to fork, or when it goes on after its children.
const FORK: f64 = 100.0;

/// How often it is asked whether anything is left lying.
const LOOK_EVERY: u64 = 20_000;

/// How many lines a message has, and how many a stencil's neighbour is read.
const MESSAGE: f64 = 16.0;
const HALO: f64 = 64.0;

/// How many times as much as for a message an actor does at its start.
const SETUP: f64 = 10.0;

/// How many a maker makes at a time, and what that takes it to compute.
const BATCH: u32 = 8;
const BATCH_TIME: f64 = 2_000.0;

/// This part of the requests is not counted.
const WARM_UP: u32 = 4;

/// Messages under way at a time, for each worker.
const MESSAGES_EACH: u32 = 4;

pub(super) fn run(trial: &Trial, policy: Policy) -> Result<Outcome, Neglect> {
    let mut crew = Crew::new(trial, policy);
    crew.start();
    crew.at(LOOK_EVERY, Event::Look);
    while !crew.over {
        let flow = crew.flows.next(&trial.hardware).unwrap_or(u64::MAX);
        if flow <= crew.next_event() && flow < u64::MAX {
            if let Some((worker, time)) = crew.flows.end(&trial.hardware) {
                crew.now = crew.now.max(time);
                crew.read_on(worker);
            }
            continue;
        }
        match crew.take_event() {
            Some(Event::Step(worker)) => crew.step(worker as usize),
            Some(Event::Computed(worker)) => crew.read_on(worker as usize),
            Some(Event::Up(worker)) => crew.get_up(worker as usize),
            Some(Event::Timer(worker, sleep)) => crew.wake_by_timer(worker as usize, sleep),
            Some(Event::Arrive(at)) => crew.arrive(at),
            Some(Event::Look) => crew.look_for_neglect()?,
            None => break,
        }
    }
    Ok(crew.finish())
}

impl Crew<'_> {
    fn start(&mut self) {
        let (load, hardware) = (&self.trial.load, &self.trial.hardware);
        let size = load.size(hardware);
        match load.kind {
            Kind::ForkJoin(_) => {
                self.spawn(None, Job::Part { first: 0, end: size, round: 0 }, NONE, None);
            }
            Kind::Stencil => {
                self.arrived = vec![[0; 2]; size as usize];
                for at in 0..size {
                    let home = load.home(hardware, at);
                    self.spawn(None, Job::Cell { at, step: 0 }, NONE, Some(home));
                }
            }
            Kind::Actors => {
                self.mail = vec![Default::default(); size as usize];
                self.actors = vec![NONE; size as usize];
                self.spawn(None, Job::Director, NONE, None);
            }
            Kind::Service(_) => self.at(0, Event::Arrive(0)),
            Kind::Tree => {
                for root in 0..size {
                    let seed = mix(self.trial.seed, u64::from(root));
                    self.spawn(None, Job::Twig { seed, depth: 1, parent_ran: 0 }, NONE, Some(0));
                }
            }
            Kind::Maker => {
                self.spawn(None, Job::Maker { made: 0 }, NONE, None);
            }
        }
    }

    /// A request comes from outside; the next one comes after a time by chance.
    fn arrive(&mut self, at: u32) {
        let (load, hardware) = (&self.trial.load, &self.trial.hardware);
        let Kind::Service(busy) = load.kind else { return };
        self.messages += 1;
        let home = self.request_home(at);
        self.spawn(None, Job::Request { at, came: self.now }, NONE, Some(home));
        if at + 1 < load.size(hardware) {
            let between = load.leaf_time(hardware) / busy / hardware.workers() as f64;
            let drawn = fraction(mix(self.trial.seed ^ 0xa441, u64::from(at)));
            let wait = -(1.0 - drawn).ln() * between;
            self.at(self.now + wait as u64, Event::Arrive(at + 1));
        }
    }

    /// Requests take the data of any node, of the first one as many times as often as the load is lopsided.
    fn request_home(&self, at: u32) -> usize {
        let (nodes, lopsided) = (self.inboxes.len(), self.trial.load.lopsided);
        let drawn = fraction(mix(self.trial.seed ^ 0x40e, u64::from(at))) * (nodes as f64 - 1.0 + lopsided);
        if drawn < lopsided { 0 } else { (1 + (drawn - lopsided) as usize).min(nodes - 1) }
    }

    // ---- workers -------------------------------------------------------------------------------------

    fn get_up(&mut self, worker: usize) {
        let own = &mut self.workers[worker];
        (own.state, own.search_since) = (State::Up, self.now);
        self.step(worker);
    }

    /// The worker has nothing at hand: what has started first, then its own, then others'.
    fn step(&mut self, worker: usize) {
        let costs = &self.trial.hardware.costs;
        if let Some(id) = self.workers[worker].ready.pop_front() {
            return self.begin(worker, id, costs.dispatch);
        }
        if let Some(id) = self.pop(worker, false) {
            return self.begin(worker, id, costs.dispatch);
        }
        if self.workers[worker].idle_since.is_none() {
            let own = &mut self.workers[worker];
            (own.idle_since, own.search_since) = (Some(self.now), self.now);
        }
        let (found, took) = self.search(worker);
        let far = match found {
            Found::Fiber(id) => return self.begin(worker, id, took + costs.dispatch),
            Found::Nothing => None,
            Found::LaterFar(wait) => Some(wait),
        };
        self.outcome.vain += 1;
        self.start_searching(worker);
        let own = &self.workers[worker];
        // What is near and was not taken is left to its worker for a moment only.
        let near = match self.policy {
            Policy::Homes { .. } => self.waiting[own.node] > 0,
            _ => self.waiting.iter().any(|&waiting| waiting > 0),
        };
        if self.now - own.search_since < costs.spin || near {
            self.at(self.now + costs.poll + took, Event::Step(worker as u32));
        } else {
            let timer =
                far.filter(|&wait| wait < u64::MAX / 2 && !self.has_fault(super::Fault::ParksForGood));
            self.park(worker, timer);
        }
    }

    /// Runs a fiber, after what it took to get it.
    fn begin(&mut self, worker: usize, id: u32, after: u64) {
        self.stop_searching(worker);
        let work = self.work(id);
        let ideal = self.ideal(&work);
        let own = &mut self.workers[worker];
        if let Some(since) = own.idle_since.take() {
            self.outcome.idle += (self.now - since) as f64;
        }
        own.dispatches += 1;
        own.current = id;
        own.reads = work.reads;
        own.began = self.now + after;
        own.is_long = ideal > SHORT;
        let fiber = &mut self.fibers[id as usize];
        if !fiber.started {
            (fiber.started, fiber.worker) = (true, worker as u32);
        }
        self.outcome.ideal += ideal;
        self.at(self.now + after + work.cpu as u64, Event::Computed(worker as u32));
    }

    fn ideal(&self, work: &Work) -> f64 {
        let hardware = &self.trial.hardware;
        let lines: f64 = work.reads.iter().map(|read| read.1).sum();
        work.cpu + lines * hardware.latency[0] / hardware.parallel_misses
    }

    /// The current fiber reads what it has to, one after the other, and then goes on.
    fn read_on(&mut self, worker: usize) {
        let own = &mut self.workers[worker];
        let node = own.node;
        if let Some(read) = own.reads.iter_mut().find(|read| read.1 > 0.0) {
            let (home, lines) = std::mem::take(read);
            let home = if home == HERE { node } else { home as usize };
            self.outcome.lines[self.trial.hardware.distance(node, home)] += lines;
            return self.flows.begin(node, home, worker, lines, self.now);
        }
        let id = std::mem::replace(&mut own.current, NONE);
        own.busy += (self.now - own.began) as f64;
        self.outcome.dispatches += 1;
        let cost = self.after_work(worker, id);
        self.at(self.now + cost, Event::Step(worker as u32));
    }

    // ---- fibers --------------------------------------------------------------------------------------

    /// How much more or less than usual a leaf does.
    fn amount(&self, of: u64) -> f64 {
        let spread = self.trial.load.spread;
        1.0 - spread + 2.0 * spread * fraction(mix(self.trial.seed, of))
    }

    fn leaf(&self, home: usize, of: u64) -> Work {
        let load = &self.trial.load;
        let amount = self.amount(of) * if home == 0 { load.lopsided } else { 1.0 };
        let mut work = Work::cpu(load.cpu * amount);
        work.reads[0] = (home as u8, load.lines * amount);
        work
    }

    /// An actor sets up its state, which takes so much longer than a message that all workers get theirs.
    fn setup(&self, home: usize, of: u64) -> Work {
        let mut work = self.leaf(home, of);
        work.cpu *= SETUP;
        work.reads[0].1 *= SETUP;
        work
    }

    /// What a fiber does when it is dispatched next.
    fn work(&mut self, id: u32) -> Work {
        let (load, hardware) = (&self.trial.load, &self.trial.hardware);
        let fiber = self.fibers[id as usize];
        match fiber.job {
            Job::Part { .. } | Job::Director if fiber.joined => Work::cpu(FORK),
            Job::Part { first, end, round } if end - first == 1 => {
                self.leaf(load.home(hardware, first), u64::from(round) << 32 | u64::from(first))
            }
            Job::Part { .. } | Job::Director => Work::cpu(FORK),
            Job::Cell { at, step } => {
                let mut work = self.leaf(load.home(hardware, at), u64::from(step) << 32 | u64::from(at));
                let size = load.size(hardware);
                let sides = [(at + size - 1) % size, (at + 1) % size];
                for (read, side) in work.reads[1..].iter_mut().zip(sides) {
                    *read = (load.home(hardware, side) as u8, HALO);
                }
                work
            }
            Job::Actor { at } => {
                let home = load.home(hardware, at);
                let Some(from) = self.mail[at as usize].pop_front().filter(|_| fiber.started) else {
                    return self.setup(home, u64::from(at));
                };
                let mut work = self.leaf(home, self.messages << 20 | u64::from(at));
                work.reads[1] = (from, MESSAGE);
                work
            }
            Job::Request { at, .. } => {
                let mut work = self.leaf(1, u64::from(at));
                work.reads[0].0 = self.request_home(at) as u8;
                work
            }
            Job::Twig { seed, parent_ran, .. } => {
                let mut work = Work::cpu(load.cpu * self.amount(seed));
                work.reads[0] = (parent_ran, load.lines);
                work
            }
            Job::Maker { .. } => Work::cpu(BATCH_TIME),
            Job::Item { at, made_on } => {
                let mut work = self.leaf(made_on as usize, u64::from(at));
                work.cpu = load.cpu * self.amount(u64::from(at));
                work
            }
        }
    }

    /// What a fiber does when it has computed and read. What that costs the worker.
    fn after_work(&mut self, worker: usize, id: u32) -> u64 {
        let trial = self.trial;
        let (load, hardware) = (&trial.load, &trial.hardware);
        let node = self.workers[worker].node;
        let fiber = self.fibers[id as usize];
        let mut cost = 0;
        match fiber.job {
            Job::Part { first, end, round } if end - first > 1 && !fiber.joined => {
                let middle = first + (end - first) / 2;
                let whole = load.home(hardware, first) == load.home(hardware, end - 1);
                for (first, end) in [(first, middle), (middle, end)] {
                    let home = load.home(hardware, first);
                    let fits = home == load.home(hardware, end - 1);
                    let is_leaf = end - first == 1 && load.kind == Kind::ForkJoin(Hints::Leaves);
                    let hint = (fits && (!whole || is_leaf)).then_some(home);
                    cost += self.spawn(Some(worker), Job::Part { first, end, round }, id, hint);
                }
                return cost;
            }
            Job::Part { first: 0, end, round } if fiber.parent == NONE && round + 1 < load.rounds => {
                cost += self.spawn(Some(worker), Job::Part { first: 0, end, round: round + 1 }, NONE, None);
            }
            Job::Cell { at, step } => cost += self.cell_done(worker, at, step),
            Job::Director if !fiber.joined => {
                for at in 0..load.size(hardware) {
                    let home = load.home(hardware, at);
                    cost += self.spawn(Some(worker), Job::Actor { at }, id, Some(home));
                }
                return cost;
            }
            Job::Director => {
                let size = load.size(hardware);
                let messages = MESSAGES_EACH * hardware.workers() as u32;
                for message in 0..messages {
                    let to = u64::from(message) * u64::from(size) / u64::from(messages);
                    cost += self.send(worker, to as u32);
                }
            }
            Job::Actor { at } => {
                if self.actors[at as usize] == NONE {
                    self.actors[at as usize] = id;
                    return self.child_ended(worker, fiber.parent);
                }
                self.messages += 1;
                if self.messages == u64::from(load.rounds) * u64::from(load.size(hardware)) {
                    self.over = true;
                }
                cost += self.send(worker, (at + 1) % load.size(hardware));
                if self.mail[at as usize].is_empty() {
                    self.fibers[id as usize].pending = 0;
                } else {
                    self.workers[worker].ready.push_back(id);
                }
                return cost;
            }
            // Of the first ones, some wait for workers that sleep.
            Job::Request { at, came } if at >= load.size(hardware) / WARM_UP => {
                self.outcome.latencies.push(self.now - came);
            }
            Job::Twig { seed, depth, .. } => {
                for child in 0..children(seed, depth) {
                    let twig = Job::Twig {
                        seed: mix(seed, u64::from(child)),
                        depth: depth + 1,
                        parent_ran: node as u8,
                    };
                    cost += self.spawn(Some(worker), twig, NONE, None);
                }
            }
            Job::Maker { made } => {
                let size = load.size(hardware);
                let end = (made + BATCH).min(size);
                for at in made..end {
                    cost += self.spawn(Some(worker), Job::Item { at, made_on: node as u8 }, NONE, None);
                }
                if end < size {
                    self.fibers[id as usize].job = Job::Maker { made: end };
                    self.workers[worker].ready.push_back(id);
                    return cost;
                }
            }
            Job::Part { .. } | Job::Item { .. } | Job::Request { .. } => {}
        }
        cost + self.end(worker, id)
    }

    fn end(&mut self, worker: usize, id: u32) -> u64 {
        let parent = self.fibers[id as usize].parent;
        self.free.push(id);
        self.live -= 1;
        let size = u64::from(self.trial.load.size(&self.trial.hardware));
        let all_came = !matches!(self.trial.load.kind, Kind::Service(_)) || self.messages == size;
        self.over |= self.live == 0 && all_came;
        self.child_ended(worker, parent)
    }

    fn child_ended(&mut self, worker: usize, parent: u32) -> u64 {
        if parent == NONE {
            return 0;
        }
        let waits = &mut self.fibers[parent as usize];
        waits.pending -= 1;
        if waits.pending > 0 {
            return 0;
        }
        waits.joined = true;
        self.resume(worker, parent)
    }

    /// A block has been computed: those of the next step that have waited for it last can be.
    fn cell_done(&mut self, worker: usize, at: u32, step: u32) -> u64 {
        let (load, hardware) = (&self.trial.load, &self.trial.hardware);
        let (size, next) = (load.size(hardware), step + 1);
        let mut cost = 0;
        if next == load.rounds {
            return cost;
        }
        for at in [(at + size - 1) % size, at, (at + 1) % size] {
            let arrived = &mut self.arrived[at as usize][next as usize % 2];
            *arrived += 1;
            if *arrived == 3 {
                *arrived = 0;
                let home = load.home(hardware, at);
                cost += self.spawn(Some(worker), Job::Cell { at, step: next }, NONE, Some(home));
            }
        }
        cost
    }

    /// Sends a message to an actor.
    fn send(&mut self, worker: usize, to: u32) -> u64 {
        let node = self.workers[worker].node as u8;
        self.mail[to as usize].push_back(node);
        let actor = self.actors[to as usize];
        if std::mem::replace(&mut self.fibers[actor as usize].pending, 1) == 0 {
            self.resume(worker, actor)
        } else {
            0
        }
    }

    // ---- the whole -----------------------------------------------------------------------------------

    fn look_for_neglect(&mut self) -> Result<(), Neglect> {
        let (time, node) = self.neglect();
        self.outcome.neglect = self.outcome.neglect.max(time);
        if time > self.trial.neglect_max {
            return Err(Neglect { time, node, at: self.now });
        }
        self.at(self.now + LOOK_EVERY, Event::Look);
        Ok(())
    }

    fn finish(mut self) -> Outcome {
        let now = self.now;
        let workers = self.workers.len() as f64;
        let since = self.workers.iter().filter_map(|worker| worker.idle_since);
        self.outcome.idle += since.map(|since| (now - since) as f64).sum::<f64>();
        let busy = self.workers.iter().map(|worker| worker.busy);
        self.outcome.busy = busy.clone().sum();
        let least = busy.fold(f64::INFINITY, f64::min);
        self.outcome.fairness = least / (self.outcome.busy / workers).max(1.0);
        self.outcome.makespan = now;
        self.outcome.latencies.sort_unstable();
        self.outcome
    }
}
