//! Where fibers run: those that have started stay on their thread, the others go to whoever is free.

use heddle_scheduler::{current, go, sleep, yield_now};
use heddle_tests::{Event, eventually, everywhere, on_workers};
use std::collections::HashMap;
use std::sync::{Arc, Barrier, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

fn here() -> (usize, ThreadId) {
    (current().expect("called in a fiber").worker(), std::thread::current().id())
}

#[test]
fn a_started_fiber_stays_on_its_thread_however_it_waits() {
    everywhere(|rig| {
        let outside = Event::new();
        let handles: Vec<_> = (0..100)
            .map(|n| {
                let outside = outside.clone();
                rig.go(move || {
                    let home = here();
                    for turn in 0..10 {
                        yield_now();
                        assert_eq!(here(), home, "after a yield");
                        go(move || turn).join().unwrap();
                        assert_eq!(here(), home, "after a join");
                    }
                    if n % 10 == 0 {
                        sleep(Duration::from_micros(100));
                        assert_eq!(here(), home, "after a sleep");
                    }
                    outside.wait().unwrap();
                    assert_eq!(here(), home, "after a resume from outside");
                    home
                })
            })
            .collect();
        eventually(|| outside.waiting() == 100);
        outside.fire();
        let mut threads = HashMap::new();
        for handle in handles {
            let (worker, thread) = handle.join().unwrap();
            assert_eq!(*threads.entry(worker).or_insert(thread), thread, "a worker is one thread");
        }
    });
}

#[test]
fn unstarted_fibers_are_stolen_from_a_worker_that_is_busy() {
    on_workers(&[2, 4, 8, 64], |rig| {
        // One fiber makes as many as there are workers and then waits, without giving its thread
        // away, until all of the others are running at once.
        let workers = rig.workers();
        let (homes, maker) = rig
            .go(move || {
                let all = Arc::new(Barrier::new(workers));
                let homes = Arc::new(Mutex::new(Vec::new()));
                let children: Vec<_> = (1..workers)
                    .map(|_| {
                        let (all, homes) = (all.clone(), homes.clone());
                        go(move || {
                            homes.lock().unwrap().push(here());
                            all.wait();
                        })
                    })
                    .collect();
                all.wait();
                for child in children {
                    child.join().unwrap();
                }
                (Arc::into_inner(homes).unwrap().into_inner().unwrap(), here())
            })
            .join()
            .unwrap();
        let mut workers: Vec<_> = homes.iter().chain([&maker]).map(|(worker, _)| *worker).collect();
        workers.sort();
        workers.dedup();
        assert_eq!(workers.len(), rig.workers(), "each ran on a worker of its own: {homes:?}");
        let stats = rig.stats();
        let stolen: u64 = stats.workers.iter().map(|worker| worker.stolen).sum();
        assert!(stolen as usize >= rig.workers() - 1, "they were stolen:\n{stats}");
        for worker in &stats.workers {
            assert_eq!(worker.stolen, worker.stolen_from.iter().sum::<u64>());
        }
    });
}

#[test]
fn work_from_outside_spreads_over_all_workers() {
    everywhere(|rig| {
        let all = Arc::new(Barrier::new(rig.workers()));
        let handles: Vec<_> = (0..rig.workers())
            .map(|_| {
                let all = all.clone();
                rig.go(move || {
                    all.wait();
                    here()
                })
            })
            .collect();
        let mut homes: Vec<_> = handles.into_iter().map(|handle| handle.join().unwrap().0).collect();
        homes.sort();
        assert_eq!(homes, (0..rig.workers()).collect::<Vec<_>>());
    });
}

#[test]
fn values_that_are_not_send_may_live_across_a_suspension() {
    everywhere(|rig| {
        let handles: Vec<_> = (0..100)
            .map(|n| {
                rig.go(move || {
                    let shared = std::rc::Rc::new(std::cell::Cell::new(n));
                    let also = shared.clone();
                    yield_now();
                    also.set(also.get() + 1);
                    yield_now();
                    shared.get()
                })
            })
            .collect();
        for (n, handle) in handles.into_iter().enumerate() {
            assert_eq!(handle.join().unwrap(), n + 1);
        }
    });
}

#[test]
fn an_idle_machine_takes_new_work_at_once_from_a_fiber_that_never_pauses() {
    // No wake-up may be lost: the maker never returns to its scheduler until its child has run.
    on_workers(&[2, 4, 8, 64], |rig| {
        for _ in 0..200 {
            rig.go(|| {
                let child = go(here);
                while !child.is_finished() {
                    std::thread::yield_now();
                }
                assert_ne!(child.join().unwrap().0, here().0);
            })
            .join()
            .unwrap();
        }
    });
}
