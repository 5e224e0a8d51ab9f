//! Urgent requests at fixed moments, whatever became of those before (an *open loop*), and what became of each.
//!
//! Everything counts from the moment when a request is *due*: if the thread that submits is late itself, because the
//! CPUs are full, that is latency too. That thread sleeps until shortly before a request is due, with timers as fine as
//! the kernel has them, and spins the rest, so it needs a few percent of one CPU. Half-way between two requests it may
//! fill queues, which then does not delay the request that it has just submitted.
//!
//! A request that was not served within [`Plan::give_up`] counts as *never*, an infinite latency. If not even the first
//! one was, the generator stops.
//!
//! | field of a [`Request`] | written by | when |
//! |---|---|---|
//! | `due`, `submitted` | the generator | before it submits |
//! | `started`, `done` | whoever serves it | before `serves` |
//! | `serves` | whoever serves it | last; release |

use crate::stat::{quantile, sorted};
use crate::thread::{cpu_time, fine_timers, now_ns, sleep_until};
use crate::work::Work;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long before its due time the generator stops to sleep: most wake-ups here are quicker.
const SPIN_NS: u64 = 30_000;
/// From the start of the generator to the first request.
const RUN_UP_NS: u64 = 5_000_000;

/// Which requests, and when.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Time between two bursts.
    pub every: Duration,
    /// Requests that are due together.
    pub burst: usize,
    /// What requests do, in microseconds of CPU time: the first, the second, the first again.
    pub bodies_us: [u32; 2],
    /// Requests that do not count, at first.
    pub warm_up: usize,
    /// Requests that count.
    pub counted: usize,
    /// Later is never.
    pub give_up: Duration,
}

/// One urgent request.
#[derive(Debug)]
pub struct Request {
    work: Work,
    due: AtomicU64,
    submitted: AtomicU64,
    started: AtomicU64,
    done: AtomicU64,
    serves: AtomicU64,
}

impl Request {
    /// What the urgent task does.
    pub fn serve(&self) {
        self.started.store(now_ns(), Ordering::Relaxed);
        assert!(self.work.is_done_right(), "a wrong answer has no latency");
        self.done.store(now_ns(), Ordering::Relaxed);
        // ORDERING: Release pairs with the Acquire in `is_served`: whoever sees the count sees both times.
        self.serves.fetch_add(1, Ordering::Release);
    }

    fn is_served(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `serve`.
        self.serves.load(Ordering::Acquire) > 0
    }

    fn times(&self) -> Times {
        let due = self.due.load(Ordering::Relaxed);
        let after_due = |time: &AtomicU64| time.load(Ordering::Relaxed).saturating_sub(due);
        let served = self.is_served();
        Times {
            submitted: (due > 0).then(|| after_due(&self.submitted)),
            started: served.then(|| after_due(&self.started)),
            done: served.then(|| after_due(&self.done)),
        }
    }
}

/// What became of one request: nanoseconds after it was due; `None` is never.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// When the generator submitted it.
    pub submitted: Option<u64>,
    /// When it started.
    pub started: Option<u64>,
    /// When it had done its work.
    pub done: Option<u64>,
}

impl Times {
    /// Without the lateness of the generator, which is not the runtime's fault where other processes cause it.
    #[must_use]
    pub fn from_submission_to_start(&self) -> Option<u64> {
        Some(self.started?.saturating_sub(self.submitted?))
    }
}

/// What happened while the counted requests came.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// One for each counted request.
    pub times: Vec<Times>,
    /// Nanoseconds from the first counted request to the end of the last one's turn.
    pub wall_ns: u64,
    /// Pieces of other work done meanwhile.
    pub pieces: u64,
    /// CPU time that the generator took for itself meanwhile.
    pub generator_ns: u64,
}

/// The runtime under test, as the generator sees it.
pub struct Target<'a> {
    /// Gives the runtime an urgent task that serves the request.
    pub submit: &'a mut (dyn FnMut(&'static Request) + Send),
    /// Called half-way between two bursts, to fill queues; `None`: nothing to do then.
    pub between: Option<&'a mut (dyn FnMut() + Send)>,
    /// How many pieces of other work are done by now.
    pub pieces: &'a (dyn Fn() -> u64 + Sync),
}

/// The requests of a run. They live as long as the process, because a runtime that never serves them keeps them.
#[derive(Clone, Copy, Debug)]
pub struct Requests {
    plan: Plan,
    all: &'static [Request],
}

impl Requests {
    /// Requests as planned, none due yet.
    #[must_use]
    pub fn planned(plan: Plan) -> Self {
        let works = plan.bodies_us.map(Work::lasting_us);
        let request = |index: usize| Request {
            work: works[index % 2],
            due: AtomicU64::new(0),
            submitted: AtomicU64::new(0),
            started: AtomicU64::new(0),
            done: AtomicU64::new(0),
            serves: AtomicU64::new(0),
        };
        Requests { plan, all: Box::leak((0..plan.warm_up + plan.counted).map(request).collect()) }
    }

    /// Submits all of them in time, on a thread of its own, and waits until they are served or given up.
    ///
    /// # Panics
    /// If the thread cannot be started.
    #[must_use]
    pub fn submit_to(&self, target: Target<'_>) -> Record {
        std::thread::scope(|scope| scope.spawn(|| self.generate(target)).join().expect("it does not panic"))
    }

    fn generate(&self, mut target: Target<'_>) -> Record {
        fine_timers();
        let every = self.plan.every.as_nanos() as u64;
        let give_up = self.plan.give_up.as_nanos() as u64;
        let start = now_ns() + RUN_UP_NS;
        let (mut record, mut before) = (Record::default(), (0, Duration::ZERO, 0));
        let mut turns = (start..).step_by(every as usize);
        for (index, burst) in self.all.chunks(self.plan.burst).enumerate() {
            let due = turns.next().expect("endless");
            wait_until(due);
            if index * self.plan.burst == self.plan.warm_up {
                before = (due, cpu_time(), (target.pieces)());
            }
            for request in burst {
                request.due.store(due, Ordering::Relaxed);
                request.submitted.store(now_ns(), Ordering::Relaxed);
                (target.submit)(request);
            }
            fill(due + every / 2, &mut target);
            if now_ns() > start + give_up && !self.all[0].is_served() {
                break;
            }
        }
        let end = turns.next().expect("endless");
        sleep_until(end);
        record.wall_ns = now_ns() - before.0;
        record.generator_ns = (cpu_time() - before.1).as_nanos() as u64;
        record.pieces = (target.pieces)() - before.2;
        for turn in turns.take_while(|turn| *turn < end + give_up) {
            if !self.all[0].is_served() || self.all.iter().all(Request::is_served) {
                break;
            }
            fill(turn, &mut target);
        }
        record.times = self.all[self.plan.warm_up..].iter().map(Request::times).collect();
        record
    }

    /// After the CPUs have become free: each request that was submitted is served in the end, and exactly once.
    ///
    /// # Panics
    /// If one is not, or twice.
    pub fn check(&self) {
        let submitted = || self.all.iter().filter(|request| request.submitted.load(Ordering::Relaxed) > 0);
        let deadline = now_ns() + 10_000_000_000;
        while !submitted().all(Request::is_served) {
            assert!(now_ns() < deadline, "an urgent task was lost");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(submitted().all(|one| one.serves.load(Ordering::Relaxed) == 1), "an urgent task ran twice");
    }
}

/// Waits as precisely as it can without taking the CPU.
fn wait_until(due: u64) {
    sleep_until(due - SPIN_NS);
    while now_ns() < due {
        std::hint::spin_loop();
    }
}

fn fill(at: u64, target: &mut Target<'_>) {
    if let Some(between) = &mut target.between {
        sleep_until(at);
        between();
    }
}

/// Sorted latencies in microseconds, infinite for what never happened in time.
#[derive(Debug)]
pub struct Latencies(Vec<f64>);

impl Latencies {
    /// Of one event of each of some requests.
    pub fn of(events: impl Iterator<Item = Option<u64>>, give_up: Duration) -> Self {
        let limit = give_up.as_nanos() as u64;
        let us = |event: Option<u64>| match event {
            Some(ns) if ns <= limit => ns as f64 / 1e3,
            _ => f64::INFINITY,
        };
        Latencies(sorted(events.map(us).collect()))
    }

    /// The latency that a share `q` of the requests did not exceed; of none, infinite.
    #[must_use]
    pub fn quantile(&self, q: f64) -> f64 {
        if self.0.is_empty() { f64::INFINITY } else { quantile(&self.0, q) }
    }

    /// Which part of them never happened in time, in percent.
    #[must_use]
    pub fn never_percent(&self) -> f64 {
        100.0 * self.0.iter().filter(|us| us.is_infinite()).count() as f64 / self.0.len() as f64
    }
}

impl Record {
    /// What share of the work that the CPUs could have done besides was not done, in percent. They could have spent
    /// on it all the time of `threads` CPUs but what the urgent bodies and the generator needed; `piece_ns` is what
    /// a piece takes where nothing else runs.
    #[must_use]
    pub fn lost_percent(&self, plan: &Plan, threads: usize, piece_ns: f64) -> f64 {
        let bodies = self.times.iter().zip(plan.bodies_us.iter().cycle());
        let served = bodies.filter(|(times, _)| times.done.is_some());
        let urgent_ns: f64 = served.map(|(_, us)| f64::from(*us) * 1e3).sum();
        let free_ns = self.wall_ns as f64 * threads as f64 - self.generator_ns as f64 - urgent_ns;
        100.0 * (1.0 - self.pieces as f64 * piece_ns / free_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan {
        every: Duration::from_millis(1),
        burst: 2,
        bodies_us: [0, 10],
        warm_up: 4,
        counted: 8,
        give_up: Duration::from_millis(500),
    };

    #[test]
    fn each_request_is_submitted_once_and_times_count_from_the_due_moment() {
        let requests = Requests::planned(PLAN);
        let mut serve = |request: &'static Request| request.serve();
        let record = requests.submit_to(Target { submit: &mut serve, between: None, pieces: &|| 7 });
        requests.check();
        assert_eq!((record.times.len(), record.pieces), (8, 0));
        for times in record.times {
            assert!(times.submitted <= times.started && times.started <= times.done);
        }
    }

    #[test]
    fn what_nobody_serves_is_never_and_the_generator_gives_up() {
        let give_up = Duration::from_millis(1);
        let requests = Requests::planned(Plan { give_up, counted: 1_000_000, ..PLAN });
        let mut ignore = |_: &'static Request| {};
        let record = requests.submit_to(Target { submit: &mut ignore, between: None, pieces: &|| 0 });
        let started = Latencies::of(record.times.iter().map(|times| times.started), give_up);
        assert_eq!((started.quantile(0.01), started.never_percent()), (f64::INFINITY, 100.0));
    }

    #[test]
    fn late_is_never() {
        let latencies =
            Latencies::of([Some(1_000), None, Some(5_000_001)].into_iter(), Duration::from_millis(5));
        assert_eq!((latencies.quantile(0.3), latencies.quantile(0.6)), (1.0, f64::INFINITY));
    }

    #[test]
    fn what_is_lost_is_what_the_cpus_could_have_done_besides() {
        let served = Times { submitted: Some(0), started: Some(0), done: Some(1) };
        // Two CPUs for 100 us, less 20 us for the generator and twice (0 + 10) for the bodies: 160 us.
        let record = Record { times: vec![served; 4], wall_ns: 100_000, pieces: 4, generator_ns: 20_000 };
        assert!((record.lost_percent(&PLAN, 2, 10_000.0) - 75.0).abs() < 1e-9);
    }
}
