//! Fibers that borrow.

use heddle_scheduler::{Priority, both, current, go, scope, shielded, sleep, timeout, yield_now};
use heddle_tests::{Event, Gate, eventually, everywhere, on_workers};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

#[test]
fn a_scope_waits_for_all_its_fibers_and_returns_their_owners_value() {
    everywhere(|rig| {
        let mut numbers: Vec<u64> = (0..1000).collect();
        let count = AtomicUsize::new(0);
        let answer = rig.scope(|s| {
            for part in numbers.chunks_mut(10) {
                let count = &count;
                s.go(move || {
                    yield_now();
                    part.iter_mut().for_each(|n| *n *= 2);
                    count.fetch_add(1, Ordering::Relaxed);
                });
            }
            "answer"
        });
        assert_eq!((answer, count.into_inner()), ("answer", 100));
        assert!(numbers.iter().enumerate().all(|(index, n)| *n == 2 * index as u64));
    });
}

#[test]
fn handles_of_a_scope_give_results_that_borrow() {
    everywhere(|rig| {
        let text = String::from("warp and weft");
        let longest = rig.scope(|s| {
            let words: Vec<_> = text.split(' ').map(|word| s.go(move || word)).collect();
            words.into_iter().map(|word| word.join().unwrap()).max_by_key(|word| word.len()).unwrap()
        });
        assert_eq!(longest, "weft", "the last of the longest");
        let priority = rig
            .scope(|s| s.go_with_priority(Priority::High, || current().unwrap().priority()).join().unwrap());
        assert_eq!(priority, Priority::High);
    });
}

#[test]
fn fibers_open_scopes_on_their_own_frames_and_nest_them() {
    fn sum(numbers: &[u64]) -> u64 {
        if numbers.len() <= 4 {
            return numbers.iter().sum();
        }
        let (left, right) = numbers.split_at(numbers.len() / 2);
        scope(|s| {
            let left = s.go(|| sum(left));
            let right = s.go(|| sum(right));
            left.join().unwrap() + right.join().unwrap()
        })
        .unwrap()
    }
    everywhere(|rig| {
        let numbers: Vec<u64> = (0..512).collect();
        let expected: u64 = numbers.iter().sum();
        assert_eq!(rig.run(|| sum(&numbers)), expected);
    });
}

#[test]
fn fibers_of_a_scope_make_more_fibers_in_it() {
    everywhere(|rig| {
        let count = AtomicUsize::new(0);
        rig.scope(|s| {
            for _ in 0..10 {
                s.go(|| {
                    for _ in 0..10 {
                        s.go(|| count.fetch_add(1, Ordering::Relaxed));
                    }
                });
            }
        });
        assert_eq!(count.into_inner(), 100);
    });
}

#[test]
fn an_unjoined_panic_reaches_the_owner_after_all_have_ended() {
    everywhere(|rig| {
        for inside in [false, true] {
            let ended = AtomicUsize::new(0);
            let body = || {
                rig.scope(|s| {
                    s.go(|| panic!("one of them"));
                    for _ in 0..20 {
                        s.go(|| {
                            yield_now();
                            ended.fetch_add(1, Ordering::Relaxed);
                        });
                    }
                });
            };
            let panic = catch_unwind(AssertUnwindSafe(|| if inside { rig.run(body) } else { body() }));
            let panic = panic.unwrap_err();
            let text = panic.downcast_ref::<&str>().unwrap();
            assert!(text.contains("a fiber of the scope panicked"), "{text}");
            assert_eq!(ended.into_inner(), 20);
        }
    });
}

#[test]
fn a_joined_panic_is_the_joiners_to_handle() {
    everywhere(|rig| {
        let kept = rig.scope(|s| {
            let error = s.go(|| panic!("seen")).join().unwrap_err();
            error.is_panic()
        });
        assert!(kept);
    });
}

#[test]
fn a_panic_of_the_owner_cancels_the_fibers_and_waits_for_their_ends_first() {
    everywhere(|rig| {
        for inside in [false, true] {
            let tracked = rig.track();
            let finished = AtomicUsize::new(0);
            let body = || {
                rig.scope(|s| {
                    let (started, begun) = std::sync::mpsc::channel();
                    for n in 0..20 {
                        let (tracked, started, finished) = (&tracked, started.clone(), &finished);
                        s.go(move || {
                            let _held = tracked.clone();
                            started.send(()).unwrap();
                            if n == 0 {
                                shielded(|| sleep(Duration::from_millis(1)));
                                finished.fetch_add(1, Ordering::Relaxed);
                            }
                            sleep(Duration::MAX);
                        });
                    }
                    if !inside {
                        for _ in 0..20 {
                            begun.recv().unwrap();
                        }
                    }
                    panic!("the owner")
                })
            };
            let panic =
                catch_unwind(AssertUnwindSafe(|| if inside { rig.run(body) } else { body() })).unwrap_err();
            assert_eq!(*panic.downcast::<&str>().unwrap(), "the owner");
            assert!(inside || finished.into_inner() == 1, "who is shielded comes to its end");
            assert_eq!(rig.census.live(), 1);
        }
    });
}

#[test]
fn results_of_a_scope_that_nobody_takes_are_dropped_before_it_returns() {
    everywhere(|rig| {
        let (tracked, event) = (rig.track(), Event::new());
        rig.scope(|s| {
            drop(s.go(|| tracked.clone()));
            let kept = s.go(|| tracked.clone());
            s.go(|| event.fire());
            event.wait().unwrap();
            drop(kept);
        });
        assert_eq!(rig.census.live(), 1);
    });
}

#[test]
fn a_cancelled_owner_waits_for_its_fibers_all_the_same() {
    everywhere(|rig| {
        let (opened, gate) = (Event::new(), Event::new());
        let owner = rig.go({
            let (opened, gate, tracked) = (opened.clone(), gate.clone(), rig.track());
            move || {
                let local = AtomicUsize::new(0);
                // It unwinds, unless it had nothing left to wait for when it heard of that.
                let _ = catch_unwind(AssertUnwindSafe(|| {
                    scope(|s| {
                        s.go(|| {
                            opened.fire();
                            shielded(|| gate.wait()).unwrap();
                            local.fetch_add(1, Ordering::Relaxed);
                        });
                    })
                    .unwrap();
                }));
                assert_eq!(local.into_inner(), 1);
                drop(tracked);
                yield_now();
            }
        });
        opened.wait().unwrap();
        owner.cancel();
        assert!(!owner.is_finished());
        assert_eq!(rig.census.live(), 1, "it waits: its frame is borrowed");
        gate.fire();
        assert!(owner.join().unwrap_err().is_cancelled());
    });
}

#[test]
fn cancelled_fibers_of_a_scope_count_as_ended() {
    everywhere(|rig| {
        let tracked = rig.track();
        rig.scope(|s| {
            let handles: Vec<_> = (0..20)
                .map(|_| {
                    let tracked = tracked.clone();
                    s.go(move || {
                        let _held = tracked;
                        sleep(Duration::MAX)
                    })
                })
                .collect();
            for handle in &handles {
                handle.cancel();
            }
        });
        assert_eq!(rig.census.live(), 1);
    });
}

#[test]
fn a_fiber_of_one_scheduler_opens_a_scope_on_another() {
    everywhere(|rig| {
        let other = rig.another(2);
        let mut numbers = [1, 2, 3];
        rig.run(|| {
            let home = std::thread::current().id();
            let (first, rest) = numbers.split_at_mut(1);
            other.scope(|s| {
                s.go(|| first[0] = 10);
                s.go(|| rest[1] = 30);
                let inner = s.go(|| rig.scope(|s| s.go(|| 7).join().unwrap()));
                assert_eq!(inner.join().unwrap(), 7);
            });
            assert_eq!(std::thread::current().id(), home);
        });
        assert_eq!(numbers, [10, 2, 30]);
        super::retire_when_sole(other);
    });
}

#[test]
fn a_scope_on_a_stopped_scheduler_says_so_at_join_and_ends() {
    everywhere(|rig| {
        rig.stop().unwrap();
        let tracked = rig.track();
        let told = rig.scope(|s| {
            let tracked = &tracked;
            s.go(move || drop(tracked.clone()));
            s.go(|| 1).join().unwrap_err().is_stopped()
        });
        assert!(told);
        drop(tracked);
        let panic = catch_unwind(AssertUnwindSafe(|| rig.run(|| 1))).unwrap_err();
        assert!(panic.downcast::<String>().unwrap().contains("stopped"));
    });
}

#[test]
fn a_scope_that_is_open_when_its_scheduler_stops_still_waits() {
    everywhere(|rig| {
        let (gate, running) = (Gate::new(), Gate::new());
        std::thread::scope(|threads| {
            let scoped = threads.spawn(|| {
                let ended = AtomicUsize::new(0);
                rig.scope(|s| {
                    s.go(|| {
                        running.open();
                        gate.wait();
                        ended.fetch_add(1, Ordering::Relaxed);
                    });
                });
                ended.into_inner()
            });
            running.wait();
            rig.stop_soon();
            gate.open();
            assert_eq!(scoped.join().unwrap(), 1);
        });
        eventually(|| !rig.is_running());
    });
}

#[test]
fn who_cancels_the_owner_of_a_scope_cancels_its_fibers_and_theirs() {
    everywhere(|rig| {
        let tracked = rig.track();
        let (started, begun) = std::sync::mpsc::channel();
        let owner = rig.go({
            let tracked = tracked.clone();
            move || {
                scope(|outer| {
                    for _ in 0..3 {
                        let (tracked, started) = (tracked.clone(), started.clone());
                        outer.go(move || {
                            scope(|inner| {
                                for _ in 0..3 {
                                    let (tracked, started) = (tracked.clone(), started.clone());
                                    inner.go(move || {
                                        let _held = tracked;
                                        started.send(()).unwrap();
                                        sleep(Duration::MAX);
                                    });
                                }
                            })
                            .unwrap();
                        });
                    }
                })
                .unwrap();
            }
        });
        for _ in 0..9 {
            begun.recv().unwrap();
        }
        owner.cancel();
        assert!(owner.join().unwrap_err().is_cancelled());
        assert_eq!(rig.census.live(), 1);
    });
}

#[test]
fn a_time_that_is_over_cancels_the_scope_inside_and_nothing_else() {
    everywhere(|rig| {
        let tracked = rig.track();
        rig.run(|| {
            let other = go({
                let tracked = tracked.clone();
                move || {
                    sleep(Duration::from_millis(3));
                    drop(tracked);
                    7
                }
            });
            for joins in [false, true] {
                let outcome = timeout(Duration::from_millis(1), || {
                    scope(|s| {
                        let child = s.go(|| {
                            let _held = tracked.clone();
                            sleep(Duration::MAX);
                        });
                        if joins {
                            child.join().unwrap();
                        }
                    })
                    .unwrap();
                });
                assert!(outcome.is_err());
            }
            assert_eq!(other.join().unwrap(), 7);
        });
        assert_eq!(rig.census.live(), 1);
    });
}

#[test]
fn a_shielded_scope_is_left_alone() {
    everywhere(|rig| {
        rig.run(|| {
            let mut numbers = [0; 8];
            let outcome = timeout(Duration::ZERO, || {
                shielded(|| {
                    scope(|s| {
                        for number in &mut numbers {
                            s.go(|| {
                                sleep(Duration::from_micros(300));
                                *number = 1;
                            });
                        }
                    })
                    .unwrap();
                });
                yield_now();
            });
            assert!(outcome.is_err());
            assert_eq!(numbers, [1; 8]);
        });
    });
}

#[test]
fn fibers_that_are_made_in_a_cancelled_scope_are_cancelled_too() {
    everywhere(|rig| {
        let tracked = rig.track();
        let owner = rig.go({
            let tracked = tracked.clone();
            move || {
                scope(|s| {
                    for _ in 0..4 {
                        s.go(|| {
                            // Makes more, for ever: each a sibling that sleeps.
                            loop {
                                let tracked = tracked.clone();
                                s.go(move || {
                                    let _held = tracked;
                                    sleep(Duration::MAX);
                                });
                                sleep(Duration::from_micros(20));
                            }
                        });
                    }
                })
                .unwrap();
            }
        });
        eventually(|| rig.census.live() > 40);
        owner.cancel();
        assert!(owner.join().unwrap_err().is_cancelled());
        assert_eq!(rig.census.live(), 1);
    });
}

#[test]
fn a_branch_that_sleeps_elsewhere_is_cancelled_with_the_one_who_waits_for_it() {
    on_workers(&[2, 4], |rig| {
        for kind in 0..3 {
            let tracked = rig.track();
            let (sleeping, sleeps) = std::sync::mpsc::channel();
            let owner = rig.go({
                let tracked = tracked.clone();
                move || {
                    let here = std::thread::current().id();
                    let slept = AtomicBool::new(false);
                    let both_branches = || {
                        // The second branch goes elsewhere when somebody is hungry, so this tries until one has.
                        loop {
                            both(
                                || sleep(Duration::from_micros(100)),
                                || {
                                    let there = std::thread::current().id() != here;
                                    if there {
                                        let _held = tracked.clone();
                                        slept.store(true, Ordering::SeqCst);
                                        sleeping.send(()).unwrap();
                                        sleep(Duration::MAX);
                                    }
                                },
                            );
                        }
                    };
                    // On a busy machine the time may be over before a branch has gone anywhere.
                    let try_again = || {
                        while !slept.load(Ordering::SeqCst) {
                            let outcome = timeout(Duration::from_millis(20), both_branches);
                            assert!(outcome.is_err());
                        }
                    };
                    match kind {
                        0 => both_branches(),
                        1 => try_again(),
                        _ => shielded(try_again),
                    }
                }
            });
            sleeps.recv().unwrap();
            if kind == 0 {
                owner.cancel();
                assert!(owner.join().unwrap_err().is_cancelled());
            } else {
                owner.join().unwrap();
            }
            assert_eq!(rig.census.live(), 1);
        }
    });
}
