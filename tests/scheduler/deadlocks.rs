//! Who waits for what: the report names everybody, finds the rings, and calls nothing stuck that is not.

use heddle_scheduler::suspend::suspend;
use heddle_scheduler::sync::channel;
use heddle_scheduler::sync::{Mutex, RwLock, RwLockWriteGuard, Semaphore};
use heddle_scheduler::{AwaitedThing, FiberId, Priority, Report, Scheduler, scope, select, sleep, yield_now};
use heddle_tests::{Event, Gate, eventually, everywhere, on_workers};
use std::sync::Arc;
use std::time::Duration;

/// Asks until the answer is as it should be.
fn until(scheduler: &Scheduler, is_so: impl Fn(&Report) -> bool) -> Report {
    loop {
        let report = scheduler.who_waits();
        if is_so(&report) {
            return report;
        }
    }
}

#[test]
fn fibers_that_lock_in_a_ring_are_found_with_their_names() {
    everywhere(|rig| {
        let locks: Arc<Vec<_>> = Arc::new((0..5).map(Mutex::new).collect());
        let fibers: Vec<_> = (0..5)
            .map(|n| {
                let locks = locks.clone();
                rig.fiber().name(format!("philosopher {n}")).go(move || {
                    let _left = locks[n].lock();
                    while !locks.iter().all(Mutex::is_locked) {
                        yield_now();
                    }
                    *locks[(n + 1) % 5].lock() += 1;
                })
            })
            .collect();
        let report = until(rig, |report| report.stuck);
        assert_eq!(report.rings.len(), 1, "{report}");
        let ring = &report.rings[0];
        assert_eq!(ring.len(), 5);
        for (n, id) in ring.iter().enumerate() {
            let waiting = report.fibers.iter().find(|fiber| fiber.id == *id).unwrap();
            let next = ring[(n + 1) % 5];
            assert!(
                matches!(waiting.awaits, AwaitedThing::Lock { holder: Some(holder), .. } if holder == next)
            );
            assert!(waiting.name.as_deref().unwrap().starts_with("philosopher "));
        }
        let text = report.to_string();
        assert!(text.starts_with("DEADLOCK: 5 of 5"), "{text}");
        assert!(text.contains("'philosopher 3'"), "{text}");
        // What the report is for: one of them gives up.
        fibers[2].cancel();
        for (n, fiber) in fibers.into_iter().enumerate() {
            assert_eq!(fiber.join().is_err(), n == 2);
        }
        assert!(rig.who_waits().fibers.is_empty());
    });
}

#[test]
fn a_ring_of_a_lock_a_join_and_a_scope_is_found() {
    everywhere(|rig| {
        let lock = Arc::new(Mutex::new(0));
        let owner = rig.go({
            let lock = lock.clone();
            move || {
                let guard = lock.lock();
                let in_vain = scope(|s| {
                    s.go(|| *lock.lock() += 1);
                });
                assert!(in_vain.is_ok(), "it is a fiber");
                drop(guard);
            }
        });
        let report = until(rig, |report| report.stuck);
        assert_eq!(report.rings.len(), 1, "{report}");
        assert_eq!(report.rings[0].len(), 2);
        assert!(
            report
                .fibers
                .iter()
                .any(|fiber| matches!(&fiber.awaits, AwaitedThing::Scope(of) if of.len() == 1))
        );
        // Stopping ends it.
        rig.stop().unwrap();
        let _ = owner.join();
    });
}

#[test]
fn those_who_have_an_rwlock_are_named() {
    everywhere(|rig| {
        let (lock, go_on) = (Arc::new(RwLock::new(0)), Event::new());
        let writer = rig.go({
            let (lock, go_on) = (lock.clone(), go_on.clone());
            move || {
                let guard = lock.write();
                go_on.wait().unwrap();
                drop(RwLockWriteGuard::downgrade(guard));
            }
        });
        let wants = || {
            let lock = lock.clone();
            rig.go(move || *lock.write() += 1)
        };
        // The holders of the lock for which somebody waits.
        let named = |waiter: FiberId| {
            let report = until(rig, |report| {
                report
                    .fibers
                    .iter()
                    .any(|fiber| fiber.id == waiter && matches!(fiber.awaits, AwaitedThing::Held { .. }))
            });
            let fiber = report.fibers.iter().find(|fiber| fiber.id == waiter).unwrap();
            let AwaitedThing::Held { what, holders, .. } = &fiber.awaits else { unreachable!() };
            assert_eq!(*what, "an RwLock");
            let text = fiber.to_string();
            assert!(holders.iter().all(|id| text.contains(&id.to_string())), "{text}");
            let mut holders = holders.clone();
            holders.sort();
            holders
        };
        eventually(|| lock.try_read().is_none());
        let waiting = wants();
        assert_eq!(named(waiting.id()), [writer.id()]);
        go_on.fire();
        writer.join().unwrap();
        waiting.join().unwrap();

        let go_on = Event::new();
        let readers: Vec<_> = (0..6)
            .map(|_| {
                let (lock, go_on) = (lock.clone(), go_on.clone());
                rig.go(move || {
                    let guard = lock.read();
                    go_on.wait().unwrap();
                    drop(guard);
                })
            })
            .collect();
        eventually(|| go_on.waiting() == 6);
        let reading = lock.try_read();
        let waiting = wants();
        let holders = named(waiting.id());
        assert_eq!(holders.len(), 4, "so many are known");
        assert!(holders.iter().all(|id| readers.iter().any(|reader| reader.id() == *id)));
        drop(reading);
        go_on.fire();
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        waiting.join().unwrap();
        // Nobody is left over.
        let held = lock.write();
        let waiting = wants();
        until(rig, |report| {
            report.fibers.iter().any(|fiber| {
                fiber.id == waiting.id()
                    && matches!(fiber.awaits, AwaitedThing::Shared { what: "an RwLock", .. })
            })
        });
        drop(held);
        waiting.join().unwrap();
    });
}

#[test]
fn each_way_to_wait_is_named() {
    everywhere(|rig| {
        let (sender, receiver) = channel::bounded::<u32>(0);
        let semaphore = Arc::new(Semaphore::new(0));
        let lock = Arc::new(Mutex::new(()));
        let held = lock.lock();
        let (a, b, c) = (sender.clone(), receiver.clone(), semaphore.clone());
        let first = rig.go_with_priority(Priority::High, move || drop(c.acquire()));
        let _others = [
            rig.go(move || {
                select! {
                    recv(b) -> value => assert!(value.is_err(), "nobody sends"),
                    default(Duration::MAX) => {}
                }
            }),
            rig.go({
                let lock = lock.clone();
                move || drop(lock.lock())
            }),
            rig.go(|| while suspend().is_ok() {}),
            rig.go_with_priority(Priority::Low, move || first.join().unwrap()),
        ];
        let report = until(rig, |report| report.stuck);
        assert_eq!((report.fibers.len(), report.rings.len()), (5, 0), "{report}");
        let text = report.to_string();
        for expected in [
            "STUCK: 5 fibers wait",
            "waits for permits of a Semaphore at 0x",
            "one of 1 things",
            "which a thread has",
            "its token",
            "the end of fiber",
            "(high, worker",
        ] {
            assert!(text.contains(expected), "no '{expected}' in\n{text}");
        }
        drop((held, a));
        semaphore.add(1);
        rig.stop().unwrap();
    });
}

#[test]
fn what_will_go_on_by_itself_is_not_called_stuck() {
    on_workers(&[1, 2, 4], |rig| {
        // Nothing at all.
        let report = rig.who_waits();
        assert!(!report.stuck && report.fibers.is_empty(), "{report}");
        // One that sleeps, and one that waits for it.
        let sleeper = rig.go(|| sleep(Duration::from_secs(1_000_000)));
        let id = sleeper.id();
        let joiner = rig.go(move || sleeper.join());
        let report = until(rig, |report| report.fibers.len() == 2);
        assert!(!report.stuck && report.rings.is_empty(), "{report}");
        // One that keeps its thread.
        let (gate, running) = (Gate::new(), Gate::new());
        let hog = rig.go_with_priority(Priority::Critical, {
            let (gate, running) = (gate.clone(), running.clone());
            move || {
                running.open();
                gate.wait();
            }
        });
        running.wait();
        // A worker of the background lane may be silent, too, for as long as others want all CPUs.
        let report = until(rig, |report| report.silent.len() == 1);
        assert!(!report.stuck, "{report}");
        gate.open();
        hog.join().unwrap();
        until(rig, |report| report.fibers.iter().any(|fiber| fiber.id == id));
        rig.stop().unwrap();
        assert!(joiner.join().unwrap().is_err());
    });
}

#[test]
fn it_may_be_asked_from_a_fiber_by_many_at_once_and_after_stop() {
    everywhere(|rig| {
        let waiting = rig.go(|| while suspend().is_ok() {});
        let scheduler = rig.scheduler.clone();
        let id = waiting.id();
        let asking: Vec<_> = (0..4)
            .map(|_| {
                let scheduler = scheduler.clone();
                rig.go(move || {
                    let report = scheduler.who_waits();
                    assert!(!report.stuck, "somebody asks: {report}");
                    report.fibers.iter().any(|fiber| fiber.id == id) || !report.silent.is_empty()
                })
            })
            .collect();
        drop(scheduler);
        for fiber in asking {
            fiber.join().unwrap();
        }
        until(rig, |report| report.fibers.iter().any(|fiber| fiber.id == id));
        rig.stop().unwrap();
        let report = rig.who_waits();
        assert!(!report.stuck && report.fibers.is_empty() && report.silent.is_empty(), "{report}");
        assert!(waiting.join().is_ok());
    });
}
