//! Deadlines of fibers and of all who descend from them.

use heddle_scheduler::{both, checkpoint, current, go, scope, shielded, sleep, suspend, timeout, yield_now};
use heddle_tests::{Gate, Rig, eventually, everywhere, occupy, on_workers};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const FOR_EVER: Duration = Duration::MAX;
const HOUR: Duration = Duration::from_secs(3600);
const MS: Duration = Duration::from_millis(1);

#[test]
fn a_fiber_ends_at_its_deadline_whatever_it_waits_for() {
    everywhere(|rig| {
        let waits: [fn(); 6] = [
            || sleep(FOR_EVER),
            || loop {
                yield_now();
            },
            || loop {
                checkpoint();
            },
            || {
                while suspend::suspend().is_ok() {}
                suspend::cancel_point();
            },
            || assert!(timeout(HOUR, || sleep(FOR_EVER)).is_err()),
            || {
                shielded(|| sleep(6 * MS));
                sleep(FOR_EVER);
            },
        ];
        for wait in waits {
            let (due, tracked) = (Instant::now() + 5 * MS, rig.track());
            let handle = rig.fiber().deadline(due).go(move || {
                let _held = tracked;
                assert_eq!(current().unwrap().deadline(), Some(due));
                wait();
            });
            let error = handle.join().unwrap_err();
            assert!(error.is_deadline_exceeded() && error.is_cancelled() && !error.is_stopped(), "{error}");
            assert!(error.to_string().contains("deadline"), "{error}");
            assert!(Instant::now() >= due);
            assert_eq!(rig.census.live(), 0);
        }
    });
}

#[test]
fn who_is_done_in_time_hears_nothing_of_it() {
    everywhere(|rig| {
        for due in [Instant::now() + HOUR, far_future()] {
            let handle = rig.fiber().deadline(due).name("quick").go(|| {
                sleep(MS / 10);
                go(|| current().unwrap().name().map(str::to_owned)).join().unwrap()
            });
            assert_eq!(handle.join().unwrap(), None, "a name is not inherited");
        }
        // The carrier that they had has nothing left of it.
        rig.run(|| assert_eq!(current().unwrap().deadline(), None));
    });
}

/// About the last moment that there is.
fn far_future() -> Instant {
    let now = Instant::now();
    (0..63).rev().fold(now, |time, bit| time.checked_add(Duration::from_secs(1 << bit)).unwrap_or(time))
}

#[test]
fn a_fiber_whose_deadline_is_past_never_starts() {
    everywhere(|rig| {
        let ran = Arc::new(AtomicBool::new(false));
        for late in [Duration::ZERO, MS] {
            let (theirs, tracked) = (ran.clone(), rig.track());
            let due = Instant::now().checked_sub(late).unwrap();
            let handle = rig.fiber().deadline(due).go(move || {
                theirs.store(true, Ordering::SeqCst);
                drop(tracked);
            });
            let error = handle.join().unwrap_err();
            assert!(error.is_deadline_exceeded());
            assert!(error.to_string().contains("never started"), "{error}");
            assert_eq!(rig.census.live(), 0);
        }
        let held = occupy(rig);
        let queued = rig.fiber().deadline(Instant::now() + MS).go({
            let ran = ran.clone();
            move || ran.store(true, Ordering::SeqCst)
        });
        sleep(2 * MS);
        held.release();
        assert!(queued.join().unwrap_err().is_deadline_exceeded());
        assert!(!ran.load(Ordering::SeqCst));
    });
}

/// Makes fibers that make fibers, detached ones, in scopes and as branches, all of which sleep for ever.
fn grow(depth: u32, alive: &Arc<AtomicUsize>, tracked: &heddle_tests::Tracked) {
    let _held = tracked.clone();
    alive.fetch_add(1, Ordering::SeqCst);
    if depth > 0 {
        let (theirs, held) = (alive.clone(), tracked.clone());
        drop(go(move || grow(depth - 1, &theirs, &held)));
        scope(|s| {
            s.go(|| grow(depth - 1, alive, tracked));
            both(|| grow(depth - 1, alive, tracked), || grow(depth - 1, alive, tracked));
        })
        .unwrap();
    }
    sleep(FOR_EVER);
}

#[test]
fn a_whole_tree_ends_at_the_deadline_of_its_root() {
    everywhere(|rig| {
        let (alive, tracked) = (Arc::new(AtomicUsize::new(0)), rig.track());
        let due = Instant::now() + 20 * MS;
        let root = rig.fiber().deadline(due).go({
            let (alive, tracked) = (alive.clone(), tracked.clone());
            move || grow(4, &alive, &tracked)
        });
        // Beside it, and not of it.
        let other = rig.go(|| {
            sleep(MS);
            7
        });
        assert!(root.join().unwrap_err().is_deadline_exceeded());
        // The detached ones, too.
        rig.wait_all().unwrap();
        assert_eq!(rig.census.live(), 1);
        assert!(Instant::now() >= due);
        assert_eq!(other.join().unwrap(), 7);
    });
}

#[test]
fn a_child_may_have_less_time_than_its_maker_and_not_more() {
    everywhere(|rig| {
        let start = Instant::now();
        let theirs = rig.scheduler.clone();
        let root = rig.fiber().deadline(start + HOUR).go(move || {
            let short = theirs.fiber().deadline(start + MS).go(|| sleep(FOR_EVER));
            let long = theirs.fiber().deadline(start + 2 * HOUR).go(|| current().unwrap().deadline());
            let inherits = go(|| go(|| current().unwrap().deadline()).join().unwrap());
            drop(theirs);
            assert!(short.join().unwrap_err().is_deadline_exceeded());
            assert_eq!(long.join().unwrap(), Some(start + HOUR));
            assert_eq!(inherits.join().unwrap(), Some(start + HOUR));
        });
        root.join().unwrap();
        let twice = rig.fiber().deadline(start + HOUR).deadline(start + 2 * HOUR);
        assert_eq!(twice.go(|| current().unwrap().deadline()).join().unwrap(), Some(start + HOUR));
    });
}

#[test]
fn a_fiber_of_another_scheduler_has_the_deadline_of_its_maker() {
    on_workers(&[1, 2], |rig| {
        let other = rig.another(1);
        let due = Instant::now() + 5 * MS;
        let theirs = other.clone();
        let made = rig.fiber().deadline(due).go(move || theirs.go(|| sleep(FOR_EVER)));
        if let Ok(handle) = made.join() {
            assert!(handle.join().unwrap_err().is_deadline_exceeded());
            assert!(Instant::now() >= due);
        }
        eventually(|| Arc::strong_count(&other) == 1);
        Rig::retire(&other);
    });
}

#[test]
fn a_cancellation_before_the_deadline_and_a_panic_after_it_are_what_they_are() {
    everywhere(|rig| {
        let handle = rig.fiber().deadline(Instant::now() + HOUR).go(|| sleep(FOR_EVER));
        handle.cancel();
        let error = handle.join().unwrap_err();
        assert!(error.is_cancelled() && !error.is_deadline_exceeded());
        let due = Instant::now() + MS;
        let (started, begun) = (Gate::new(), rig.track());
        let handle = rig.fiber().deadline(due).go({
            let started = started.clone();
            move || {
                let _held = begun;
                started.open();
                while suspend::suspend().is_ok() {}
                panic!("too late")
            }
        });
        let error = handle.join().unwrap_err();
        assert!(error.is_panic() && started.is_open() || error.is_deadline_exceeded(), "{error}");
    });
}

#[test]
fn many_deadlines_at_the_moment_of_the_end_take_nothing_from_whoever_comes_next() {
    everywhere(|rig| {
        for round in 0..60_u32 {
            let time = round % 10 * MS / 50;
            let outcome = rig.fiber().deadline(Instant::now() + time).go(move || sleep(time)).join();
            assert!(outcome.is_ok() || outcome.unwrap_err().is_deadline_exceeded());
            // On the same carrier, most likely.
            rig.go(|| {
                yield_now();
                checkpoint();
            })
            .join()
            .unwrap();
        }
    });
}
