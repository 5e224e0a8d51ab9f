//! Functions of the user's that the runtime calls, and that fail: hooks, destructors.

use heddle_scheduler::suspend::suspend;
use heddle_scheduler::{
    AtLimit, Builder, FiberId, JoinError, JoinHandle, Priority, Scheduler, both, checkpoint, go, scope,
    sleep, yield_now,
};
use heddle_tests::{Event, Tracked, eventually, everywhere, with_options};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[test]
fn thread_hooks_are_called_on_each_thread_once_a_run() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let options = |builder: Builder| {
        let (start, stop) = (calls.clone(), calls.clone());
        builder
            .on_thread_start(move |worker| {
                start.lock().unwrap().push(("start", worker, std::thread::current().id()))
            })
            .on_thread_stop(move |worker| {
                stop.lock().unwrap().push(("stop", worker, std::thread::current().id()))
            })
    };
    with_options(&[1, 2, 8, 64], options, |rig| {
        for _ in 0..2 {
            let (worker, thread) = rig
                .go(|| (heddle_scheduler::current().unwrap().worker(), std::thread::current().id()))
                .join()
                .unwrap();
            rig.stop().unwrap();
            let mut calls = std::mem::take(&mut *calls.lock().unwrap());
            assert!(calls.contains(&("start", worker, thread)) && calls.contains(&("stop", worker, thread)));
            calls.sort_by_key(|call| (call.1, call.0));
            assert_eq!(calls.len(), 2 * rig.threads());
            for (worker, pair) in calls.chunks(2).enumerate() {
                let [(first, a, on), (second, b, also_on)] = pair else { unreachable!() };
                assert_eq!((*first, *a, *second, *b, on), ("start", worker, "stop", worker, also_on));
            }
            rig.start().unwrap();
        }
        rig.stop().unwrap();
        calls.lock().unwrap().clear();
    });
}

#[test]
fn thread_hooks_that_panic_do_not_take_the_worker_along() {
    let options = |builder: Builder| {
        builder.on_thread_start(|_| panic!("at the start")).on_thread_stop(|_| panic!("at the end"))
    };
    with_options(&[1, 2, 8, 64], options, |rig| {
        assert_eq!(rig.go(|| go(|| 1).join().unwrap()).join().unwrap(), 1);
        rig.stop().unwrap();
        rig.start().unwrap();
        assert_eq!(rig.go(|| 2).join().unwrap(), 2);
    });
}

type Report = (FiberId, Option<String>, Priority, String);

#[test]
fn the_panic_hook_learns_who_panicked_and_what_was_said() {
    let reports = Arc::new(Mutex::new(Vec::<Report>::new()));
    let options = |builder: Builder| {
        let reports = reports.clone();
        builder.on_panic(move |report| {
            let name = report.name.map(str::to_owned);
            reports.lock().unwrap().push((report.id, name, report.priority, report.message.to_owned()));
        })
    };
    with_options(&[1, 2, 8, 64], options, |rig| {
        let named = rig.fiber().name("careless").priority(Priority::Low).go(|| panic!("dropped it"));
        let id = named.id();
        assert!(named.join().map(|_: ()| ()).is_err());
        rig.go(|| panic_any(5_u8)).join().map(|_: ()| ()).unwrap_err();
        // A cancelled fiber does not panic.
        let cancelled = rig.go(|| sleep(Duration::MAX));
        eventually(|| rig.stats().levels[2].suspended == 1);
        cancelled.cancel();
        assert!(cancelled.join().is_err());
        rig.wait_all().unwrap();
        let reports = std::mem::take(&mut *reports.lock().unwrap());
        assert_eq!(reports.len(), 2, "{reports:?}");
        assert_eq!(reports[0], (id, Some("careless".into()), Priority::Low, "dropped it".into()));
        assert!(reports[1].1.is_none() && reports[1].3.contains("not text"));
    });
}

#[test]
fn a_panic_hook_that_panics_leaves_the_fibers_panic_as_it_was() {
    with_options(
        &[1, 2, 8, 64],
        |builder| builder.on_panic(|_| panic!("in the hook")),
        |rig| {
            for _ in 0..20 {
                let error = rig.go(|| panic!("in the fiber")).join().map(|_: ()| ()).unwrap_err();
                assert_eq!(error.to_string(), "the fiber panicked: in the fiber");
            }
            drop(rig.go(|| panic!("detached")));
            rig.wait_all().unwrap();
            assert_eq!(rig.go(|| 1).join().unwrap(), 1);
        },
    );
}

/// Panics when it is dropped, unless that would end the process.
struct Bomb(#[expect(dead_code, reason = "counted")] Tracked);

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("a destructor panics");
        }
    }
}

#[test]
fn a_captured_value_whose_destructor_panics_is_the_fibers_panic() {
    everywhere(|rig| {
        let bomb = Bomb(rig.track());
        let error = rig
            .go(move || {
                let _held = &bomb;
                yield_now();
            })
            .join()
            .unwrap_err();
        assert_eq!(error.to_string(), "the fiber panicked: a destructor panics");
    });
}

#[test]
fn results_whose_destructors_panic_are_dropped_by_whoever_has_them_and_nobody_is_hurt() {
    everywhere(|rig| {
        // Detached before its end, after its end, and in a scope.
        let bomb = Bomb(rig.track());
        drop(rig.go(move || bomb));
        rig.wait_all().unwrap();
        let bomb = Bomb(rig.track());
        let handle = rig.go(move || bomb);
        rig.wait_all().unwrap();
        drop(handle);
        let bomb = Bomb(rig.track());
        rig.scope(|s| {
            s.go(move || bomb);
        });
        assert_eq!(rig.census.live(), 0);
        // Thrown: the payload's destructor panics.
        let bomb = Bomb(rig.track());
        drop(rig.go(move || panic_any(bomb)));
        rig.wait_all().unwrap();
        assert_eq!(rig.census.live(), 0);
        // Joined: it is the joiner's.
        let bomb = Bomb(rig.track());
        let bomb = rig.go(move || bomb).join().unwrap();
        assert!(catch_unwind(AssertUnwindSafe(|| drop(bomb))).is_err());
        assert_eq!(rig.go(|| 1).join().unwrap(), 1);
    });
}

/// Calls a function when it is dropped.
struct Finally<F: FnMut()>(F);

impl<F: FnMut()> Drop for Finally<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Runs `last` in a destructor of a fiber that panics. It must return.
fn while_panicking(scheduler: &Scheduler, last: impl FnMut() + Send + 'static) {
    let error = scheduler
        .go(move || {
            let _finally = Finally(last);
            yield_now();
            panic!("the fiber's own");
        })
        .join()
        .map(|_: ()| ())
        .unwrap_err();
    assert_eq!(error.to_string(), "the fiber panicked: the fiber's own");
}

#[test]
fn calls_that_block_return_at_once_in_a_destructor_that_runs_during_a_panic() {
    everywhere(|rig| {
        while_panicking(rig, || {
            yield_now();
            checkpoint();
            sleep(Duration::from_secs(3600));
            let _ = suspend();
        });
        while_panicking(rig, || assert_eq!(both(|| 1, || 2), (1, 2)));
        let scheduler = rig.scheduler.clone();
        while_panicking(rig, move || {
            // Not all can have ended: this one has not. It may refuse, but it must come back.
            let _ = scheduler.wait_all();
        });
        rig.wait_all().unwrap();
    });
}

#[test]
fn join_in_a_destructor_during_a_panic_refuses_to_wait() {
    everywhere(|rig| {
        let event = Event::new();
        let waiting = rig.go({
            let event = event.clone();
            move || event.wait().unwrap()
        });
        let finished = rig.go(|| 9);
        rig.go(|| ()).join().unwrap();
        eventually(|| finished.is_finished() && event.waiting() == 1);
        let told = Arc::new(Mutex::new(None::<JoinError>));
        let (mut waiting, mut finished, theirs) = (Some(waiting), Some(finished), told.clone());
        while_panicking(rig, move || {
            *theirs.lock().unwrap() = waiting.take().unwrap().join().err();
            assert_eq!(finished.take().unwrap().join().unwrap(), 9);
        });
        let error = told.lock().unwrap().take().unwrap();
        assert!(error.is_unable_to_wait() && error.to_string().contains("destructor"), "{error}");
        event.fire();
    });
}

#[test]
fn fibers_and_scopes_made_in_a_destructor_during_a_panic_are_run() {
    everywhere(|rig| {
        let count = Arc::new(AtomicUsize::new(0));
        let theirs = count.clone();
        while_panicking(rig, move || {
            let count = theirs.clone();
            drop(go(move || {
                yield_now();
                count.fetch_add(1, Ordering::SeqCst);
            }));
            scope(|s| {
                for _ in 0..3 {
                    s.go(|| theirs.fetch_add(1, Ordering::SeqCst));
                }
                let result = s.go(|| 5).join();
                assert!(result.is_ok_and(|five| five == 5));
            })
            .unwrap();
        });
        rig.wait_all().unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 4);
    });
}

#[test]
fn go_at_a_limit_that_waits_fails_in_a_destructor_during_a_panic() {
    let options = |builder: Builder| builder.max_fibers(2).at_limit(AtLimit::Wait);
    with_options(&[1, 2, 8], options, |rig| {
        let event = Event::new();
        let other = rig.go({
            let event = event.clone();
            move || event.wait().unwrap()
        });
        let made = Arc::new(Mutex::new(None::<JoinHandle<()>>));
        let theirs = made.clone();
        while_panicking(rig, move || *theirs.lock().unwrap() = Some(go(|| ())));
        let made = made.lock().unwrap().take().unwrap();
        assert!(made.join().unwrap_err().not_started_because().unwrap().is_limit());
        event.fire();
        other.join().unwrap();
    });
}

#[test]
fn destructors_of_a_cancelled_fiber_may_call_what_blocks() {
    everywhere(|rig| {
        let event = Event::new();
        let child = rig.go({
            let event = event.clone();
            move || event.wait().is_ok()
        });
        let (mut child, reached) = (Some(child), Arc::new(AtomicUsize::new(0)));
        let theirs = reached.clone();
        let parent = rig.go(move || {
            let _finally = Finally(move || {
                sleep(Duration::from_secs(3600));
                yield_now();
                let _ = child.take().unwrap().join();
                theirs.fetch_add(1, Ordering::SeqCst);
            });
            sleep(Duration::MAX);
        });
        eventually(|| rig.stats().levels[2].suspended == 2);
        parent.cancel();
        assert!(parent.join().unwrap_err().is_cancelled());
        assert_eq!(reached.load(Ordering::SeqCst), 1);
        event.fire();
    });
}

#[test]
fn a_panic_that_a_fiber_catches_itself_is_nobody_elses_business() {
    everywhere(|rig| {
        let result = rig
            .go(|| {
                let caught = std::panic::catch_unwind(|| panic!("mine"));
                yield_now();
                caught.is_err()
            })
            .join()
            .unwrap();
        assert!(result);
        rig.wait_all().unwrap();
        assert_eq!(rig.stats().workers.iter().map(|worker| worker.panics).sum::<u64>(), 0);
    });
}

/// A destructor that joins, of a result that nobody wanted: it runs where nothing can wait.
#[test]
fn a_result_without_an_owner_whose_destructor_joins_does_not_block_its_worker() {
    struct JoinOnDrop(Option<heddle_scheduler::JoinHandle<()>>);

    impl Drop for JoinOnDrop {
        fn drop(&mut self) {
            if let Some(handle) = self.0.take() {
                let finished = handle.is_finished();
                let outcome = handle.join();
                assert!(finished || outcome.is_err_and(|error| error.is_unable_to_wait()));
            }
        }
    }

    everywhere(|rig| {
        for _ in 0..20 {
            drop(rig.go(|| JoinOnDrop(Some(go(|| ())))));
        }
        rig.wait_all().unwrap();
    });
}
