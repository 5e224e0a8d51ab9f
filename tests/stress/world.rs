//! What the fibers of a round share, and what a fiber does in its life.
//!
//! Every choice is made by a [`Random`] that a fiber got from its maker, so a seed fixes the whole
//! tree of choices. A fiber joins only fibers that it made, and so never in a ring; it cancels, changes
//! and resumes any.

use heddle_scheduler::suspend::{Resumer, suspend};
use heddle_scheduler::{
    Cancelled, JoinError, JoinHandle, NodeId, Priority, Scheduler, both, checkpoint, context_local, current,
    fiber_local, scope, set_priority, shielded, sleep, timeout, try_scope, yield_now,
};
use heddle_tests::{Census, Random, Tracked};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Fibers make fibers of the next generation; the last makes none.
const GENERATIONS: u32 = 3;
/// What a fiber does at most.
const DEEDS: u64 = 8;
/// More handles than this are let go, oldest first.
const HANDLES_MAX: usize = 64;

/// See the module's documentation.
pub(crate) struct World {
    pub(crate) scheduler: Arc<Scheduler>,
    census: Census,
    other: Mutex<Option<Arc<Scheduler>>>,
    /// Fibers that anybody may cancel or change, and that nobody joins.
    known: Mutex<Vec<JoinHandle<u64>>>,
    /// Fibers that wait until somebody sets their flag and resumes them.
    waiting: Mutex<Vec<(Arc<AtomicBool>, Resumer)>>,
}

impl World {
    pub(crate) fn new(scheduler: Arc<Scheduler>, census: Census) -> World {
        let (other, known, waiting) = (Mutex::default(), Mutex::default(), Mutex::default());
        World { scheduler, census, other, known, waiting }
    }

    /// Fibers will also be made in this one.
    pub(crate) fn meet(&self, other: Arc<Scheduler>) {
        *self.other.lock().unwrap() = Some(other);
    }

    /// No longer.
    pub(crate) fn part(&self) {
        *self.other.lock().unwrap() = None;
    }

    /// Drops all that it knows.
    pub(crate) fn let_go(&self) {
        self.known.lock().unwrap().clear();
        self.waiting.lock().unwrap().clear();
    }

    /// Makes so many fibers from this thread, joins some and meddles with the others.
    pub(crate) fn populate(self: &Arc<World>, random: &mut Random, fibers: u64) {
        let mut mine = Vec::new();
        for _ in 0..fibers {
            let (expected, handle) = self.spawn(&self.scheduler, random, 0);
            match random.below(4) {
                0 => check(expected, handle.join()),
                1 => mine.push((expected, handle)),
                2 => self.publish(handle),
                _ => drop(handle),
            }
            self.meddle(random);
        }
        for (expected, handle) in mine {
            check(expected, handle.join());
        }
    }

    fn spawn(self: &Arc<World>, there: &Scheduler, random: &mut Random, age: u32) -> (u64, JoinHandle<u64>) {
        let (world, tracked, mut theirs) = (self.clone(), self.census.track(), random.split());
        let expected = random.number();
        let life = move || {
            let _held = tracked;
            for _ in 0..theirs.below(DEEDS) {
                world.deed(&mut theirs, age);
            }
            expected
        };
        let handle = match random.below(3) {
            // So its descendants have it, too.
            0 if random.chance(10) => {
                let time = Duration::from_micros(random.below(2000));
                there.fiber().deadline(Instant::now() + time).go(life)
            }
            0 => there.go(life),
            1 => there.go_with_priority(*random.pick(&Priority::ALL), life),
            // Half of these nodes there is on one machine or another, and node 0 on all.
            2 if random.chance(50) => match random.below(3) {
                0 => there.go_on(NodeId(0), life),
                1 => there.fiber().same_node().go(life),
                _ => there.fiber().near(&self.known).priority(*random.pick(&Priority::ALL)).go(life),
            },
            _ => there.fiber().name("living").go(life),
        };
        (expected, handle)
    }

    /// Something that a fiber may do. It may be cancelled in any of it.
    fn deed(self: &Arc<World>, random: &mut Random, age: u32) {
        match random.below(20) {
            0 => yield_now(),
            1 => checkpoint(),
            2 => sleep(Duration::from_micros(random.below(100))),
            3 => set_priority(*random.pick(&Priority::ALL)).expect("this is a fiber"),
            4 | 5 => {
                let _ = self.wait_for_anybody();
            }
            6 => self.resume_some(3),
            7 | 8 => self.meddle(random),
            9 if random.chance(5) => self.keep_the_thread(random),
            9 => assert!(current().expect("this is a fiber").worker() < 1 << 16),
            10 if random.chance(20) => panic!("one in so many does"),
            10 => yield_now(),
            11 => self.fork(random, 4),
            12 => self.borrow(random),
            13 => {
                let _ = timeout(Duration::from_micros(random.below(500)), || self.deed(random, age));
            }
            14 => shielded(|| {
                yield_now();
                sleep(Duration::from_micros(random.below(50)));
            }),
            15 => self.attempt(random),
            16 => DEPTH.scope(DEPTH.get().unwrap_or(0) + 1, || {
                KEPT.with(|kept| kept.borrow_mut().push(self.census.track()));
                self.deed(random, age);
            }),
            _ if age < GENERATIONS => self.breed(random, age),
            _ => {}
        }
    }

    /// Blocks the thread, or burns its time, for so long that others have to help out.
    fn keep_the_thread(&self, random: &mut Random) {
        let time = Duration::from_micros(500 + random.below(3000));
        if random.chance(50) {
            return std::thread::sleep(time);
        }
        let start = Instant::now();
        while start.elapsed() < time {
            std::hint::spin_loop();
        }
    }

    /// Waits for a flag that somebody sets, sometime.
    fn wait_for_anybody(&self) -> Result<(), Cancelled> {
        let flag = Arc::new(AtomicBool::new(false));
        self.waiting.lock().unwrap().push((flag.clone(), Resumer::current()));
        while !flag.load(Ordering::Acquire) {
            suspend()?;
        }
        Ok(())
    }

    /// Calls `f`, and meanwhile resumes whoever waits for anybody, so that nobody waits for ever.
    pub(crate) fn with_a_waker<R>(&self, f: impl FnOnce() -> R) -> R {
        let over = AtomicBool::new(false);
        std::thread::scope(|s| {
            s.spawn(|| {
                while !over.load(Ordering::Acquire) {
                    self.resume_some(usize::MAX);
                    // Only to leave the CPU to the others.
                    std::thread::sleep(Duration::from_micros(50));
                }
            });
            let result = catch_unwind(AssertUnwindSafe(f));
            over.store(true, Ordering::Release);
            result.unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    fn resume_some(&self, most: usize) {
        for _ in 0..most {
            let Some((flag, resumer)) = self.waiting.lock().unwrap().pop() else { return };
            flag.store(true, Ordering::Release);
            resumer.resume();
            resumer.resume();
        }
    }

    /// Cancels, changes or forgets somebody.
    fn meddle(&self, random: &mut Random) {
        let mut known = self.known.lock().unwrap();
        if known.is_empty() {
            return;
        }
        let index = random.below(known.len() as u64) as usize;
        match random.below(4) {
            0 => known[index].cancel(),
            1 => {
                let gone = known.swap_remove(index);
                drop(known);
                drop(gone);
            }
            _ => known[index].set_priority(*random.pick(&Priority::ALL)),
        }
    }

    fn publish(&self, handle: JoinHandle<u64>) {
        let mut known = self.known.lock().unwrap();
        known.push(handle);
        let old = (known.len() > HANDLES_MAX).then(|| known.remove(0));
        drop(known);
        drop(old);
    }

    /// Makes a few children, here or there.
    fn breed(self: &Arc<World>, random: &mut Random, age: u32) {
        let other = self.other.lock().unwrap().clone();
        let mut mine = Vec::new();
        for _ in 0..random.below(4) {
            let there = other.as_ref().filter(|_| random.chance(30)).unwrap_or(&self.scheduler).clone();
            let (expected, handle) = self.spawn(&there, random, age + 1);
            match random.below(3) {
                0 => mine.push((expected, handle)),
                1 => self.publish(handle),
                _ => drop(handle),
            }
        }
        for (expected, handle) in mine {
            if random.chance(10) {
                handle.cancel();
            }
            // Its own children may wait for anybody; that may be this one.
            self.resume_some(2);
            check(expected, handle.join());
        }
    }

    /// A tree of branches, some of which wait.
    fn fork(&self, random: &mut Random, depth: u32) {
        let (mut left, mut right) = (random.split(), random.split());
        if depth == 0 {
            match random.below(6) {
                0 => yield_now(),
                1 => sleep(Duration::from_micros(random.below(30))),
                2 => self.resume_some(1),
                _ => {}
            }
            return;
        }
        both(|| self.fork(&mut left, depth - 1), || self.fork(&mut right, depth - 1));
    }

    /// A scope whose fibers add to a number in this frame.
    fn borrow(&self, random: &mut Random) {
        let sum = AtomicU64::new(0);
        let fibers = random.below(5);
        let mut failed = 0;
        scope(|s| {
            let mut handles = Vec::new();
            for _ in 0..fibers {
                let (sum, tracked, mut theirs) = (&sum, self.census.track(), random.split());
                handles.push(s.go(move || {
                    let _held = tracked;
                    if theirs.chance(50) {
                        yield_now();
                    }
                    sum.fetch_add(1, Ordering::Relaxed);
                }));
            }
            for handle in handles {
                if random.chance(10) {
                    handle.cancel();
                }
                if random.chance(80) {
                    // The rest is left to the scope's end. A cancelled owner is told by an error, too.
                    failed += u64::from(handle.join().is_err());
                } else {
                    failed += 1;
                }
            }
        })
        .expect("this is a fiber");
        let sum = sum.into_inner();
        assert!(sum <= fibers && sum + failed >= fibers, "{sum} of {fibers}, {failed} failed or unseen");
    }
}

impl World {
    /// A scope some of whose fibers fail: its error is that of one of them.
    fn attempt(&self, random: &mut Random) {
        let depth = DEPTH.get();
        let outcome = try_scope(|s| {
            for number in 0..random.below(5) {
                let (tracked, mut theirs) = (self.census.track(), random.split());
                let handle = s.go(move || {
                    let _held = tracked;
                    assert_eq!(DEPTH.get(), depth, "of the fiber that made it");
                    sleep(Duration::from_micros(theirs.below(60)));
                    if theirs.chance(30) { Err(number) } else { Ok(number) }
                });
                if random.chance(20) {
                    assert!(handle.join().is_ok_and(|value| value == number) || current().is_some());
                }
            }
            Ok(())
        });
        assert!(outcome.expect("this is a fiber").err().is_none_or(|number| number < 5));
    }
}

context_local! {
    /// How many scopes of it are around.
    static DEPTH: u32;
}

fiber_local! {
    /// What must be gone when the fiber is.
    static KEPT: RefCell<Vec<Tracked>> = RefCell::new(Vec::new());
}

/// A fiber ends with its own value, or by one of the ways that are open to it here.
fn check(expected: u64, result: Result<u64, JoinError>) {
    match result {
        Ok(value) => assert_eq!(value, expected, "somebody else's result"),
        Err(error) => {
            let known = error.is_cancelled() || error.is_interrupted() || error.is_unable_to_wait();
            let unstarted = error.not_started_because().is_some();
            let meant = error.to_string().contains("one in so many does");
            assert!(known || unstarted || meant, "{error}");
        }
    }
}
