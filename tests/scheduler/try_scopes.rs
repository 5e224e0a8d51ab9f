//! Scopes whose fibers may fail: the first error, what it ends, and what goes before it.

use heddle_scheduler::{JoinError, go, shielded, sleep, timeout, try_scope, yield_now};
use heddle_tests::{Event, Gate, Rig, everywhere, on_workers};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const FOR_EVER: Duration = Duration::MAX;
const MS: Duration = Duration::from_millis(1);

#[derive(Debug, PartialEq)]
enum Failure {
    Number(u32),
    Join(String),
}

impl From<JoinError> for Failure {
    fn from(error: JoinError) -> Failure {
        Failure::Join(error.to_string())
    }
}

/// Opens the scope in a fiber and on a thread.
fn inside_and_outside(rig: &Rig, check: impl Fn(bool) + Sync) {
    check(false);
    rig.run(|| check(true));
}

#[test]
fn a_scope_in_which_nothing_fails_returns_its_value() {
    everywhere(|rig| {
        inside_and_outside(rig, |_| {
            let numbers = [1_u32, 2, 3];
            let sum = rig.try_scope(|s| {
                let parts: Vec<_> = numbers.iter().map(|n| s.go(move || Ok::<_, Failure>(n * 10))).collect();
                let mut sum = 0;
                for part in parts {
                    sum += part.join()?;
                }
                Ok(sum)
            });
            assert_eq!(sum, Ok(60));
            assert_eq!(rig.try_scope(|_| Ok::<_, ()>(1)), Ok(1), "without fibers");
        });
        assert!(try_scope(|_| Ok::<_, ()>(())).unwrap_err().is_outside_fiber());
        assert_eq!(rig.run(|| try_scope(|_| Err::<(), _>(5))).unwrap(), Err(5));
    });
}

#[test]
fn the_first_error_ends_all_who_sleep_and_is_returned() {
    everywhere(|rig| {
        let tracked = rig.track();
        for joins in [false, true] {
            inside_and_outside(rig, |_| {
                let outcome = rig.try_scope(|s| {
                    let sleepers: Vec<_> = (0..10)
                        .map(|_| {
                            let tracked = &tracked;
                            s.go(move || {
                                let _held = tracked.clone();
                                sleep(FOR_EVER);
                                Ok(())
                            })
                        })
                        .collect();
                    s.go(|| {
                        sleep(MS / 10);
                        Err::<(), _>(Failure::Number(7))
                    });
                    if joins {
                        for sleeper in sleepers {
                            sleeper.join().expect("it unwinds instead");
                        }
                    }
                    Ok(())
                });
                assert_eq!(outcome, Err(Failure::Number(7)));
                assert_eq!(rig.census.live(), 1);
            });
        }
    });
}

#[test]
fn a_body_that_blocks_in_a_fiber_is_interrupted_by_the_first_error() {
    everywhere(|rig| {
        rig.run(|| {
            let outcome = rig.try_scope(|s| {
                s.go(|| Err::<(), _>(1));
                sleep(FOR_EVER);
                Ok(())
            });
            assert_eq!(outcome, Err(1));
            // Nothing of it is left.
            yield_now();
            sleep(MS / 10);
        });
    });
}

#[test]
fn of_many_errors_the_first_one_wins_and_those_of_the_cancelled_do_not() {
    everywhere(|rig| {
        inside_and_outside(rig, |_| {
            let waiting = AtomicUsize::new(0);
            let outcome = rig.try_scope(|s| {
                let event = Event::new();
                for n in 0..8 {
                    let (event, waiting) = (event.clone(), &waiting);
                    s.go(move || {
                        waiting.fetch_add(1, Ordering::SeqCst);
                        // It is cancelled, and makes an error of that.
                        event.wait().map_err(|_| 100 + n)
                    });
                }
                s.go(|| {
                    while waiting.load(Ordering::SeqCst) < 8 {
                        yield_now();
                    }
                    Err::<(), _>(1)
                });
                Ok(())
            });
            assert_eq!(outcome, Err(1));
            let outcome = rig.try_scope(|s| {
                s.go(|| Event::new().wait().map_err(|_| 2));
                Err::<(), _>(1)
            });
            assert_eq!(outcome, Err(1), "the body's own");
        });
    });
}

#[test]
fn the_error_of_an_inner_scope_is_the_outer_ones_only_if_it_is_passed_on() {
    everywhere(|rig| {
        inside_and_outside(rig, |_| {
            for passes_on in [false, true] {
                let outcome = rig.try_scope(|outer| {
                    let inner = outer.go(move || {
                        let inner = try_scope(|inner| {
                            inner.go(|| Err::<(), _>(3));
                            sleep(FOR_EVER);
                            Ok(())
                        })
                        .unwrap();
                        assert_eq!(inner, Err(3));
                        if passes_on { inner } else { Ok(()) }
                    });
                    inner.join().unwrap();
                    Ok(4)
                });
                assert_eq!(outcome, if passes_on { Err(3) } else { Ok(4) });
            }
        });
    });
}

#[test]
fn a_panic_goes_before_errors_and_ends_the_others_too() {
    everywhere(|rig| {
        let tracked = rig.track();
        inside_and_outside(rig, |_| {
            for joins in [false, true] {
                let panic = catch_unwind(AssertUnwindSafe(|| {
                    rig.try_scope(|s| {
                        let held = tracked.clone();
                        s.go(move || {
                            let _held = held;
                            sleep(FOR_EVER);
                            Err::<(), _>(1)
                        });
                        let panics = s.go(|| -> Result<(), u32> { panic!("a fiber") });
                        if joins {
                            panics.join().unwrap();
                        }
                        Ok(())
                    })
                }));
                assert!(panic.is_err());
                assert_eq!(rig.census.live(), 1);
            }
            let panic = catch_unwind(AssertUnwindSafe(|| {
                rig.try_scope(|s| -> Result<(), u32> {
                    s.go(|| {
                        sleep(FOR_EVER);
                        Ok(())
                    });
                    panic!("the body")
                })
            }));
            assert_eq!(*panic.unwrap_err().downcast::<&str>().unwrap(), "the body");
        });
    });
}

#[test]
fn a_cancelled_owner_cancels_all_and_returns_no_error_but_ends() {
    everywhere(|rig| {
        let (running, tracked) = (Gate::new(), rig.track());
        let owner = rig.go({
            let (running, tracked) = (running.clone(), tracked.clone());
            move || {
                let outcome = try_scope(|s| {
                    s.go(|| {
                        let _held = tracked;
                        running.open();
                        Event::new().wait().map_err(|_| 1)
                    });
                    Ok(())
                });
                unreachable!("{outcome:?}");
            }
        });
        running.wait();
        owner.cancel();
        assert!(owner.join().unwrap_err().is_cancelled());
        assert_eq!(rig.census.live(), 1);
    });
}

#[test]
fn a_timeout_around_a_scope_and_one_inside_each_do_their_part() {
    everywhere(|rig| {
        rig.run(|| {
            let outcome = timeout(MS, || {
                rig.try_scope(|s| {
                    s.go(|| {
                        sleep(FOR_EVER);
                        Ok::<(), u32>(())
                    });
                    Ok(())
                })
            });
            assert!(outcome.is_err());
            let outcome = rig.try_scope(|s| {
                s.go(|| timeout(MS, || sleep(FOR_EVER)));
                sleep(FOR_EVER);
                Ok(())
            });
            assert!(outcome.is_err());
            let outcome = rig.try_scope(|s| {
                let failed = s.go(|| Err::<(), _>(1));
                let error = shielded(|| {
                    sleep(MS);
                    failed.join().unwrap_err()
                });
                assert!(error.is_failure(), "{error}");
                Ok(())
            });
            assert_eq!(outcome, Err(1));
        });
    });
}

#[test]
fn a_fiber_that_is_cancelled_by_itself_fails_nobody() {
    everywhere(|rig| {
        inside_and_outside(rig, |_| {
            let (started, begun) = std::sync::mpsc::channel();
            let outcome = rig.try_scope(|s| {
                let sleeper = s.go(move || {
                    let _ = started.send(());
                    sleep(FOR_EVER);
                    Ok::<_, Failure>(())
                });
                while begun.try_recv().is_err() {
                    yield_now();
                }
                sleeper.cancel();
                assert!(sleeper.join().unwrap_err().is_cancelled());
                Ok(2)
            });
            assert_eq!(outcome, Ok(2));
        });
    });
}

#[test]
fn a_scope_of_a_stopped_scheduler_says_at_join_what_is_wrong() {
    on_workers(&[1, 4], |rig| {
        rig.stop().unwrap();
        let outcome = rig.try_scope(|s| Ok(s.go(|| Ok::<_, Failure>(1)).join()?));
        assert!(matches!(outcome, Err(Failure::Join(text)) if text.contains("stopped")));
    });
}

#[test]
fn thousands_of_scopes_that_fail_at_any_moment_leave_nothing_behind() {
    everywhere(|rig| {
        let tracked = rig.track();
        rig.scope(|all| {
            for n in 0..400_u32 {
                let tracked = &tracked;
                all.go(move || {
                    let outcome = try_scope(|s| {
                        for child in 0..6 {
                            let held = tracked.clone();
                            s.go(move || {
                                let _held = held;
                                let grandchild = go(yield_now);
                                sleep((n + child) % 5 * MS / 20);
                                drop(grandchild);
                                if (n + child) % 4 == 0 { Err(n) } else { Ok(()) }
                            });
                        }
                        Ok(())
                    });
                    assert_eq!(outcome.unwrap(), Err(n));
                });
            }
        });
        assert_eq!(rig.census.live(), 1);
    });
}
