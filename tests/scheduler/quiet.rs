//! `wait_all`: until nothing is left.

use heddle_scheduler::{Priority, go, sleep, yield_now};
use heddle_tests::{Event, eventually, everywhere};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[test]
fn nothing_is_left_when_wait_all_returns_whatever_fibers_make_meanwhile() {
    fn tree(depth: u32, count: &Arc<AtomicUsize>) {
        count.fetch_add(1, Ordering::Relaxed);
        for n in 0..if depth == 0 { 0 } else { 3 } {
            let count = count.clone();
            drop(go(move || {
                if n == 1 {
                    sleep(Duration::from_micros(30));
                }
                tree(depth - 1, &count);
            }));
        }
    }
    everywhere(|rig| {
        for _ in 0..5 {
            let count = Arc::new(AtomicUsize::new(0));
            let theirs = count.clone();
            drop(rig.go(move || tree(5, &theirs)));
            rig.wait_all().unwrap();
            assert_eq!(count.load(Ordering::Relaxed), 364);
            let stats = rig.stats();
            assert_eq!(stats.live(), 0, "{stats}");
            assert_eq!(stats.stacks.in_use, 0, "{stats}");
        }
    });
}

#[test]
fn an_idle_scheduler_and_a_stopped_one_have_nothing_to_wait_for() {
    everywhere(|rig| {
        rig.wait_all().unwrap();
        rig.stop().unwrap();
        rig.wait_all().unwrap();
    });
}

#[test]
fn several_threads_and_several_fibers_wait_at_once() {
    everywhere(|rig| {
        let event = Event::new();
        let work: Vec<_> = (0..50)
            .map(|_| {
                let event = event.clone();
                rig.go(move || event.wait().unwrap())
            })
            .collect();
        let returned = Arc::new(AtomicUsize::new(0));
        let inside: Vec<_> = (0..5)
            .map(|_| {
                let (scheduler, returned) = (rig.scheduler.clone(), returned.clone());
                rig.go(move || {
                    scheduler.wait_all().unwrap();
                    returned.fetch_add(1, Ordering::SeqCst);
                })
            })
            .collect();
        eventually(|| event.waiting() == 50);
        std::thread::scope(|s| {
            for _ in 0..3 {
                s.spawn(|| {
                    rig.wait_all().unwrap();
                    assert!(work.iter().all(|handle| handle.is_finished()));
                    returned.fetch_add(1, Ordering::SeqCst);
                });
            }
            // More work comes while they wait.
            for n in 0..50 {
                drop(rig.go_with_priority(Priority::ALL[n % 5], yield_now));
            }
            assert_eq!(returned.load(Ordering::SeqCst), 0, "work is left");
            event.fire();
        });
        for handle in inside {
            handle.join().unwrap();
        }
        assert_eq!(returned.load(Ordering::SeqCst), 8);
    });
}

#[test]
fn a_fiber_in_wait_all_is_not_waited_for_by_others() {
    everywhere(|rig| {
        let here = rig.scheduler.clone();
        rig.go(move || here.wait_all().unwrap()).join().unwrap();
        let here = rig.scheduler.clone();
        let count = Arc::new(AtomicUsize::new(0));
        let children = count.clone();
        rig.go(move || {
            for _ in 0..100 {
                let count = children.clone();
                drop(go(move || {
                    yield_now();
                    count.fetch_add(1, Ordering::SeqCst);
                }));
            }
            here.wait_all().unwrap();
            assert_eq!(children.load(Ordering::SeqCst), 100);
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_fiber_waits_for_all_of_another_scheduler() {
    everywhere(|rig| {
        let other = rig.another(2);
        let theirs = other.clone();
        let count = Arc::new(AtomicUsize::new(0));
        let seen = count.clone();
        rig.go(move || {
            for _ in 0..20 {
                let count = seen.clone();
                drop(theirs.go(move || {
                    sleep(Duration::from_micros(20));
                    count.fetch_add(1, Ordering::SeqCst);
                }));
            }
            theirs.wait_all().unwrap();
            assert_eq!(seen.load(Ordering::SeqCst), 20);
        })
        .join()
        .unwrap();
        super::retire_when_sole(other);
    });
}

#[test]
fn wait_all_meets_fibers_that_fail_are_cancelled_or_change_their_priority() {
    everywhere(|rig| {
        for n in 0..200_usize {
            let handle = rig.go(move || match n % 4 {
                0 => panic!("number {n}"),
                1 => sleep(Duration::from_secs(3600)),
                _ => yield_now(),
            });
            if n % 4 != 2 {
                handle.cancel();
            } else {
                handle.set_priority(Priority::ALL[n % 5]);
            }
        }
        rig.wait_all().unwrap();
    });
}
