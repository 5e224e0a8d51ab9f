//! `wait_all`: who waits is released when nothing is left, not before, and is then woken. The steps are
//! those of `Scheduler::wait_all` and of the end of a fiber. One who waits in vain ends a model by a
//! deadlock.

use crate::explore;
use crate::machine::futex::freeze;
use crate::machine::park::Parker;
use crate::quiet::{Count, Quiet};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

/// Two workers' counters.
struct Counts {
    made: [AtomicU64; 2],
    ended: [AtomicU64; 2],
}

impl Count for Counts {
    fn ended(&self) -> u64 {
        self.ended.iter().map(|ended| ended.load(Ordering::Acquire)).sum()
    }

    fn made(&self) -> u64 {
        self.made.iter().map(|made| made.load(Ordering::Relaxed)).sum()
    }
}

struct World {
    counts: Counts,
    quiet: Quiet<Arc<Parker>>,
    /// Written by a fiber, read by who has waited for it.
    note: UnsafeCell<u32>,
    /// A fiber has waited.
    gone: AtomicU64,
}

impl World {
    /// Where the first worker has so many fibers.
    fn new(fibers: u64) -> Arc<World> {
        let zeros = || [AtomicU64::new(0), AtomicU64::new(0)];
        let world = World {
            counts: Counts { made: zeros(), ended: zeros() },
            quiet: Quiet::new(|parker: &Arc<Parker>| parker.unpark()),
            note: UnsafeCell::new(0),
            gone: AtomicU64::new(0),
        };
        world.counts.made[0].store(fibers, Ordering::Relaxed);
        Arc::new(world)
    }

    /// E1 and E2.
    fn end(&self, worker: usize) {
        let ended = &self.counts.ended[worker];
        ended.store(ended.load(Ordering::Relaxed) + 1, Ordering::Release);
        if self.quiet.is_awaited() {
            self.quiet.check(&self.counts);
        }
    }

    /// E3.
    fn sleep(&self) {
        if self.quiet.is_awaited_after_all() {
            self.quiet.check(&self.counts);
        }
    }

    fn make(&self, worker: usize) {
        let made = &self.counts.made[worker];
        made.store(made.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    fn wait_all(&self, inside: bool) {
        let parker = Arc::new(Parker::new());
        let waiting = self.quiet.enter(parker.clone(), inside, &self.counts);
        while !self.quiet.is_released(&waiting) {
            parker.park(None);
        }
        self.quiet.leave(waiting);
    }

    fn write(&self) {
        // SAFETY: one fiber writes, and who reads has waited for it; loom checks that.
        self.note.with_mut(|note| unsafe { *note = 7 });
    }

    fn read(&self) {
        // SAFETY: as above.
        assert_eq!(self.note.with(|note| unsafe { *note }), 7);
    }
}

fn spawn(world: &Arc<World>, body: impl FnOnce(&World) + 'static) -> thread::JoinHandle<()> {
    let world = world.clone();
    thread::spawn(move || body(&world))
}

#[test]
fn who_waits_is_woken_by_the_last_end_and_sees_what_the_fiber_did() {
    explore(3, || {
        let world = World::new(1);
        let worker = spawn(&world, |world| {
            world.write();
            world.end(0);
            world.sleep();
        });
        world.wait_all(false);
        world.read();
        worker.join().unwrap();
    });
}

/// One who waits may look before anybody resumes it.
#[test]
fn who_finds_that_it_is_released_sees_what_the_fiber_did() {
    explore(3, || {
        let world = World::new(1);
        let worker = spawn(&world, |world| {
            world.write();
            world.end(0);
        });
        let waiting = world.quiet.enter(Arc::new(Parker::new()), false, &world.counts);
        if world.quiet.is_released(&waiting) {
            world.read();
        }
        worker.join().unwrap();
        world.quiet.leave(waiting);
    });
}

/// A third one finds the release and resumes all who wait: it must know all of them.
#[test]
fn who_helps_to_wake_forgets_nobody() {
    // With two it takes a minute.
    explore(1, || {
        let world = World::new(1);
        let worker = spawn(&world, |world| {
            world.end(0);
            world.sleep();
        });
        let helper = spawn(&world, |world| world.quiet.check(&world.counts));
        world.wait_all(false);
        worker.join().unwrap();
        helper.join().unwrap();
    });
}

/// A fiber makes another and ends; that one is run by the other worker.
#[test]
fn a_child_is_waited_for_whoever_ends_it() {
    explore(2, || {
        let world = World::new(1);
        let parent = spawn(&world, |world| {
            world.make(0);
            let child = {
                let world: *const World = world;
                // The child begins after it was made.
                let world = world.addr();
                thread::spawn(move || {
                    // SAFETY: the parent joins us below.
                    let world = unsafe { &*std::ptr::with_exposed_provenance::<World>(world) };
                    world.write();
                    world.end(1);
                    world.sleep();
                })
            };
            world.end(0);
            world.sleep();
            child.join().unwrap();
        });
        world.wait_all(false);
        world.read();
        parent.join().unwrap();
    });
}

/// Two fibers wait for all; the first to be released goes on, and is not waited for by the other.
#[test]
fn all_who_wait_at_a_quiet_moment_are_released_even_if_one_goes_on() {
    // With two it takes a minute.
    explore(1, || {
        let world = World::new(2);
        let other = spawn(&world, |world| world.wait_all(true));
        world.wait_all(true);
        other.join().unwrap();
    });
}

/// One comes to wait after it has made a fiber: nobody who added up before may release it.
#[test]
fn who_comes_is_not_released_by_what_was_added_up_before() {
    explore(3, || {
        let world = World::new(0);
        let early = spawn(&world, |world| world.quiet.check(&world.counts));
        world.make(0);
        let waiting = world.quiet.enter(Arc::new(Parker::new()), false, &world.counts);
        early.join().unwrap();
        assert!(!world.quiet.is_released(&waiting), "the fiber has not ended");
        world.quiet.leave(waiting);
    });
}

/// A fiber goes on after it has waited: from then on it is waited for.
#[test]
fn who_has_waited_is_waited_for() {
    explore(3, || {
        let world = World::new(1);
        let fiber = spawn(&world, |world| {
            world.wait_all(true);
            world.gone.store(1, Ordering::Release);
            world.write();
            world.end(0);
            world.sleep();
        });
        if world.gone.load(Ordering::Acquire) == 1 {
            world.wait_all(false);
            world.read();
        }
        fiber.join().unwrap();
    });
}

/// Both find that nothing is left; one of them is stopped before it wakes anybody.
#[test]
fn who_is_frozen_before_it_wakes_anybody_is_helped() {
    explore(2, || {
        let world = World::new(2);
        let frozen = spawn(&world, |world| {
            freeze();
            world.end(1);
            world.sleep();
        });
        let last = spawn(&world, |world| {
            while world.counts.ended[1].load(Ordering::Acquire) == 0 {
                thread::yield_now();
            }
            world.end(0);
            world.sleep();
        });
        world.wait_all(false);
        frozen.join().unwrap();
        last.join().unwrap();
    });
}
