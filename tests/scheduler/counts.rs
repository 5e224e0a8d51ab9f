//! The statistics agree with what was done.

use heddle_scheduler::{Priority, Scheduler, go, sleep, yield_now};
use heddle_tests::{Event, Gate, WORKERS, eventually, everywhere, in_one_lane, occupy, on_workers};
use std::time::Duration;

#[test]
fn what_was_made_started_and_finished_is_counted_by_level() {
    everywhere(|rig| {
        for (level, priority) in Priority::ALL.into_iter().enumerate() {
            for _ in 0..10 * (level + 1) {
                drop(rig.go_with_priority(priority, || go(yield_now).join().unwrap()));
            }
        }
        rig.wait_all().unwrap();
        let stats = rig.stats();
        for (level, counted) in stats.levels.iter().enumerate() {
            assert_eq!(counted.priority, Priority::ALL[level]);
            assert_eq!(counted.finished, 20 * (level as u64 + 1), "{stats}");
            assert_eq!((counted.queued, counted.running), (0, 0), "{stats}");
            assert_eq!((counted.ready, counted.suspended), (0, 0), "{stats}");
        }
        let lanes = stats.lanes.len();
        assert_eq!(stats.workers.len(), rig.workers() * lanes);
        assert_eq!(stats.workers.iter().map(|worker| worker.started).sum::<u64>(), 300);
        assert_eq!(stats.workers.iter().map(|worker| worker.finished).sum::<u64>(), 300);
        assert_eq!(stats.workers.iter().map(|worker| worker.live).sum::<u64>(), 0);
        // A start, a yield for each child, a join for each parent that had to wait.
        assert!(stats.workers.iter().map(|worker| worker.dispatches).sum::<u64>() >= 450, "{stats}");
        assert_eq!(stats.live(), 0);
    });
}

#[test]
fn queued_running_ready_and_suspended_fibers_are_told_apart() {
    on_workers(&[1], |rig| {
        let (event, second) = (Event::new(), Event::new());
        let level = || rig.stats().levels[2].clone();
        for _ in 0..7 {
            let event = event.clone();
            drop(rig.go(move || event.wait().unwrap()));
        }
        for _ in 0..3 {
            let second = second.clone();
            drop(rig.go(move || second.wait().unwrap()));
        }
        eventually(|| level().suspended == 10);
        let (running, gate) = (Gate::new(), Gate::new());
        let (theirs, hold, ready) = (running.clone(), gate.clone(), second.clone());
        drop(rig.go(move || {
            // From inside, so that they are ready when this returns.
            ready.fire();
            theirs.open();
            hold.wait();
        }));
        running.wait();
        for _ in 0..5 {
            drop(rig.go(|| ()));
        }
        let counted = level();
        assert_eq!((counted.queued, counted.running), (5, 1), "{}", rig.stats());
        assert_eq!((counted.ready, counted.suspended), (3, 7), "{}", rig.stats());
        assert_eq!(rig.stats().live(), 16);
        assert_eq!(rig.stats().stacks.in_use, 11);
        assert_eq!(rig.stats().workers[0].live, 11);
        gate.open();
        event.fire();
        rig.wait_all().unwrap();
        assert_eq!((level().finished, rig.stats().live()), (16, 0));
    });
}

#[test]
fn fibers_that_never_ran_are_finished_too() {
    in_one_lane(
        &WORKERS,
        |builder| builder,
        |rig| {
            let held = occupy(rig);
            let handles: Vec<_> = (0..10).map(|_| rig.go_with_priority(Priority::Low, || ())).collect();
            assert_eq!(rig.stats().levels[3].queued, 10);
            handles.iter().for_each(heddle_scheduler::JoinHandle::cancel);
            let low = &rig.stats().levels[3];
            assert_eq!((low.queued, low.finished), (0, 10));
            drop(held);
            rig.wait_all().unwrap();
            rig.stop().unwrap();
            drop(rig.go_with_priority(Priority::High, || ()));
            let high = &rig.stats().levels[1];
            assert_eq!((high.queued, high.finished), (0, 1));
        },
    );
}

#[test]
fn a_change_of_priority_moves_the_count_along() {
    in_one_lane(
        &WORKERS,
        |builder| builder,
        |rig| {
            let held = occupy(rig);
            let queued = rig.go(|| ());
            queued.set_priority(Priority::Background);
            let stats = rig.stats();
            assert_eq!((stats.levels[2].queued, stats.levels[4].queued), (0, 1), "{stats}");
            drop(held);
            queued.join().unwrap();
            let event = Event::new();
            let suspended = rig.go({
                let event = event.clone();
                move || event.wait().unwrap()
            });
            eventually(|| rig.stats().levels[2].suspended == 1);
            suspended.set_priority(Priority::High);
            eventually(|| {
                let stats = rig.stats();
                (stats.levels[2].suspended, stats.levels[1].suspended, stats.live()) == (0, 1, 1)
            });
            event.fire();
            rig.wait_all().unwrap();
            let stats = rig.stats();
            let finished: Vec<_> = stats.levels[1..].iter().map(|level| level.finished).collect();
            assert_eq!(finished, [1, 0, 0, 1], "{stats}");
            assert_eq!(stats.live(), 0, "{stats}");
        },
    );
}

#[test]
fn an_idle_worker_dispatches_nothing() {
    on_workers(&[1], |rig| {
        rig.go(|| ()).join().unwrap();
        rig.wait_all().unwrap();
        let before = rig.stats().workers[0].dispatches;
        for _ in 0..100 {
            rig.go(|| ()).join().unwrap();
        }
        rig.wait_all().unwrap();
        assert_eq!(rig.stats().workers[0].dispatches - before, 100);
    });
}

#[test]
fn the_statistics_can_be_read_while_everything_moves_and_never_go_wild() {
    everywhere(|rig| {
        let done = Event::new();
        std::thread::scope(|s| {
            s.spawn(|| {
                while !done.has_fired() {
                    let stats = rig.stats();
                    assert!(stats.live() < 100_000, "{stats}");
                    assert!(stats.stacks.in_use < 100_000, "{stats}");
                    assert!(stats.to_string().contains("stacks of 128 KiB"));
                }
            });
            for n in 0..2000 {
                let handle = rig.go(move || {
                    if n % 50 == 0 {
                        sleep(Duration::from_micros(50));
                    }
                });
                if n % 3 == 0 {
                    handle.cancel();
                }
            }
            rig.wait_all().unwrap();
            done.fire();
        });
    });
}

#[test]
fn handles_and_schedulers_say_what_they_are() {
    on_workers(&[2], |rig| {
        let handle = rig.fiber().name("n").priority(Priority::Low).go(|| ());
        rig.wait_all().unwrap();
        let text = format!("{handle:?} {:?} {:?}", rig.scheduler, Scheduler::builder().workers(3));
        for part in ["Low", "finished: true", "workers: 2", "running: true", "Some(3)"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    });
}
