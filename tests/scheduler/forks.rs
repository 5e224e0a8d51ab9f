//! Fork-join: branches that are only calls, branches that others take, branches that wait or panic.

use heddle_scheduler::{Fork, both, current, go, join, sleep, yield_now};
use heddle_tests::{Event, Gate, Rig, eventually, everywhere, on_workers, with_options};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn fib(fork: &mut Fork, n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = fork.join(|f| fib(f, n - 1), |f| fib(f, n - 2));
    a + b
}

#[test]
fn forks_add_up_however_many_workers_take_part() {
    everywhere(|rig| assert_eq!(rig.run(|| join(|f| fib(f, 18), |f| fib(f, 17))), (2584, 1597)));
}

#[test]
fn both_is_join_without_the_fork() {
    fn count(depth: u32) -> u64 {
        if depth == 0 {
            return 1;
        }
        let (a, b) = both(|| count(depth - 1), || count(depth - 1));
        a + b
    }
    everywhere(|rig| assert_eq!(rig.run(|| count(10)), 1024));
    assert_eq!(count(5), 32, "outside of any fiber both branches are calls");
}

#[test]
fn branches_that_wait_let_others_go_on() {
    fn tree(fork: &mut Fork, depth: u32, count: &AtomicUsize) {
        if depth == 0 {
            match count.fetch_add(1, Ordering::Relaxed) % 8 {
                0 => yield_now(),
                1 => sleep(Duration::from_micros(20)),
                2 => go(|| ()).join().unwrap(),
                _ => {}
            }
            return;
        }
        fork.join(|f| tree(f, depth - 1, count), |f| tree(f, depth - 1, count));
    }
    everywhere(|rig| {
        let count = AtomicUsize::new(0);
        rig.run(|| join(|f| tree(f, 9, &count), |f| tree(f, 9, &count)));
        assert_eq!(count.into_inner(), 1024);
    });
}

#[test]
fn the_second_branch_runs_while_the_first_waits_for_it() {
    // Branches need not run at the same time, but a branch that waits gives its worker away, and
    // then somebody runs the other one.
    everywhere(|rig| {
        for _ in 0..20 {
            let event = Event::new();
            let (first, second) = rig.run(|| both(|| event.wait().is_ok(), || event.fire()));
            assert!(first);
            let () = second;
        }
        let (outer, inner) = (Event::new(), Event::new());
        rig.run(|| both(|| both(|| outer.wait().unwrap(), || inner.fire()), || outer.fire()));
        assert!(inner.has_fired());
    });
}

#[test]
fn a_branch_moves_to_a_free_worker_while_the_first_never_pauses() {
    on_workers(&[2, 4, 8, 64], |rig| {
        let taken = Gate::new();
        // The first branch forks until another worker has taken the second.
        let (home, thief) = rig.run(|| {
            both(
                || {
                    while !taken.is_open() {
                        both(|| (), || ());
                        std::thread::yield_now();
                    }
                    current().unwrap().worker()
                },
                || {
                    taken.open();
                    current().unwrap().worker()
                },
            )
        });
        assert_ne!(home, thief);
    });
}

#[test]
fn a_panic_in_a_branch_comes_out_when_the_other_has_ended() {
    everywhere(|rig| {
        for waits in [false, true] {
            let pause = || {
                if waits {
                    sleep(Duration::from_micros(50));
                }
            };
            let tracked = rig.track();
            let ended = AtomicUsize::new(0);
            let fail = |text: &'static str| {
                let _held = tracked.clone();
                pause();
                std::panic::panic_any(text)
            };
            let end = || {
                let _held = tracked.clone();
                pause();
                ended.fetch_add(1, Ordering::Relaxed);
            };
            let told = |run: &(dyn Fn() + Sync)| {
                let panic = catch_unwind(AssertUnwindSafe(|| rig.run(run))).unwrap_err();
                *panic.downcast::<&str>().unwrap()
            };
            let left = told(&|| {
                both(|| fail("left"), end);
            });
            // A second branch that nobody had begun is dropped instead.
            assert!(ended.swap(0, Ordering::Relaxed) <= 1);
            let right = told(&|| {
                both(end, || fail("right"));
            });
            assert_eq!(ended.swap(0, Ordering::Relaxed), 1);
            let two = told(&|| {
                both(|| fail("left"), || fail("right"));
            });
            assert_eq!((left, right, two), ("left", "right", "left"));
            assert_eq!(rig.census.live(), 1);
            // And deep in a tree.
            let deep = told(&|| {
                both(|| both(end, || both(end, || fail("deep"))), || both(end, end));
            });
            assert_eq!(deep, "deep");
        }
    });
}

#[test]
fn deep_forks_on_a_large_stack_come_back() {
    fn chain(fork: &mut Fork, depth: u32) -> u32 {
        if depth == 0 {
            return 0;
        }
        let (a, b) = fork.join(|f| chain(f, depth - 1), |_| 1);
        a + b
    }
    with_options(
        &[1, 2, 8],
        |builder| builder.stack_size(16 << 20),
        |rig| {
            assert_eq!(rig.run(|| join(|f| chain(f, 5000), |_| ()).0), 5000);
        },
    );
}

#[test]
fn a_million_elements_are_sorted_by_forks() {
    fn sort(fork: &mut Fork, part: &mut [u32]) {
        if part.len() <= 2048 {
            return part.sort_unstable();
        }
        let middle = part.len() / 2;
        part.select_nth_unstable(middle);
        let (low, high) = part.split_at_mut(middle);
        fork.join(|f| sort(f, low), |f| sort(f, high));
    }
    on_workers(&[1, 2, 8], |rig| {
        let mut random = heddle_tests::Random::from_seed(7);
        let mut numbers: Vec<u32> = (0..200_000).map(|_| random.number() as u32).collect();
        let mut expected = numbers.clone();
        expected.sort_unstable();
        rig.run(|| {
            let (low, high) = numbers.split_at_mut(0);
            assert!(low.is_empty());
            join(|f| sort(f, high), |_| ());
        });
        assert!(numbers == expected);
    });
}

/// A tree whose leaves wait for `gate`, so that many branches are fibers when it opens.
fn hanging_tree(rig: &Rig, depth: u32) -> (Event, heddle_scheduler::JoinHandle<usize>, Arc<AtomicUsize>) {
    fn leaves(fork: &mut Fork, depth: u32, gate: &Event, begun: &AtomicUsize) -> usize {
        if depth == 0 {
            begun.fetch_add(1, Ordering::SeqCst);
            return usize::from(gate.wait().is_ok());
        }
        let (a, b) = fork.join(|f| leaves(f, depth - 1, gate, begun), |f| leaves(f, depth - 1, gate, begun));
        a + b
    }
    let (gate, begun, tracked) = (Event::new(), Arc::new(AtomicUsize::new(0)), rig.track());
    let handle = rig.go({
        let (gate, begun) = (gate.clone(), begun.clone());
        move || {
            let _held = tracked;
            join(|f| leaves(f, depth, &gate, &begun), |_| 0).0
        }
    });
    (gate, handle, begun)
}

#[test]
fn branches_of_a_waiting_fiber_become_fibers_of_their_own() {
    everywhere(|rig| {
        let (gate, handle, begun) = hanging_tree(rig, 6);
        eventually(|| begun.load(Ordering::SeqCst) == 64);
        gate.fire();
        assert_eq!(handle.join().unwrap(), 64);
    });
}

#[test]
fn stop_ends_a_tree_of_branches_wherever_it_is() {
    everywhere(|rig| {
        let (_gate, handle, begun) = hanging_tree(rig, 6);
        eventually(|| begun.load(Ordering::SeqCst) > 3);
        rig.stop().unwrap();
        match handle.join() {
            Ok(resumed) => assert_eq!(resumed, 0, "each wait was told of the end"),
            Err(error) => assert!(error.is_cancelled(), "{error}"),
        }
    });
}

#[test]
fn branches_that_find_no_stack_run_in_place() {
    with_options(
        &[1, 2, 8],
        |builder| builder.max_stacks(4).warm_stacks(0),
        |rig| {
            let sum = rig.run(|| {
                fn tree(fork: &mut Fork, depth: u32) -> u64 {
                    if depth == 0 {
                        yield_now();
                        sleep(Duration::from_micros(10));
                        return 1;
                    }
                    let (a, b) = fork.join(|f| tree(f, depth - 1), |f| tree(f, depth - 1));
                    a + b
                }
                join(|f| tree(f, 6), |_| 0).0
            });
            assert_eq!(sum, 64);
        },
    );
}

#[test]
fn branches_keep_the_count_of_a_limit_on_fibers_right() {
    with_options(
        &[1, 2, 8],
        |builder| builder.max_fibers(10),
        |rig| {
            for _ in 0..5 {
                let (gate, handle, begun) = hanging_tree(rig, 4);
                eventually(|| begun.load(Ordering::SeqCst) == 16);
                gate.fire();
                assert_eq!(handle.join().unwrap(), 16);
            }
            rig.wait_all().unwrap();
            // Exactly ten fit, as if nothing had been.
            let event = Event::new();
            let fitting: Vec<_> = (0..11)
                .filter_map(|_| {
                    let event = event.clone();
                    rig.try_go(move || event.wait().unwrap()).ok()
                })
                .collect();
            assert_eq!(fitting.len(), 10);
            event.fire();
        },
    );
}
