//! The semaphore: as many as there are permits, the most urgent first, and no permit is lost.

use super::until_suspended;
use heddle_scheduler::sync::{Permit, Semaphore};
use heddle_scheduler::{JoinHandle, Priority, current, set_priority, sleep, yield_now};
use heddle_tests::{Event, Gate, Random, Rig, eventually, everywhere, on_workers};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A fiber that acquires so many, says who it is, and gives them back.
fn acquires(
    rig: &Rig,
    priority: Priority,
    permits: &Arc<Semaphore>,
    count: usize,
    order: &Arc<Mutex<Vec<Priority>>>,
) -> JoinHandle<()> {
    let (permits, order, tracked) = (permits.clone(), order.clone(), rig.track());
    rig.go_with_priority(priority, move || {
        let _held = tracked;
        let permit = permits.acquire_many(count);
        assert_eq!(permit.count(), count);
        order.lock().unwrap().push(current().unwrap().priority());
    })
}

#[test]
fn no_more_are_inside_than_there_are_permits() {
    everywhere(|rig| {
        let (permits, inside) = (Arc::new(Semaphore::new(3)), Arc::new(AtomicUsize::new(0)));
        let section = |permits: &Semaphore, inside: &AtomicUsize| {
            let _permit = permits.acquire();
            assert!(inside.fetch_add(1, Ordering::Relaxed) < 3);
            yield_now();
            inside.fetch_sub(1, Ordering::Relaxed);
        };
        let fibers: Vec<_> = (0..20)
            .map(|n| {
                let (permits, inside) = (permits.clone(), inside.clone());
                rig.go_with_priority(Priority::ALL[n % 5], move || {
                    (0..20).for_each(|_| section(&permits, &inside));
                })
            })
            .collect();
        std::thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| (0..100).for_each(|_| section(&permits, &inside)));
            }
        });
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
        assert_eq!(permits.available(), 3);
    });
}

#[test]
fn the_most_urgent_is_served_first_and_among_equals_the_first_that_came() {
    // With one permit each has it when the one before has said who it is.
    everywhere(|rig| {
        let (permits, order) = (Arc::new(Semaphore::new(0)), Arc::default());
        let come = [2, 3, 0, 2, 1, 0].map(|level: usize| Priority::ALL[level]);
        let mut waiting = Vec::new();
        for (n, priority) in come.into_iter().enumerate() {
            waiting.push(acquires(rig, priority, &permits, 1, &order));
            eventually(|| format!("{permits:?}").contains(&format!("waiting: {}", n + 1)));
        }
        permits.add(1);
        waiting.into_iter().for_each(|fiber| fiber.join().unwrap());
        let mut sorted = come;
        sorted.sort();
        assert_eq!(*order.lock().unwrap(), sorted);
        assert_eq!(permits.available(), 1);
    });
}

#[test]
fn one_whose_priority_changes_while_it_waits_takes_its_new_place() {
    everywhere(|rig| {
        let (permits, order) = (Arc::new(Semaphore::new(0)), Arc::default());
        let first = acquires(rig, Priority::Normal, &permits, 1, &order);
        until_suspended(rig, [0, 0, 1, 0, 0]);
        let second = acquires(rig, Priority::Low, &permits, 1, &order);
        until_suspended(rig, [0, 0, 1, 1, 0]);
        second.set_priority(Priority::High);
        until_suspended(rig, [0, 1, 1, 0, 0]);
        first.set_priority(Priority::Background);
        until_suspended(rig, [0, 1, 0, 0, 1]);
        permits.add(1);
        second.join().unwrap();
        first.join().unwrap();
        assert_eq!(*order.lock().unwrap(), [Priority::High, Priority::Background]);
    });
}

#[test]
fn one_that_rises_past_somebody_who_wants_more_than_there_is_gets_what_there_is() {
    everywhere(|rig| {
        let (permits, order) = (Arc::new(Semaphore::new(1)), Arc::default());
        let many = acquires(rig, Priority::Normal, &permits, 2, &order);
        until_suspended(rig, [0, 0, 1, 0, 0]);
        let one = acquires(rig, Priority::Low, &permits, 1, &order);
        until_suspended(rig, [0, 0, 1, 1, 0]);
        assert_eq!(permits.available(), 1);
        one.set_priority(Priority::Critical);
        one.join().unwrap();
        permits.add(1);
        many.join().unwrap();
        assert_eq!((permits.available(), order.lock().unwrap().len()), (2, 2));
    });
}

#[test]
fn who_wants_many_is_not_overtaken_by_equals_who_want_one() {
    everywhere(|rig| {
        let (permits, order) = (Arc::new(Semaphore::new(2)), Arc::default());
        let many = acquires(rig, Priority::Normal, &permits, 3, &order);
        until_suspended(rig, [0, 0, 1, 0, 0]);
        // A thread counts as Normal, as does this.
        assert!(permits.try_acquire().is_none());
        let one = acquires(rig, Priority::Normal, &permits, 1, &order);
        until_suspended(rig, [0, 0, 2, 0, 0]);
        // Who is more urgent than all who wait takes what there is.
        let taken = rig.go_with_priority(Priority::High, {
            let permits = permits.clone();
            move || permits.try_acquire_many(2).map(|permit| permit.count())
        });
        assert_eq!(taken.join().unwrap(), Some(2));
        permits.add(1);
        many.join().unwrap();
        one.join().unwrap();
        assert_eq!(permits.available(), 3);
    });
}

#[test]
fn when_one_who_wants_many_is_cancelled_those_behind_it_go_on() {
    everywhere(|rig| {
        let (permits, order) = (Arc::new(Semaphore::new(2)), Arc::default());
        let many = acquires(rig, Priority::Normal, &permits, 3, &order);
        until_suspended(rig, [0, 0, 1, 0, 0]);
        let ones = [(); 2].map(|()| acquires(rig, Priority::Normal, &permits, 1, &order));
        until_suspended(rig, [0, 0, 3, 0, 0]);
        many.cancel();
        assert!(many.join().unwrap_err().is_cancelled());
        ones.into_iter().for_each(|one| one.join().unwrap());
        assert_eq!(permits.available(), 2);
    });
}

#[test]
fn one_that_is_cancelled_while_it_waits_unwinds_or_is_told_so() {
    everywhere(|rig| {
        let permits = Arc::new(Semaphore::new(0));
        let unwinds = rig.go({
            let (permits, tracked) = (permits.clone(), rig.track());
            move || {
                let _held = tracked;
                drop(permits.acquire());
            }
        });
        let told = rig.go({
            let permits = permits.clone();
            move || permits.acquire_or_cancelled().is_err() && permits.acquire_many_or_cancelled(7).is_err()
        });
        let timed = rig.go({
            let permits = permits.clone();
            move || drop(permits.try_acquire_for(Duration::MAX))
        });
        until_suspended(rig, [0, 0, 3, 0, 0]);
        unwinds.cancel();
        told.cancel();
        timed.cancel();
        assert!(unwinds.join().unwrap_err().is_cancelled());
        assert!(told.join().unwrap());
        assert!(timed.join().unwrap_err().is_cancelled());
        permits.add(1);
        assert_eq!(permits.available(), 1);
    });
}

#[test]
fn one_that_is_cancelled_takes_without_an_error_what_is_there() {
    everywhere(|rig| {
        let permits = Arc::new(Semaphore::new(1));
        let go = Gate::new();
        let fiber = rig.go({
            let (permits, go) = (permits.clone(), go.clone());
            move || {
                go.wait();
                permits.acquire_or_cancelled().is_ok()
            }
        });
        eventually(|| rig.stats().levels[2].running + u64::from(fiber.is_finished()) > 0);
        fiber.cancel();
        go.open();
        assert!(fiber.join().unwrap());
    });
}

#[test]
fn one_that_waits_for_so_long_gives_up_or_gets_it() {
    everywhere(|rig| {
        let permits = Arc::new(Semaphore::new(0));
        let tries = |permits: &Semaphore| {
            let begun = Instant::now();
            let patience = Duration::from_millis(3);
            assert!(permits.try_acquire_for(patience).is_none());
            assert!(begun.elapsed() >= patience);
            assert!(permits.try_acquire_until(begun).is_none(), "a time that is past");
            assert!(permits.try_acquire_for(Duration::ZERO).is_none());
        };
        tries(&permits);
        rig.go({
            let permits = permits.clone();
            move || tries(&permits)
        })
        .join()
        .unwrap();
        let far = Instant::now() + Duration::from_secs(1 << 30);
        let patient = [
            rig.go({
                let permits = permits.clone();
                move || permits.try_acquire_for(Duration::MAX).map(Permit::forget).is_some()
            }),
            rig.go({
                let permits = permits.clone();
                move || permits.try_acquire_until(far).map(Permit::forget).is_some()
            }),
        ];
        until_suspended(rig, [0, 0, 2, 0, 0]);
        permits.add(2);
        assert!(patient.into_iter().all(|fiber| fiber.join().unwrap()));
        assert_eq!(permits.available(), 0);
        permits.add(1);
        assert!(permits.try_acquire_for(Duration::ZERO).is_some());
        assert!(permits.try_acquire_until(Instant::now()).is_some());
    });
}

#[test]
fn permits_are_added_forgotten_and_counted() {
    everywhere(|rig| {
        let permits = Semaphore::new(2);
        rig.run(|| {
            permits.acquire().forget();
            assert_eq!(permits.available(), 1);
            permits.add(0);
            permits.add(4);
            let five = permits.try_acquire_many(5).unwrap();
            assert_eq!((five.count(), permits.available()), (5, 0));
            assert!(permits.try_acquire().is_none());
            drop(five);
            assert_eq!(permits.available(), 5);
        });
    });
}

#[test]
fn none_at_all_can_always_be_had() {
    everywhere(|rig| {
        let permits = Arc::new(Semaphore::new(0));
        assert_eq!(permits.acquire_many(0).count(), 0);
        let waiting = rig.go({
            let permits = permits.clone();
            move || permits.acquire_many(2).forget()
        });
        until_suspended(rig, [0, 0, 1, 0, 0]);
        drop(permits.try_acquire_many(0).unwrap());
        drop(permits.acquire_many(0));
        permits.add(2);
        waiting.join().unwrap();
    });
}

#[test]
fn as_many_as_can_be_counted_are_and_more_are_refused() {
    everywhere(|rig| {
        let permits = Arc::new(Semaphore::new(usize::MAX));
        drop(permits.acquire_many(usize::MAX));
        assert!(catch_unwind(AssertUnwindSafe(|| permits.add(1))).is_err());
        assert_eq!(permits.available(), usize::MAX, "and nothing has changed");
        let one = permits.acquire();
        let all = rig.go({
            let permits = permits.clone();
            move || permits.acquire_many(usize::MAX).count()
        });
        until_suspended(rig, [0, 0, 1, 0, 0]);
        drop(one);
        assert_eq!(all.join().unwrap(), usize::MAX);
    });
}

#[test]
fn a_permit_may_go_to_another_fiber_or_thread() {
    everywhere(|rig| {
        let permits: &'static Semaphore = Box::leak(Box::new(Semaphore::new(1)));
        let permit = rig.go(|| permits.acquire()).join().unwrap();
        assert_eq!(permits.available(), 0);
        rig.go(move || drop(permit)).join().unwrap();
        assert_eq!(permits.available(), 1);
    });
}

#[test]
fn fibers_of_two_schedulers_and_threads_pass_one_permit_around() {
    everywhere(|rig| {
        let other = rig.another(2);
        let (permits, count) = (Arc::new(Semaphore::new(1)), Arc::new(AtomicUsize::new(0)));
        let work = {
            let (permits, count) = (permits.clone(), count.clone());
            move || {
                for _ in 0..50 {
                    let _permit = permits.acquire();
                    let before = count.load(Ordering::Relaxed);
                    yield_now();
                    count.store(before + 1, Ordering::Relaxed);
                }
            }
        };
        let fibers: Vec<_> =
            (0..8).map(|n| if n % 2 == 0 { rig.go(work.clone()) } else { other.go(work.clone()) }).collect();
        work();
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
        assert_eq!(count.load(Ordering::Relaxed), 450);
        Rig::retire(&other);
    });
}

#[test]
fn a_destructor_during_a_panic_waits_with_its_thread() {
    struct Last(Arc<Semaphore>, Gate);
    impl Drop for Last {
        fn drop(&mut self) {
            assert!(std::thread::panicking());
            assert!(self.0.try_acquire_for(Duration::from_micros(10)).is_none());
            self.1.open();
            drop(self.0.acquire());
        }
    }
    on_workers(&[2, 4], |rig| {
        let (permits, reached) = (Arc::new(Semaphore::new(0)), Gate::new());
        let fiber = rig.go({
            let last = Last(permits.clone(), reached.clone());
            move || {
                let _last = last;
                panic!("with a destructor that waits");
            }
        });
        reached.wait();
        permits.add(1);
        assert!(fiber.join().unwrap_err().is_panic());
        assert_eq!(permits.available(), 1);
    });
}

#[test]
fn a_panic_gives_the_permit_back() {
    everywhere(|rig| {
        let permits = Arc::new(Semaphore::new(1));
        let fiber = rig.go({
            let permits = permits.clone();
            move || {
                let _permit = permits.acquire();
                panic!("with a permit");
            }
        });
        assert!(fiber.join().unwrap_err().is_panic());
        assert_eq!(permits.available(), 1);
    });
}

#[test]
fn those_who_wait_when_the_scheduler_stops_are_told_and_the_semaphore_lives_on() {
    everywhere(|rig| {
        let permits = Arc::new(Semaphore::new(0));
        let waiting: Vec<_> = (0..10)
            .map(|_| {
                let (permits, tracked) = (permits.clone(), rig.track());
                rig.go(move || {
                    let _held = tracked;
                    drop(permits.acquire());
                })
            })
            .collect();
        until_suspended(rig, [0, 0, 10, 0, 0]);
        rig.stop().unwrap();
        assert!(waiting.into_iter().all(|fiber| fiber.join().is_err()));
        permits.add(2);
        assert_eq!(permits.available(), 2);
        drop(permits.acquire_many(2));
    });
}

#[test]
fn cancellations_timeouts_and_changes_of_priority_at_random_lose_no_permit() {
    on_workers(&[1, 2, 8], |rig| {
        let mut random = Random::new();
        let (permits, over) = (Arc::new(Semaphore::new(3)), Event::new());
        let fibers: Vec<_> = (0..40)
            .map(|_| {
                let (permits, tracked) = (permits.clone(), rig.track());
                let (mut random, priority) = (random.split(), *random.pick(&Priority::ALL));
                rig.go_with_priority(priority, move || {
                    let _held = tracked;
                    for _ in 0..40 {
                        live(&permits, &mut random);
                    }
                })
            })
            .collect();
        std::thread::scope(|s| {
            for _ in 0..2 {
                let (mut random, fibers, permits) = (random.split(), &fibers, &permits);
                s.spawn(move || {
                    for _ in 0..300 {
                        let fiber = random.pick(fibers);
                        match random.below(8) {
                            0 if random.chance(20) => fiber.cancel(),
                            1 => drop(permits.try_acquire_for(Duration::from_micros(random.below(200)))),
                            2 => drop(permits.acquire()),
                            _ => fiber.set_priority(*random.pick(&Priority::ALL)),
                        }
                    }
                });
            }
        });
        for fiber in fibers {
            if let Err(error) = fiber.join() {
                assert!(error.is_cancelled(), "{error}");
            }
        }
        over.fire();
        assert_eq!(permits.available(), 3);
        assert_eq!(format!("{permits:?}"), "Semaphore { available: 3, waiting: 0 }");
    });

    fn live(permits: &Semaphore, random: &mut Random) {
        let count = random.below(4) as usize;
        let patience = Duration::from_micros(random.below(300));
        let permit = match random.below(5) {
            0 => permits.try_acquire(),
            1 => permits.try_acquire_for(patience),
            2 => permits.try_acquire_many(count),
            3 => Some(permits.acquire_many(count)),
            _ => Some(permits.acquire()),
        };
        assert!(permit.as_ref().is_none_or(|permit| permit.count() <= 3));
        match random.below(6) {
            0 => yield_now(),
            1 => sleep(Duration::from_micros(random.below(50))),
            2 => set_priority(*random.pick(&Priority::ALL)).unwrap(),
            _ => {}
        }
    }
}
