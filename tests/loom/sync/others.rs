//! Events, barriers, groups, condition variables, and what is made once.

use super::barrier::Barrier;
use super::condvar::Condvar;
use super::event::Event;
use super::mutex::Mutex;
use super::once::OnceCell;
use super::wait::cancel;
use super::wait_group::WaitGroup;
use crate::explore;
use loom::cell::UnsafeCell;
use loom::thread;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

#[test]
fn who_waits_for_an_event_sees_what_was_done_before_it() {
    explore(3, || {
        let shared = Arc::new((Event::new(), UnsafeCell::new(0)));
        let waiting = [0, 1].map(|_| {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.0.wait();
                // SAFETY: it is not written any more, which loom checks.
                assert_eq!(shared.1.with(|n| unsafe { *n }), 1);
            })
        });
        // SAFETY: nobody looks before the event.
        shared.1.with_mut(|n| unsafe { *n = 1 });
        shared.0.set();
        waiting.into_iter().for_each(|waiting| waiting.join().unwrap());
    });
}

#[test]
fn an_event_that_is_reset_at_once_was_seen_by_all_who_waited() {
    explore(3, || {
        let events = Arc::new([Event::new(), Event::new()]);
        let other = {
            let events = events.clone();
            thread::spawn(move || {
                events[0].set();
                events[0].reset();
                events[1].set();
            })
        };
        let waits = {
            let events = events.clone();
            // It is set for a moment only, so one that comes late leaves when it sees that.
            thread::spawn(move || events[1].wait_for(Duration::ZERO) || events[0].wait_for(Duration::ZERO))
        };
        waits.join().unwrap();
        other.join().unwrap();
        assert!(!events[0].is_set() && events[1].is_set());
    });
}

#[test]
fn the_last_that_comes_to_a_barrier_leads() {
    explore(2, || {
        let barrier = Arc::new((Barrier::new(3), UnsafeCell::new(0)));
        let all = [0, 1, 2].map(|n| {
            let shared = barrier.clone();
            thread::spawn(move || {
                if n == 0 {
                    // SAFETY: nobody looks before all have come.
                    shared.1.with_mut(|n| unsafe { *n = 1 });
                }
                let leads = shared.0.wait().is_leader();
                // SAFETY: it is not written any more, which loom checks.
                assert_eq!(shared.1.with(|n| unsafe { *n }), 1);
                leads
            })
        });
        let leaders = all.map(|one| one.join().unwrap()).into_iter().filter(|leads| *leads).count();
        assert_eq!(leaders, 1);
    });
}

#[test]
fn one_that_is_cancelled_at_a_barrier_is_not_counted() {
    explore(3, || {
        let barrier = Arc::new(Barrier::new(2));
        let [leaver, other] = [true, false].map(|leaves| {
            let barrier = barrier.clone();
            thread::spawn(move || {
                if leaves {
                    cancel();
                }
                barrier.wait_or_cancelled().is_ok()
            })
        });
        if !leaver.join().unwrap() {
            let barrier = barrier.clone();
            thread::spawn(move || barrier.wait());
        }
        assert!(other.join().unwrap());
    });
}

#[test]
fn who_waits_for_a_group_sees_what_its_members_did() {
    explore(2, || {
        let group = WaitGroup::new();
        let cells = Arc::new([UnsafeCell::new(0), UnsafeCell::new(0)]);
        for n in 0..2 {
            let (group, cells) = (group.clone(), cells.clone());
            thread::spawn(move || {
                // SAFETY: nobody looks before all are done.
                cells[n].with_mut(|n| unsafe { *n = 1 });
                drop(group);
            });
        }
        group.wait();
        // SAFETY: they are not written any more, which loom checks.
        cells.iter().for_each(|cell| assert_eq!(cell.with(|n| unsafe { *n }), 1));
    });
}

#[test]
fn a_group_whose_wait_was_too_short_can_be_waited_for_again() {
    explore(3, || {
        let group = WaitGroup::new();
        let other = {
            let group = group.clone();
            thread::spawn(move || drop(group))
        };
        let waiter = thread::spawn(move || {
            if let Err(group) = group.wait_timeout(Duration::ZERO) {
                group.wait();
            }
        });
        waiter.join().unwrap();
        other.join().unwrap();
    });
}

#[test]
fn a_condition_that_was_notified_is_seen() {
    explore(2, || {
        let shared = Arc::new((Mutex::new(0), Condvar::new()));
        let waiting = [0, 1].map(|_| {
            let shared = shared.clone();
            thread::spawn(move || *shared.1.wait_while(shared.0.lock(), |n| *n == 0) -= 1)
        });
        for _ in 0..2 {
            *shared.0.lock() += 1;
            shared.1.notify_one();
        }
        waiting.into_iter().for_each(|waiting| waiting.join().unwrap());
        assert_eq!(*shared.0.lock(), 0);
    });
}

/// One of the two is cancelled, or gives up, while the only notification is on its way.
#[test]
fn a_notification_of_one_that_leaves_goes_to_the_other() {
    for cancelled in [false, true] {
        explore(2, move || {
            let shared = Arc::new((Mutex::new(0), Condvar::new()));
            let leaver = {
                let shared = shared.clone();
                thread::spawn(move || {
                    let guard = shared.0.lock();
                    let told = if cancelled {
                        cancel();
                        shared.1.wait_or_cancelled(guard).ok()
                    } else {
                        let (guard, over) = shared.1.wait_timeout(guard, Duration::ZERO);
                        Some(guard).filter(|_| !over.timed_out())
                    };
                    if let Some(mut guard) = told {
                        // It was told, so it acts.
                        assert_eq!(*guard, 1);
                        *guard = 2;
                        drop(guard);
                        shared.1.notify_one();
                    }
                })
            };
            let waiter = {
                let shared = shared.clone();
                thread::spawn(move || drop(shared.1.wait_while(shared.0.lock(), |n| *n == 0)))
            };
            *shared.0.lock() = 1;
            shared.1.notify_one();
            leaver.join().unwrap();
            waiter.join().unwrap();
        });
    }
}

#[test]
fn a_value_is_made_once_and_seen_whole() {
    explore(3, || {
        let cell = Arc::new((OnceCell::new(), std::sync::atomic::AtomicU32::new(0)));
        let make = |cell: &(OnceCell<UnsafeCell<u32>>, std::sync::atomic::AtomicU32)| {
            let value = cell.0.get_or_init(|| {
                cell.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let value = UnsafeCell::new(0);
                // SAFETY: nobody else has it yet.
                value.with_mut(|n| unsafe { *n = 7 });
                value
            });
            // SAFETY: it is not written any more, which loom checks.
            assert_eq!(value.with(|n| unsafe { *n }), 7);
        };
        let others = [0, 1].map(|n| {
            let cell = cell.clone();
            thread::spawn(move || {
                if n == 0 {
                    return make(&cell);
                }
                if let Some(value) = cell.0.get() {
                    // SAFETY: as above.
                    assert_eq!(value.with(|n| unsafe { *n }), 7);
                }
            })
        });
        make(&cell);
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(cell.1.load(std::sync::atomic::Ordering::Relaxed), 1);
    });
}

#[test]
fn one_that_panics_while_it_makes_a_value_leaves_that_to_the_next() {
    explore(3, || {
        let cell = Arc::new(OnceCell::new());
        let other = {
            let cell = cell.clone();
            thread::spawn(move || *cell.get_or_init(|| 7))
        };
        let panics = catch_unwind(AssertUnwindSafe(|| *cell.get_or_init(|| resume_unwind(Box::new(())))));
        assert!(panics.is_err() || panics.is_ok_and(|value| value == 7));
        assert_eq!(other.join().unwrap(), 7);
    });
}
