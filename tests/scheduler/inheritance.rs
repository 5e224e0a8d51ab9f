//! Lending: who waits passes its priority on to whom it waits for.
//!
//! What a fiber counts as is read off the counters of suspended fibers, level by level, as its handle
//! is with the one that joins it.

use heddle_scheduler::{JoinHandle, Priority, Scheduler, current, go, go_with_priority, scope, set_priority};
use heddle_tests::{Event, Gate, Rig, WORKERS, eventually, everywhere, in_one_lane, on_workers, strict};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};

/// How many fibers wait, level by level.
fn suspended(scheduler: &Scheduler) -> [u64; 5] {
    let levels = scheduler.stats().levels;
    std::array::from_fn(|level| levels[level].suspended)
}

/// Waits until so many fibers wait, level by level.
fn until_suspended(scheduler: &Scheduler, expected: [u64; 5]) {
    eventually(|| suspended(scheduler) == expected);
}

/// A fiber that waits for `event`, and says what it counted as and what was its own after that.
fn waits_for(rig: &Rig, priority: Priority, event: &Event) -> JoinHandle<(Priority, Priority)> {
    let (event, tracked) = (event.clone(), rig.track());
    rig.go_with_priority(priority, move || {
        let _held = tracked;
        event.wait().unwrap();
        let me = current().unwrap();
        (me.priority(), me.base_priority())
    })
}

/// A fiber that joins another one.
fn joins<T: Send + 'static>(
    rig: &Rig,
    priority: Priority,
    other: JoinHandle<T>,
) -> JoinHandle<Result<T, bool>> {
    let tracked = rig.track();
    rig.go_with_priority(priority, move || {
        let _held = tracked;
        other.join().map_err(|error| error.is_interrupted())
    })
}

#[test]
fn a_joiner_lends_its_priority_to_a_started_fiber() {
    everywhere(|rig| {
        let event = Event::new();
        let holder = waits_for(rig, Priority::Low, &event);
        until_suspended(rig, [0, 0, 0, 1, 0]);
        let joiner = joins(rig, Priority::High, holder);
        until_suspended(rig, [0, 2, 0, 0, 0]);
        event.fire();
        assert_eq!(joiner.join().unwrap(), Ok((Priority::High, Priority::Low)));
    });
}

#[test]
fn a_joiner_lends_no_less_than_the_other_has() {
    everywhere(|rig| {
        let event = Event::new();
        let holder = waits_for(rig, Priority::High, &event);
        let joiner = joins(rig, Priority::Background, holder);
        until_suspended(rig, [0, 1, 0, 0, 1]);
        event.fire();
        assert_eq!(joiner.join().unwrap(), Ok((Priority::High, Priority::High)));
    });
}

#[test]
fn a_thread_that_joins_lends_nothing() {
    everywhere(|rig| {
        let event = Event::new();
        let holder = waits_for(rig, Priority::Background, &event);
        std::thread::scope(|s| {
            let joined = s.spawn(|| holder.join());
            until_suspended(rig, [0, 0, 0, 0, 1]);
            event.fire();
            let seen = joined.join().unwrap().unwrap();
            assert_eq!(seen, (Priority::Background, Priority::Background));
        });
    });
}

#[test]
fn a_joiner_that_is_cancelled_takes_its_loan_back() {
    everywhere(|rig| {
        let event = Event::new();
        let holder = waits_for(rig, Priority::Low, &event);
        let joiner = joins(rig, Priority::Critical, holder);
        until_suspended(rig, [2, 0, 0, 0, 0]);
        joiner.cancel();
        until_suspended(rig, [0, 0, 0, 1, 0]);
        event.fire();
        assert_eq!(joiner.join().unwrap(), Err(true));
    });
}

#[test]
fn a_queued_fiber_that_is_joined_overtakes_those_between() {
    in_one_lane(&[1], strict, |rig| {
        let place = rig.go_with_priority(Priority::High, || {
            let count = Arc::new(Mutex::new(0));
            let joined = go_with_priority(Priority::Background, {
                let count = count.clone();
                move || (*count.lock().unwrap(), current().unwrap().priority())
            });
            for _ in 0..60 {
                let count = count.clone();
                drop(go_with_priority(Priority::Normal, move || *count.lock().unwrap() += 1));
            }
            joined.join().unwrap()
        });
        let (place, seen) = place.join().unwrap();
        assert!(place <= 1, "it was number {place}; only a share turn may come before it");
        assert_eq!(seen, Priority::High);
    });
}

#[test]
fn a_queued_fiber_falls_back_with_the_priority_of_its_joiner() {
    in_one_lane(&[1], strict, |rig| {
        let (blocked, gate) = (Gate::new(), Gate::new());
        let ran = Arc::new(Mutex::new(Vec::new()));
        let log = |ran: &Arc<Mutex<Vec<Priority>>>| {
            let ran = ran.clone();
            move || ran.lock().unwrap().push(current().unwrap().base_priority())
        };
        let joiner = rig.go_with_priority(Priority::High, {
            let (blocked, gate, low) = (blocked.clone(), gate.clone(), log(&ran));
            move || {
                let low = go_with_priority(Priority::Low, low);
                // It takes the worker when this one waits, so that the other stays queued.
                drop(go_with_priority(Priority::Critical, move || {
                    blocked.open();
                    gate.wait();
                }));
                low.join().unwrap();
            }
        });
        blocked.wait();
        eventually(|| rig.stats().levels[1].queued == 1);
        joiner.set_priority(Priority::Low);
        drop(rig.go_with_priority(Priority::Normal, log(&ran)));
        gate.open();
        joiner.join().unwrap();
        rig.wait_all().unwrap();
        assert_eq!(*ran.lock().unwrap(), [Priority::Normal, Priority::Low]);
    });
}

#[test]
fn a_chain_of_five_follows_its_head_up_and_down() {
    everywhere(|rig| {
        let event = Event::new();
        let first = rig.go_with_priority(Priority::Background, {
            let event = event.clone();
            move || event.wait().is_ok()
        });
        let wait = |other: JoinHandle<bool>| {
            rig.go_with_priority(Priority::Background, move || other.join().unwrap())
        };
        let head = wait(wait(wait(wait(first))));
        until_suspended(rig, [0, 0, 0, 0, 5]);
        for priority in [Priority::Normal, Priority::Critical, Priority::Low, Priority::High] {
            head.set_priority(priority);
            let mut expected = [0; 5];
            expected[priority as usize] = 5;
            until_suspended(rig, expected);
            assert_eq!((head.priority(), head.base_priority()), (priority, priority));
        }
        event.fire();
        assert!(head.join().unwrap());
    });
}

#[test]
fn a_link_of_a_chain_that_is_cancelled_takes_back_what_came_through_it() {
    everywhere(|rig| {
        let event = Event::new();
        let last = waits_for(rig, Priority::Background, &event);
        let middle = joins(rig, Priority::Low, last);
        until_suspended(rig, [0, 0, 0, 2, 0]);
        let (tell, told) = mpsc::channel();
        let (give, take) = mpsc::channel::<JoinHandle<_>>();
        // The one that joins the middle one can cancel it before it does.
        let head = rig.go_with_priority(Priority::High, move || {
            let middle = take.recv().unwrap();
            tell.send(()).unwrap();
            middle.join().unwrap()
        });
        give.send(middle).unwrap();
        told.recv().unwrap();
        until_suspended(rig, [0, 3, 0, 0, 0]);
        head.cancel();
        until_suspended(rig, [0, 0, 0, 2, 0]);
        event.fire();
        assert!(head.join().unwrap_err().is_panic(), "its join was interrupted");
    });
}

#[test]
fn set_priority_while_lent_changes_what_is_left_after() {
    everywhere(|rig| {
        let (first, second) = (Event::new(), Event::new());
        let (tell, told) = mpsc::channel();
        let holder = rig.go_with_priority(Priority::Low, {
            let (first, second) = (first.clone(), second.clone());
            move || {
                first.wait().unwrap();
                let mut seen = Vec::new();
                for priority in [Priority::Background, Priority::Critical, Priority::Normal, Priority::Low] {
                    set_priority(priority).unwrap();
                    let me = current().unwrap();
                    assert_eq!(me.base_priority(), priority);
                    seen.push(me.priority());
                }
                set_priority(Priority::Background).unwrap();
                tell.send(seen).unwrap();
                second.wait().is_ok()
            }
        });
        let joiner = joins(rig, Priority::High, holder);
        until_suspended(rig, [0, 2, 0, 0, 0]);
        first.fire();
        let seen = told.recv().unwrap();
        assert_eq!(seen, [Priority::High, Priority::Critical, Priority::High, Priority::High]);
        until_suspended(rig, [0, 2, 0, 0, 0]);
        joiner.cancel();
        until_suspended(rig, [0, 0, 0, 0, 1]);
        second.fire();
        assert_eq!(joiner.join().unwrap(), Err(true));
    });
}

#[test]
fn a_fiber_made_by_one_that_is_lent_to_starts_at_its_makers_own_priority() {
    everywhere(|rig| {
        let event = Event::new();
        let holder = rig.go_with_priority(Priority::Low, {
            let event = event.clone();
            move || {
                event.wait().unwrap();
                let child = go(|| current().unwrap().base_priority());
                (current().unwrap().priority(), child.priority(), child.join().unwrap())
            }
        });
        let joiner = joins(rig, Priority::High, holder);
        until_suspended(rig, [0, 2, 0, 0, 0]);
        event.fire();
        assert_eq!(joiner.join().unwrap(), Ok((Priority::High, Priority::Low, Priority::Low)));
    });
}

/// They wait for ever; what is lent goes round once.
#[cfg(target_os = "linux")]
#[test]
fn a_ring_of_joins_comes_to_rest() {
    heddle_tests::with_options(
        &[1, 4],
        |builder| builder.name("ring"),
        |rig| {
            let mut gives = Vec::new();
            let mut handles = Vec::new();
            for _ in 0..3 {
                let (give, take) = mpsc::channel::<JoinHandle<()>>();
                let tracked = rig.track();
                gives.push(give);
                handles.push(rig.go_with_priority(Priority::Background, move || {
                    let _held = tracked;
                    let next = loop {
                        match take.try_recv() {
                            Ok(next) => break next,
                            Err(_) => heddle_scheduler::yield_now(),
                        }
                    };
                    let _ = next.join();
                }));
            }
            handles[1].set_priority(Priority::High);
            handles.rotate_left(1);
            for (give, handle) in gives.into_iter().zip(handles) {
                give.send(handle).unwrap();
            }
            until_suspended(rig, [0, 3, 0, 0, 0]);
            super::idle::falls_silent(rig, "ring");
        },
    );
}

#[test]
fn loans_come_and_go_at_random_and_leave_the_levels_right() {
    on_workers(&[1, 2, 8], |rig| {
        let mut random = heddle_tests::Random::new();
        for _ in 0..20 {
            let event = Event::new();
            let holders: Vec<_> =
                (0..8).map(|_| waits_for(rig, *random.pick(&Priority::ALL), &event)).collect();
            let bases: Vec<_> = holders.iter().map(JoinHandle::base_priority).collect();
            let joiners: Vec<_> =
                holders.into_iter().map(|holder| joins(rig, *random.pick(&Priority::ALL), holder)).collect();
            let cancelled: [AtomicBool; 8] = Default::default();
            std::thread::scope(|s| {
                for _ in 0..3 {
                    let (mut random, joiners, cancelled) = (random.split(), &joiners, &cancelled);
                    s.spawn(move || {
                        for _ in 0..30 {
                            let index = random.below(8) as usize;
                            joiners[index].set_priority(*random.pick(&Priority::ALL));
                            if random.chance(5) {
                                joiners[index].cancel();
                                cancelled[index].store(true, Ordering::Relaxed);
                            }
                        }
                    });
                }
            });
            // In the end each holder has its own, or its joiner's if that still waits.
            let mut expected = [0; 5];
            for ((joiner, base), cancelled) in joiners.iter().zip(&bases).zip(cancelled) {
                if cancelled.into_inner() {
                    expected[*base as usize] += 1;
                } else {
                    expected[joiner.priority() as usize] += 1;
                    expected[joiner.priority().min(*base) as usize] += 1;
                }
            }
            until_suspended(rig, expected);
            event.fire();
            for joiner in joiners {
                drop(joiner.join());
            }
            rig.wait_all().unwrap();
        }
    });
}

#[test]
fn every_size_of_scheduler_lends_to_a_queued_fiber() {
    in_one_lane(&WORKERS, strict, |rig| {
        let mut held = heddle_tests::occupy(rig);
        let queued = rig.go_with_priority(Priority::Background, || {
            let me = current().unwrap();
            (me.priority(), me.base_priority())
        });
        let joiner = joins(rig, Priority::Critical, queued);
        held.release_one();
        let (seen, base) = joiner.join().unwrap().unwrap();
        assert_eq!((seen, base), (Priority::Critical, Priority::Background));
    });
}

/// A fiber that makes so many of the same priority in a scope, which wait for `event`, and waits for
/// them there. They all say what they counted as.
fn opens_a_scope(rig: &Rig, fibers: usize, event: &Event) -> JoinHandle<Vec<Priority>> {
    let (event, tracked) = (event.clone(), rig.track());
    rig.go_with_priority(Priority::Background, move || {
        let _held = tracked;
        let seen = Mutex::new(Vec::new());
        scope(|s| {
            for _ in 0..fibers {
                drop(s.go(|| {
                    event.wait().unwrap();
                    seen.lock().unwrap().push(current().unwrap().priority());
                }));
            }
        })
        .unwrap();
        seen.into_inner().unwrap()
    })
}

#[test]
fn the_fibers_of_a_scope_are_as_urgent_as_the_one_who_waits_for_its_owner() {
    everywhere(|rig| {
        let event = Event::new();
        let owner = opens_a_scope(rig, 100, &event);
        until_suspended(rig, [0, 0, 0, 0, 101]);
        let joiner = joins(rig, Priority::Low, owner);
        until_suspended(rig, [0, 0, 0, 102, 0]);
        joiner.set_priority(Priority::High);
        until_suspended(rig, [0, 102, 0, 0, 0]);
        event.fire();
        assert_eq!(joiner.join().unwrap(), Ok(vec![Priority::High; 100]));
    });
}

#[test]
fn the_fibers_of_a_scope_are_themselves_again_when_nobody_waits_for_its_owner() {
    everywhere(|rig| {
        let event = Event::new();
        let owner = opens_a_scope(rig, 10, &event);
        let joiner = joins(rig, Priority::Critical, owner);
        until_suspended(rig, [12, 0, 0, 0, 0]);
        joiner.cancel();
        until_suspended(rig, [0, 0, 0, 0, 11]);
        event.fire();
        assert_eq!(joiner.join().unwrap(), Err(true));
    });
}

#[test]
fn the_owner_of_a_scope_lends_what_is_its_own_to_less_urgent_fibers() {
    everywhere(|rig| {
        let event = Event::new();
        let owner = rig.go_with_priority(Priority::High, {
            let event = event.clone();
            move || {
                scope(|s| {
                    for priority in Priority::ALL {
                        let event = &event;
                        drop(s.go_with_priority(priority, move || event.wait().unwrap()));
                    }
                })
                .is_ok()
            }
        });
        until_suspended(rig, [1, 5, 0, 0, 0]);
        owner.set_priority(Priority::Low);
        until_suspended(rig, [1, 1, 1, 3, 0]);
        event.fire();
        assert!(owner.join().unwrap());
    });
}

#[test]
fn a_fiber_that_is_made_in_a_scope_or_lowers_itself_while_its_owner_waits_is_lent_to() {
    everywhere(|rig| {
        let (first, event) = (Event::new(), Event::new());
        let owner = rig.go_with_priority(Priority::Normal, {
            let (first, event) = (first.clone(), event.clone());
            move || {
                scope(|s| {
                    let (first, event) = (&first, &event);
                    drop(s.go(move || {
                        first.wait().unwrap();
                        drop(s.go_with_priority(Priority::Low, || event.wait().unwrap()));
                        event.wait().unwrap();
                    }));
                    drop(s.go(move || {
                        first.wait().unwrap();
                        set_priority(Priority::Background).unwrap();
                        event.wait().unwrap();
                    }));
                    // Told by its handle, before the owner waits.
                    let told = s.go(move || event.wait().unwrap());
                    told.set_priority(Priority::Low);
                })
                .is_ok()
            }
        });
        until_suspended(rig, [0, 0, 4, 0, 0]);
        first.fire();
        until_suspended(rig, [0, 0, 5, 0, 0]);
        event.fire();
        assert!(owner.join().unwrap());
    });
}

#[test]
fn queued_fibers_of_a_scope_overtake_those_between() {
    in_one_lane(&[1], strict, |rig| {
        let before = rig.go_with_priority(Priority::High, || {
            let count = Arc::new(Mutex::new(0));
            for _ in 0..44 {
                let count = count.clone();
                drop(go_with_priority(Priority::Normal, move || *count.lock().unwrap() += 1));
            }
            let worst = Mutex::new(0);
            scope(|s| {
                for _ in 0..10 {
                    drop(s.go_with_priority(Priority::Background, || {
                        let so_far = *count.lock().unwrap();
                        let mut worst = worst.lock().unwrap();
                        *worst = so_far.max(*worst);
                    }));
                }
            })
            .unwrap();
            worst.into_inner().unwrap()
        });
        let before = before.join().unwrap();
        assert!(before <= 1, "{before} went before; only a share turn may");
    });
}

/// Each is held until it is seen that it has ended, and all are let go in the end.
#[test]
fn a_scope_forgets_its_fibers_whoever_made_them() {
    everywhere(|rig| {
        let tracked = rig.track();
        rig.go(move || {
            scope(|s| {
                for n in 0..300 {
                    let tracked = tracked.clone();
                    let handle = s.go(move || {
                        for _ in 0..3 {
                            let tracked = tracked.clone();
                            drop(s.go(move || drop(tracked)));
                        }
                        tracked
                    });
                    if n % 3 == 0 {
                        drop(handle.join().unwrap());
                    }
                }
            })
            .unwrap();
        })
        .join()
        .unwrap();
        assert_eq!(rig.census.live(), 0);
    });
}
