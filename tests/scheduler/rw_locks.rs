//! The lock for readers and writers: many read or one writes, by priority, and who writes is as urgent as those who wait.

use super::until_suspended;
use heddle_scheduler::sync::{RwLock, RwLockWriteGuard};
use heddle_scheduler::{JoinHandle, Priority, current, go, set_priority, sleep, yield_now};
use heddle_tests::{Event, Gate, Random, Rig, eventually, everywhere, on_workers};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

type Pair = RwLock<(u64, u64)>;
type Order = Arc<Mutex<Vec<(&'static str, Priority)>>>;

/// A fiber that writes until the event is fired; the result is what it counts as after.
fn writes_until(rig: &Rig, priority: Priority, lock: &Arc<Pair>, event: &Event) -> JoinHandle<Priority> {
    let (lock, event, tracked, ready) = (lock.clone(), event.clone(), rig.track(), Gate::new());
    let fiber = rig.go_with_priority(priority, {
        let ready = ready.clone();
        move || {
            let _held = tracked;
            let guard = lock.write();
            ready.open();
            event.wait().unwrap();
            drop(guard);
            current().unwrap().priority()
        }
    });
    ready.wait();
    fiber
}

fn comes(
    rig: &Rig,
    what: &'static str,
    priority: Priority,
    lock: &Arc<Pair>,
    order: &Order,
) -> JoinHandle<()> {
    let (lock, order, tracked) = (lock.clone(), order.clone(), rig.track());
    rig.go_with_priority(priority, move || {
        let _held = tracked;
        if what == "reads" {
            let guard = lock.read();
            order.lock().unwrap().push((what, current().unwrap().base_priority()));
            drop(guard);
        } else {
            let mut guard = lock.write();
            guard.0 += 1;
            order.lock().unwrap().push((what, current().unwrap().base_priority()));
            guard.1 += 1;
        }
    })
}

#[test]
fn many_read_or_one_writes() {
    everywhere(|rig| {
        let lock = Arc::new(Pair::default());
        let writes = |lock: &Pair| {
            let mut pair = lock.write();
            pair.0 += 1;
            yield_now();
            pair.1 += 1;
        };
        let reads = |lock: &Pair| {
            let pair = lock.read();
            let before = *pair;
            yield_now();
            assert!(pair.0 == pair.1 && *pair == before);
        };
        let fibers: Vec<_> = (0..20)
            .map(|n| {
                let lock = lock.clone();
                rig.go_with_priority(Priority::ALL[n % 5], move || {
                    (0..30).for_each(|turn| if (turn + n) % 3 == 0 { writes(&lock) } else { reads(&lock) });
                })
            })
            .collect();
        std::thread::scope(|s| {
            s.spawn(|| (0..100).for_each(|_| writes(&lock)));
            s.spawn(|| (0..100).for_each(|_| reads(&lock)));
        });
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
        assert_eq!(Arc::into_inner(lock).unwrap().into_inner(), (300, 300));
    });
}

#[test]
fn readers_are_in_at_the_same_time() {
    everywhere(|rig| {
        let (lock, event) = (Arc::new(RwLock::new(7)), Event::new());
        let readers: Vec<_> = (0..5)
            .map(|_| {
                let (lock, event) = (lock.clone(), event.clone());
                rig.go(move || {
                    let value = lock.read();
                    event.wait().unwrap();
                    *value
                })
            })
            .collect();
        eventually(|| event.waiting() == 5);
        assert!(lock.try_write().is_none());
        assert_eq!(*lock.try_read().unwrap(), 7);
        event.fire();
        assert!(readers.into_iter().all(|reader| reader.join().unwrap() == 7));
        assert!(lock.try_write().is_some());
    });
}

#[test]
fn a_reader_waits_behind_a_writer_that_is_as_urgent_and_passes_one_that_is_not() {
    everywhere(|rig| {
        let (lock, order) = (Arc::new(Pair::default()), Order::default());
        let reading = lock.read();
        let writer = comes(rig, "writes", Priority::Normal, &lock, &order);
        until_suspended(rig, [0, 0, 1, 0, 0]);
        assert!(lock.try_read().is_none(), "this thread counts as Normal");
        let reader = comes(rig, "reads", Priority::Normal, &lock, &order);
        until_suspended(rig, [0, 0, 2, 0, 0]);
        comes(rig, "reads", Priority::High, &lock, &order).join().unwrap();
        drop(reading);
        writer.join().unwrap();
        reader.join().unwrap();
        let came = [("reads", Priority::High), ("writes", Priority::Normal), ("reads", Priority::Normal)];
        assert_eq!(*order.lock().unwrap(), came);
    });
}

#[test]
fn those_who_wait_are_served_by_priority_and_then_in_turn_and_readers_together() {
    everywhere(|rig| {
        let (lock, order, event) = (Arc::new(Pair::default()), Order::default(), Event::new());
        let writer = writes_until(rig, Priority::Background, &lock, &event);
        let mut waiting = Vec::new();
        let come = [("writes", 3), ("reads", 2), ("writes", 2), ("writes", 0), ("writes", 1)];
        for (what, level) in come {
            waiting.push(comes(rig, what, Priority::ALL[level], &lock, &order));
            eventually(|| {
                rig.stats().levels.iter().map(|level| level.suspended).sum::<u64>()
                    == 1 + waiting.len() as u64
            });
        }
        waiting[4].set_priority(Priority::Background);
        until_suspended(rig, [2, 0, 2, 1, 1]);
        event.fire();
        waiting.into_iter().for_each(|fiber| fiber.join().unwrap());
        assert_eq!(writer.join().unwrap(), Priority::Background);
        let levels: Vec<_> =
            order.lock().unwrap().iter().map(|(what, level)| (*what, *level as u8)).collect();
        assert_eq!(levels, [("writes", 0), ("reads", 2), ("writes", 2), ("writes", 3), ("writes", 4)]);
    });
}

#[test]
fn who_writes_is_as_urgent_as_the_most_urgent_who_waits_until_it_unlocks() {
    everywhere(|rig| {
        let (lock, order, event) = (Arc::new(Pair::default()), Order::default(), Event::new());
        let writer = writes_until(rig, Priority::Background, &lock, &event);
        until_suspended(rig, [0, 0, 0, 0, 1]);
        let reader = comes(rig, "reads", Priority::Low, &lock, &order);
        until_suspended(rig, [0, 0, 0, 2, 0]);
        reader.set_priority(Priority::High);
        until_suspended(rig, [0, 2, 0, 0, 0]);
        let second = comes(rig, "writes", Priority::Critical, &lock, &order);
        until_suspended(rig, [2, 1, 0, 0, 0]);
        event.fire();
        assert_eq!(writer.join().unwrap(), Priority::Background);
        second.join().unwrap();
        reader.join().unwrap();
    });
}

#[test]
fn the_next_writer_is_lent_what_those_have_who_wait_on() {
    everywhere(|rig| {
        let (lock, order) = (Arc::new(Pair::default()), Order::default());
        let (first, second) = (Event::new(), Event::new());
        let writer = writes_until(rig, Priority::Normal, &lock, &first);
        let next = rig.go_with_priority(Priority::High, {
            let (lock, second) = (lock.clone(), second.clone());
            move || {
                let guard = lock.write();
                set_priority(Priority::Background).unwrap();
                second.wait().unwrap();
                let with = current().unwrap().priority();
                drop(guard);
                (with, current().unwrap().priority())
            }
        });
        until_suspended(rig, [0, 2, 0, 0, 0]);
        let last = comes(rig, "reads", Priority::Low, &lock, &order);
        until_suspended(rig, [0, 2, 0, 1, 0]);
        first.fire();
        writer.join().unwrap();
        until_suspended(rig, [0, 0, 0, 2, 0]);
        second.fire();
        assert_eq!(next.join().unwrap(), (Priority::Low, Priority::Background));
        last.join().unwrap();
    });
}

#[test]
fn one_that_goes_on_reading_lets_readers_in_and_gives_back_what_was_lent() {
    everywhere(|rig| {
        let (lock, order) = (Arc::new(Pair::default()), Order::default());
        let (first, second) = (Event::new(), Event::new());
        let fiber = rig.go_with_priority(Priority::Low, {
            let (lock, first, second) = (lock.clone(), first.clone(), second.clone());
            move || {
                let mut guard = lock.write();
                first.wait().unwrap();
                *guard = (5, 5);
                let guard = RwLockWriteGuard::downgrade(guard);
                let with = current().unwrap().priority();
                second.wait().unwrap();
                (*guard, with)
            }
        });
        until_suspended(rig, [0, 0, 0, 1, 0]);
        let reader = comes(rig, "reads", Priority::High, &lock, &order);
        until_suspended(rig, [0, 2, 0, 0, 0]);
        let writer = comes(rig, "writes", Priority::Normal, &lock, &order);
        until_suspended(rig, [0, 2, 1, 0, 0]);
        first.fire();
        reader.join().unwrap();
        assert!(lock.try_write().is_none() && !writer.is_finished());
        second.fire();
        assert_eq!(fiber.join().unwrap(), ((5, 5), Priority::Low));
        writer.join().unwrap();
        assert_eq!(*lock.read(), (6, 6));
    });
}

#[test]
fn one_that_is_cancelled_or_gives_up_lets_those_behind_it_on() {
    everywhere(|rig| {
        let (lock, order) = (Arc::new(Pair::default()), Order::default());
        let reading = lock.read();
        let writer = comes(rig, "writes", Priority::Normal, &lock, &order);
        until_suspended(rig, [0, 0, 1, 0, 0]);
        let told = rig.go({
            let lock = lock.clone();
            move || lock.write_or_cancelled().is_err()
        });
        until_suspended(rig, [0, 0, 2, 0, 0]);
        let reader = comes(rig, "reads", Priority::Normal, &lock, &order);
        until_suspended(rig, [0, 0, 3, 0, 0]);
        writer.cancel();
        assert!(writer.join().unwrap_err().is_cancelled());
        assert!(!reader.is_finished());
        told.cancel();
        assert!(told.join().unwrap());
        reader.join().unwrap();
        drop(reading);
        assert!(lock.try_write().is_some());
    });
}

#[test]
fn one_that_waits_for_so_long_gives_up_or_gets_it() {
    everywhere(|rig| {
        let lock = Arc::new(RwLock::new(0));
        let tries = |lock: &RwLock<u32>| {
            let (begun, patience) = (Instant::now(), Duration::from_millis(2));
            assert!(lock.try_read_for(patience).is_none() && lock.try_write_for(patience).is_none());
            assert!(begun.elapsed() >= 2 * patience);
            assert!(lock.try_read_until(begun).is_none() && lock.try_write_until(begun).is_none());
            assert!(lock.try_read_for(Duration::ZERO).is_none());
            assert!(lock.try_write_for(Duration::ZERO).is_none());
        };
        let guard = lock.write();
        tries(&lock);
        let fiber = rig.go({
            let lock = lock.clone();
            move || tries(&lock)
        });
        fiber.join().unwrap();
        let patient = [true, false].map(|reads| {
            let lock = lock.clone();
            rig.go(move || {
                if reads {
                    lock.try_read_for(Duration::MAX).is_some()
                } else {
                    lock.try_write_until(Instant::now() + Duration::from_secs(1 << 30)).is_some()
                }
            })
        });
        until_suspended(rig, [0, 0, 2, 0, 0]);
        drop(guard);
        assert!(patient.into_iter().all(|fiber| fiber.join().unwrap()));
        assert!(
            lock.try_write_for(Duration::ZERO).is_some() && lock.try_read_until(Instant::now()).is_some()
        );
    });
}

#[test]
fn a_fiber_that_locks_what_it_writes_is_told_so() {
    everywhere(|rig| {
        rig.run(|| {
            let lock = RwLock::new(());
            let guard = lock.write();
            assert!(lock.try_read().is_none() && lock.try_write().is_none());
            assert!(lock.try_write_for(Duration::from_millis(1)).is_none());
            for reads in [false, true] {
                let again = || if reads { drop(lock.read()) } else { drop(lock.write()) };
                let panic = catch_unwind(AssertUnwindSafe(again)).unwrap_err();
                assert!(panic.downcast::<&str>().unwrap().contains("writes already"));
            }
            drop(guard);
            drop(lock.write());
        });
    });
}

#[test]
fn a_panic_unlocks_and_poisons_nothing() {
    everywhere(|rig| {
        let lock = Arc::new(RwLock::new(0));
        for reads in [false, true] {
            let lock = lock.clone();
            let fiber = rig.go(move || {
                let _reading = reads.then(|| lock.read());
                let _writing = (!reads).then(|| lock.write());
                panic!("while locked");
            });
            assert!(fiber.join().unwrap_err().is_panic());
        }
        *lock.try_write().unwrap() += 1;
        assert_eq!(format!("{lock:?}"), "RwLock { value: 1 }");
        let writing = lock.write();
        assert_eq!(format!("{lock:?} {writing:?}"), "RwLock { value: <locked> } 1");
    });
}

#[test]
fn a_fiber_that_ends_while_it_writes_leaves_it_locked_and_nothing_dangles() {
    everywhere(|rig| {
        let (lock, order) = (Arc::new(Pair::default()), Order::default());
        let forgets = rig.go({
            let lock = lock.clone();
            move || std::mem::forget(lock.write())
        });
        forgets.join().unwrap();
        let waiter = comes(rig, "writes", Priority::Critical, &lock, &order);
        until_suspended(rig, [1, 0, 0, 0, 0]);
        waiter.cancel();
        assert!(waiter.join().unwrap_err().is_cancelled());
    });
}

#[test]
fn those_who_wait_when_the_scheduler_stops_are_told() {
    everywhere(|rig| {
        let (lock, order) = (Arc::new(Pair::default()), Order::default());
        let guard = lock.write();
        let waiting: Vec<_> = (0..6)
            .map(|n| comes(rig, if n % 2 == 0 { "reads" } else { "writes" }, Priority::Normal, &lock, &order))
            .collect();
        until_suspended(rig, [0, 0, 6, 0, 0]);
        rig.stop().unwrap();
        assert!(waiting.into_iter().all(|fiber| fiber.join().is_err()));
        drop(guard);
        assert!(lock.try_write().is_some());
    });
}

#[test]
fn cancellations_timeouts_and_changes_of_priority_at_random_lose_nothing() {
    on_workers(&[1, 2, 8], |rig| {
        let mut random = Random::new();
        let (lock, over) = (Arc::new(Pair::default()), Event::new());
        let active = heddle_tests::Census::new();
        let fibers: Vec<_> = (0..40)
            .map(|_| {
                let (lock, over, tracked, active) = (lock.clone(), over.clone(), rig.track(), active.track());
                let (mut random, priority) = (random.split(), *random.pick(&Priority::ALL));
                rig.go_with_priority(priority, move || {
                    let _held = tracked;
                    (0..30).for_each(|_| live(&lock, &mut random));
                    drop(active);
                    if over.wait().is_err() {
                        heddle_scheduler::suspend::cancel_point();
                    }
                    current().unwrap().priority() == current().unwrap().base_priority()
                })
            })
            .collect();
        std::thread::scope(|s| {
            for _ in 0..2 {
                let (mut random, fibers, lock) = (random.split(), &fibers, &lock);
                s.spawn(move || {
                    for _ in 0..300 {
                        let fiber = random.pick(fibers);
                        match random.below(10) {
                            0 if random.chance(10) => fiber.cancel(),
                            1 => drop(lock.read()),
                            2 => touch(lock.write()),
                            _ => fiber.set_priority(*random.pick(&Priority::ALL)),
                        }
                    }
                });
            }
        });
        eventually(|| active.live() == 0);
        over.fire();
        for fiber in fibers {
            match fiber.join() {
                Ok(settled) => assert!(settled, "a loan is left"),
                Err(error) => assert!(error.is_cancelled(), "{error}"),
            }
        }
        let pair = lock.try_write().expect("all have unlocked");
        assert_eq!(pair.0, pair.1);
    });

    fn touch(mut guard: RwLockWriteGuard<'_, (u64, u64)>) {
        assert_eq!(guard.0, guard.1);
        guard.0 += 1;
        std::hint::black_box(&mut guard);
        guard.1 += 1;
    }

    fn live(lock: &Pair, random: &mut Random) {
        let patience = Duration::from_micros(random.below(300));
        let mut reading = None;
        match random.below(7) {
            0 => reading = lock.try_read(),
            1 => reading = lock.try_read_for(patience),
            2 | 3 => reading = Some(lock.read()),
            4 => lock.try_write_for(patience).into_iter().for_each(touch),
            5 => reading = Some(RwLockWriteGuard::downgrade(lock.write())),
            _ => touch(lock.write()),
        }
        assert!(reading.as_ref().is_none_or(|pair| pair.0 == pair.1));
        match random.below(8) {
            0 => yield_now(),
            1 => sleep(Duration::from_micros(random.below(50))),
            2 => set_priority(*random.pick(&Priority::ALL)).unwrap(),
            3 => drop(go(|| ()).join()),
            _ => {}
        }
    }
}
