//! Limits on fibers and stacks, kinds of guards, and options that cannot work.

use heddle_scheduler::{AtLimit, Scheduler, StackGuard, go, sleep, yield_now};
use heddle_tests::{Event, eventually, with_options};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[test]
fn at_the_limit_on_fibers_a_new_one_fails_and_says_what_to_do() {
    with_options(
        &[1, 2, 8, 64],
        |builder| builder.max_fibers(10),
        |rig| {
            for _ in 0..3 {
                let event = Event::new();
                let live: Vec<_> = (0..10)
                    .map(|_| {
                        let event = event.clone();
                        rig.try_go(move || event.wait().is_ok()).expect("ten fit")
                    })
                    .collect();
                let tracked = rig.track();
                let error = rig.go(move || drop(tracked)).join().unwrap_err();
                let cause = error.not_started_because().unwrap();
                assert!(cause.is_limit() && cause.to_string().contains("max_fibers"), "{cause}");
                assert!(cause.to_string().starts_with("10 fibers"), "{cause}");
                assert_eq!(rig.census.live(), 0);
                assert!(rig.try_go(|| ()).unwrap_err().is_limit());
                assert!(rig.fiber().name("one too many").try_go(|| ()).unwrap_err().is_limit());
                live[3].cancel();
                event.fire();
                for handle in live {
                    let _ = handle.join();
                }
                rig.wait_all().unwrap();
            }
        },
    );
}

#[test]
fn who_has_joined_a_fiber_can_start_one_in_its_place() {
    with_options(
        &[1, 2, 8],
        |builder| builder.max_fibers(1),
        |rig| {
            for turn in 0..2000 {
                let fiber = rig.try_go(move || turn).expect("the one before has ended");
                assert_eq!(fiber.join().unwrap(), turn);
            }
        },
    );
}

#[test]
fn at_the_limit_go_waits_if_it_was_told_to_as_a_thread_and_as_a_fiber() {
    let options = |builder: heddle_scheduler::Builder| builder.max_fibers(4).at_limit(AtLimit::Wait);
    with_options(&[1, 2, 8, 64], options, |rig| {
        let (live, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let work = {
            let (live, most) = (live.clone(), most.clone());
            move || {
                most.fetch_max(live.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                yield_now();
                live.fetch_sub(1, Ordering::SeqCst);
            }
        };
        std::thread::scope(|s| {
            for _ in 0..3 {
                let work = work.clone();
                s.spawn(move || {
                    for _ in 0..100 {
                        drop(rig.go(work.clone()));
                    }
                });
            }
            let work = work.clone();
            let inside = rig.go(move || {
                for _ in 0..100 {
                    drop(go(work.clone()));
                }
            });
            inside.join().unwrap();
        });
        rig.wait_all().unwrap();
        assert!(most.load(Ordering::SeqCst) <= 4);
        let stats = rig.stats();
        let finished: u64 = stats.levels.iter().map(|level| level.finished).sum();
        assert_eq!(finished, 401, "{stats}");
    });
}

#[test]
fn whoever_waits_at_the_limit_is_told_when_the_scheduler_stops_or_he_is_cancelled() {
    let options = |builder: heddle_scheduler::Builder| builder.max_fibers(2).at_limit(AtLimit::Wait);
    with_options(&[1, 2, 8, 64], options, |rig| {
        let waiting = Arc::new(AtomicUsize::new(0));
        let maker = rig.go({
            let waiting = waiting.clone();
            move || {
                let second = go(|| sleep(Duration::MAX));
                waiting.fetch_add(1, Ordering::SeqCst);
                let third = go(|| ());
                drop(second);
                third.join().unwrap_err().not_started_because().is_some()
            }
        });
        eventually(|| waiting.load(Ordering::SeqCst) == 1);
        maker.cancel();
        assert!(maker.join().unwrap());
        std::thread::scope(|s| {
            let blocked: Vec<_> = (0..3)
                .map(|_| {
                    s.spawn(|| match rig.go(|| sleep(Duration::MAX)).join() {
                        Ok(()) => unreachable!("it sleeps for ever"),
                        Err(error) => error.is_stopped() || error.is_cancelled(),
                    })
                })
                .collect();
            // One of them gets the free place.
            eventually(|| rig.stats().levels[2].suspended == 2);
            rig.stop().unwrap();
            assert!(blocked.into_iter().all(|thread| thread.join().unwrap()));
        });
    });
}

#[test]
fn without_a_stack_a_fibers_join_returns_the_error_and_others_go_on() {
    with_options(
        &[1, 2, 8],
        |builder| builder.max_stacks(3).warm_stacks(0),
        |rig| {
            let event = Event::new();
            let handles: Vec<_> = (0..10)
                .map(|_| {
                    let (event, tracked) = (event.clone(), rig.track());
                    rig.go(move || {
                        let _held = tracked;
                        event.wait().unwrap()
                    })
                })
                .collect();
            eventually(|| handles.iter().filter(|handle| handle.is_finished()).count() == 7);
            // One that has its stack may not have been counted yet when the seventh has failed.
            eventually(|| rig.stats().stacks.in_use == 3);
            event.fire();
            let errors: Vec<_> = handles.into_iter().filter_map(|handle| handle.join().err()).collect();
            assert_eq!(errors.len(), 7);
            for error in errors {
                let cause = error.not_started_because().unwrap();
                assert!(cause.is_no_memory() && cause.to_string().contains("max_stacks"), "{cause}");
            }
            rig.wait_all().unwrap();
            rig.go(|| ()).join().unwrap();
        },
    );
}

#[test]
fn every_kind_of_guard_runs_fibers_that_wait_and_is_named_by_the_statistics() {
    for guard in [StackGuard::Auto, StackGuard::Lightweight, StackGuard::Mapped, StackGuard::Canary] {
        if let Err(error) = Scheduler::builder().workers(1).stack_guard(guard).build() {
            assert_eq!(guard, StackGuard::Lightweight, "only this one may be missing");
            assert!(error.is_config() && error.to_string().contains("StackGuard::Auto"), "{error}");
            continue;
        }
        let options = |builder: heddle_scheduler::Builder| builder.stack_guard(guard).stack_size(32 * 1024);
        with_options(&[1, 2, 8], options, |rig| {
            let event = Event::new();
            let handles: Vec<_> = (0..300)
                .map(|n| {
                    let event = event.clone();
                    rig.go(move || {
                        let text = format!("{n:>200}");
                        event.wait().unwrap();
                        text.trim().parse::<u32>().unwrap()
                    })
                })
                .collect();
            eventually(|| event.waiting() == 300);
            let stacks = rig.stats().stacks;
            assert_eq!((stacks.in_use, stacks.size), (300, 32 * 1024));
            assert_ne!(stacks.guard, StackGuard::Auto, "it says which one it chose");
            assert!(guard == StackGuard::Auto || stacks.guard == guard);
            event.fire();
            for (n, handle) in handles.into_iter().enumerate() {
                assert_eq!(handle.join().unwrap() as usize, n);
            }
        });
    }
}

#[test]
fn the_whole_stack_that_was_asked_for_can_be_used() {
    #[inline(never)]
    fn fill<const BYTES: usize>() -> usize {
        let mut bytes = [0_u8; BYTES];
        std::hint::black_box(&mut bytes);
        bytes.iter().step_by(64).map(|&byte| usize::from(byte)).sum::<usize>() + BYTES
    }
    with_options(
        &[1, 2],
        |builder| builder.stack_size(16 * 1024),
        |rig| {
            assert_eq!(rig.go(fill::<{ 12 * 1024 }>).join().unwrap(), 12 * 1024);
        },
    );
    with_options(
        &[1, 2],
        |builder| builder.stack_size(8 << 20),
        |rig| {
            assert_eq!(rig.go(fill::<{ 7 << 20 }>).join().unwrap(), 7 << 20);
        },
    );
}

#[test]
fn stacks_go_back_to_the_system_when_they_are_cold() {
    with_options(
        &[1, 2, 8],
        |builder| builder.warm_stacks(3),
        |rig| {
            let event = Event::new();
            let handles: Vec<_> = (0..200)
                .map(|_| {
                    let event = event.clone();
                    rig.go(move || event.wait().unwrap())
                })
                .collect();
            eventually(|| event.waiting() == 200);
            event.fire();
            for handle in handles {
                handle.join().unwrap();
            }
            rig.wait_all().unwrap();
            eventually(|| {
                let stacks = rig.stats().stacks;
                stacks.in_use == 0 && stacks.warm <= 3 * rig.workers() && stacks.warm + stacks.cold >= 200
            });
        },
    );
}

#[test]
fn options_that_cannot_work_are_refused_with_their_name_and_a_remedy() {
    let builder = Scheduler::builder;
    let refused = [
        (builder().workers(0), "workers(0)", "at least one"),
        (builder().workers(1 << 20), "workers(1048576)", "at most"),
        (builder().workers(usize::MAX), "workers(", "at most"),
        (builder().stack_size(0), "stack_size(0)", "16 KiB"),
        (builder().stack_size(16 * 1024 - 1), "stack_size(16383)", "16 KiB"),
        (builder().stack_size((1 << 30) + 1), "stack_size(", "1024 MiB"),
        (builder().stack_size(usize::MAX), "stack_size(", "1024 MiB"),
        (builder().max_stacks(0), "max_stacks(0)", "no bound"),
        (builder().max_fibers(0), "max_fibers(0)", "no limit"),
        (builder().name("a\0b"), "name", "zero byte"),
        (builder().spin(Duration::from_secs(1)), "spin(1s)", "1 ms"),
    ];
    for (builder, name, remedy) in refused {
        let error = builder.build().expect_err(name);
        let text = error.to_string();
        assert!(error.is_config() && !error.is_stopped() && !error.is_limit() && !error.is_thread());
        assert!(text.contains(name) && text.contains(remedy), "{text}");
    }
}

#[test]
fn threads_carry_the_schedulers_name_and_their_number() {
    with_options(
        &[1, 3],
        |builder| builder.name("loom"),
        |rig| {
            let (name, worker) = rig
                .go(|| {
                    let thread = std::thread::current();
                    (thread.name().unwrap().to_owned(), heddle_scheduler::current().unwrap().worker())
                })
                .join()
                .unwrap();
            assert_eq!(name, format!("loom-{worker}"));
        },
    );
    with_options(&[1], |builder| builder.name(""), |rig| rig.go(|| ()).join().unwrap());
}

#[test]
fn the_schedulers_of_the_process_is_one_and_is_made_when_asked_for() {
    let _watch = heddle_tests::watchdog::watch("the instance");
    let instance = Scheduler::instance();
    assert!(std::ptr::eq(instance, Scheduler::instance()));
    assert_eq!(instance.go(|| 11).join().unwrap(), 11);
    assert_eq!(instance.workers(), std::thread::available_parallelism().unwrap().get());
    instance.stop().unwrap();
    assert!(instance.go(|| 11).join().unwrap_err().is_stopped());
    instance.start().unwrap();
    assert_eq!(instance.go(|| 12).join().unwrap(), 12);
    instance.stop().unwrap();
}
