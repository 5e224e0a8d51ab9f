//! Condition variables, barriers, groups, events, and what is made once.

use super::until_suspended;
use heddle_scheduler::sync::{Barrier, Condvar, Event, Lazy, Mutex, Once, OnceCell, WaitGroup};
use heddle_scheduler::{Priority, current, sleep, yield_now};
use heddle_tests::{Gate, Rig, eventually, everywhere, on_workers};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(2);

#[test]
fn those_who_wait_for_a_condition_are_notified_by_priority_one_at_a_time_or_all() {
    everywhere(|rig| {
        let shared = Arc::new((Mutex::new((0, Vec::new())), Condvar::new()));
        let mut waiting = Vec::new();
        for level in [2, 3, 0, 1, 2] {
            let (theirs, tracked) = (shared.clone(), rig.track());
            waiting.push(rig.go_with_priority(Priority::ALL[level], move || {
                let _held = tracked;
                let mut guard = theirs.1.wait_while(theirs.0.lock(), |state| state.0 == 0);
                guard.0 -= 1;
                guard.1.push(level);
            }));
            eventually(|| format!("{:?}", shared.1).contains(&format!("waiting: {}", waiting.len())));
        }
        for done in 1..=3 {
            shared.0.lock().0 += 1;
            shared.1.notify_one();
            eventually(|| shared.0.lock().1.len() == done);
        }
        assert_eq!(shared.0.lock().1, [0, 1, 2]);
        shared.0.lock().0 += 2;
        shared.1.notify_all();
        waiting.into_iter().for_each(|fiber| fiber.join().unwrap());
        shared.1.notify_one();
        shared.1.notify_all();
        assert_eq!(shared.0.lock().0, 0);
    });
}

#[test]
fn a_wait_for_a_condition_that_takes_too_long_has_the_lock_again() {
    everywhere(|rig| {
        let shared = Arc::new((Mutex::new(0), Condvar::new()));
        let tries = |shared: &(Mutex<u32>, Condvar)| {
            let begun = Instant::now();
            let (guard, over) = shared.1.wait_timeout(shared.0.lock(), SHORT);
            assert!(over.timed_out() && begun.elapsed() >= SHORT && shared.0.is_locked());
            let (guard, over) = shared.1.wait_timeout_while(guard, Duration::ZERO, |n| *n == 0);
            assert!(over.timed_out());
            let (guard, over) = shared.1.wait_timeout_while(guard, Duration::MAX, |n| *n != 0);
            assert!(!over.timed_out() && *guard == 0);
        };
        tries(&shared);
        rig.run(|| tries(&shared));
        assert!(!shared.0.is_locked());
    });
}

#[test]
fn a_notification_for_one_that_is_cancelled_while_it_locks_again_goes_to_the_next() {
    everywhere(|rig| {
        let shared = Arc::new((Mutex::new(false), Condvar::new()));
        let waits = |priority| {
            let shared = shared.clone();
            rig.go_with_priority(priority, move || drop(shared.1.wait(shared.0.lock())))
        };
        let first = waits(Priority::High);
        until_suspended(rig, [0, 1, 0, 0, 0]);
        let second = waits(Priority::Low);
        until_suspended(rig, [0, 1, 0, 1, 0]);
        let guard = shared.0.lock();
        shared.1.notify_one();
        // It waits for the lock now, and unwinds from there.
        eventually(|| format!("{:?}", shared.1).contains("waiting: 1"));
        first.cancel();
        assert!(first.join().unwrap_err().is_cancelled());
        drop(guard);
        second.join().unwrap();
        assert!(!shared.0.is_locked());
    });
}

#[test]
fn one_that_is_cancelled_while_it_waits_for_a_condition_does_not_have_the_lock() {
    struct Looks(Arc<(Mutex<u32>, Condvar)>);
    impl Drop for Looks {
        fn drop(&mut self) {
            *self.0.0.try_lock().expect("it was freed") += 1;
        }
    }
    everywhere(|rig| {
        let shared = Arc::new((Mutex::new(0), Condvar::new()));
        let unwinds = rig.go({
            let looks = Looks(shared.clone());
            move || drop(looks.0.1.wait(looks.0.0.lock()))
        });
        until_suspended(rig, [0, 0, 1, 0, 0]);
        unwinds.cancel();
        assert!(unwinds.join().unwrap_err().is_cancelled());
        let told = rig.go({
            let shared = shared.clone();
            move || shared.1.wait_or_cancelled(shared.0.lock()).is_err()
        });
        until_suspended(rig, [0, 0, 1, 0, 0]);
        told.cancel();
        assert!(told.join().unwrap());
        assert_eq!(*shared.0.lock(), 1);
    });
}

#[test]
fn what_was_lent_for_the_lock_is_not_taken_along_into_the_wait() {
    everywhere(|rig| {
        let shared = Arc::new((Mutex::new(0), Condvar::new()));
        let locked = heddle_tests::Event::new();
        let low = rig.go_with_priority(Priority::Low, {
            let (shared, locked) = (shared.clone(), locked.clone());
            move || {
                let guard = shared.0.lock();
                locked.wait().unwrap();
                drop(shared.1.wait_while(guard, |n| *n < 1));
            }
        });
        until_suspended(rig, [0, 0, 0, 1, 0]);
        let urgent = rig.go_with_priority(Priority::Critical, {
            let shared = shared.clone();
            move || drop(shared.0.lock())
        });
        until_suspended(rig, [2, 0, 0, 0, 0]);
        locked.fire();
        urgent.join().unwrap();
        until_suspended(rig, [0, 0, 0, 1, 0]);
        let normal = rig.go({
            let shared = shared.clone();
            move || drop(shared.1.wait(shared.0.lock()))
        });
        until_suspended(rig, [0, 0, 1, 1, 0]);
        *shared.0.lock() = 1;
        shared.1.notify_one();
        normal.join().unwrap();
        assert!(!low.is_finished(), "it waits with its own priority");
        shared.1.notify_one();
        low.join().unwrap();
    });
}

#[test]
fn all_go_on_when_the_last_has_come_to_a_barrier_and_one_leads_each_time() {
    on_workers(&[1, 2, 8], |rig| {
        let (barrier, leaders) = (Arc::new(Barrier::new(7)), Arc::new(AtomicUsize::new(0)));
        let rounds = |barrier: &Barrier, leaders: &AtomicUsize| {
            for round in 0..20 {
                assert!(leaders.load(Ordering::Relaxed) <= round + 1);
                leaders.fetch_add(usize::from(barrier.wait().is_leader()), Ordering::Relaxed);
                barrier.wait();
                assert!(leaders.load(Ordering::Relaxed) > round);
            }
        };
        let fibers: Vec<_> = (0..6)
            .map(|n| {
                let (barrier, leaders) = (barrier.clone(), leaders.clone());
                rig.go_with_priority(Priority::ALL[n % 5], move || rounds(&barrier, &leaders))
            })
            .collect();
        rounds(&barrier, &leaders);
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
        assert_eq!(leaders.load(Ordering::Relaxed), 20);
    });
}

#[test]
fn one_that_leaves_a_barrier_is_not_counted_and_small_ones_let_everybody_through() {
    everywhere(|rig| {
        for size in [0, 1] {
            assert!(Barrier::new(size).wait().is_leader());
        }
        let barrier = Arc::new(Barrier::new(2));
        assert!(barrier.wait_for(SHORT).is_none() && barrier.wait_for(Duration::ZERO).is_none());
        let waits = || {
            let (barrier, tracked) = (barrier.clone(), rig.track());
            rig.go(move || {
                let _held = tracked;
                barrier.wait().is_leader()
            })
        };
        let cancelled = waits();
        until_suspended(rig, [0, 0, 1, 0, 0]);
        cancelled.cancel();
        assert!(cancelled.join().unwrap_err().is_cancelled());
        let other = waits();
        until_suspended(rig, [0, 0, 1, 0, 0]);
        assert!(barrier.wait_for(Duration::MAX).unwrap().is_leader());
        assert!(!other.join().unwrap());
        let huge = Barrier::new(usize::MAX);
        assert!(huge.wait_for(Duration::ZERO).is_none());
    });
}

#[test]
fn a_group_is_over_when_all_its_members_are_gone_also_by_panic_and_cancellation() {
    everywhere(|rig| {
        WaitGroup::new().wait();
        let (group, go) = (WaitGroup::new(), heddle_tests::Event::new());
        let ends: Vec<_> = (0..9)
            .map(|n| {
                let (group, go, tracked) = (group.clone(), go.clone(), rig.track());
                rig.go(move || {
                    let _held = (tracked, group);
                    let _ = go.wait();
                    assert!(n % 3 != 0, "one in three does");
                })
            })
            .collect();
        until_suspended(rig, [0, 0, 9, 0, 0]);
        let waiter = rig.go({
            let group = group.clone();
            move || group.wait()
        });
        let told = rig.go({
            let group = group.clone();
            move || group.wait_or_cancelled().is_err()
        });
        until_suspended(rig, [0, 0, 11, 0, 0]);
        told.cancel();
        assert!(told.join().unwrap());
        let group = group.wait_timeout(SHORT).unwrap_err();
        let group = group.wait_timeout(Duration::ZERO).unwrap_err();
        ends[1].cancel();
        go.fire();
        assert!(group.wait_timeout(Duration::MAX).is_ok());
        waiter.join().unwrap();
        assert_eq!(
            ends.into_iter().filter_map(|fiber| fiber.join().err()).filter(|e| e.is_panic()).count(),
            3
        );
    });
}

#[test]
fn an_event_lets_all_through_until_it_is_reset() {
    everywhere(|rig| {
        let event = Arc::new(Event::new());
        assert!(!event.is_set() && !event.wait_for(SHORT) && !event.wait_until(Instant::now()));
        let waits = || {
            let (event, tracked) = (event.clone(), rig.track());
            rig.go(move || {
                let _held = tracked;
                event.wait();
                event.wait_for(Duration::MAX)
            })
        };
        let waiting = [(); 5].map(|()| waits());
        until_suspended(rig, [0, 0, 5, 0, 0]);
        event.set();
        event.set();
        assert!(waiting.into_iter().all(|fiber| fiber.join().unwrap()));
        assert!(event.is_set() && event.wait_for(Duration::ZERO));
        event.wait();
        event.reset();
        event.reset();
        let (cancelled, told) = (waits(), {
            let event = event.clone();
            rig.go(move || event.wait_or_cancelled().is_err())
        });
        until_suspended(rig, [0, 0, 2, 0, 0]);
        cancelled.cancel();
        told.cancel();
        assert!(cancelled.join().unwrap_err().is_cancelled() && told.join().unwrap());
        assert_eq!(format!("{event:?}"), "Event { set: false, waiting: 0 }");
    });
}

#[test]
fn a_value_is_made_once_by_one_who_may_suspend_and_is_as_urgent_as_those_who_wait() {
    everywhere(|rig| {
        let (cell, made) = (Arc::new(OnceCell::new()), Arc::new(AtomicU32::new(0)));
        let go = heddle_tests::Event::new();
        let maker = rig.go_with_priority(Priority::Background, {
            let (cell, made, go) = (cell.clone(), made.clone(), go.clone());
            move || {
                *cell.get_or_init(|| {
                    go.wait().unwrap();
                    made.fetch_add(1, Ordering::Relaxed);
                    current().unwrap().priority()
                })
            }
        });
        until_suspended(rig, [0, 0, 0, 0, 1]);
        assert!(cell.get().is_none());
        let others: Vec<_> = (0..5)
            .map(|_| {
                let cell = cell.clone();
                rig.go_with_priority(Priority::High, move || *cell.get_or_init(|| unreachable!()))
            })
            .collect();
        until_suspended(rig, [0, 6, 0, 0, 0]);
        go.fire();
        assert_eq!(maker.join().unwrap(), Priority::High);
        assert!(others.into_iter().all(|fiber| fiber.join().unwrap() == Priority::High));
        assert_eq!((made.load(Ordering::Relaxed), cell.set(Priority::Low)), (1, Err(Priority::Low)));
    });
}

#[test]
fn a_value_that_could_not_be_made_is_made_by_the_next() {
    everywhere(|rig| {
        let cell = Arc::new(OnceCell::<u32>::new());
        let panics = rig.go({
            let cell = cell.clone();
            move || *cell.get_or_init(|| panic!("no value"))
        });
        assert!(panics.join().unwrap_err().is_panic());
        assert_eq!(cell.get_or_try_init(|| Err("none")), Err("none"));
        let cancelled = rig.go({
            let cell = cell.clone();
            move || {
                *cell.get_or_init(|| {
                    sleep(Duration::MAX);
                    1
                })
            }
        });
        until_suspended(rig, [0, 0, 1, 0, 0]);
        let waits = rig.go({
            let cell = cell.clone();
            move || cell.get_or_init_or_cancelled(|| 3).is_err()
        });
        let next = rig.go({
            let cell = cell.clone();
            move || *cell.get_or_init(|| 2)
        });
        until_suspended(rig, [0, 0, 3, 0, 0]);
        waits.cancel();
        assert!(waits.join().unwrap());
        cancelled.cancel();
        assert!(cancelled.join().unwrap_err().is_cancelled());
        assert_eq!(next.join().unwrap(), 2);
        let mut cell = Arc::into_inner(cell).unwrap();
        *cell.get_mut().unwrap() += 1;
        assert_eq!((cell.clone().into_inner(), cell.take(), cell.take()), (Some(3), Some(3), None));
        assert_eq!((cell.set(4), cell.get()), (Ok(()), Some(&4)));
    });
}

#[test]
fn what_needs_itself_to_be_made_is_told_so_in_a_fiber_and_in_a_thread() {
    everywhere(|rig| {
        let tries = || {
            let cell = OnceCell::<u32>::new();
            let needs = || *cell.get_or_init(|| *cell.get_or_init(|| 1));
            let panic = catch_unwind(AssertUnwindSafe(needs)).unwrap_err();
            assert!(panic.downcast::<&str>().unwrap().contains("wait for itself"));
            assert_eq!((cell.get(), cell.get_or_init(|| 5)), (None, &5));
        };
        tries();
        rig.run(tries);
    });
}

#[test]
fn something_is_done_once_and_a_lazy_value_made_once_however_many_come() {
    static LAZY: Lazy<usize> = Lazy::new(|| {
        yield_now();
        41 + 1
    });
    everywhere(|rig| {
        let (once, count) = (Arc::new(Once::new()), Arc::new(AtomicU32::new(0)));
        let fibers: Vec<_> = (0..20)
            .map(|n| {
                let (once, count) = (once.clone(), count.clone());
                rig.go_with_priority(Priority::ALL[n % 5], move || {
                    once.call_once(|| {
                        yield_now();
                        count.fetch_add(1, Ordering::Relaxed);
                    });
                    assert!(once.is_completed());
                    (count.load(Ordering::Relaxed), *LAZY)
                })
            })
            .collect();
        once.call_once(|| _ = count.fetch_add(1, Ordering::Relaxed));
        assert!(fibers.into_iter().all(|fiber| fiber.join().unwrap() == (1, 42)));
    });
    let tries = AtomicU32::new(0);
    let lazy = Lazy::new(|| {
        assert!(tries.fetch_add(1, Ordering::Relaxed) > 0, "the first time it fails");
        7
    });
    assert!(Lazy::get(&lazy).is_none());
    assert!(catch_unwind(AssertUnwindSafe(|| *lazy)).is_err());
    assert_eq!((*lazy, Lazy::get(&lazy)), (7, Some(&7)));
}

#[test]
fn destructors_during_a_panic_wait_with_their_thread() {
    struct Last(Arc<(Event, Barrier)>, Gate);
    impl Drop for Last {
        fn drop(&mut self) {
            assert!(std::thread::panicking() && !self.0.0.wait_for(Duration::from_micros(10)));
            self.1.open();
            self.0.0.wait();
            self.0.1.wait();
        }
    }
    on_workers(&[2, 4], |rig| {
        let (shared, reached) = (Arc::new((Event::new(), Barrier::new(2))), Gate::new());
        let fiber = rig.go({
            let last = Last(shared.clone(), reached.clone());
            move || {
                let _last = last;
                panic!("with a destructor that waits");
            }
        });
        reached.wait();
        shared.0.set();
        shared.1.wait();
        assert!(fiber.join().unwrap_err().is_panic());
    });
}

#[test]
fn those_who_wait_when_the_scheduler_stops_are_told_and_others_go_on() {
    fn waits(rig: &Rig, f: impl FnOnce() + Send + 'static) -> heddle_scheduler::JoinHandle<()> {
        let tracked = rig.track();
        rig.go(move || {
            let _held = tracked;
            f();
        })
    }
    everywhere(|rig| {
        let shared = Arc::new((Event::new(), Barrier::new(9), Mutex::new(()), Condvar::new()));
        let group = WaitGroup::new();
        let other = group.clone();
        let [a, b, c] = [shared.clone(), shared.clone(), shared.clone()];
        let fibers = [
            waits(rig, move || a.0.wait()),
            waits(rig, move || _ = b.1.wait()),
            waits(rig, move || drop(c.3.wait(c.2.lock()))),
            waits(rig, move || group.wait()),
        ];
        until_suspended(rig, [0, 0, 4, 0, 0]);
        rig.stop().unwrap();
        assert!(fibers.into_iter().all(|fiber| fiber.join().is_err()));
        shared.0.set();
        shared.0.wait();
        shared.3.notify_all();
        assert!(!shared.2.is_locked());
        other.wait();
    });
}
