//! Calls that block their thread: elsewhere, in the order of their priority, borrowed from the caller's frame, and
//! waited for or taken back when the caller is cancelled.

use heddle_scheduler::{
    Priority, Scheduler, blocking, current, go, scope, set_priority, spawn_blocking, try_blocking, yield_now,
};
use heddle_tests::{Gate, Random, eventually, everywhere, on_workers, with_options};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn stats(scheduler: &Scheduler) -> heddle_scheduler::BlockingStats {
    scheduler.stats().blocking
}

#[test]
fn a_call_is_made_elsewhere_while_others_run_on_the_callers_thread() {
    everywhere(|rig| {
        let gate = Gate::new();
        let mut text = String::from("borrowed");
        rig.scope(|s| {
            s.go(|| {
                let worker = std::thread::current().id();
                let (there, fiber) = blocking(|| {
                    gate.wait();
                    text.push_str(" and changed");
                    (std::thread::current().id(), current().is_some())
                });
                assert!(there != worker && !fiber);
                assert_eq!(std::thread::current().id(), worker);
            });
            // Whoever opens the gate may have to run on the same worker.
            s.go(|| gate.open());
        });
        assert_eq!(text, "borrowed and changed");
        eventually(|| stats(rig).running == 0);
        assert_eq!(stats(rig).ended, 1);
    });
}

#[test]
fn a_panic_comes_back_and_leaves_the_thread_to_others() {
    with_options(
        &[1, 2],
        |builder| builder.blocking_threads(1, Duration::from_secs(60)),
        |rig| {
            let panic = catch_unwind(AssertUnwindSafe(|| {
                rig.run(|| blocking(|| std::panic::panic_any("there")));
            }))
            .unwrap_err();
            assert_eq!(*panic.downcast::<&str>().unwrap(), "there");
            assert_eq!(rig.run(|| blocking(|| 7)), 7);
            assert_eq!(stats(rig).threads, 1);
        },
    );
}

#[test]
fn outside_of_any_fiber_and_without_threads_calls_are_made_in_place() {
    let here = std::thread::current().id();
    assert_eq!(blocking(|| std::thread::current().id()), here);
    let error = spawn_blocking(Priority::Normal, || ()).join().unwrap_err();
    assert!(error.not_started_because().is_some_and(|error| error.is_outside_fiber()));
    with_options(
        &[1, 2],
        |builder| builder.blocking_threads(0, Duration::ZERO),
        |rig| {
            rig.run(|| {
                let here = std::thread::current().id();
                assert_eq!(blocking(|| std::thread::current().id()), here);
            });
            assert_eq!(stats(rig).threads, 0);
        },
    );
    // And where a panic unwinds the fiber.
    struct Late(Arc<AtomicBool>);
    impl Drop for Late {
        fn drop(&mut self) {
            let here = std::thread::current().id();
            self.0.store(blocking(|| std::thread::current().id()) == here, SeqCst);
        }
    }
    on_workers(&[1], |rig| {
        let in_place = Arc::new(AtomicBool::new(false));
        let late = Late(in_place.clone());
        let handle = rig.go(move || {
            let _late = late;
            panic!("first");
        });
        assert!(handle.join().map(|(): ()| ()).unwrap_err().is_panic());
        assert!(in_place.load(SeqCst));
    });
}

#[test]
fn too_many_threads_are_refused() {
    let error = Scheduler::builder().blocking_threads(1 << 15, Duration::ZERO).build().unwrap_err();
    assert!(error.is_config() && error.to_string().contains("blocking_threads(32768)"), "{error}");
}

#[test]
fn queued_calls_are_made_most_urgent_first() {
    with_options(
        &[1, 2, 8],
        |builder| builder.blocking_threads(1, Duration::from_secs(60)),
        |rig| {
            let (gate, begun, order) = (Gate::new(), Gate::new(), Arc::new(Mutex::new(Vec::new())));
            let first = rig.spawn_blocking(Priority::Normal, {
                let (gate, begun) = (gate.clone(), begun.clone());
                move || {
                    begun.open();
                    gate.wait();
                }
            });
            begun.wait();
            // The least urgent comes first.
            let mut rest = Vec::new();
            for (count, priority) in Priority::ALL.into_iter().rev().enumerate() {
                let order = order.clone();
                rest.push(rig.spawn_blocking(priority, move || order.lock().unwrap().push(priority)));
                eventually(|| stats(rig).queued == count + 1);
            }
            gate.open();
            first.join().unwrap();
            rest.into_iter().for_each(|call| call.join().unwrap());
            assert_eq!(*order.lock().unwrap(), Priority::ALL);
            assert_eq!(stats(rig).threads, 1);
        },
    );
}

#[test]
fn there_are_as_many_threads_as_calls_that_block_and_no_more_than_allowed() {
    with_options(
        &[1, 2, 8],
        |builder| builder.blocking_threads(5, Duration::from_secs(60)),
        |rig| {
            let (gate, here) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
            let calls: Vec<_> = (0..20_usize)
                .map(|n| {
                    let (gate, here) = (gate.clone(), here.clone());
                    rig.spawn_blocking(Priority::ALL[n % 5], move || {
                        here.fetch_add(1, SeqCst);
                        gate.wait();
                        here.fetch_sub(1, SeqCst) <= 5
                    })
                })
                .collect();
            eventually(|| here.load(SeqCst) == 5 && stats(rig).queued == 15);
            let seen = stats(rig);
            assert_eq!((seen.threads, seen.idle, seen.running, seen.threads_max), (5, 0, 5, 5));
            gate.open();
            assert!(calls.into_iter().all(|call| call.join().unwrap()));
            eventually(|| stats(rig).idle == 5);
            assert_eq!(stats(rig).ended, 20);
        },
    );
}

#[test]
fn idle_threads_end_and_are_made_again() {
    with_options(
        &[1, 2],
        |builder| builder.blocking_threads(3, Duration::from_millis(1)),
        |rig| {
            for round in 1..4 {
                let calls: Vec<_> = (0..6).map(|_| rig.spawn_blocking(Priority::Normal, || ())).collect();
                calls.into_iter().for_each(|call| call.join().unwrap());
                eventually(|| stats(rig).threads == 0);
                assert_eq!(stats(rig).ended, 6 * round);
            }
        },
    );
}

#[test]
fn a_cancelled_caller_takes_back_what_has_not_begun_and_waits_for_what_has() {
    with_options(
        &[1, 2, 8],
        |builder| builder.blocking_threads(1, Duration::from_secs(60)),
        |rig| {
            let (gate, begun) = (Gate::new(), Gate::new());
            let ran = Arc::new(AtomicBool::new(false));
            let first = rig.go({
                let (gate, begun, held) = (gate.clone(), begun.clone(), rig.track());
                move || {
                    let mut there = Vec::new();
                    let result = try_blocking(|| {
                        begun.open();
                        gate.wait();
                        there.push(held);
                        5
                    });
                    // What was done is not lost, but nothing more is begun.
                    assert_eq!((result, there.len()), (Ok(5), 1));
                    assert!(try_blocking(|| ()).is_err());
                    yield_now();
                    unreachable!("a cancelled fiber unwinds here");
                }
            });
            begun.wait();
            let second = rig.go({
                let (ran, held) = (ran.clone(), rig.track());
                move || {
                    blocking(move || {
                        drop(held);
                        ran.store(true, SeqCst);
                    })
                }
            });
            eventually(|| stats(rig).queued == 1);
            second.cancel();
            assert!(second.join().unwrap_err().is_cancelled());
            assert_eq!(rig.census.live(), 1, "the closure went with its fiber");
            first.cancel();
            gate.open();
            assert!(first.join().map(|(): ()| ()).unwrap_err().is_cancelled());
            // What was taken back is passed over.
            assert_eq!(rig.run(|| blocking(|| 1)), 1);
            assert!(!ran.load(SeqCst));
            assert_eq!(rig.census.live(), 0);
        },
    );
}

#[test]
fn stop_waits_for_calls_that_have_begun_and_takes_back_the_others() {
    with_options(
        &[1, 2, 8],
        |builder| builder.blocking_threads(2, Duration::from_secs(60)),
        |rig| {
            let (gate, begun, ended) =
                (Gate::new(), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let calls: Vec<_> = (0..10_usize)
                .map(|n| {
                    let (gate, begun, ended, held) =
                        (gate.clone(), begun.clone(), ended.clone(), rig.track());
                    rig.spawn_blocking(Priority::ALL[n % 5], move || {
                        let _held = held;
                        begun.fetch_add(1, SeqCst);
                        gate.wait();
                        ended.fetch_add(1, SeqCst);
                    })
                })
                .collect();
            eventually(|| begun.load(SeqCst) == 2 && stats(rig).queued == 8);
            std::thread::scope(|s| {
                s.spawn(|| rig.stop().unwrap());
                eventually(|| !rig.is_running());
                gate.open();
            });
            let seen = stats(rig);
            assert_eq!((seen.threads, seen.running), (0, 0), "{seen:?}");
            assert_eq!(begun.load(SeqCst), ended.load(SeqCst));
            let made = calls.into_iter().filter_map(|call| call.join().ok()).count();
            assert_eq!(made, ended.load(SeqCst));
            assert_eq!(rig.census.live(), 0);
            let late = rig.spawn_blocking(Priority::Normal, || ()).join().unwrap_err();
            assert!(late.is_stopped());
            // And once more.
            rig.start().unwrap();
            assert_eq!(rig.spawn_blocking(Priority::Low, || 3).join().unwrap(), 3);
        },
    );
}

#[test]
fn calls_are_made_for_all_priorities_and_lanes_at_once() {
    everywhere(|rig| {
        let sum = AtomicUsize::new(0);
        rig.scope(|s| {
            for n in 0..100_usize {
                let sum = &sum;
                s.go_with_priority(Priority::ALL[n % 5], move || {
                    for _ in 0..3 {
                        let mut mine = 0;
                        blocking(|| mine = n);
                        sum.fetch_add(mine, SeqCst);
                        set_priority(Priority::ALL[(n + 1) % 5]).unwrap();
                    }
                });
            }
        });
        assert_eq!(sum.into_inner(), 3 * 4950);
    });
}

#[test]
fn the_limit_on_fibers_does_not_keep_calls_of_the_background_lane() {
    with_options(
        &[1, 2],
        |builder| builder.max_fibers(1),
        |rig| {
            let call = rig.spawn_blocking(Priority::Background, || 9);
            assert_eq!(call.join().unwrap(), 9);
            rig.wait_all().unwrap();
            // The count is right after it.
            let gate = Gate::new();
            let one = rig.try_go({
                let gate = gate.clone();
                move || gate.wait()
            });
            assert!(one.is_ok() && rig.try_go(|| ()).unwrap_err().is_limit());
            gate.open();
            one.unwrap().join().unwrap();
        },
    );
}

#[test]
fn calls_nest_and_fibers_of_a_scope_make_them() {
    everywhere(|rig| {
        let sum = rig.run(|| {
            let mut parts = [0; 10];
            scope(|s| {
                for (n, part) in parts.iter_mut().enumerate() {
                    s.go(move || *part = blocking(|| blocking(|| n)));
                }
            })
            .unwrap();
            parts.iter().sum::<usize>()
        });
        assert_eq!(sum, 45);
    });
}

#[test]
fn a_storm_of_calls_cancellations_and_idle_ends_loses_nothing() {
    with_options(
        &[1, 2, 8],
        |builder| builder.blocking_threads(3, Duration::from_micros(50)),
        |rig| {
            let mut random = Random::from_seed(11);
            let (begun, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            for _ in 0..10 {
                let fibers: Vec<_> = (0..20)
                    .map(|_| {
                        let (begun, ended, held) = (begun.clone(), ended.clone(), rig.track());
                        let (priority, spins) = (random.number() as usize % 5, random.number() % 2000);
                        rig.go_with_priority(Priority::ALL[priority], move || {
                            let kept = held;
                            for round in 0..2 {
                                let local = kept.clone();
                                blocking(|| {
                                    begun.fetch_add(1, SeqCst);
                                    (0..spins).for_each(|_| std::hint::spin_loop());
                                    drop(local);
                                    ended.fetch_add(1, SeqCst);
                                    assert!(spins % 64 != 63, "some panic");
                                });
                                if round == 0 {
                                    go(yield_now).join().unwrap();
                                }
                            }
                        })
                    })
                    .collect();
                for fiber in &fibers {
                    if random.number().is_multiple_of(3) {
                        fiber.cancel();
                    }
                }
                for fiber in fibers {
                    if let Err(error) = fiber.join() {
                        assert!(error.is_cancelled() || error.is_panic(), "{error}");
                    }
                }
                assert_eq!(begun.load(SeqCst), ended.load(SeqCst));
            }
            rig.wait_all().unwrap();
            assert_eq!(rig.census.live(), 0);
        },
    );
}

#[test]
fn a_timeout_takes_back_what_has_not_begun() {
    with_options(
        &[1, 2],
        |builder| builder.blocking_threads(1, Duration::from_secs(60)),
        |rig| {
            let (gate, begun) = (Gate::new(), Gate::new());
            let first = rig.spawn_blocking(Priority::Normal, {
                let (gate, begun) = (gate.clone(), begun.clone());
                move || {
                    begun.open();
                    gate.wait();
                }
            });
            begun.wait();
            let ran = AtomicBool::new(false);
            let in_time = rig.run(|| {
                let wait = || blocking(|| ran.store(true, SeqCst));
                heddle_scheduler::timeout(Duration::from_millis(1), wait).is_ok()
            });
            assert!(!in_time && !ran.load(SeqCst));
            gate.open();
            first.join().unwrap();
        },
    );
}
