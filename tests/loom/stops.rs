//! `stop()` against a fiber that moves between workers (`worker/travels.rs`, `worker/roam.rs`): it ends once, nobody leaves
//! while it roams, and all leave. The steps of a worker are those of `worker/roam.rs` and `worker/idle.rs`. One who sleeps for
//! ever ends a model by a deadlock, one who leaves too early by a fiber that has not ended.

use crate::explore;
use crate::fiber::Header;
use crate::roamers::Setting;
use crate::sleepers::{LEVEL, Loom};
use crate::state::By;
use crate::travels::Travels;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::Arc;

/// A step that a model may leave out, to see that it is needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// None: the protocol as it is.
    None,
    /// D3: who departs looks whether the scheduler stops.
    Look,
    /// Who may leave looks whether a fiber roams.
    Count,
    /// R4: who has taken a fiber, and knows of the end, tells the others.
    CallOfTaker,
    /// Whoever has had a fiber that moves, and comes to know of the end, tells the others.
    CallOfMover,
    /// One that does not depart after all, as the scheduler stops: its worker tells the others.
    CallOfStayer,
    /// Who goes to sleep looks once more whether it may leave.
    LastLook,
}

/// What the fiber does.
#[derive(Clone, Copy)]
struct Life {
    /// How often it runs before it waits for good.
    runs: u32,
    /// It lets go of its worker once more after it was cancelled.
    is_stubborn: bool,
    /// Its level belongs to another lane, of which the last worker is.
    crosses: bool,
}

/// Workers, of whom the first has the fiber.
struct World {
    setting: Setting,
    travels: Vec<Travels>,
    phase: AtomicU32,
    /// Their beacon and their threads.
    crew: Arc<Loom>,
    /// The workers that have left.
    left: AtomicU32,
    life: Life,
    without: Step,
}

const RUNNING: u32 = 0;
const STOPPING: u32 = 1;

/// A worker's own.
#[derive(Default)]
struct Own {
    me: usize,
    live: bool,
    ready: bool,
    stopping: bool,
    has_moved: bool,
    is_cancelled: bool,
    was_stubborn: bool,
}

impl World {
    fn new(workers: usize, life: Life, without: Step) -> Arc<World> {
        Arc::new(World {
            setting: Setting::new(),
            travels: (0..workers).map(|_| Travels::new()).collect(),
            phase: AtomicU32::new(RUNNING),
            crew: Loom::new(workers),
            left: AtomicU32::new(0),
            life,
            without,
        })
    }

    fn does(&self, step: Step) -> bool {
        self.without != step
    }

    fn is_stopping(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == STOPPING
    }

    /// `Shared::begin_stop`.
    fn stop(&self) {
        self.phase.store(STOPPING, Ordering::Relaxed);
        self.call_all();
    }

    fn call(&self, worker: usize) {
        if self.crew.beacon.call(worker) {
            self.crew.unpark(worker);
        }
    }

    fn call_all(&self) {
        (0..self.travels.len()).for_each(|worker| self.call(worker));
    }

    /// `Worker::run`, until it leaves.
    fn work(&self, me: usize) {
        self.crew.know(me);
        let mut own = Own { me, live: me == 0, ready: me == 0, ..Own::default() };
        loop {
            if self.is_stopping() {
                self.begin_stop(&mut own);
            }
            self.read(self.setting.mailboxes[me].take_all().oldest_first(), &mut own);
            if own.ready {
                self.run(&mut own);
            } else if self.serves(me) && self.setting.pop(LEVEL, me) {
                self.adopt(&mut own);
            } else if self.may_leave(&own) {
                break;
            } else {
                self.sleep(&own);
            }
        }
        self.read(self.setting.mailboxes[me].close(), &mut own);
        self.left.fetch_add(1, Ordering::Relaxed);
    }

    /// Letters that a resumer has posted.
    fn read(&self, mail: impl Iterator<Item = NonNull<Header>>, own: &mut Own) {
        mail.for_each(|_| {
            let letter = self.setting.fiber.state.open_letter(By::Anyone);
            own.ready = !letter.ended;
            assert_eq!(own.live, !letter.ended, "a letter for another home");
            if letter.free {
                self.setting.fiber.free();
            }
        });
    }

    /// The fiber runs, and lets go of its worker, waits, or ends.
    fn run(&self, own: &mut Own) {
        own.ready = false;
        if own.is_cancelled && (own.was_stubborn || !self.life.is_stubborn) {
            own.live = false;
            self.setting.end();
        } else if own.is_cancelled {
            own.was_stubborn = true;
            self.depart(own);
        } else if self.setting.runs() < self.life.runs {
            self.setting.run();
            self.depart(own);
        }
    }

    /// `Worker::depart`.
    fn depart(&self, own: &mut Own) {
        own.has_moved = true;
        let travels = &self.travels[own.me];
        let departs = travels.begin(|| self.is_stopping() && self.does(Step::Look));
        if departs && self.setting.depart() {
            own.live = false;
            return self.announce();
        }
        if departs {
            travels.call_off();
        }
        own.ready = true;
        if self.is_stopping() && self.does(Step::CallOfStayer) {
            self.call_all();
        }
    }

    /// The fiber is in a queue.
    fn announce(&self) {
        if self.life.crosses {
            self.call(self.travels.len() - 1);
        } else if let Some(sleeper) = self.crew.beacon.announce(LEVEL, 0) {
            self.crew.unpark(sleeper);
        }
    }

    /// Is the queue of the fiber's level one of that worker's?
    fn serves(&self, me: usize) -> bool {
        !self.life.crosses || me + 1 == self.travels.len()
    }

    /// `Worker::adopt`.
    fn adopt(&self, own: &mut Own) {
        own.has_moved = true;
        (own.live, own.ready) = (true, true);
        self.travels[own.me].end();
        if own.stopping {
            own.is_cancelled = true;
            if self.does(Step::CallOfTaker) {
                self.call_all();
            }
        }
    }

    /// `Worker::begin_stop`.
    fn begin_stop(&self, own: &mut Own) {
        if own.stopping {
            return;
        }
        own.stopping = true;
        own.is_cancelled = own.live;
        own.ready = own.live;
        if own.has_moved && self.does(Step::CallOfMover) {
            self.call_all();
        }
    }

    fn may_leave(&self, own: &Own) -> bool {
        own.stopping && !own.live && (!self.does(Step::Count) || Travels::are_over(self.travels.iter()))
    }

    /// `Worker::sleep`.
    fn sleep(&self, own: &Own) {
        let beacon = &self.crew.beacon;
        beacon.lie_down(own.me, false);
        let levels = u32::from(self.serves(own.me) && !self.setting.relays[LEVEL].looks_empty()) << LEVEL;
        beacon.remember(levels);
        let may_leave = || self.does(Step::LastLook) && self.may_leave(own);
        let must_rise = levels != 0
            || !self.setting.mailboxes[own.me].looks_empty()
            || (self.is_stopping() && (!own.stopping || may_leave()));
        if must_rise {
            beacon.rise(own.me);
            // What it saw may be old, or somebody is in the relay.
            return thread::yield_now();
        }
        while beacon.wake_up(own.me).is_none() {
            thread::park();
        }
    }

    /// All have left, and the fiber has ended.
    fn check(&self) {
        assert_eq!(self.left.load(Ordering::Relaxed) as usize, self.travels.len());
        assert!(self.setting.fiber.is_over(), "it was left behind");
        self.setting.fiber.drop_handle();
        self.setting.fiber.clone().check_end();
    }
}

/// Workers are threads, and whoever stops them is the model's first.
fn model(workers: usize, life: Life, without: Step, first: impl FnOnce(&World)) {
    let world = World::new(workers, life, without);
    let threads: Vec<_> = (0..workers)
        .map(|me| {
            let world = world.clone();
            thread::spawn(move || world.work(me))
        })
        .collect();
    first(&world);
    world.stop();
    for thread in threads {
        thread.join().unwrap();
    }
    world.check();
}

const ONCE: Life = Life { runs: 1, is_stubborn: false, crosses: false };
const TWICE: Life = Life { runs: 2, ..ONCE };
const STUBBORN: Life = Life { runs: 0, is_stubborn: true, ..ONCE };
const CROSSING: Life = Life { crosses: true, ..ONCE };

#[test]
fn a_fiber_that_moves_when_the_scheduler_stops_ends_and_all_workers_leave() {
    explore(3, || model(2, ONCE, Step::None, |_| {}));
}

#[test]
fn also_one_that_moves_twice() {
    explore(2, || model(2, TWICE, Step::None, |_| {}));
}

/// Whoever leaves before it comes would not be there to take it.
#[test]
fn also_one_that_moves_to_another_lane() {
    explore(3, || model(2, CROSSING, Step::None, |_| {}));
}

#[test]
fn also_one_that_lets_go_of_its_worker_after_it_was_cancelled() {
    explore(3, || model(2, STUBBORN, Step::None, |_| {}));
}

/// It does not depart because of the letter, and so was counted for nothing.
#[test]
fn also_one_that_stays_for_a_letter() {
    explore(2, || {
        model(2, ONCE, Step::None, |world| {
            if let Some(home) = world.setting.fiber.state.resume(By::Anyone) {
                world.setting.post(home, By::Anyone);
                world.call(home);
            }
        });
    });
}

#[test]
fn also_among_three_workers() {
    explore(1, || model(3, ONCE, Step::None, |_| {}));
}

/// The checker is checked: without any of its steps the protocol fails.
#[test]
fn each_step_is_needed() {
    let steps = [
        (Step::Look, CROSSING, 2),
        (Step::Count, CROSSING, 2),
        (Step::CallOfTaker, ONCE, 3),
        (Step::CallOfMover, ONCE, 3),
        (Step::CallOfStayer, STUBBORN, 2),
        (Step::LastLook, ONCE, 2),
    ];
    for (step, life, preemptions) in steps {
        let mut builder = loom::model::Builder::new();
        // Whatever the environment says: with fewer some are not missed.
        builder.preemption_bound = Some(preemptions);
        let check = || builder.check(move || model(2, life, step, |_| {}));
        let fails = catch_unwind(AssertUnwindSafe(check)).is_err();
        assert!(fails, "{step:?} is not missed");
    }
}
