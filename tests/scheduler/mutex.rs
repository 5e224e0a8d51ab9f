//! The mutex: one at a time, the most urgent next, and whoever has it is as urgent as they.

use heddle_scheduler::suspend::cancel_point;
use heddle_scheduler::sync::{Mutex, MutexGuard};
use heddle_scheduler::{
    Priority, Scheduler, checkpoint, current, go, go_with_priority, set_priority, sleep, yield_now,
};
use heddle_tests::{
    Census, Event, Gate, Random, Rig, eventually, everywhere, in_one_lane, on_workers, strict,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// How many fibers wait, level by level.
fn suspended(scheduler: &Scheduler) -> [u64; 5] {
    let levels = scheduler.stats().levels;
    std::array::from_fn(|level| levels[level].suspended)
}

fn until_suspended(scheduler: &Scheduler, expected: [u64; 5]) {
    eventually(|| suspended(scheduler) == expected);
}

/// A fiber that has locked all these, and frees them one by one, each when its event is fired, in the
/// order of the events. It sends what it counts as after each.
fn holds(
    rig: &Rig,
    priority: Priority,
    locks: Vec<Arc<Mutex<u32>>>,
    events: Vec<(usize, Event)>,
) -> mpsc::Receiver<Priority> {
    let (tell, told) = mpsc::channel();
    let (ready, tracked) = (Gate::new(), rig.track());
    drop(rig.go_with_priority(priority, {
        let ready = ready.clone();
        move || {
            let _held = tracked;
            let mut guards: Vec<_> = locks.iter().map(|lock| Some(lock.lock())).collect();
            ready.open();
            for (index, event) in events {
                event.wait().unwrap();
                guards[index] = None;
                tell.send(current().unwrap().priority()).unwrap();
            }
        }
    }));
    ready.wait();
    told
}

/// A fiber that locks, counts and ends.
fn counts(rig: &Rig, priority: Priority, lock: &Arc<Mutex<u32>>) -> heddle_scheduler::JoinHandle<u32> {
    let (lock, tracked) = (lock.clone(), rig.track());
    rig.go_with_priority(priority, move || {
        let _held = tracked;
        let mut count = lock.lock();
        *count += 1;
        *count
    })
}

#[test]
fn what_it_protects_is_used_by_one_at_a_time() {
    everywhere(|rig| {
        let lock = Arc::new(Mutex::new((0_u64, 0_u64)));
        let fibers: Vec<_> = (0..20)
            .map(|n| {
                let lock = lock.clone();
                rig.go_with_priority(Priority::ALL[n % 5], move || {
                    for _ in 0..50 {
                        let mut pair = lock.lock();
                        pair.0 += 1;
                        if pair.0.is_multiple_of(7) {
                            yield_now();
                        }
                        assert_eq!(pair.0, pair.1 + 1);
                        pair.1 += 1;
                    }
                })
            })
            .collect();
        std::thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| {
                    for _ in 0..200 {
                        let mut pair = lock.lock();
                        pair.0 += 1;
                        pair.1 += 1;
                    }
                });
            }
        });
        for fiber in fibers {
            fiber.join().unwrap();
        }
        assert_eq!(*lock.lock(), (1400, 1400));
        assert_eq!(Arc::into_inner(lock).unwrap().into_inner(), (1400, 1400));
    });
}

#[test]
fn try_lock_never_waits_and_a_guard_frees_it() {
    everywhere(|rig| {
        let mut lock = Mutex::new(1);
        rig.run(|| {
            let guard = lock.try_lock().unwrap();
            assert!(lock.try_lock().is_none() && lock.is_locked());
            assert_eq!(format!("{lock:?}"), "Mutex { value: <locked> }");
            drop(guard);
            *lock.try_lock().unwrap() += 1;
        });
        assert!(!lock.is_locked());
        assert_eq!(format!("{lock:?}"), "Mutex { value: 2 }");
        *lock.get_mut() += 1;
        assert_eq!(lock.into_inner(), 3);
    });
}

#[test]
fn a_fiber_that_waits_gives_its_thread_away() {
    on_workers(&[1], |rig| {
        let (lock, event) = (Arc::new(Mutex::new(0)), Event::new());
        let _told = holds(rig, Priority::Normal, vec![lock.clone()], vec![(0, event.clone())]);
        let waiter = counts(rig, Priority::Normal, &lock);
        until_suspended(rig, [0, 0, 2, 0, 0]);
        assert_eq!(rig.go(|| 42).join().unwrap(), 42);
        event.fire();
        assert_eq!(waiter.join().unwrap(), 1);
    });
}

#[test]
fn the_most_urgent_waiter_is_next_and_among_equals_the_first_that_came() {
    everywhere(|rig| {
        let (lock, event) = (Arc::new(Mutex::new(0)), Event::new());
        let _told = holds(rig, Priority::Background, vec![lock.clone()], vec![(0, event.clone())]);
        let order = [
            Priority::Low,
            Priority::Critical,
            Priority::Normal,
            Priority::High,
            Priority::Critical,
            Priority::Low,
        ];
        let mut waiting = Vec::new();
        for priority in order {
            waiting.push(counts(rig, priority, &lock));
            eventually(|| suspended(rig).iter().sum::<u64>() == 1 + waiting.len() as u64);
        }
        event.fire();
        let places: Vec<u32> = waiting.into_iter().map(|fiber| fiber.join().unwrap()).collect();
        assert_eq!(places, [5, 1, 4, 3, 2, 6]);
    });
}

#[test]
fn a_waiter_whose_priority_changes_takes_its_new_place() {
    everywhere(|rig| {
        let (lock, event) = (Arc::new(Mutex::new(0)), Event::new());
        let _told = holds(rig, Priority::Background, vec![lock.clone()], vec![(0, event.clone())]);
        let mut waiting = Vec::new();
        for priority in [Priority::Low, Priority::Normal, Priority::High] {
            waiting.push(counts(rig, priority, &lock));
            eventually(|| suspended(rig).iter().sum::<u64>() == 1 + waiting.len() as u64);
        }
        until_suspended(rig, [0, 2, 1, 1, 0]);
        waiting[0].set_priority(Priority::Critical);
        until_suspended(rig, [2, 1, 1, 0, 0]);
        waiting[2].set_priority(Priority::Background);
        until_suspended(rig, [2, 0, 1, 0, 1]);
        event.fire();
        let places: Vec<u32> = waiting.into_iter().map(|fiber| fiber.join().unwrap()).collect();
        assert_eq!(places, [1, 2, 3]);
    });
}

#[test]
fn the_holder_is_as_urgent_as_its_most_urgent_waiter_until_it_unlocks() {
    everywhere(|rig| {
        let (lock, event) = (Arc::new(Mutex::new(0)), Event::new());
        let told = holds(rig, Priority::Background, vec![lock.clone()], vec![(0, event.clone())]);
        until_suspended(rig, [0, 0, 0, 0, 1]);
        let first = counts(rig, Priority::Low, &lock);
        until_suspended(rig, [0, 0, 0, 2, 0]);
        let second = counts(rig, Priority::High, &lock);
        until_suspended(rig, [0, 2, 0, 1, 0]);
        let third = counts(rig, Priority::Normal, &lock);
        until_suspended(rig, [0, 2, 1, 1, 0]);
        event.fire();
        assert_eq!(told.recv().unwrap(), Priority::Background);
        let places = [first, second, third].map(|fiber| fiber.join().unwrap());
        assert_eq!(places, [3, 1, 2]);
    });
}

#[test]
fn loans_from_two_locks_end_each_with_its_own_in_any_order() {
    everywhere(|rig| {
        for first in [0, 1] {
            let locks: Vec<_> = (0..2).map(|_| Arc::new(Mutex::new(0))).collect();
            let events = [Event::new(), Event::new()];
            let order = vec![(first, events[0].clone()), (1 - first, events[1].clone())];
            let told = holds(rig, Priority::Background, locks.clone(), order);
            let waiting = [counts(rig, Priority::High, &locks[0]), counts(rig, Priority::Low, &locks[1])];
            until_suspended(rig, [0, 2, 0, 1, 0]);
            events[0].fire();
            let left = if first == 0 { Priority::Low } else { Priority::High };
            assert_eq!(told.recv().unwrap(), left);
            events[1].fire();
            assert_eq!(told.recv().unwrap(), Priority::Background);
            for fiber in waiting {
                fiber.join().unwrap();
            }
            rig.wait_all().unwrap();
        }
    });
}

#[test]
fn the_next_holder_gets_what_those_lend_who_still_wait() {
    everywhere(|rig| {
        let (lock, event, second) = (Arc::new(Mutex::new(0)), Event::new(), Event::new());
        let _told = holds(rig, Priority::Background, vec![lock.clone()], vec![(0, event.clone())]);
        // The first in line changes its own priority under the lock.
        let next = rig.go_with_priority(Priority::High, {
            let (lock, second) = (lock.clone(), second.clone());
            move || {
                let guard = lock.lock();
                set_priority(Priority::Background).unwrap();
                second.wait().unwrap();
                let with = current().unwrap().priority();
                drop(guard);
                (with, current().unwrap().priority())
            }
        });
        until_suspended(rig, [0, 2, 0, 0, 0]);
        let last = counts(rig, Priority::Normal, &lock);
        until_suspended(rig, [0, 2, 1, 0, 0]);
        event.fire();
        until_suspended(rig, [0, 0, 2, 0, 0]);
        second.fire();
        assert_eq!(next.join().unwrap(), (Priority::Normal, Priority::Background));
        last.join().unwrap();
    });
}

#[test]
fn a_chain_of_five_locks_and_joins_lends_to_its_end() {
    everywhere(|rig| {
        let locks: Vec<_> = (0..4).map(|_| Arc::new(Mutex::new(0))).collect();
        let event = Event::new();
        let told = holds(rig, Priority::Background, vec![locks[0].clone()], vec![(0, event.clone())]);
        until_suspended(rig, [0, 0, 0, 0, 1]);
        let mut links = Vec::new();
        for pair in locks.windows(2) {
            let (mine, theirs) = (pair[1].clone(), pair[0].clone());
            links.push(rig.go_with_priority(Priority::Background, move || {
                let _mine = mine.lock();
                *theirs.lock() += 1;
            }));
            eventually(|| suspended(rig)[4] == 1 + links.len() as u64);
        }
        let joiner = rig.go_with_priority(Priority::Low, {
            let last = links.pop().unwrap();
            move || last.join().unwrap()
        });
        until_suspended(rig, [0, 0, 0, 5, 0]);
        joiner.set_priority(Priority::Critical);
        until_suspended(rig, [5, 0, 0, 0, 0]);
        event.fire();
        joiner.join().unwrap();
        assert_eq!(told.recv().unwrap(), Priority::Background);
        for link in links {
            link.join().unwrap();
        }
    });
}

/// A Low fiber has the lock, Normal ones would go before it, a High one waits for it.
#[test]
fn an_urgent_waiter_has_the_lock_before_those_run_that_are_between() {
    in_one_lane(&[1], strict, |rig| {
        let lock = Arc::new(Mutex::new(0));
        let (locked, gate) = (Event::new(), Gate::new());
        let ran = Arc::new(AtomicUsize::new(0));
        let low = rig.go_with_priority(Priority::Low, {
            let (lock, locked) = (lock.clone(), locked.clone());
            move || {
                let guard = lock.lock();
                locked.wait().unwrap();
                // A long critical section that lets others in.
                for _ in 0..10 {
                    yield_now();
                }
                drop(guard);
                current().unwrap().priority()
            }
        });
        until_suspended(rig, [0, 0, 0, 1, 0]);
        let running = Gate::new();
        let blocker = rig.go_with_priority(Priority::Critical, {
            let (running, gate) = (running.clone(), gate.clone());
            move || {
                running.open();
                gate.wait();
            }
        });
        running.wait();
        for _ in 0..44 {
            let ran = ran.clone();
            drop(rig.go_with_priority(Priority::Normal, move || ran.fetch_add(1, Ordering::Relaxed)));
        }
        let high = rig.go_with_priority(Priority::High, {
            let (lock, ran) = (lock.clone(), ran.clone());
            move || {
                *lock.lock() += 1;
                ran.load(Ordering::Relaxed)
            }
        });
        locked.fire();
        gate.open();
        let before = high.join().unwrap();
        assert!(before <= 1, "{before} went before it; only a share turn may");
        assert_eq!(low.join().unwrap(), Priority::Low);
        blocker.join().unwrap();
    });
}

#[test]
fn one_that_is_cancelled_while_it_waits_unwinds_and_the_others_go_on() {
    everywhere(|rig| {
        let (lock, event) = (Arc::new(Mutex::new(0)), Event::new());
        let _told = holds(rig, Priority::Normal, vec![lock.clone()], vec![(0, event.clone())]);
        let waiting: Vec<_> = (0..4).map(|_| counts(rig, Priority::Normal, &lock)).collect();
        until_suspended(rig, [0, 0, 5, 0, 0]);
        waiting[0].cancel();
        waiting[2].cancel();
        until_suspended(rig, [0, 0, 3, 0, 0]);
        event.fire();
        let results = waiting.into_iter().map(|fiber| fiber.join().map_err(|error| error.is_cancelled()));
        let mut counted: Vec<_> = results.collect();
        assert_eq!((counted.remove(2), counted.remove(0)), (Err(true), Err(true)));
        counted.sort();
        assert_eq!(counted, [Ok(1), Ok(2)]);
        assert!(!lock.is_locked());
    });
}

#[test]
fn one_that_is_cancelled_can_be_told_so_without_unwinding() {
    everywhere(|rig| {
        let (lock, event) = (Arc::new(Mutex::new(0)), Event::new());
        let _told = holds(rig, Priority::Normal, vec![lock.clone()], vec![(0, event.clone())]);
        let waiter = rig.go({
            let lock = lock.clone();
            move || lock.lock_or_cancelled().is_err()
        });
        until_suspended(rig, [0, 0, 2, 0, 0]);
        waiter.cancel();
        assert!(waiter.join().unwrap());
        event.fire();
    });
}

#[test]
fn a_panic_unlocks_and_poisons_nothing() {
    everywhere(|rig| {
        let lock = Arc::new(Mutex::new(0));
        let fiber = rig.go({
            let lock = lock.clone();
            move || {
                *lock.lock() = 7;
                let _guard = lock.lock();
                panic!("while locked");
            }
        });
        assert!(fiber.join().unwrap_err().is_panic());
        assert_eq!(*lock.lock(), 7);
    });
}

#[test]
fn one_that_waits_for_so_long_gives_up_or_gets_it() {
    everywhere(|rig| {
        let (lock, event) = (Arc::new(Mutex::new(0)), Event::new());
        let told = holds(rig, Priority::Normal, vec![lock.clone()], vec![(0, event.clone())]);
        let tries = |lock: &Mutex<u32>| {
            let begun = Instant::now();
            let patience = Duration::from_millis(5);
            assert!(lock.try_lock_for(patience).is_none());
            assert!(begun.elapsed() >= patience);
            assert!(lock.try_lock_until(begun).is_none());
        };
        tries(&lock);
        rig.go({
            let lock = lock.clone();
            move || tries(&lock)
        })
        .join()
        .unwrap();
        let patient = rig.go({
            let lock = lock.clone();
            move || lock.try_lock_for(Duration::MAX).is_some()
        });
        until_suspended(rig, [0, 0, 2, 0, 0]);
        event.fire();
        assert!(patient.join().unwrap());
        told.recv().unwrap();
        assert!(lock.try_lock_for(Duration::ZERO).is_some());
    });
}

#[test]
fn a_fiber_that_locks_what_it_has_locked_is_told_so() {
    everywhere(|rig| {
        let text = rig.run(|| {
            let lock = Mutex::new(());
            let _guard = lock.lock();
            assert!(lock.try_lock_for(Duration::from_millis(1)).is_none());
            let panic = catch_unwind(AssertUnwindSafe(|| drop(lock.lock()))).unwrap_err();
            *panic.downcast::<&str>().unwrap()
        });
        assert!(text.contains("has locked already"), "{text}");
    });
}

#[test]
fn a_destructor_during_a_panic_locks_and_blocks_its_thread_for_it() {
    struct Last(Arc<Mutex<u32>>, Gate);
    impl Drop for Last {
        fn drop(&mut self) {
            assert!(std::thread::panicking());
            self.1.open();
            *self.0.lock() += 1;
        }
    }
    on_workers(&[2, 4], |rig| {
        let (lock, reached) = (Arc::new(Mutex::new(0)), Gate::new());
        let guard = lock.lock();
        let fiber = rig.go({
            let last = Last(lock.clone(), reached.clone());
            move || {
                let _last = last;
                panic!("with a destructor that locks");
            }
        });
        reached.wait();
        drop(guard);
        assert!(fiber.join().unwrap_err().is_panic());
        assert_eq!(*lock.lock(), 1);
    });
}

#[test]
fn a_fiber_that_ends_with_the_lock_leaves_it_locked_and_nothing_dangles() {
    everywhere(|rig| {
        let lock = Arc::new(Mutex::new(0));
        rig.go({
            let lock = lock.clone();
            move || std::mem::forget(lock.lock())
        })
        .join()
        .unwrap();
        assert!(lock.is_locked());
        // Lends to one that has ended.
        let waiter = counts(rig, Priority::Critical, &lock);
        until_suspended(rig, [1, 0, 0, 0, 0]);
        waiter.cancel();
        assert!(waiter.join().unwrap_err().is_cancelled());
        rig.wait_all().unwrap();
    });
}

/// A guard stays on its thread, not in its fiber: a thread-local can carry it to another one.
#[test]
fn a_guard_may_be_dropped_by_another_fiber_of_its_thread_after_its_own_has_ended() {
    use std::cell::RefCell;
    thread_local! {
        static LEFT: RefCell<Option<MutexGuard<'static, u32>>> = const { RefCell::new(None) };
    }
    in_one_lane(&[1], strict, |rig| {
        let lock: &'static Mutex<u32> = Box::leak(Box::new(Mutex::new(0)));
        for _ in 0..3 {
            rig.go(|| LEFT.set(Some(lock.lock()))).join().unwrap();
            let waiter = rig.go_with_priority(Priority::High, || {
                *lock.lock() += 1;
            });
            until_suspended(rig, [0, 1, 0, 0, 0]);
            rig.go(|| drop(LEFT.take())).join().unwrap();
            waiter.join().unwrap();
        }
        assert_eq!(*lock.lock(), 3);
    });
}

/// Two fibers that each have what the other wants, and one more urgent that comes to it.
#[cfg(target_os = "linux")]
#[test]
fn a_ring_of_locks_comes_to_rest() {
    heddle_tests::with_options(
        &[1, 4],
        |builder| builder.name("knot"),
        |rig| {
            let locks = [Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0))];
            let go = Event::new();
            for (mine, theirs) in [(0, 1), (1, 0)] {
                let (mine, theirs) = (locks[mine].clone(), locks[theirs].clone());
                let (go, tracked) = (go.clone(), rig.track());
                drop(rig.go_with_priority(Priority::Background, move || {
                    let _held = tracked;
                    let _mine = mine.lock();
                    go.wait().unwrap();
                    let _theirs = theirs.lock();
                }));
            }
            until_suspended(rig, [0, 0, 0, 0, 2]);
            go.fire();
            eventually(|| go.has_fired());
            drop(counts(rig, Priority::High, &locks[0]));
            until_suspended(rig, [0, 3, 0, 0, 0]);
            super::idle::falls_silent(rig, "knot");
        },
    );
}

#[test]
fn locks_cancellations_timeouts_and_changes_of_priority_at_random_lose_nothing() {
    on_workers(&[1, 2, 8], |rig| {
        let mut random = Random::new();
        let locks: Arc<Vec<Mutex<(u64, u64)>>> = Arc::new((0..4).map(|_| Mutex::default()).collect());
        let (over, busy) = (Event::new(), Census::new());
        let fibers: Vec<_> = (0..40)
            .map(|_| {
                let (locks, over, tracked) = (locks.clone(), over.clone(), rig.track());
                let active = busy.track();
                let (mut random, priority) = (random.split(), *random.pick(&Priority::ALL));
                rig.go_with_priority(priority, move || {
                    let _held = tracked;
                    for _ in 0..30 {
                        live(&locks, &mut random);
                    }
                    // Until nobody changes it any more, or is about to lend to it.
                    drop(active);
                    if over.wait().is_err() {
                        cancel_point();
                    }
                    current().unwrap().priority() == current().unwrap().base_priority()
                })
            })
            .collect();
        std::thread::scope(|s| {
            for _ in 0..2 {
                let (mut random, fibers, locks) = (random.split(), &fibers, &locks);
                s.spawn(move || {
                    for _ in 0..300 {
                        let fiber = random.pick(fibers);
                        match random.below(10) {
                            0 if random.chance(10) => fiber.cancel(),
                            1 => touch(random.pick(locks).lock()),
                            2 => {
                                let patience = Duration::from_micros(random.below(200));
                                random.pick(locks).try_lock_for(patience).into_iter().for_each(touch);
                            }
                            _ => fiber.set_priority(*random.pick(&Priority::ALL)),
                        }
                    }
                });
            }
        });
        eventually(|| busy.live() == 0);
        over.fire();
        for fiber in fibers {
            match fiber.join() {
                Ok(settled) => assert!(settled, "a loan is left"),
                Err(error) => assert!(error.is_cancelled(), "{error}"),
            }
        }
        for lock in locks.iter() {
            let pair = lock.try_lock().expect("all have unlocked");
            assert_eq!(pair.0, pair.1);
        }
    });

    /// A critical section, whichever way it is left.
    struct Section<'a>(MutexGuard<'a, (u64, u64)>);

    impl<'a> Section<'a> {
        fn new(mut guard: MutexGuard<'a, (u64, u64)>) -> Section<'a> {
            assert_eq!(guard.0, guard.1, "one at a time");
            guard.0 += 1;
            Section(guard)
        }
    }

    impl Drop for Section<'_> {
        fn drop(&mut self) {
            self.0.1 += 1;
        }
    }

    fn touch(guard: MutexGuard<'_, (u64, u64)>) {
        drop(Section::new(guard));
    }

    fn live(locks: &[Mutex<(u64, u64)>], random: &mut Random) {
        // In the order of the locks, so that nobody waits in a ring.
        let first = random.below(locks.len() as u64) as usize;
        let patience = Duration::from_micros(random.below(300));
        let guard = match random.below(4) {
            0 => locks[first].try_lock_for(patience),
            1 => locks[first].try_lock(),
            _ => Some(locks[first].lock()),
        };
        let Some(_section) = guard.map(Section::new) else { return };
        match random.below(8) {
            0 => yield_now(),
            1 => checkpoint(),
            2 => sleep(Duration::from_micros(random.below(50))),
            3 => set_priority(*random.pick(&Priority::ALL)).unwrap(),
            4 if first + 1 < locks.len() => {
                let next = first + 1 + random.below((locks.len() - first - 1) as u64) as usize;
                touch(locks[next].lock());
            }
            5 => {
                // It is told by an error if it is cancelled meanwhile.
                let _ = go(|| ()).join();
            }
            6 => drop(go_with_priority(Priority::Low, || ())),
            _ => {}
        }
    }
}
