//! Sections with a time limit, and shields: nested, against each other, against cancellation and panics, and
//! around every call that blocks.

use heddle_scheduler::suspend::{cancel_point, suspend};
use heddle_scheduler::sync::Mutex;
use heddle_scheduler::{
    Elapsed, checkpoint, current, deadline, go, shielded, sleep, timeout, try_checkpoint, try_yield_now,
    yield_now,
};
use heddle_tests::{Event, Gate, everywhere, on_workers};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

const FOR_EVER: Duration = Duration::MAX;
const HOUR: Duration = Duration::from_secs(3600);
const MS: Duration = Duration::from_millis(1);

#[test]
fn a_section_whose_time_is_over_is_unwound_from_whatever_it_waits_for() {
    everywhere(|rig| {
        let event = Event::new();
        let mutex = Arc::new(Mutex::new(()));
        let holds = (Gate::new(), Event::new());
        let holder = rig.go({
            let (mutex, (held, over)) = (mutex.clone(), holds.clone());
            move || {
                let _guard = mutex.lock();
                held.open();
                let _ = over.wait();
            }
        });
        holds.0.wait();
        let tracked = rig.track();
        rig.run(|| {
            let waits: [(&str, &dyn Fn()); 8] = [
                ("sleep", &|| sleep(HOUR)),
                ("sleep for ever", &|| sleep(FOR_EVER)),
                ("yield", &|| loop {
                    yield_now()
                }),
                ("checkpoint", &|| loop {
                    checkpoint()
                }),
                ("cancel_point", &|| loop {
                    suspend().unwrap_or_else(|_| cancel_point())
                }),
                ("suspend", &|| {
                    assert!(event.wait().is_err());
                    assert!(suspend().is_err() && try_yield_now().is_err() && try_checkpoint().is_err());
                    assert!(current().unwrap().is_interrupted() && !current().unwrap().is_cancelled());
                    cancel_point();
                }),
                ("join", &|| go(|| sleep(FOR_EVER)).join().unwrap()),
                ("lock", &|| drop(mutex.lock())),
            ];
            for (name, wait) in waits {
                // Neither what it borrows nor what it makes need be Send.
                let log = RefCell::new(Vec::new());
                let held = Rc::new(tracked.clone());
                let outcome = timeout(MS, || {
                    let _held = held.clone();
                    log.borrow_mut().push("begun");
                    wait();
                    log.borrow_mut().push("returned");
                });
                assert!(outcome.is_err(), "{name}");
                assert_eq!(log.into_inner(), ["begun"], "{name}");
                assert_eq!(Rc::strong_count(&held), 1, "{name}: destructors have run");
                assert!(!current().unwrap().is_interrupted(), "{name}");
                sleep(MS / 100);
            }
        });
        holds.1.fire();
        holder.join().unwrap();
        drop(tracked);
        // The joined one goes on by itself.
        rig.stop().unwrap();
    });
}

#[test]
fn a_value_that_comes_too_late_is_a_value_all_the_same() {
    everywhere(|rig| {
        rig.run(|| {
            assert_eq!(timeout(Duration::ZERO, || 1), Ok(1), "it never blocks");
            assert_eq!(deadline(Instant::now(), || 2), Ok(2));
            let late = timeout(MS, || {
                while suspend().is_ok() {}
                3
            });
            assert_eq!(late, Ok(3), "it was told, and returned");
            assert_eq!(timeout(HOUR, || 4), Ok(4));
            assert_eq!(timeout(FOR_EVER, || 5), Ok(5));
            assert_eq!(timeout(HOUR, yield_now), Ok(()));
            sleep(MS);
        });
    });
}

#[test]
fn a_time_that_is_over_at_once_is_seen_by_the_first_call_that_blocks() {
    everywhere(|rig| {
        rig.run(|| {
            let past = Instant::now();
            assert!(timeout(Duration::ZERO, yield_now).is_err());
            assert!(deadline(past, || sleep(HOUR)).is_err());
            assert!(deadline(past, checkpoint).is_err());
            assert!(deadline(past, cancel_point).is_err());
            yield_now();
        });
    });
}

#[test]
fn an_inner_section_does_not_catch_the_end_of_an_outer_one() {
    everywhere(|rig| {
        rig.run(|| {
            let inner_returned = Cell::new(false);
            let outcome = timeout(MS, || {
                let inner = timeout(HOUR, || sleep(HOUR));
                inner_returned.set(true);
                inner
            });
            assert!(outcome.is_err() && !inner_returned.get());

            let outcome = timeout(HOUR, || {
                let inner = timeout(MS, || sleep(HOUR));
                sleep(MS / 10);
                inner
            });
            assert!(matches!(outcome, Ok(Err(Elapsed { .. }))), "the outer one has time left");

            // Fifty deep, and the one in the middle is the shortest.
            fn nest(depth: u32) -> u32 {
                let time = if depth == 25 { MS } else { HOUR };
                match timeout(time, || {
                    if depth == 50 { sleep(HOUR) } else { assert_eq!(nest(depth + 1), depth + 1) }
                }) {
                    Ok(()) => depth,
                    Err(_) => {
                        assert_eq!(depth, 25);
                        depth
                    }
                }
            }
            assert_eq!(nest(0), 0);
        });
    });
}

#[test]
fn of_two_that_are_over_the_outer_one_goes_first() {
    everywhere(|rig| {
        rig.run(|| {
            let inner_returned = Cell::new(false);
            let outcome = timeout(Duration::ZERO, || {
                let inner = timeout(Duration::ZERO, yield_now);
                inner_returned.set(true);
                inner
            });
            assert!(outcome.is_err() && !inner_returned.get());
        });
    });
}

#[test]
fn a_cancellation_goes_before_a_time_that_is_over() {
    everywhere(|rig| {
        for cancelled_first in [true, false] {
            let (running, gate) = (Gate::new(), Gate::new());
            let handle = rig.go({
                let (running, gate, tracked) = (running.clone(), gate.clone(), rig.track());
                move || {
                    let _held = tracked;
                    let outcome = timeout(if cancelled_first { HOUR } else { Duration::ZERO }, || {
                        running.open();
                        gate.wait();
                        yield_now();
                    });
                    unreachable!("{outcome:?}");
                }
            });
            running.wait();
            handle.cancel();
            gate.open();
            let error = handle.join().unwrap_err();
            assert!(error.is_cancelled(), "{error}");
        }
    });
}

#[test]
fn a_panic_passes_through_every_section() {
    everywhere(|rig| {
        let error = rig
            .go(|| {
                timeout(HOUR, || shielded(|| timeout(Duration::ZERO, || panic!("no oil")))).unwrap().unwrap();
            })
            .join()
            .unwrap_err();
        assert_eq!(error.to_string(), "the fiber panicked: no oil");
        rig.run(|| {
            let outcome = catch_unwind(AssertUnwindSafe(|| timeout(Duration::ZERO, || panic!("again"))));
            assert!(outcome.is_err());
            // The section is gone with all that belongs to it.
            yield_now();
            assert!(!current().unwrap().is_interrupted());
        });
    });
}

#[test]
fn a_shield_hides_a_cancellation_until_the_first_call_that_blocks_after_it() {
    everywhere(|rig| {
        let (running, gate) = (Gate::new(), Gate::new());
        let steps = Arc::new(std::sync::Mutex::new(Vec::new()));
        let handle = rig.go({
            let (running, gate, steps) = (running.clone(), gate.clone(), steps.clone());
            move || {
                let log = |step| steps.lock().unwrap().push(step);
                shielded(|| {
                    running.open();
                    gate.wait();
                    assert!(current().unwrap().is_cancelled() && !current().unwrap().is_interrupted());
                    sleep(MS / 10);
                    yield_now();
                    checkpoint();
                    shielded(cancel_point);
                    suspend_once();
                    go(|| ()).join().unwrap();
                    log("all of it");
                });
                log("and what does not block");
                yield_now();
                log("no more");
            }
        });
        running.wait();
        handle.cancel();
        gate.open();
        assert!(handle.join().unwrap_err().is_cancelled());
        assert_eq!(*steps.lock().unwrap(), ["all of it", "and what does not block"]);
    });
}

/// Suspends, and is resumed by a fiber.
fn suspend_once() {
    let event = Event::new();
    let firer = go({
        let event = event.clone();
        move || event.fire()
    });
    event.wait().expect("behind a shield");
    firer.join().unwrap();
}

#[test]
fn a_shield_hides_the_end_of_an_outer_section_and_not_that_of_an_inner_one() {
    everywhere(|rig| {
        rig.run(|| {
            let done = Cell::new(0);
            let outcome = timeout(MS, || {
                shielded(|| {
                    sleep(3 * MS);
                    done.set(1);
                    assert!(timeout(MS, || sleep(HOUR)).is_err(), "inner ones work as ever");
                    assert!(timeout(Duration::ZERO, || shielded(yield_now)).is_ok());
                    sleep(MS / 10);
                    done.set(2);
                });
                yield_now();
                done.set(3);
            });
            assert!(outcome.is_err());
            assert_eq!(done.get(), 2);
            sleep(MS / 10);
        });
    });
}

#[test]
fn a_scheduler_that_stops_waits_for_what_is_shielded() {
    everywhere(|rig| {
        let (started, begun) = std::sync::mpsc::channel();
        let handle = rig.go(move || {
            shielded(|| {
                started.send(()).unwrap();
                sleep(5 * MS);
            });
            let value = 42;
            // It would block here.
            assert_eq!(timeout(HOUR, || suspend().is_err()), Ok(true));
            value
        });
        begun.recv().unwrap();
        rig.stop().unwrap();
        assert_eq!(handle.join().unwrap(), 42);
    });
}

#[test]
fn destructors_that_block_while_a_section_unwinds_do_not_wait_and_do_no_harm() {
    struct Blocks;
    impl Drop for Blocks {
        fn drop(&mut self) {
            sleep(HOUR);
            yield_now();
            // Not where a panic unwinds; after that it would be.
            assert!(timeout(Duration::ZERO, || sleep(HOUR)).is_ok());
        }
    }
    everywhere(|rig| {
        rig.run(|| {
            let outcome = timeout(MS, || {
                let _blocks = Blocks;
                sleep(HOUR);
            });
            assert!(outcome.is_err());
        });
    });
}

#[test]
fn what_a_section_unwinds_with_is_nobody_elses_business() {
    everywhere(|rig| {
        rig.run(|| {
            // Caught by the user, and let go in another section.
            let mut payload = None;
            let outcome = timeout(MS, || {
                payload = catch_unwind(|| sleep(HOUR)).err();
            });
            assert_eq!(outcome, Ok(()), "it returned");
            let payload = payload.expect("it was unwound");
            let error = go(move || {
                let _ = timeout(HOUR, || std::panic::resume_unwind(payload));
            })
            .join()
            .unwrap_err();
            assert!(error.is_cancelled() && !error.is_panic(), "{error}");
        });
    });
}

#[test]
fn thousands_of_sections_at_once_end_each_at_its_time_or_not_at_all() {
    on_workers(&[1, 2, 8], |rig| {
        let fibers: Vec<_> = (0..5_000_u32)
            .map(|n| {
                rig.go(move || {
                    let (limit, work) = (n % 13 * MS / 10, n % 7 * MS / 10);
                    let start = Instant::now();
                    let outcome = timeout(limit, || sleep(work));
                    match outcome {
                        Ok(()) => assert!(start.elapsed() >= work),
                        Err(_) => assert!(start.elapsed() >= limit),
                    }
                    assert!(timeout(HOUR, yield_now).is_ok());
                })
            })
            .collect();
        for fiber in fibers {
            fiber.join().unwrap();
        }
    });
}

#[test]
fn a_thread_is_not_interrupted() {
    on_workers(&[1], |rig| {
        assert_eq!(timeout(Duration::ZERO, || sleep(MS)), Ok(()));
        assert_eq!(timeout(MS, || rig.go(|| 42).join().unwrap()), Ok(42));
        assert_eq!(shielded(|| 7), 7);
    });
}
