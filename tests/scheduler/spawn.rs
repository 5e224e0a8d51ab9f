//! Making fibers, their results, their panics.

use heddle_scheduler::{
    JoinError, Priority, current, go, go_with_priority, spawn_blocking, spawn_future, yield_now,
};
use heddle_tests::{Event, everywhere};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn results_come_back_in_whatever_order_they_are_joined() {
    everywhere(|rig| {
        let mut handles: Vec<_> = (0..500)
            .map(|n| {
                let tracked = rig.track();
                rig.go(move || (n * n, tracked))
            })
            .collect();
        for n in (0..500).rev() {
            assert_eq!(handles.pop().unwrap().join().unwrap().0, n * n);
        }
    });
}

#[test]
fn a_tree_of_fibers_that_make_fibers_and_join_them_adds_up() {
    fn tree(depth: u32) -> u64 {
        if depth == 0 {
            return 1;
        }
        let left = go(move || tree(depth - 1));
        let right = go(move || tree(depth - 1));
        left.join().unwrap() + right.join().unwrap()
    }
    everywhere(|rig| assert_eq!(rig.go(|| tree(10)).join().unwrap(), 1024));
}

#[test]
fn a_detached_fiber_runs_and_its_result_is_dropped() {
    everywhere(|rig| {
        let ran = Arc::new(AtomicUsize::new(0));
        for _ in 0..100 {
            let (ran, tracked) = (ran.clone(), rig.track());
            drop(rig.go(move || {
                ran.fetch_add(1, Ordering::SeqCst);
                tracked
            }));
        }
        rig.wait_all().unwrap();
        assert_eq!(ran.load(Ordering::SeqCst), 100);
        assert_eq!(rig.census.live(), 0, "results of detached fibers are dropped at their end");
    });
}

#[test]
fn a_result_nobody_took_is_dropped_with_the_handle() {
    everywhere(|rig| {
        let tracked = rig.track();
        let handle = rig.go(move || tracked);
        rig.wait_all().unwrap();
        assert!(handle.is_finished());
        assert_eq!(rig.census.live(), 1);
        drop(handle);
        assert_eq!(rig.census.live(), 0);
    });
}

#[test]
fn what_a_fiber_wrote_is_seen_by_its_joiner() {
    everywhere(|rig| {
        for round in 0..200 {
            let cell = Arc::new(AtomicUsize::new(0));
            let theirs = cell.clone();
            rig.go(move || theirs.store(round, Ordering::Relaxed)).join().unwrap();
            assert_eq!(cell.load(Ordering::Relaxed), round);
        }
    });
}

#[test]
fn large_closures_and_results_arrive_whole() {
    everywhere(|rig| {
        let big = [7_u64; 512];
        let handle = rig.go(move || big.map(|n| n + 1));
        assert_eq!(handle.join().unwrap(), [8; 512]);
        #[repr(align(128))]
        struct Aligned(u8);
        let aligned = Aligned(3);
        let handle = rig.go(move || {
            let whole = &aligned;
            assert_eq!(std::ptr::from_ref(whole).addr() % 128, 0);
            Aligned(whole.0 + 1)
        });
        assert_eq!(handle.join().unwrap().0, 4);
        rig.go(|| ()).join().unwrap();
    });
}

#[test]
fn a_child_inherits_its_makers_priority_unless_told_otherwise() {
    everywhere(|rig| {
        let seen = |priority| {
            rig.go_with_priority(priority, || {
                let mine = current().unwrap().base_priority();
                let child = go(|| current().unwrap().base_priority()).join().unwrap();
                let told =
                    go_with_priority(Priority::Low, || current().unwrap().base_priority()).join().unwrap();
                (mine, child, told)
            })
            .join()
            .unwrap()
        };
        for priority in Priority::ALL {
            assert_eq!(seen(priority), (priority, priority, Priority::Low));
        }
        assert_eq!(rig.go(|| current().unwrap().priority()).join().unwrap(), Priority::Normal);
    });
}

#[test]
fn a_fiber_knows_its_number_its_name_and_its_worker() {
    everywhere(|rig| {
        assert!(current().is_none());
        let handle = rig.fiber().name("weaver").priority(Priority::High).go(|| current().unwrap());
        let id = handle.id();
        let info = handle.join().unwrap();
        assert_eq!((info.id(), info.name(), info.priority()), (id, Some("weaver"), Priority::High));
        assert!(info.worker() < rig.workers() && !info.is_cancelled());
        assert_eq!(rig.go(|| current().unwrap().name().map(str::to_owned)).join().unwrap(), None);
        let mut ids: Vec<_> = (0..2000).map(|_| rig.go(|| ()).id()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 2000, "numbers are unique");
    });
}

#[test]
fn a_panic_reaches_the_joiner_with_its_payload_and_others_go_on() {
    everywhere(|rig| {
        let event = Event::new();
        let neighbour = rig.go({
            let (event, tracked) = (event.clone(), rig.track());
            move || {
                event.wait().unwrap();
                drop(tracked);
                "fine"
            }
        });
        let (tracked, what) = (rig.track(), std::hint::black_box("oil"));
        let error = rig
            .go(move || {
                let _held = tracked;
                yield_now();
                panic!("no {what}")
            })
            .join()
            .unwrap_err();
        assert!(error.is_panic() && !error.is_cancelled() && !error.is_stopped());
        assert_eq!(error.to_string(), "the fiber panicked: no oil");
        assert_eq!(*error.into_panic().unwrap().downcast::<String>().unwrap(), "no oil");
        let error = rig.go(|| std::panic::panic_any(17_u8)).join().unwrap_err();
        assert_eq!(*error.into_panic().unwrap().downcast::<u8>().unwrap(), 17);
        event.fire();
        assert_eq!(neighbour.join().unwrap(), "fine");
        rig.wait_all().unwrap();
        assert_eq!(rig.stats().workers.iter().map(|worker| worker.panics).sum::<u64>(), 2);
    });
}

#[test]
fn a_panic_of_a_detached_fiber_is_contained() {
    everywhere(|rig| {
        for _ in 0..50 {
            let tracked = rig.track();
            drop(rig.go(move || {
                let _held = tracked;
                panic!("unseen")
            }));
        }
        rig.wait_all().unwrap();
        assert_eq!(rig.go(|| 1).join().unwrap(), 1);
    });
}

#[test]
fn a_fiber_that_joins_itself_is_told_so() {
    everywhere(|rig| {
        let (give, take) = std::sync::mpsc::channel::<heddle_scheduler::JoinHandle<bool>>();
        let (answer, told) = std::sync::mpsc::channel();
        let handle = rig.go(move || {
            let me = take.recv().unwrap();
            let error = me.join().unwrap_err();
            answer.send((error.is_self_join(), error.to_string())).unwrap();
            true
        });
        give.send(handle).unwrap();
        let (is_self_join, text) = told.recv().unwrap();
        assert!(is_self_join);
        assert!(text.contains("cannot join itself") && text.contains("move the handle"), "{text}");
    });
}

#[test]
fn go_outside_of_any_fiber_fails_at_join_and_says_where_to_call_it() {
    let census = heddle_tests::Census::new();
    let tracked = census.track();
    let handle = go(move || tracked);
    assert!(handle.is_finished());
    handle.cancel();
    handle.set_priority(Priority::High);
    let error = handle.join().err().expect("there is no scheduler");
    let cause = error.not_started_because().unwrap();
    assert!(cause.is_outside_fiber(), "{cause}");
    assert!(
        error.to_string().contains("outside of any fiber") && error.to_string().contains("Scheduler::go")
    );
    let says = |error: JoinError| error.to_string();
    assert!(says(go_with_priority(Priority::Low, || ()).join().unwrap_err()).contains("go_with_priority()"));
    assert!(says(spawn_blocking(Priority::Low, || ()).join().unwrap_err()).contains("spawn_blocking()"));
    assert!(says(spawn_future(Priority::Low, async {}).join().unwrap_err()).contains("spawn_future()"));
    let tracked = census.track();
    drop(go(move || drop(tracked)));
    assert_eq!(census.live(), 0);
    assert!(heddle_scheduler::set_priority(Priority::High).unwrap_err().is_outside_fiber());
    assert!(heddle_scheduler::scope(|_| ()).unwrap_err().is_outside_fiber());
}

#[test]
fn run_enters_the_scheduler_with_borrows_and_passes_panics_on() {
    everywhere(|rig| {
        let mut numbers = [3, 1, 2];
        let length = rig.run(|| {
            numbers.sort();
            numbers.len()
        });
        assert_eq!((length, numbers), (3, [1, 2, 3]));
        let panic = catch_unwind(AssertUnwindSafe(|| rig.run(|| panic!("through")))).unwrap_err();
        assert_eq!(*panic.downcast::<&str>().unwrap(), "through");
    });
}

#[test]
fn threads_and_fibers_of_two_schedulers_join_each_other() {
    everywhere(|rig| {
        let other = rig.another(2);
        let across = {
            let other = other.clone();
            rig.go(move || (0..50).map(|n| other.go(move || n).join().unwrap()).sum::<i32>())
        };
        assert_eq!(across.join().unwrap(), 1225);
        let there_and_back = {
            let (here, other) = (rig.scheduler.clone(), other.clone());
            rig.go(move || {
                other
                    .go_with_priority(Priority::Low, move || {
                        let inner = here.go(|| current().unwrap().base_priority()).join().unwrap();
                        (inner, current().unwrap().base_priority())
                    })
                    .join()
                    .unwrap()
            })
        };
        assert_eq!(there_and_back.join().unwrap(), (Priority::Low, Priority::Low));
        super::retire_when_sole(other);
    });
}
