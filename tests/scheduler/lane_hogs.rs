//! Beside fibers that never give their thread away: what is more urgent starts and ends all the same,
//! and stopping waits for them and for nothing else.

use heddle_scheduler::sync::Mutex;
use heddle_scheduler::{
    Lane, Lanes, Priority, Scheduler, both, checkpoint, current, go_with_priority, scope, yield_now,
};
use heddle_tests::{Event, Gate, Hogs, Rig, eventually, strict, with_lanes};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// One worker, as many as CPUs or so, and far more.
const SIZES: [usize; 3] = [1, 2, 8];

fn laned(workers: &[usize], body: impl Fn(&Rig)) {
    with_lanes(Lanes::three(), workers, &|builder| builder, &body);
}

/// Starts and ends fibers of this priority in the ways there are.
fn urgent_work(rig: &Rig, priority: Priority) {
    for _ in 0..20 {
        rig.go_with_priority(priority, || ()).join().unwrap();
    }
    let inside = rig.go_with_priority(priority, move || {
        yield_now();
        let children: Vec<_> = (0..20).map(|n| go_with_priority(priority, move || n)).collect();
        let sum: usize = children.into_iter().map(|child| child.join().unwrap()).sum();
        let (a, b) = both(yield_now, || sum);
        assert_eq!((a, b), ((), 190));
        let mut number = 0;
        scope(|s| drop(s.go(|| number = 7))).unwrap();
        number
    });
    assert_eq!(inside.join().unwrap(), 7);
    // Suspended and resumed from outside.
    let event = Event::new();
    let theirs = event.clone();
    let suspended = rig.go_with_priority(priority, move || theirs.wait().is_ok());
    eventually(|| event.waiting() == 1);
    event.fire();
    assert!(suspended.join().unwrap());
}

#[test]
fn a_critical_fiber_starts_and_ends_while_every_worker_runs_normal_ones_that_never_yield() {
    laned(&SIZES, |rig| {
        let hogs = Hogs::start(rig, Priority::Normal, rig.workers());
        urgent_work(rig, Priority::Critical);
        assert_eq!(rig.stats().levels[Priority::Normal as usize].running, rig.workers() as u64);
        drop(hogs);
    });
}

#[test]
fn critical_and_high_fibers_start_and_end_while_every_worker_runs_background_ones_that_never_yield() {
    laned(&SIZES, |rig| {
        for hog in [Priority::Background, Priority::Low] {
            let hogs = Hogs::start(rig, hog, rig.workers());
            for priority in [Priority::Critical, Priority::High, Priority::Normal] {
                urgent_work(rig, priority);
            }
            assert_eq!(rig.stats().levels[hog as usize].running, rig.workers() as u64);
            drop(hogs);
            rig.wait_all().unwrap();
        }
    });
}

#[test]
fn a_critical_fiber_starts_and_ends_while_every_thread_of_the_other_lanes_is_hogged() {
    laned(&SIZES, |rig| {
        let below = Hogs::start(rig, Priority::Background, rig.workers());
        let beside = Hogs::start(rig, Priority::High, rig.workers());
        urgent_work(rig, Priority::Critical);
        let running = rig.stats().levels.iter().map(|level| level.running).sum::<u64>();
        assert_eq!(running, 2 * rig.workers() as u64);
        drop((below, beside));
    });
}

#[test]
fn hogs_in_one_lane_do_not_hold_up_work_that_another_one_has_made_urgent() {
    laned(&SIZES, |rig| {
        // Unstarted fibers behind hogs move away from them, when told to.
        let hogs = Hogs::start(rig, Priority::Normal, rig.workers());
        let behind: Vec<_> = (0..20).map(|n| rig.go(move || n)).collect();
        for handle in &behind {
            handle.set_priority(Priority::Critical);
        }
        let sum: usize = behind.into_iter().map(|handle| handle.join().unwrap()).sum();
        assert_eq!(sum, 190);
        drop(hogs);
    });
}

#[test]
fn cancelling_reaches_what_is_queued_behind_hogs_at_once() {
    laned(&SIZES, |rig| {
        for priority in Priority::ALL {
            let hogs = Hogs::start(rig, priority, rig.workers());
            let behind: Vec<_> = (0..20)
                .map(|_| {
                    let tracked = rig.track();
                    rig.go_with_priority(priority, move || drop(tracked))
                })
                .collect();
            behind.iter().for_each(|handle| handle.cancel());
            assert!(behind.into_iter().all(|handle| handle.join().unwrap_err().is_cancelled()));
            assert_eq!(rig.census.live(), 0);
            drop(hogs);
            rig.wait_all().unwrap();
        }
    });
}

#[test]
fn stop_waits_for_hogs_of_any_lane_and_ends_everybody_else_meanwhile() {
    laned(&[1, 2], |rig| {
        for hog in [Priority::Critical, Priority::Normal, Priority::Background] {
            let event = Event::new();
            let suspended: Vec<_> = (0..10)
                .map(|n| {
                    let (event, tracked) = (event.clone(), rig.track());
                    rig.go_with_priority(Priority::ALL[n % 5], move || {
                        let _held = tracked;
                        event.wait().unwrap_err();
                    })
                })
                .collect();
            eventually(|| event.waiting() == 10);
            let hogs = Hogs::start(rig, hog, rig.workers());
            let unstarted = rig.go_with_priority(hog, || ());
            let stopped = AtomicBool::new(false);
            std::thread::scope(|s| {
                s.spawn(|| {
                    rig.stop().unwrap();
                    stopped.store(true, Ordering::Relaxed);
                });
                // Those whose thread is free end at once.
                eventually(|| {
                    suspended.iter().zip(Priority::ALL.iter().cycle()).all(|(handle, &priority)| {
                        let held = lane_of(priority) == lane_of(hog);
                        held || handle.is_finished()
                    })
                });
                assert!(!stopped.load(Ordering::Relaxed));
                drop(hogs);
            });
            assert!(unstarted.join().unwrap_err().is_stopped());
            suspended.into_iter().for_each(|handle| handle.join().unwrap());
            rig.start().unwrap();
        }
    });
}

fn lane_of(priority: Priority) -> Lane {
    match priority {
        Priority::Critical => Lane::Urgent,
        Priority::High | Priority::Normal => Lane::Ordinary,
        Priority::Low | Priority::Background => Lane::Background,
    }
}

#[test]
fn a_fiber_that_makes_work_for_a_lane_whose_threads_have_left_is_told_so() {
    let riders = [Priority::Critical, Priority::Normal, Priority::Background];
    for maker in riders {
        for child in riders {
            let gone = Arc::new(AtomicUsize::new(0));
            let counter = gone.clone();
            let hook = move |builder: heddle_scheduler::Builder| {
                let gone = counter.clone();
                builder.on_thread_stop(move |_| _ = gone.fetch_add(1, Ordering::SeqCst))
            };
            with_lanes(3, &[1, 2], &hook, &|rig| {
                gone.store(0, Ordering::SeqCst);
                let (running, gate) = (Gate::new(), Gate::new());
                let (here, open, tracked) = (running.clone(), gate.clone(), rig.track());
                let ran = Arc::new(AtomicBool::new(false));
                let late = rig.go_with_priority(maker, {
                    let ran = ran.clone();
                    move || {
                        let _held = tracked;
                        here.open();
                        open.wait();
                        let moved = go_with_priority(maker, || ());
                        moved.set_priority(child);
                        assert!(moved.join().is_err());
                        // The scope's owner waits for them even when it is told to end, as now, and then does.
                        let _ = scope(|s| {
                            for priority in [child, Priority::Critical, Priority::Low] {
                                let ran = &ran;
                                drop(s.go_with_priority(priority, || ran.store(true, Ordering::Relaxed)));
                            }
                        });
                    }
                });
                running.wait();
                rig.stop_soon();
                eventually(|| gone.load(Ordering::SeqCst) == 3 * rig.workers() - 1);
                gate.open();
                let _ = late.join();
                assert!(!ran.load(Ordering::Relaxed), "nothing starts after the stop");
            });
        }
    }
}

#[test]
fn dropping_a_scheduler_waits_for_hogs_in_all_lanes() {
    for workers in SIZES {
        let _watch = heddle_tests::watchdog::watch(format!("dropping with {workers} workers"));
        let scheduler = Scheduler::builder().workers(workers).lanes(3).name("drop").build().unwrap();
        let hogs = [Priority::Background, Priority::Normal, Priority::Critical]
            .map(|priority| Hogs::start(&scheduler, priority, 1));
        let enders = hogs.each_ref().map(Hogs::ender);
        let dropped = Arc::new(AtomicBool::new(false));
        let told = dropped.clone();
        let dropper = std::thread::spawn(move || {
            drop(scheduler);
            told.store(true, Ordering::SeqCst);
        });
        for ender in enders {
            assert!(!dropped.load(Ordering::SeqCst));
            ender();
        }
        dropper.join().unwrap();
        drop(hogs);
    }
}

#[test]
fn three_lanes_start_and_stop_fifty_times_with_hogs_that_are_ended_in_the_middle() {
    laned(&[2], |rig| {
        for round in 0..50 {
            let priority = [Priority::Critical, Priority::Normal, Priority::Background][round % 3];
            let hogs = Hogs::start(rig, priority, 1);
            let fibers: Vec<_> = (0..20)
                .map(|n| {
                    let tracked = rig.track();
                    rig.go_with_priority(Priority::ALL[n % 5], move || {
                        let _held = tracked;
                        yield_now();
                        drop(go_with_priority(Priority::ALL[n / 4], yield_now));
                        current().unwrap().priority()
                    })
                })
                .collect();
            match round % 4 {
                0 => rig.stop_soon(),
                1 => fibers.iter().for_each(|fiber| fiber.cancel()),
                _ => {}
            }
            drop(hogs);
            Rig::retire(rig);
            for fiber in fibers {
                if let Err(error) = fiber.join() {
                    assert!(error.is_cancelled() || error.is_stopped(), "{error}");
                }
            }
            assert_eq!(rig.census.live(), 0);
            rig.start().unwrap();
        }
    });
}

#[test]
fn who_reaches_checkpoints_makes_way_for_a_background_fiber_that_an_urgent_one_waits_for() {
    // Nobody is owed time, so that nobody stands aside for that; and there is no monitor, whose roll calls would make
    // a fiber look up besides.
    let options = |builder| strict(builder).hog_after(Duration::ZERO);
    with_lanes(3, &[1], &options, &|rig| {
        let (lock, enough) = (Arc::new(Mutex::new(())), Arc::new(AtomicBool::new(false)));
        let (has_it, runs) = (Gate::new(), Gate::new());
        let (theirs, over, locked) = (lock.clone(), enough.clone(), has_it.clone());
        let holder = rig.go_with_priority(Priority::Background, move || {
            let _guard = theirs.lock();
            locked.open();
            while !over.load(Ordering::Relaxed) {
                checkpoint();
            }
        });
        has_it.wait();
        let (over, begun) = (enough.clone(), runs.clone());
        // Alone on its worker, which dispatches nothing else.
        let between = rig.go(move || {
            begun.open();
            while !over.load(Ordering::Relaxed) {
                checkpoint();
            }
        });
        runs.wait();
        let before = rig.stats().workers[0].asides;
        let urgent = rig.go_with_priority(Priority::Critical, move || drop(lock.lock()));
        eventually(|| rig.stats().workers[0].asides > before);
        enough.store(true, Ordering::Relaxed);
        for fiber in [holder, between, urgent] {
            fiber.join().unwrap();
        }
    });
}

/// Alone on its worker, which then dispatches nothing: it is in its checkpoints that the worker stands aside.
#[test]
fn a_fiber_that_only_reaches_checkpoints_leaves_the_background_its_share() {
    with_lanes(3, &[1], &|builder| builder.hog_after(Duration::ZERO), &|rig| {
        let enough = Arc::new(AtomicBool::new(false));
        let endless = |priority| {
            let over = enough.clone();
            rig.go_with_priority(priority, move || {
                while !over.load(Ordering::Relaxed) {
                    checkpoint();
                }
            })
        };
        let fibers = [Priority::Normal, Priority::Background].map(endless);
        let asides = || rig.stats().workers[0].asides;
        // More than one, so not for what happens at the start.
        for _ in 0..3 {
            let before = asides();
            eventually(|| asides() > before);
        }
        enough.store(true, Ordering::Relaxed);
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
    });
}

/// The monitor sends them off a CPU, and they may use all of them as before.
#[cfg(target_os = "linux")]
#[test]
fn who_never_yields_leaves_a_cpu_to_a_background_fiber_that_an_urgent_one_waits_for() {
    use heddle_tests::kernel;
    let cpus = kernel::cpus();
    if cpus.len() < 2 {
        // There is nowhere to send anybody.
        return;
    }
    laned(&[cpus.len(), cpus.len() + 1], |rig| {
        let (lock, over) = (Arc::new(Mutex::new(())), Arc::new(AtomicBool::new(false)));
        let running = Arc::new(AtomicUsize::new(0));
        let spins = {
            let (over, cpus) = (over.clone(), cpus.clone());
            move || {
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
                // One last time it may be sent somewhere just now.
                eventually(|| kernel::cpus() == cpus);
            }
        };
        let (theirs, holds, begun) = (lock.clone(), spins.clone(), running.clone());
        let holder = rig.go_with_priority(Priority::Background, move || {
            let _guard = theirs.lock();
            begun.fetch_add(1, Ordering::Relaxed);
            holds();
        });
        eventually(|| running.load(Ordering::Relaxed) == 1);
        let hogs: Vec<_> = (0..rig.workers())
            .map(|_| {
                let (spins, begun) = (spins.clone(), running.clone());
                rig.go(move || {
                    begun.fetch_add(1, Ordering::Relaxed);
                    spins();
                })
            })
            .collect();
        eventually(|| running.load(Ordering::Relaxed) == 1 + rig.workers());
        let before = rig.stats().monitor.cpus_cleared;
        let urgent = rig.go_with_priority(Priority::Critical, move || drop(lock.lock()));
        eventually(|| rig.stats().monitor.cpus_cleared > before);
        over.store(true, Ordering::Relaxed);
        for fiber in hogs.into_iter().chain([holder, urgent]) {
            fiber.join().unwrap();
        }
    });
}
