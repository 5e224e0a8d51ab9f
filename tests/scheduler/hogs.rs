//! Fibers that do not give their thread back: they are found, others' work goes on, and they are told of.

use heddle_scheduler::{
    Builder, Hog, HogKind, Lane, MonitorState, Priority, Scheduler, Stats, checkpoint, current, go, yield_now,
};
use heddle_tests::{Event, Gate, Rig, eventually, everywhere, in_one_lane, with_options};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Starts a fiber that blocks its thread until the gate opens; returns when it has started.
fn block(rig: &Rig, priority: Priority) -> Gate {
    let (gate, started) = (Gate::new(), Gate::new());
    let (theirs, running) = (gate.clone(), started.clone());
    drop(rig.go_with_priority(priority, move || {
        running.open();
        theirs.wait();
    }));
    started.wait();
    gate
}

fn spares_of(stats: &Stats, lane: Lane) -> usize {
    stats.lane(lane).unwrap().spares
}

/// The lane in which a priority rides.
fn lane_of(rig: &Rig, priority: Priority) -> Lane {
    rig.stats().lanes.iter().find(|lane| lane.priorities.contains(&priority)).unwrap().lane
}

#[test]
fn while_a_fiber_blocks_the_only_worker_others_go_on_and_have_their_answers() {
    with_options(
        &[1],
        |builder| builder.spares(1),
        |rig| {
            for priority in Priority::ALL {
                let gate = block(rig, priority);
                let answer = rig.go_with_priority(priority, || go(|| 7).join().unwrap()).join().unwrap();
                assert_eq!(answer, 7);
                let stats = rig.stats();
                let spare = stats.workers.iter().find(|worker| worker.spare && worker.started > 0).unwrap();
                assert!(spare.number >= rig.workers() * stats.lanes.len(), "{stats}");
                gate.open();
                rig.wait_all().unwrap();
            }
        },
    );
}

#[test]
fn a_spare_goes_when_it_is_not_needed_and_its_seat_is_free_for_the_next() {
    with_options(
        &[1, 2],
        |builder| builder.spares(2).hog_after(Duration::from_millis(1)),
        |rig| {
            let lane = lane_of(rig, Priority::Normal);
            for round in 1..=3 {
                let gates: Vec<_> = (0..rig.workers()).map(|_| block(rig, Priority::Normal)).collect();
                rig.go(|| ()).join().unwrap();
                assert!(spares_of(&rig.stats(), lane) > 0);
                gates.iter().for_each(Gate::open);
                // One may have left before the monitor has counted that it told it to.
                eventually(|| {
                    let stats = rig.stats();
                    spares_of(&stats, lane) == 0 && stats.monitor.spares_made == stats.monitor.spares_retired
                });
                assert!(rig.stats().monitor.spares_made >= round);
            }
        },
    );
}

#[test]
fn a_spare_stays_as_long_as_a_fiber_that_it_has_started() {
    with_options(
        &[1],
        |builder| builder.spares(1).hog_after(Duration::from_millis(1)),
        |rig| {
            let lane = lane_of(rig, Priority::Normal);
            let gate = block(rig, Priority::Normal);
            let event = Event::new();
            let theirs = event.clone();
            let stays = rig.go(move || {
                let before = current().unwrap().worker();
                theirs.wait().unwrap();
                (before, current().unwrap().worker())
            });
            eventually(|| event.waiting() == 1);
            gate.open();
            // It has been told to leave, and cannot.
            eventually(|| rig.stats().monitor.spares_retired == 1);
            for _ in 0..100 {
                let worker = rig.go(|| current().unwrap().worker()).join().unwrap();
                assert_eq!(worker, 0, "it takes nothing new");
            }
            assert_eq!(spares_of(&rig.stats(), lane), 1);
            event.fire();
            let (before, after) = stays.join().unwrap();
            assert!(before == after && before > 0);
            eventually(|| spares_of(&rig.stats(), lane) == 0);
        },
    );
}

#[test]
fn a_spare_that_leaves_is_called_back_when_the_next_fiber_blocks() {
    with_options(
        &[1],
        |builder| builder.spares(1).hog_after(Duration::from_millis(1)),
        |rig| {
            let event = Event::new();
            let gate = block(rig, Priority::Normal);
            let theirs = event.clone();
            let stays = rig.go(move || theirs.wait().unwrap());
            eventually(|| event.waiting() == 1);
            gate.open();
            eventually(|| rig.stats().monitor.spares_retired == 1);
            let gate = block(rig, Priority::Normal);
            rig.go(|| ()).join().unwrap();
            assert_eq!(rig.stats().monitor.spares_made, 1);
            gate.open();
            event.fire();
            stays.join().unwrap();
        },
    );
}

/// Without help they would wait for ever: the other worker always has something of its own to run.
#[test]
fn what_a_blocked_worker_has_not_started_is_run_by_others_that_have_work_themselves() {
    with_options(
        &[2, 4],
        |builder| builder.spares(0),
        |rig| {
            for priority in [Priority::Normal, Priority::Background] {
                let (gate, enough) = (Gate::new(), Arc::new(AtomicBool::new(false)));
                let done = Arc::new(AtomicUsize::new(0));
                let (theirs, busy, count, others) =
                    (gate.clone(), enough.clone(), done.clone(), rig.workers() - 1);
                drop(rig.go_with_priority(priority, move || {
                    let running = Arc::new(AtomicUsize::new(0));
                    for _ in 0..others {
                        let (busy, running) = (busy.clone(), running.clone());
                        drop(go(move || {
                            running.fetch_add(1, Ordering::SeqCst);
                            while !busy.load(Ordering::SeqCst) {
                                yield_now();
                            }
                        }));
                    }
                    eventually(|| running.load(Ordering::SeqCst) == others);
                    for _ in 0..200 {
                        let count = count.clone();
                        drop(go(move || count.fetch_add(1, Ordering::SeqCst)));
                    }
                    theirs.wait();
                }));
                eventually(|| done.load(Ordering::SeqCst) == 200);
                assert!(!gate.is_open());
                enough.store(true, Ordering::SeqCst);
                gate.open();
                rig.wait_all().unwrap();
            }
        },
    );
}

#[test]
fn what_waits_behind_a_hog_on_its_thread_is_counted_and_runs_after_it() {
    for priority in [Priority::Normal, Priority::Background] {
        with_options(
            &[1],
            |builder| builder.spares(0),
            |rig| {
                let (gate, first, second) = (Gate::new(), Event::new(), Event::new());
                let ran = Arc::new(AtomicUsize::new(0));
                for event in [&first, &first, &first, &second, &second] {
                    let (event, ran) = (event.clone(), ran.clone());
                    drop(rig.go_with_priority(priority, move || {
                        event.wait().unwrap();
                        ran.fetch_add(1, Ordering::SeqCst);
                    }));
                }
                eventually(|| rig.stats().levels[priority as usize].suspended == 5);
                let (theirs, here, count) = (gate.clone(), first.clone(), ran.clone());
                let hog = rig.go_with_priority(priority, move || {
                    here.fire();
                    for _ in 0..4 {
                        let count = count.clone();
                        drop(go(move || count.fetch_add(1, Ordering::SeqCst)));
                    }
                    theirs.wait();
                });
                eventually(|| rig.stats().hogs.len() == 1);
                // By mail.
                second.fire();
                let seen = rig.stats().hogs.remove(0);
                assert_eq!((seen.id, seen.kind, seen.priority), (hog.id(), HogKind::Blocked, priority));
                assert_eq!((seen.waiting, seen.unstarted, seen.lane), (5, 4, lane_of(rig, priority)));
                assert_eq!((seen.name, ran.load(Ordering::SeqCst)), (None, 0));
                gate.open();
                rig.wait_all().unwrap();
                assert_eq!((ran.load(Ordering::SeqCst), rig.stats().hogs.len()), (9, 0));
            },
        );
    }
}

#[test]
fn a_fiber_that_computes_for_long_is_told_from_one_that_blocks() {
    in_one_lane(
        &[1],
        |builder| builder.hog_after(Duration::from_millis(1)),
        |rig| {
            let enough = Arc::new(AtomicBool::new(false));
            let theirs = enough.clone();
            let burning = rig.go(move || {
                while !theirs.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
            eventually(|| rig.stats().hogs.iter().any(|hog| hog.kind == HogKind::Burning));
            enough.store(true, Ordering::Relaxed);
            burning.join().unwrap();
            let gate = block(rig, Priority::Normal);
            eventually(|| rig.stats().hogs.iter().any(|hog| hog.kind == HogKind::Blocked));
            gate.open();
            rig.wait_all().unwrap();
            assert!(rig.stats().hogs.is_empty());
        },
    );
}

#[test]
fn where_one_fiber_burns_the_only_worker_an_urgent_one_starts_beside_it() {
    in_one_lane(
        &[1],
        |builder| builder.spares(1).hog_after(Duration::from_millis(1)),
        |rig| {
            let enough = Arc::new(AtomicBool::new(false));
            let (theirs, started) = (enough.clone(), Gate::new());
            let running = started.clone();
            let burning = rig.go(move || {
                running.open();
                while !theirs.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
            started.wait();
            let worker = rig.go_with_priority(Priority::High, || current().unwrap().worker()).join().unwrap();
            assert_eq!(worker, 1);
            enough.store(true, Ordering::Relaxed);
            burning.join().unwrap();
        },
    );
}

#[test]
fn the_hook_learns_who_it_is_once() {
    let reports = Arc::new(Mutex::new(Vec::<Hog>::new()));
    let options = |builder: Builder| {
        let reports = reports.clone();
        builder
            .hog_after(Duration::from_millis(2))
            .on_hog(move |hog| reports.lock().unwrap().push(hog.clone()))
    };
    with_options(&[1, 2, 8], options, |rig| {
        let gate = Gate::new();
        let theirs = gate.clone();
        let handle = rig.fiber().name("greedy").priority(Priority::Low).go(move || theirs.wait());
        let of_it = || -> Vec<Hog> {
            reports.lock().unwrap().iter().filter(|hog| hog.id == handle.id()).cloned().collect()
        };
        eventually(|| of_it().len() == 1);
        // It may have been seen first before it blocked.
        eventually(|| {
            let text = rig.stats().to_string();
            text.contains("hog: fiber") && text.contains("'greedy' (low, blocked")
        });
        gate.open();
        rig.wait_all().unwrap();
        let report = of_it();
        assert_eq!(report.len(), 1);
        assert_eq!(report[0].name.as_deref(), Some("greedy"));
        assert_eq!((report[0].priority, report[0].lane), (Priority::Low, lane_of(rig, Priority::Low)));
        assert!(rig.stats().monitor.hogs_seen >= 1);
    });
}

#[test]
fn a_hook_that_panics_or_wants_to_stop_the_scheduler_does_no_harm() {
    for workers in [1, 2, 8] {
        let own = Arc::new(Mutex::new(None::<Arc<Scheduler>>));
        let (theirs, refused) = (own.clone(), Arc::new(AtomicUsize::new(0)));
        let count = refused.clone();
        let builder =
            Scheduler::builder().workers(workers).name("hooked").hog_after(Duration::from_millis(2));
        let builder = builder.on_hog(move |_| {
            // Not in the lock, which would be poisoned at some moment after the count.
            let scheduler = theirs.lock().unwrap().clone();
            if let Some(scheduler) = scheduler {
                assert!(scheduler.stop().unwrap_err().is_inside_fiber());
                count.fetch_add(1, Ordering::SeqCst);
            }
            panic!("in the hook");
        });
        let scheduler = Arc::new(builder.build().unwrap());
        *own.lock().unwrap() = Some(scheduler.clone());
        for round in 1..=2 {
            let gate = Gate::new();
            let handle = scheduler.go({
                let gate = gate.clone();
                move || gate.wait()
            });
            eventually(|| refused.load(Ordering::SeqCst) >= round);
            gate.open();
            handle.join().unwrap();
        }
        *own.lock().unwrap() = None;
        Rig::retire(&scheduler);
    }
}

#[test]
fn without_a_monitor_there_is_no_thread_for_it_and_all_else_works() {
    for off in [Duration::ZERO, Duration::MAX] {
        with_options(
            &[1, 8],
            |builder| builder.hog_after(off).spares(8),
            |rig| {
                assert_eq!(rig.stats().monitor.state, MonitorState::Off);
                assert_eq!(rig.go(|| go(|| 1).join().unwrap()).join().unwrap(), 1);
                assert!(rig.stats().to_string().contains("monitor: off"));
            },
        );
    }
    everywhere(|rig| {
        assert_eq!(rig.stats().monitor.state, MonitorState::On);
        rig.stop().unwrap();
        assert_eq!(rig.stats().monitor.state, MonitorState::Off);
    });
}

#[test]
fn options_that_cannot_work_are_refused_by_name() {
    let error = Scheduler::builder().hog_after(Duration::from_micros(999)).build().unwrap_err();
    assert!(error.is_config() && error.to_string().contains("hog_after"), "{error}");
    let error = Scheduler::builder().workers(1).spares(1025).build().unwrap_err();
    assert!(error.is_config() && error.to_string().contains("spares(1025)"), "{error}");
}

#[test]
fn sixty_four_blocked_workers_get_sixty_four_spares() {
    in_one_lane(
        &[64],
        |builder| builder.spares(64).hog_after(Duration::from_millis(1)),
        |rig| {
            let gates: Vec<_> = (0..64).map(|_| block(rig, Priority::Normal)).collect();
            // These need all of them at the same time.
            let (gate, started) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
            for _ in 0..64 {
                let (gate, started) = (gate.clone(), started.clone());
                drop(rig.go(move || {
                    started.fetch_add(1, Ordering::SeqCst);
                    gate.wait();
                }));
            }
            eventually(|| started.load(Ordering::SeqCst) == 64);
            eventually(|| rig.stats().hogs.len() == 128);
            gate.open();
            gates.iter().for_each(Gate::open);
            rig.wait_all().unwrap();
            eventually(|| rig.stats().workers.iter().all(|worker| worker.live == 0));
        },
    );
}

#[test]
fn stop_waits_for_hogs_says_who_they_are_and_takes_the_spares_along() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let options = |builder: Builder| {
        let (start, stop) = (calls.clone(), calls.clone());
        builder
            .spares(2)
            .hog_after(Duration::from_millis(1))
            .on_thread_start(move |worker| start.lock().unwrap().push(("start", worker)))
            .on_thread_stop(move |worker| stop.lock().unwrap().push(("stop", worker)))
    };
    with_options(&[1, 2], options, |rig| {
        for _ in 0..2 {
            let gates: Vec<_> = (0..rig.workers()).map(|_| block(rig, Priority::Normal)).collect();
            // One that waits on the spare, and one that blocks it.
            let (event, tracked) = (Event::new(), rig.track());
            let theirs = event.clone();
            drop(rig.go(move || {
                let _held = tracked;
                theirs.wait()
            }));
            eventually(|| event.waiting() == 1);
            let last = block(rig, Priority::Normal);
            let scheduler = rig.scheduler.clone();
            let stopper = std::thread::spawn(move || scheduler.stop().unwrap());
            eventually(|| !rig.is_running() && rig.stats().hogs.len() == rig.workers() + 1);
            last.open();
            gates.iter().for_each(Gate::open);
            stopper.join().unwrap();
            let calls = std::mem::take(&mut *calls.lock().unwrap());
            let (starts, stops): (Vec<&(&str, usize)>, Vec<_>) =
                calls.iter().partition(|call| call.0 == "start");
            assert_eq!(starts.len(), stops.len(), "{calls:?}");
            let regular = rig.workers() * rig.stats().lanes.len();
            assert!(starts.iter().any(|call| call.1 >= regular), "{calls:?}");
            assert!(rig.stats().lanes.iter().all(|lane| lane.spares == 0) && rig.stats().hogs.is_empty());
            rig.start().unwrap();
            assert_eq!(rig.go(|| 1).join().unwrap(), 1);
        }
    });
}

#[test]
fn wait_all_counts_what_spares_run() {
    with_options(
        &[1],
        |builder| builder.spares(2).hog_after(Duration::from_millis(1)),
        |rig| {
            let ran = Arc::new(AtomicUsize::new(0));
            for _ in 0..3 {
                let gate = block(rig, Priority::Normal);
                for _ in 0..100 {
                    let ran = ran.clone();
                    drop(rig.go(move || {
                        yield_now();
                        ran.fetch_add(1, Ordering::SeqCst);
                    }));
                }
                let opener = rig.go(move || gate.open());
                rig.wait_all().unwrap();
                assert!(opener.is_finished());
            }
            assert_eq!(ran.load(Ordering::SeqCst), 300);
        },
    );
}

#[test]
fn a_fiber_that_reaches_checkpoints_is_no_hog_however_long_it_runs() {
    with_options(
        &[1, 2],
        |builder| builder.hog_after(Duration::from_millis(40)),
        |rig| {
            let enough = Arc::new(AtomicBool::new(false));
            let theirs = enough.clone();
            let runs = rig.go(move || {
                while !theirs.load(Ordering::Relaxed) {
                    checkpoint();
                }
            });
            // A hog beside it, seen for as long again: on a machine with nothing else to do, one is seen as soon
            // as the other would be.
            let other = rig.another(1);
            let gate = Gate::new();
            let held = gate.clone();
            drop(other.go(move || held.wait()));
            eventually(|| other.stats().hogs.first().is_some_and(|hog| hog.age > Duration::from_millis(400)));
            assert!(rig.stats().hogs.is_empty(), "{}", rig.stats());
            enough.store(true, Ordering::Relaxed);
            gate.open();
            runs.join().unwrap();
            Rig::retire(&other);
        },
    );
}
