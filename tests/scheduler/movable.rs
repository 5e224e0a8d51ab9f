//! Fibers that move: `yield_movable` and `checkpoint_movable`. What is on the stacks here may go on on any thread: numbers,
//! `Send` values, and functions of the scheduler's that its contract names.

use heddle_scheduler::sync::Mutex;
use heddle_scheduler::{
    Lane, Priority, checkpoint_movable, context_local, current, fiber_local, go, join, scope, set_priority,
    sleep, timeout, try_yield_movable, yield_movable, yield_now,
};
use heddle_tests::{Hogs, Rig, eventually, everywhere, on_workers, strict, with_lanes};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Gives the CPU away. Each test sees to it that its stacks are fit for that.
fn pass() {
    // SAFETY: see the module's documentation.
    unsafe { yield_movable() }
}

/// The same, if somebody waits.
fn check() {
    // SAFETY: see the module's documentation.
    unsafe { checkpoint_movable() }
}

/// The worker of the fiber that asks, as it is now.
#[inline(never)]
fn worker() -> usize {
    current().expect("a fiber asks").worker()
}

fn lane_of(rig: &Rig, worker: usize) -> Lane {
    let stats = rig.stats();
    stats.workers.iter().find(|stats| stats.number == worker).expect("there is such a worker").lane
}

#[test]
fn a_fiber_that_moves_goes_on_on_other_threads_with_all_that_is_on_its_stack() {
    on_workers(&[2, 4, 8], |rig| {
        let (count, moved) = (4 * rig.workers(), Arc::new(AtomicUsize::new(0)));
        let fibers: Vec<_> = (0..count as u64)
            .map(|seed| {
                let (moved, tracked) = (moved.clone(), rig.track());
                rig.go(move || {
                    let (mut workers, mut threads) = (BTreeSet::new(), std::collections::HashSet::new());
                    let mut values = [seed; 32];
                    // Until all have moved: one that is left alone would stay.
                    while moved.load(Ordering::Relaxed) < count {
                        let first = workers.len() < 2;
                        workers.insert(worker());
                        threads.insert(thread());
                        if first && workers.len() == 2 {
                            moved.fetch_add(1, Ordering::Relaxed);
                        }
                        values.iter_mut().for_each(|value| *value += 1);
                        pass();
                    }
                    drop(tracked);
                    assert!(values.iter().all(|value| *value == values[0] && *value > seed));
                    (workers.len(), threads.len())
                })
            })
            .collect();
        for fiber in fibers {
            let (workers, threads) = fiber.join().unwrap();
            assert!(workers >= 2 && threads >= 2);
        }
        let stats = rig.stats();
        let adopted = stats.workers.iter().map(|worker| worker.adopted).sum::<u64>();
        assert!(adopted > 0);
        assert_eq!(stats.levels.iter().map(|level| level.moved).sum::<u64>(), adopted);
    });
}

/// The thread that this runs on.
#[inline(never)]
fn thread() -> std::thread::ThreadId {
    std::thread::current().id()
}

/// Some microseconds' worth: what moves computes.
#[inline(never)]
fn work() {
    for n in 0..500_u32 {
        std::hint::black_box(n);
    }
}

#[test]
fn a_thousand_endless_fibers_that_one_worker_has_started_get_equal_turns() {
    on_workers(&[1, 2, 4], |rig| {
        const FIBERS: usize = 1000;
        let end = Arc::new(AtomicBool::new(false));
        let turns: Arc<Vec<AtomicUsize>> = Arc::new((0..FIBERS).map(|_| AtomicUsize::new(0)).collect());
        let least = |turns: &[AtomicUsize]| turns.iter().map(|t| t.load(Ordering::Relaxed)).min().unwrap();
        let maker = rig.go({
            let (end, turns) = (end.clone(), turns.clone());
            move || {
                for me in 0..FIBERS {
                    let (end, turns) = (end.clone(), turns.clone());
                    drop(go(move || {
                        while !end.load(Ordering::Relaxed) {
                            turns[me].fetch_add(1, Ordering::Relaxed);
                            work();
                            pass();
                        }
                    }));
                }
            }
        });
        maker.join().unwrap();
        eventually(|| least(&turns) > 0);
        // All have begun: from here on they take turns.
        let before: Vec<usize> = turns.iter().map(|turns| turns.load(Ordering::Relaxed)).collect();
        let begun = least(&turns);
        eventually(|| least(&turns) > begun + 30);
        let after: Vec<usize> = turns.iter().map(|turns| turns.load(Ordering::Relaxed)).collect();
        end.store(true, Ordering::Relaxed);
        let mut had: Vec<usize> = before.iter().zip(&after).map(|(before, after)| after - before).collect();
        had.sort_unstable();
        // But for the few that were on a thread while the system let others run.
        let (fewest, most) = (had[FIBERS / 50], had[FIBERS - 1 - FIBERS / 50]);
        println!("{fewest} to {most} turns each");
        assert!(4 * fewest >= 3 * most, "{fewest} to {most}");
        rig.wait_all().unwrap();
    });
}

/// Fibers that pass for ever, so that there is always somebody else; they end with the flag.
fn company(rig: &Rig, priority: Priority, end: &Arc<AtomicBool>) {
    for _ in 0..2 * rig.workers() {
        let end = end.clone();
        drop(rig.go_with_priority(priority, move || {
            while !end.load(Ordering::Relaxed) {
                pass();
            }
        }));
    }
}

#[test]
fn a_change_of_priority_across_lanes_moves_the_fiber_to_the_right_lane_from_its_next_pass_on() {
    with_lanes(3, &[1, 2, 4], &|builder| builder, &|rig| {
        let end = Arc::new(AtomicBool::new(false));
        company(rig, Priority::Normal, &end);
        let lanes = rig.go_with_priority(Priority::Background, || {
            let from_inside = [Priority::Critical, Priority::Normal, Priority::Low, Priority::High];
            let inside = from_inside.map(|priority| {
                set_priority(priority).unwrap();
                pass();
                worker()
            });
            let checked = [Priority::Background, Priority::Critical].map(|priority| {
                set_priority(priority).unwrap();
                check();
                worker()
            });
            (inside, checked)
        });
        let (inside, checked) = lanes.join().unwrap();
        let lane = |worker| lane_of(rig, worker);
        assert_eq!(inside.map(lane), [Lane::Urgent, Lane::Ordinary, Lane::Background, Lane::Ordinary]);
        assert_eq!(checked.map(lane), [Lane::Background, Lane::Urgent]);
        end.store(true, Ordering::Relaxed);
        rig.wait_all().unwrap();
    });
}

#[test]
fn somebody_else_s_change_of_priority_reaches_a_fiber_that_passes_while_hogs_keep_the_ordinary_lane() {
    with_lanes(3, &[1, 2], &|builder| builder, &|rig| {
        let (turns, end) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        company(rig, Priority::Background, &end);
        let fiber = rig.go_with_priority(Priority::Background, {
            let (turns, end) = (turns.clone(), end.clone());
            move || {
                let mut workers = BTreeSet::new();
                while !end.load(Ordering::Relaxed) {
                    turns.fetch_add(1, Ordering::Relaxed);
                    workers.insert(worker());
                    pass();
                }
                workers
            }
        });
        eventually(|| turns.load(Ordering::Relaxed) > 0);
        let hogs = Hogs::start(rig, Priority::Normal, rig.workers());
        fiber.set_priority(Priority::Critical);
        let before = turns.load(Ordering::Relaxed);
        eventually(|| turns.load(Ordering::Relaxed) > before + 100);
        drop(hogs);
        end.store(true, Ordering::Relaxed);
        let lanes: BTreeSet<Lane> =
            fiber.join().unwrap().into_iter().map(|worker| lane_of(rig, worker)).collect();
        assert!(lanes.contains(&Lane::Urgent), "{lanes:?}");
        rig.wait_all().unwrap();
    });
}

#[test]
fn a_stop_in_the_middle_ends_all_that_move_and_unwinds_them() {
    everywhere(|rig| {
        let begun = Arc::new(AtomicUsize::new(0));
        let fibers: Vec<_> = (0..200)
            .map(|n| {
                let (begun, tracked) = (begun.clone(), rig.track());
                rig.go_with_priority(Priority::ALL[n % 5], move || {
                    let _tracked = tracked;
                    begun.fetch_add(1, Ordering::Relaxed);
                    loop {
                        pass();
                    }
                })
            })
            .collect();
        eventually(|| begun.load(Ordering::Relaxed) > 100);
        rig.stop().unwrap();
        let (mut cancelled, mut unstarted) = (0, 0);
        for fiber in fibers {
            let error = fiber.join().expect_err("it went on for ever");
            cancelled += usize::from(error.is_cancelled());
            unstarted += usize::from(error.is_stopped());
        }
        assert_eq!(cancelled + unstarted, 200);
        assert!(cancelled > 100, "{cancelled}");
    });
}

#[test]
fn one_that_is_cancelled_unwinds_wherever_it_is() {
    everywhere(|rig| {
        let end = Arc::new(AtomicBool::new(false));
        company(rig, Priority::Normal, &end);
        let fibers: Vec<_> = (0..20)
            .map(|n| {
                let tracked = rig.track();
                rig.go(move || {
                    let _tracked = tracked;
                    loop {
                        if n % 2 == 0 {
                            pass();
                        // SAFETY: see the module's documentation.
                        } else if unsafe { try_yield_movable() }.is_err() {
                            break;
                        }
                    }
                })
            })
            .collect();
        for (n, fiber) in fibers.into_iter().enumerate() {
            fiber.cancel();
            match fiber.join() {
                Ok(()) => assert_eq!(n % 2, 1),
                Err(error) => assert!(error.is_cancelled() && (n % 2 == 0 || error.is_cancelled())),
            }
        }
        end.store(true, Ordering::Relaxed);
        rig.wait_all().unwrap();
    });
}

#[test]
fn time_limits_go_with_the_fiber() {
    everywhere(|rig| {
        let end = Arc::new(AtomicBool::new(false));
        company(rig, Priority::Normal, &end);
        let limited = rig.go(|| {
            let outcome = timeout(Duration::from_millis(20), || {
                timeout(Duration::from_secs(3600), || {
                    loop {
                        pass();
                    }
                })
            });
            assert!(outcome.is_err());
            // One that is not over does no harm where the fiber is by then.
            let value = timeout(Duration::from_secs(3600), || (0..50).for_each(|_| pass()));
            (0..50).for_each(|_| pass());
            value
        });
        assert_eq!(limited.join().unwrap(), Ok(()));
        let late = rig.fiber().deadline(std::time::Instant::now() + Duration::from_millis(20)).go(|| {
            loop {
                pass();
            }
        });
        assert!(late.join().unwrap_err().is_cancelled());
        end.store(true, Ordering::Relaxed);
        rig.wait_all().unwrap();
    });
}

fiber_local! {
    static MINE: Cell<usize> = Cell::new(0);
}

context_local! {
    static WHO: usize;
}

#[test]
fn a_fiber_s_own_values_contexts_and_locks_go_with_it_and_what_it_waits_for_finds_it() {
    everywhere(|rig| {
        let sum = Arc::new(Mutex::new(0));
        let fibers: Vec<_> = (1..=20)
            .map(|n| {
                let sum = sum.clone();
                rig.go(move || {
                    WHO.scope(n, || {
                        for round in 1..=20 {
                            MINE.with(|mine| mine.set(mine.get() + n));
                            pass();
                            assert_eq!(MINE.with(Cell::get), round * n);
                            assert_eq!(WHO.get(), Some(n));
                            let mut sum = sum.lock();
                            *sum += 1;
                            pass();
                            drop(sum);
                            match round % 5 {
                                0 => sleep(Duration::from_micros(50)),
                                1 => assert_eq!(go(move || WHO.get()).join().unwrap(), Some(n)),
                                _ => yield_now(),
                            }
                        }
                    })
                })
            })
            .collect();
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
        assert_eq!(*sum.lock(), 400);
    });
}

#[test]
fn scopes_and_branches_bear_that_their_owner_moves() {
    everywhere(|rig| {
        let fibers: Vec<_> = (0..8_u64)
            .map(|n| {
                rig.go(move || {
                    let mut parts = [0; 8];
                    scope(|s| {
                        for part in &mut parts {
                            s.go(move || {
                                pass();
                                *part = n;
                            });
                            pass();
                        }
                    })
                    .unwrap();
                    fn count(fork: &mut heddle_scheduler::Fork, depth: u32) -> u64 {
                        pass();
                        if depth == 0 {
                            return 1;
                        }
                        let (a, b) = fork.join(|f| count(f, depth - 1), |f| count(f, depth - 1));
                        pass();
                        a + b
                    }
                    let (a, b) = join(|f| count(f, 4), |f| count(f, 4));
                    parts.iter().sum::<u64>() + a + b
                })
            })
            .collect();
        for (n, fiber) in fibers.into_iter().enumerate() {
            assert_eq!(fiber.join().unwrap(), 8 * n as u64 + 32);
        }
    });
}

#[test]
fn a_panic_after_the_move_reaches_whoever_joins() {
    everywhere(|rig| {
        let fibers: Vec<_> = (0..20)
            .map(|n| {
                rig.go(move || {
                    (0..20).for_each(|_| pass());
                    let caught = std::panic::catch_unwind(|| {
                        pass();
                        panic!("{n}, caught");
                    });
                    pass();
                    assert!(caught.is_err());
                    panic!("{n}");
                })
            })
            .collect();
        for (n, fiber) in fibers.into_iter().enumerate() {
            let panic = fiber.join().unwrap_err().into_panic().expect("it panicked");
            assert_eq!(*panic.downcast::<String>().unwrap(), n.to_string());
        }
        assert_eq!(rig.stats().workers.iter().map(|worker| worker.panics).sum::<u64>(), 20);
    });
}

#[test]
fn where_there_is_no_fiber_or_nobody_can_wait_it_goes_on() {
    pass();
    check();
    everywhere(|rig| {
        struct Passes;
        impl Drop for Passes {
            fn drop(&mut self) {
                pass();
                check();
            }
        }
        let end = Arc::new(AtomicBool::new(false));
        company(rig, Priority::Normal, &end);
        // While a panic unwinds; and on a worker's own stack, which drops what has lost its handle.
        assert!(
            rig.go(|| {
                let _passes = Passes;
                panic!("on purpose");
            })
            .join()
            .unwrap_err()
            .is_panic()
        );
        drop(rig.go(|| Passes));
        end.store(true, Ordering::Relaxed);
        rig.wait_all().unwrap();
    });
}

#[test]
fn one_that_nobody_else_waits_beside_stays_where_it_is() {
    with_lanes(1, &[1, 2, 4], &strict, &|rig| {
        let workers = rig.go(|| {
            (0..1000)
                .map(|_| {
                    pass();
                    check();
                    worker()
                })
                .collect::<BTreeSet<_>>()
        });
        assert_eq!(workers.join().unwrap().len(), 1);
        assert_eq!(rig.stats().workers.iter().map(|worker| worker.adopted).sum::<u64>(), 0);
    });
}
