//! Values of a fiber's own, and those that it passes on.

use heddle_scheduler::{AccessError, both, context_local, fiber_local, go, scope, sleep, timeout, yield_now};
use heddle_tests::{Tracked, everywhere, on_workers};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// Says when it is dropped.
struct Says(&'static str, Arc<Mutex<Vec<&'static str>>>);

impl Drop for Says {
    fn drop(&mut self) {
        self.1.lock().unwrap().push(self.0);
    }
}

fiber_local! {
    static COUNT: Cell<u32> = Cell::new(100);
    static SHARED: RefCell<Option<Rc<Tracked>>> = RefCell::new(None);
    static FIRST: RefCell<Option<Says>> = RefCell::new(None);
    static SECOND: RefCell<Option<Says>> = RefCell::new(None);
}

#[test]
fn each_fiber_has_a_value_of_its_own_and_so_has_the_thread() {
    everywhere(|rig| {
        let count = || {
            COUNT.with(|count| {
                count.set(count.get() + 1);
                count.get()
            })
        };
        let before = count();
        let fibers: Vec<_> = (0..200)
            .map(|_| {
                rig.go(move || {
                    for n in 1..=5 {
                        assert_eq!(count(), 100 + n);
                        yield_now();
                    }
                })
            })
            .collect();
        for fiber in fibers {
            fiber.join().unwrap();
        }
        assert_eq!(count(), before + 1);
    });
}

#[test]
fn values_are_dropped_before_the_join_returns_the_last_made_first() {
    everywhere(|rig| {
        let said = Arc::new(Mutex::new(Vec::new()));
        for how in 0..3 {
            let (theirs, tracked) = (said.clone(), rig.track());
            let handle = rig.go(move || {
                FIRST.with(|first| *first.borrow_mut() = Some(Says("first", theirs.clone())));
                SECOND.with(|second| *second.borrow_mut() = Some(Says("second", theirs.clone())));
                SHARED.with(|shared| *shared.borrow_mut() = Some(Rc::new(tracked)));
                match how {
                    0 => {}
                    1 => panic!("in the middle"),
                    _ => sleep(Duration::MAX),
                }
            });
            if how == 2 {
                while rig.stats().live() == 0 {
                    std::thread::yield_now();
                }
                handle.cancel();
            }
            let outcome = handle.join();
            assert_eq!(outcome.is_ok(), how == 0);
            let said = std::mem::take(&mut *said.lock().unwrap());
            assert!(said == ["second", "first"] || (how == 2 && said.is_empty()), "{said:?}");
            assert_eq!(rig.census.live(), 0);
        }
    });
}

/// Uses the others at the end of its fiber.
struct Uses(Arc<Mutex<Vec<Result<u32, AccessError>>>>);

impl Drop for Uses {
    fn drop(&mut self) {
        // It may wait.
        sleep(MS / 10);
        let mut seen = vec![COUNT.try_with(Cell::get)];
        seen.push(USES.try_with(|_| 0));
        seen.push(LATER.try_with(|_| 0));
        self.0.lock().unwrap().extend(seen);
    }
}

fiber_local! {
    static USES: RefCell<Option<Uses>> = RefCell::new(None);
    static LATER: u8 = 0;
}

#[test]
fn a_destructor_at_the_end_sees_those_made_before_and_none_is_made_any_more() {
    everywhere(|rig| {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let theirs = seen.clone();
        rig.run(move || {
            COUNT.with(|count| count.set(7));
            USES.with(|uses| *uses.borrow_mut() = Some(Uses(theirs)));
        });
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        assert_eq!(seen[0], Ok(7));
        assert!(seen[1].is_err() && seen[2].is_err(), "{seen:?}");
        assert!(seen[1].unwrap_err().to_string().contains("at the end of its fiber"));
    });
}

struct Panics;

impl Drop for Panics {
    fn drop(&mut self) {
        panic!("a local's destructor");
    }
}

fiber_local! {
    static PANICS: RefCell<Option<Panics>> = RefCell::new(None);
    static RECURSIVE: u32 = RECURSIVE_DEPTH.with(|depth| {
        depth.set(depth.get() + 1);
        if depth.get() < 3 { RECURSIVE.with(|inner| *inner + 10) } else { 1 }
    });
    static RECURSIVE_DEPTH: Cell<u32> = Cell::new(0);
    static FAILS: u32 = panic!("no first value");
}

#[test]
fn a_destructor_that_panics_harms_neither_the_result_nor_the_others() {
    everywhere(|rig| {
        let tracked = rig.track();
        let handle = rig.go(move || {
            SHARED.with(|shared| *shared.borrow_mut() = Some(Rc::new(tracked)));
            PANICS.with(|panics| *panics.borrow_mut() = Some(Panics));
            42
        });
        assert_eq!(handle.join().unwrap(), 42);
        assert_eq!(rig.census.live(), 0);
        rig.run(|| {
            assert_eq!(RECURSIVE.with(|value| *value), 1, "the first that was made stays");
            assert!(catch_unwind(|| FAILS.with(|value| *value)).is_err());
            assert!(catch_unwind(|| FAILS.with(|value| *value)).is_err(), "and is tried anew");
        });
    });
}

#[test]
fn a_threads_values_end_with_the_thread() {
    on_workers(&[1], |rig| {
        let tracked = rig.track();
        std::thread::spawn(move || SHARED.with(|shared| *shared.borrow_mut() = Some(Rc::new(tracked))))
            .join()
            .unwrap();
        assert_eq!(rig.census.live(), 0);
    });
}

context_local! {
    static REQUEST: String;
    static USER: u32;
    static HELD: Tracked;
}

fn request() -> Option<String> {
    REQUEST.get()
}

#[test]
fn a_context_is_inherited_at_any_depth_and_over_whatever_makes_fibers() {
    everywhere(|rig| {
        let seen = |expected: &str| assert_eq!(request().as_deref(), Some(expected));
        assert_eq!(request(), None);
        REQUEST.scope("r-1".to_owned(), || {
            let from_a_thread = rig.go(move || {
                seen("r-1");
                go(move || go(move || seen("r-1")).join().unwrap()).join().unwrap();
                scope(|s| {
                    s.go(|| seen("r-1"));
                    REQUEST.scope("r-2".to_owned(), || {
                        s.go(|| seen("r-2"));
                        both(|| seen("r-2"), || seen("r-2"));
                        yield_now();
                        seen("r-2");
                    });
                    seen("r-1");
                })
                .unwrap();
                let detached = REQUEST.scope("r-3".to_owned(), || {
                    go(move || {
                        sleep(MS);
                        seen("r-3");
                    })
                });
                seen("r-1");
                detached.join().unwrap();
            });
            from_a_thread.join().unwrap();
            rig.fiber().name("named").go(move || seen("r-1")).join().unwrap();
            rig.run(|| {
                USER.scope(5, || {
                    go(|| assert_eq!((USER.get(), request().unwrap().len()), (Some(5), 3))).join()
                })
            })
            .unwrap();
        });
        assert_eq!(request(), None);
        rig.run(|| assert_eq!(request(), None));
    });
}

#[test]
fn a_branch_that_runs_elsewhere_has_the_context_of_its_join_and_not_a_later_one() {
    on_workers(&[2, 4], |rig| {
        REQUEST.scope("outer".to_owned(), || {
            rig.run(|| {
                let mut elsewhere = 0;
                let here = std::thread::current().id();
                while elsewhere < 3 {
                    both(
                        || REQUEST.scope("inner".to_owned(), || (0..20).for_each(|_| sleep(MS / 50))),
                        || {
                            assert_eq!(request().as_deref(), Some("outer"));
                            elsewhere += u32::from(std::thread::current().id() != here);
                        },
                    );
                }
            });
        });
    });
}

#[test]
fn scopes_end_with_panics_timeouts_and_cancellations_too_and_their_values_with_the_last_who_has_them() {
    everywhere(|rig| {
        rig.run(|| {
            let outcome = timeout(MS, || REQUEST.scope("late".to_owned(), || sleep(Duration::MAX)));
            assert!(outcome.is_err());
            assert_eq!(request(), None);
            let outcome = catch_unwind(|| REQUEST.scope("bad".to_owned(), || panic!("in a scope")));
            assert!(outcome.is_err());
            assert_eq!(request(), None);
        });
        let child = HELD.scope(rig.track(), || rig.go(|| sleep(5 * MS)));
        child.join().unwrap();
        // The worker lets go of it when the fiber has ended.
        rig.wait_all().unwrap();
        heddle_tests::eventually(|| rig.census.live() == 0);
        let outcome = catch_unwind(AssertUnwindSafe(|| HELD.scope(rig.track(), || panic!("again"))));
        assert!(outcome.is_err());
        assert_eq!(rig.census.live(), 0);
    });
}

struct PanicsAtItsEnd;

impl Drop for PanicsAtItsEnd {
    fn drop(&mut self) {
        panic!("a context's destructor");
    }
}

context_local! {
    static FRAIL: PanicsAtItsEnd;
}

#[test]
fn a_value_of_a_context_that_panics_when_it_is_dropped_takes_no_worker_along() {
    everywhere(|rig| {
        for detached in [false, true] {
            let child = FRAIL.scope(PanicsAtItsEnd, || {
                rig.go(|| FRAIL.with(|frail| sleep(MS * u32::from(frail.is_some()))))
            });
            if detached { drop(child) } else { child.join().unwrap() }
        }
        rig.wait_all().unwrap();
        rig.go(|| ()).join().unwrap();
        let outcome = catch_unwind(|| FRAIL.scope(PanicsAtItsEnd, || panic!("twice")));
        assert!(outcome.is_err());
    });
}

#[test]
fn a_value_is_found_through_a_hundred_scopes() {
    on_workers(&[1], |rig| {
        fn nest(depth: u32) {
            if depth == 0 {
                assert_eq!(request().as_deref(), Some("at the bottom"));
                return go(|| assert_eq!((request().unwrap().len(), USER.get()), (13, Some(1))))
                    .join()
                    .unwrap();
            }
            USER.scope(depth, || nest(depth - 1));
        }
        rig.run(|| REQUEST.scope("at the bottom".to_owned(), || nest(100)));
    });
}

context_local! {
    static LOOKED_AT: Says;
}

#[test]
fn a_value_that_is_looked_at_stays_whatever_scopes_come_and_go_meanwhile() {
    everywhere(|rig| {
        let look = || {
            let log = Arc::new(Mutex::new(Vec::new()));
            let name = || LOOKED_AT.with(|held| held.map(|says| says.0));
            LOOKED_AT.scope(Says("outer", log.clone()), || {
                LOOKED_AT.with(|outer| {
                    let outer = outer.expect("it was set");
                    for _ in 0..3 {
                        LOOKED_AT.scope(Says("inner", log.clone()), || {
                            yield_now();
                            let names = both(name, || {
                                yield_now();
                                name()
                            });
                            assert_eq!(names, (Some("inner"), Some("inner")));
                        });
                        let unwound = Says("unwound", log.clone());
                        assert!(
                            catch_unwind(AssertUnwindSafe(|| LOOKED_AT.scope(unwound, || panic!("out"))))
                                .is_err()
                        );
                        assert_eq!((outer.0, name()), ("outer", Some("outer")));
                    }
                });
                // Who has ended may have had it for a moment longer; the outer one is in use until here.
                let gone = log.lock().unwrap().clone();
                assert!(gone.contains(&"unwound") && !gone.contains(&"outer"), "{gone:?}");
            });
        };
        rig.run(look);
        look();
    });
}
