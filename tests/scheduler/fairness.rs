//! Nobody starves: neither within a level, nor the less urgent levels.

use heddle_scheduler::suspend::{Resumer, suspend};
use heddle_scheduler::{Priority, checkpoint, go, go_with_priority, yield_now};
use heddle_tests::{Event, Rig, eventually, everywhere, in_one_lane, on_workers};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Ends what would go on for ever, when the test is over.
#[derive(Clone, Default)]
struct End(Arc<AtomicBool>);

impl End {
    fn has_come(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // The test's own, or the last: ends the others early if the test fails.
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A fiber that makes its successor, for ever.
fn chain(priority: Priority, end: Arc<AtomicBool>, links: Arc<AtomicUsize>) {
    links.fetch_add(1, Ordering::Relaxed);
    if !end.load(Ordering::Relaxed) {
        drop(go_with_priority(priority, move || chain(priority, end, links)));
    }
}

/// As many endless chains as keep all workers busy, running when this returns.
fn endless(rig: &Rig, priority: Priority) -> End {
    let (end, links) = (End::default(), Arc::new(AtomicUsize::new(0)));
    for _ in 0..2 * rig.workers() {
        let (end, links) = (end.0.clone(), links.clone());
        drop(rig.go_with_priority(priority, move || chain(priority, end, links)));
    }
    eventually(|| links.load(Ordering::Relaxed) > 100 * rig.workers());
    end
}

#[test]
fn a_fiber_that_yields_in_a_loop_does_not_starve_its_neighbours() {
    everywhere(|rig| {
        let end = End::default();
        for _ in 0..2 * rig.workers() {
            let end = end.0.clone();
            drop(rig.go(move || {
                while !end.load(Ordering::Relaxed) {
                    yield_now();
                }
            }));
        }
        let handles: Vec<_> = (0..50)
            .map(|n| {
                rig.go(move || {
                    yield_now();
                    go(move || n).join().unwrap()
                })
            })
            .collect();
        for (n, handle) in handles.into_iter().enumerate() {
            assert_eq!(handle.join().unwrap(), n);
        }
        assert!(!end.has_come());
    });
}

#[test]
fn fibers_that_yield_take_equal_turns() {
    on_workers(&[1], |rig| {
        let turns = Arc::new(Mutex::new(Vec::new()));
        let started = Arc::new(AtomicUsize::new(0));
        let players: Vec<_> = (0..5)
            .map(|me| {
                let (turns, started) = (turns.clone(), started.clone());
                rig.go(move || {
                    // Some may be in the inbox still, into which a busy worker looks now and then.
                    started.fetch_add(1, Ordering::Relaxed);
                    while started.load(Ordering::Relaxed) < 5 {
                        yield_now();
                    }
                    for _ in 0..20 {
                        turns.lock().unwrap().push(me);
                        yield_now();
                    }
                })
            })
            .collect();
        for player in players {
            player.join().unwrap();
        }
        // From the first round in which all are there they alternate.
        let turns = turns.lock().unwrap();
        for window in turns[10..90].windows(5) {
            let mut seen = window.to_vec();
            seen.sort();
            assert_eq!(seen, [0, 1, 2, 3, 4], "{turns:?}");
        }
    });
}

#[test]
fn a_chain_of_spawns_does_not_starve_queued_resumed_or_yielded_neighbours() {
    everywhere(|rig| {
        let event = Event::new();
        let suspended = rig.go({
            let event = event.clone();
            move || event.wait().unwrap()
        });
        eventually(|| event.waiting() == 1);
        let end = endless(rig, Priority::Normal);
        let queued = rig.go(|| ());
        let yielding = rig.go(|| {
            for _ in 0..20 {
                yield_now();
            }
        });
        event.fire();
        queued.join().unwrap();
        suspended.join().unwrap();
        yielding.join().unwrap();
        assert!(!end.has_come());
    });
}

#[test]
fn the_oldest_of_a_workers_own_fibers_is_not_left_behind_by_a_chain_and_a_trickle_from_outside() {
    // The trickle keeps the worker looking into its inbox, which must not make the fibers that it has
    // had for long look new again.
    on_workers(&[1, 2], |rig| {
        let end = End::default();
        let trickling = Arc::new(AtomicUsize::new(0));
        std::thread::scope(|s| {
            let (stop, count) = (end.0.clone(), trickling.clone());
            s.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    // One at a time: more than the workers can do would be a flood.
                    rig.go(|| ()).join().unwrap();
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
            let busy = endless(rig, Priority::Normal);
            eventually(|| trickling.load(Ordering::Relaxed) > 100);
            let (give, take) = std::sync::mpsc::channel();
            let theirs = busy.0.clone();
            drop(rig.go(move || {
                // At the bottom of a deque, under the chain's own links.
                give.send(go(|| ())).unwrap();
                drop(go(move || chain(Priority::Normal, theirs, Arc::default())));
            }));
            take.recv().unwrap().join().unwrap();
            assert!(!busy.has_come());
            drop(busy);
            end.0.store(true, Ordering::Relaxed);
        });
    });
}

#[test]
fn a_flood_from_outside_does_not_starve_what_is_inside() {
    everywhere(|rig| {
        let end = End::default();
        std::thread::scope(|s| {
            let stop = &end.0;
            s.spawn(move || {
                let mut flood = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    flood.push(rig.go(|| ()));
                    if flood.len() == 1000 {
                        // Bounded, or the flood would be of memory.
                        flood.drain(..).for_each(|handle| handle.join().unwrap());
                    }
                }
            });
            let inside = rig.go(|| {
                for _ in 0..100 {
                    yield_now();
                    go(yield_now).join().unwrap();
                }
            });
            inside.join().unwrap();
            end.0.store(true, Ordering::Relaxed);
        });
    });
}

#[test]
fn work_from_outside_gets_its_turn_beside_fibers_that_make_fibers() {
    everywhere(|rig| {
        let end = endless(rig, Priority::Normal);
        for _ in 0..20 {
            rig.go(|| ()).join().unwrap();
        }
        assert!(!end.has_come());
    });
}

#[test]
fn background_work_finishes_under_endless_normal_work() {
    everywhere(|rig| {
        let end = endless(rig, Priority::Normal);
        let background = rig.go_with_priority(Priority::Background, || {
            for _ in 0..10 {
                yield_now();
            }
            go(|| 7).join().unwrap()
        });
        assert_eq!(background.join().unwrap(), 7);
        assert!(!end.has_come());
    });
}

#[test]
fn every_level_moves_under_endless_critical_work() {
    on_workers(&[1, 2, 8], |rig| {
        let end = endless(rig, Priority::Critical);
        let levels = Priority::ALL.map(|priority| {
            rig.go_with_priority(priority, || {
                yield_now();
                go(|| ()).join().unwrap();
            })
        });
        for handle in levels {
            handle.join().unwrap();
        }
        assert!(!end.has_come());
    });
}

#[test]
fn two_fibers_that_resume_each_other_for_ever_do_not_starve_a_third() {
    on_workers(&[1, 2], |rig| {
        let end = End::default();
        let pair = Arc::new(Mutex::new(Vec::new()));
        let resume_others = |pair: &Mutex<Vec<Resumer>>| {
            let me = Resumer::current();
            pair.lock().unwrap().iter().filter(|&resumer| *resumer != me).for_each(Resumer::resume);
        };
        for _ in 0..2 {
            let (end, pair) = (end.0.clone(), pair.clone());
            drop(rig.go(move || {
                pair.lock().unwrap().push(Resumer::current());
                while !end.load(Ordering::Relaxed) {
                    resume_others(&pair);
                    suspend().unwrap();
                }
                resume_others(&pair);
            }));
        }
        eventually(|| pair.lock().unwrap().len() == 2);
        let third = rig.go(|| {
            yield_now();
            go(|| 3).join().unwrap()
        });
        assert_eq!(third.join().unwrap(), 3);
        assert!(!end.has_come());
        drop(end);
        rig.wait_all().unwrap();
    });
}

/// Of the background lane too, whose queues are others.
#[test]
fn a_fiber_that_yields_until_another_has_run_lets_it_start_at_every_level() {
    everywhere(|rig| {
        for priority in Priority::ALL {
            let fiber = rig.go_with_priority(priority, || {
                let others: Vec<_> = (0..4).map(|_| go(|| {})).collect();
                while !others.iter().all(heddle_scheduler::JoinHandle::is_finished) {
                    yield_now();
                }
            });
            fiber.join().expect("it does not panic");
        }
    });
}

/// Also those that wait in an inbox while each worker has some of their level.
#[test]
fn equals_that_compute_and_make_room_for_other_levels_all_go_on() {
    const EACH: usize = 8;
    in_one_lane(
        &[1, 2],
        |builder| builder,
        |rig| {
            let end = End::default();
            let rounds: Arc<Vec<AtomicUsize>> =
                Arc::new((0..3 * EACH).map(|_| AtomicUsize::new(0)).collect());
            let priorities = [Priority::Critical, Priority::Normal, Priority::Background];
            let fibers: Vec<_> = (0..3 * EACH)
                .map(|index| {
                    let (end, rounds) = (end.0.clone(), rounds.clone());
                    rig.go_with_priority(priorities[index / EACH], move || {
                        while !end.load(Ordering::Relaxed) {
                            for _ in 0..50 {
                                (0..500).for_each(|_| std::hint::spin_loop());
                                checkpoint();
                            }
                            rounds[index].fetch_add(1, Ordering::Relaxed);
                            yield_now();
                        }
                    })
                })
                .collect();
            eventually(|| rounds.iter().all(|rounds| rounds.load(Ordering::Relaxed) >= 5));
            drop(end);
            fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
        },
    );
}
