//! Asking fibers to end: queued, running, suspended, finished; twice, and from everywhere.

use heddle_scheduler::suspend::{cancel_point, suspend};
use heddle_scheduler::{Priority, checkpoint, current, go, sleep, yield_now};
use heddle_tests::{Event, Gate, Rig, Tracked, eventually, everywhere, occupy, on_workers};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const FOR_EVER: Duration = Duration::MAX;

#[test]
fn a_queued_fiber_that_is_cancelled_never_runs_and_is_over_at_once() {
    everywhere(|rig| {
        let held = occupy(rig);
        let ran = Arc::new(AtomicBool::new(false));
        for priority in Priority::ALL {
            let (theirs, tracked) = (ran.clone(), rig.track());
            let handle = rig.go_with_priority(priority, move || {
                theirs.store(true, Ordering::SeqCst);
                drop(tracked);
            });
            handle.cancel();
            assert!(handle.is_finished());
            assert_eq!(rig.census.live(), 0, "its closure is dropped by cancel()");
            let error = handle.join().unwrap_err();
            assert!(error.is_cancelled() && !error.is_panic());
            assert_eq!(error.to_string(), "the fiber was cancelled");
        }
        drop(held);
        rig.wait_all().unwrap();
        assert!(!ran.load(Ordering::SeqCst));
    });
}

#[test]
fn a_fiber_cancels_its_queued_children() {
    everywhere(|rig| {
        let tracked = rig.track();
        rig.go(move || {
            let children: Vec<_> = (0..100)
                .map(|_| {
                    let tracked = tracked.clone();
                    go(move || {
                        let _held = tracked;
                        sleep(FOR_EVER);
                    })
                })
                .collect();
            for child in &children {
                child.cancel();
            }
            for child in children {
                assert!(child.join().unwrap_err().is_cancelled());
            }
        })
        .join()
        .unwrap();
    });
}

type Wait = Box<dyn FnOnce() + Send>;

/// Each way of waiting.
fn ways_to_wait(rig: &Rig) -> Vec<(&'static str, Wait)> {
    let event = Event::new();
    let never = rig.go(|| sleep(FOR_EVER));
    let other = rig.scheduler.clone();
    vec![
        ("sleep", Box::new(|| sleep(Duration::from_secs(3600)))),
        ("sleep for ever", Box::new(|| sleep(FOR_EVER))),
        (
            "yield",
            Box::new(|| {
                loop {
                    yield_now()
                }
            }),
        ),
        (
            "checkpoint",
            Box::new(|| {
                loop {
                    checkpoint()
                }
            }),
        ),
        (
            "cancel_point",
            Box::new(|| {
                loop {
                    cancel_point()
                }
            }),
        ),
        (
            "suspend",
            Box::new(move || {
                assert!(event.wait().is_err());
                assert!(suspend().is_err(), "it says so each time");
                assert!(current().unwrap().is_cancelled());
                cancel_point();
            }),
        ),
        (
            "join",
            Box::new(move || {
                let error = never.join().unwrap_err();
                assert!(error.is_interrupted(), "{error}");
                yield_now();
            }),
        ),
        (
            "wait_all",
            Box::new(move || {
                // Nobody of this test ends by itself, so this waits.
                assert!(other.wait_all().is_err());
                drop(other);
                sleep(FOR_EVER);
            }),
        ),
    ]
}

#[test]
fn a_started_fiber_that_is_cancelled_unwinds_at_its_wait_whatever_that_is() {
    everywhere(|rig| {
        let started = Arc::new(AtomicUsize::new(0));
        let mut names = Vec::new();
        let mut handles = Vec::new();
        for (name, wait) in ways_to_wait(rig) {
            names.push(name);
            handles.push(rig.go({
                let (tracked, started) = (rig.track(), started.clone());
                move || {
                    let _held = tracked;
                    started.fetch_add(1, Ordering::SeqCst);
                    wait();
                }
            }));
            if rig.workers() <= 2 && (name == "checkpoint" || name == "cancel_point") {
                // These never give the thread away.
                eventually(|| started.load(Ordering::SeqCst) == names.len());
                handles.last().unwrap().cancel();
            }
        }
        eventually(|| started.load(Ordering::SeqCst) == names.len());
        for handle in &handles {
            handle.cancel();
            handle.cancel();
        }
        for (name, handle) in names.into_iter().zip(handles) {
            let error = handle.join().unwrap_err();
            assert!(error.is_cancelled(), "{name}: {error}");
        }
        assert_eq!(rig.census.live(), 0, "destructors have run when join() returns");
        // One waited for this one, which goes on; stop() ends it.
    });
}

#[test]
fn a_running_fiber_that_never_waits_again_ends_as_it_likes() {
    everywhere(|rig| {
        let (running, gate) = (Gate::new(), Gate::new());
        let handle = rig.go({
            let (running, gate) = (running.clone(), gate.clone());
            move || {
                running.open();
                gate.wait();
                current().unwrap().is_cancelled()
            }
        });
        running.wait();
        handle.cancel();
        gate.open();
        assert!(handle.join().unwrap(), "it knew, and returned a result all the same");
    });
}

#[test]
fn a_finished_fiber_is_cancelled_in_vain() {
    everywhere(|rig| {
        let handle = rig.go(|| 42);
        rig.wait_all().unwrap();
        handle.cancel();
        handle.cancel();
        assert_eq!(handle.join().unwrap(), 42);
    });
}

#[test]
fn a_handle_that_outlives_its_scheduler_cancels_in_vain() {
    everywhere(|rig| {
        let other = rig.another(2);
        let (finished, stopped) = (other.go(|| 1), other.go(|| sleep(FOR_EVER)));
        other.wait_all_but(1);
        super::retire_when_sole(other);
        for _ in 0..2 {
            finished.cancel();
            stopped.cancel();
            stopped.set_priority(Priority::High);
        }
        assert_eq!(finished.join().unwrap(), 1);
        let error = stopped.join().unwrap_err();
        assert!(error.is_cancelled() || error.is_stopped(), "{error}");
    });
}

trait WaitAllBut {
    fn wait_all_but(&self, n: u64);
}

impl WaitAllBut for heddle_scheduler::Scheduler {
    /// Until only so many fibers are left.
    fn wait_all_but(&self, n: u64) {
        eventually(|| self.stats().live() == n);
    }
}

#[test]
fn cancels_from_many_threads_and_the_fibers_own_end_agree_on_one_outcome() {
    everywhere(|rig| {
        for round in 0..50 {
            let (event, tracked) = (Event::new(), rig.track());
            let handle = rig.go({
                let event = event.clone();
                move || {
                    let _held = tracked;
                    event.wait().is_ok()
                }
            });
            std::thread::scope(|s| {
                for thread in 0..4 {
                    let (handle, event) = (&handle, &event);
                    s.spawn(move || {
                        if (thread + round) % 4 == 0 {
                            event.fire();
                        }
                        handle.cancel();
                        handle.set_priority(Priority::ALL[thread]);
                    });
                }
            });
            match handle.join() {
                // It was cancelled before or while it waited, or the event came first.
                Ok(true | false) => {}
                Err(error) => assert!(error.is_cancelled(), "{error}"),
            }
            assert_eq!(rig.census.live(), 0);
        }
    });
}

#[test]
fn a_fiber_cancels_itself_at_its_next_wait() {
    everywhere(|rig| {
        let (give, take) = std::sync::mpsc::channel::<heddle_scheduler::JoinHandle<()>>();
        let (reached, handle_back) = std::sync::mpsc::channel();
        let tracked = rig.track();
        give.send(rig.go(move || {
            let _held = tracked;
            let me = take.recv().unwrap();
            me.cancel();
            reached.send(me).unwrap();
            yield_now();
            unreachable!("a cancelled fiber does not come back from a yield");
        }))
        .unwrap();
        let me = handle_back.recv().unwrap();
        assert!(me.join().unwrap_err().is_cancelled());
    });
}

#[test]
fn a_panic_after_a_cancel_is_a_panic() {
    everywhere(|rig| {
        let event = Event::new();
        let handle = rig.go({
            let event = event.clone();
            move || {
                let _ = event.wait();
                panic!("on the way out")
            }
        });
        eventually(|| event.waiting() == 1);
        handle.cancel();
        let result: Result<(), heddle_scheduler::JoinError> = handle.join();
        assert!(result.unwrap_err().is_panic());
    });
}

#[test]
fn destructors_that_panic_while_a_fiber_is_cancelled_do_not_spread() {
    struct Bomb(#[expect(dead_code)] Tracked);
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("a destructor panics");
            }
        }
    }
    everywhere(|rig| {
        // Queued: the closure is dropped by whoever cancels.
        let held = occupy(rig);
        let bomb = Bomb(rig.track());
        let handle = rig.go(move || drop(bomb));
        handle.cancel();
        assert!(handle.join().unwrap_err().is_cancelled());
        let bomb = Bomb(rig.track());
        drop(rig.go(move || bomb));
        drop(held);
        // Suspended, and a destructor that catches its own panic: the fiber goes on unwinding.
        struct Careful(#[expect(dead_code)] Tracked);
        impl Drop for Careful {
            fn drop(&mut self) {
                let caught = std::panic::catch_unwind(|| panic!("within a destructor"));
                assert!(caught.is_err());
            }
        }
        let (event, careful) = (Event::new(), Careful(rig.track()));
        let handle = rig.go({
            let event = event.clone();
            move || {
                let _held = careful;
                if event.wait().is_err() {
                    cancel_point();
                }
            }
        });
        eventually(|| event.waiting() == 1);
        handle.cancel();
        assert!(handle.join().unwrap_err().is_cancelled());
        rig.wait_all().unwrap();
        assert_eq!(rig.census.live(), 0);
    });
}

#[test]
fn cancelling_one_fiber_of_a_tree_ends_that_one_only() {
    on_workers(&[1, 2, 8], |rig| {
        let event = Event::new();
        let (tell, told) = std::sync::mpsc::channel();
        let parent = rig.go({
            let (event, tracked) = (event.clone(), rig.track());
            move || {
                let _held = tracked;
                let child = go({
                    let event = event.clone();
                    move || event.wait().is_ok()
                });
                tell.send(child).unwrap();
                sleep(FOR_EVER);
            }
        });
        let child = told.recv().unwrap();
        parent.cancel();
        assert!(parent.join().unwrap_err().is_cancelled());
        event.fire();
        assert!(child.join().unwrap(), "the child was not cancelled");
    });
}
