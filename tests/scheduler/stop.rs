//! The end of a scheduler, and its next beginning.

use heddle_scheduler::suspend::suspend;
use heddle_scheduler::sync::channel::{self, broadcast, watch};
use heddle_scheduler::sync::{Barrier, Condvar, Event as Signal, Mutex, Once, RwLock, Semaphore, WaitGroup};
use heddle_scheduler::{
    JoinHandle, Lanes, Priority, Scheduler, block_on, go, scope, select, sleep, timeout, yield_now,
};
use heddle_tests::{Census, Event, Gate, Rig, Tracked, eventually, everywhere, occupy, watchdog};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const FOR_EVER: Duration = Duration::MAX;

#[test]
fn stop_ends_queued_fibers_without_running_them() {
    everywhere(|rig| {
        let held = occupy(rig);
        let queued: Vec<_> = (0..100)
            .map(|n| {
                let tracked = rig.track();
                rig.go_with_priority(Priority::ALL[n % 5], move || drop(tracked))
            })
            .collect();
        rig.stop_soon();
        held.release();
        rig.stop().unwrap();
        assert_eq!(rig.census.live(), 0);
        for handle in queued {
            let error = handle.join().unwrap_err();
            assert!(error.is_stopped() && !error.is_cancelled());
            assert!(error.to_string().contains("call start()"), "{error}");
        }
    });
}

/// What a suspended fiber may be waiting for.
fn suspended_fibers(rig: &Rig, started: &Arc<AtomicUsize>) -> Vec<JoinHandle<()>> {
    let held = |wait: fn(Tracked)| {
        let (tracked, started) = (rig.track(), started.clone());
        rig.go(move || {
            started.fetch_add(1, Ordering::SeqCst);
            wait(tracked);
        })
    };
    vec![
        held(|_tracked| sleep(FOR_EVER)),
        held(|_tracked| {
            loop {
                yield_now()
            }
        }),
        held(|_tracked| {
            while suspend().is_ok() {}
            yield_now();
        }),
        held(|tracked| {
            let child = go(move || {
                let _held = tracked;
                sleep(FOR_EVER)
            });
            assert!(child.join().is_err());
            yield_now();
        }),
        held(|tracked| {
            heddle_scheduler::scope(|s| {
                s.go(|| {
                    let _held = tracked.clone();
                    sleep(FOR_EVER)
                });
            })
            .unwrap();
            yield_now();
        }),
    ]
}

#[test]
fn stop_cancels_suspended_fibers_and_their_destructors_run() {
    everywhere(|rig| {
        let started = Arc::new(AtomicUsize::new(0));
        let handles = suspended_fibers(rig, &started);
        eventually(|| started.load(Ordering::SeqCst) == handles.len());
        rig.stop().unwrap();
        assert_eq!(rig.census.live(), 0);
        for (index, handle) in handles.into_iter().enumerate() {
            assert!(handle.is_finished());
            let error = handle.join().unwrap_err();
            assert!(error.is_cancelled(), "fiber {index}: {error}");
        }
    });
}

#[test]
fn stop_lets_running_fibers_reach_their_next_wait() {
    everywhere(|rig| {
        let (running, gate) = (Gate::new(), Gate::new());
        let finished = Arc::new(AtomicBool::new(false));
        let handle = rig.go({
            let (running, gate, finished, tracked) =
                (running.clone(), gate.clone(), finished.clone(), rig.track());
            move || {
                let _held = tracked;
                running.open();
                gate.wait();
                finished.store(true, Ordering::SeqCst);
                yield_now();
                unreachable!("the scheduler has stopped");
            }
        });
        running.wait();
        rig.stop_soon();
        assert!(!rig.is_running());
        gate.open();
        rig.stop().unwrap();
        assert!(finished.load(Ordering::SeqCst));
        assert!(handle.join().map(|_: ()| ()).unwrap_err().is_cancelled());
    });
}

#[test]
fn fibers_that_panic_while_they_are_stopped_do_no_harm() {
    everywhere(|rig| {
        let event = Event::new();
        let handles: Vec<_> = (0..30)
            .map(|n| {
                let (event, tracked) = (event.clone(), rig.track());
                rig.go(move || {
                    let _held = tracked;
                    if event.wait().is_err() && n % 2 == 0 {
                        panic!("on the way out");
                    }
                })
            })
            .collect();
        eventually(|| event.waiting() == 30);
        rig.stop().unwrap();
        for (n, handle) in handles.into_iter().enumerate() {
            let result = handle.join();
            assert_eq!(result.is_err_and(|error| error.is_panic()), n % 2 == 0);
        }
    });
}

#[test]
fn a_stopped_scheduler_says_so_and_can_be_started_again() {
    everywhere(|rig| {
        for round in 0..5 {
            assert_eq!(rig.go(move || round).join().unwrap(), round);
            rig.stop().unwrap();
            rig.stop().unwrap();
            assert!(!rig.is_running());
            let tracked = rig.track();
            let error = rig.go(move || drop(tracked)).join().unwrap_err();
            assert!(error.is_stopped());
            assert_eq!(rig.census.live(), 0);
            let error = rig.try_go(|| ()).unwrap_err();
            assert!(error.is_stopped() && error.to_string().contains("call start()"));
            drop(rig.go(|| ()));
            rig.wait_all().unwrap();
            rig.start().unwrap();
            rig.start().unwrap();
            assert!(rig.is_running());
        }
        let sleeping = rig.go(|| sleep(Duration::from_micros(100)));
        sleeping.join().unwrap();
    });
}

#[test]
fn stop_from_inside_is_refused_with_advice_and_stop_soon_is_not() {
    everywhere(|rig| {
        let scheduler = rig.scheduler.clone();
        let (inside, start) = rig
            .go(move || {
                let error = scheduler.stop().unwrap_err();
                let running = scheduler.start();
                (error, running)
            })
            .join()
            .unwrap();
        assert!(inside.is_inside_fiber(), "{inside}");
        assert!(inside.to_string().contains("stop_soon()"), "{inside}");
        assert_eq!(start, Ok(()), "it runs, so there is nothing to start");
        let scheduler = rig.scheduler.clone();
        let error = rig
            .go(move || {
                scheduler.stop_soon();
                scheduler.stop_soon();
                scheduler.start().unwrap_err()
            })
            .join()
            .unwrap();
        assert!(error.is_inside_fiber(), "{error}");
        rig.stop().unwrap();
        rig.start().unwrap();
        assert_eq!(rig.go(|| 1).join().unwrap(), 1);
    });
}

#[test]
fn what_is_queued_after_stop_soon_ends_with_an_error() {
    everywhere(|rig| {
        rig.stop_soon();
        for _ in 0..20 {
            let tracked = rig.track();
            let error = rig.go(move || drop(tracked)).join().unwrap_err();
            assert!(error.is_stopped(), "{error}");
        }
        // Once more when the last thread is gone, whenever that was.
        rig.stop().unwrap();
        assert!(rig.go(|| ()).join().unwrap_err().is_stopped());
    });
}

#[test]
fn after_stop_soon_alone_the_threads_go_and_joins_still_return() {
    for workers in [1, 2, 8] {
        let watch = watchdog::watch("stop_soon alone");
        let gone = Arc::new(AtomicUsize::new(0));
        let theirs = gone.clone();
        let scheduler = Scheduler::builder().workers(workers).on_thread_stop(move |_| {
            theirs.fetch_add(1, Ordering::SeqCst);
        });
        let scheduler = Arc::new(scheduler.build().unwrap());
        watch.add(Arc::downgrade(&scheduler));
        scheduler.stop_soon();
        eventually(|| gone.load(Ordering::SeqCst) == 3 * workers);
        assert!(scheduler.go(|| ()).join().unwrap_err().is_stopped());
        scheduler.start().unwrap();
        assert_eq!(scheduler.go(|| 5).join().unwrap(), 5);
        Rig::retire(&scheduler);
    }
}

#[test]
fn stops_from_many_threads_at_once_are_one_stop() {
    everywhere(|rig| {
        let event = Event::new();
        for _ in 0..50 {
            let (event, tracked) = (event.clone(), rig.track());
            drop(rig.go(move || {
                let _held = tracked;
                let _ = event.wait();
            }));
        }
        std::thread::scope(|s| {
            for n in 0..6 {
                s.spawn(move || if n % 2 == 0 { rig.stop().unwrap() } else { rig.stop_soon() });
            }
        });
        rig.stop().unwrap();
        assert_eq!(rig.census.live(), 0);
    });
}

#[test]
fn stop_and_start_meet_spawns_from_many_threads_and_every_join_returns() {
    everywhere(|rig| {
        let finished = AtomicBool::new(false);
        let (ran, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|s| {
            for thread in 0..4 {
                let (finished, ran, refused) = (&finished, &ran, &refused);
                s.spawn(move || {
                    for round in 0.. {
                        if finished.load(Ordering::Relaxed) {
                            break;
                        }
                        let tracked = rig.track();
                        let priority = Priority::ALL[(thread + round) % 5];
                        let handle = rig.go_with_priority(priority, move || {
                            let _held = tracked;
                            let child = go(yield_now);
                            yield_now();
                            child.join().is_ok()
                        });
                        match handle.join() {
                            Ok(_) => ran.fetch_add(1, Ordering::Relaxed),
                            Err(error) => {
                                assert!(error.is_stopped() || error.is_cancelled(), "{error}");
                                // A background thread that is to leave gets nothing of a CPU on which somebody tries all
                                // the time.
                                std::thread::sleep(Duration::from_micros(100));
                                refused.fetch_add(1, Ordering::Relaxed)
                            }
                        };
                    }
                });
            }
            // At least one fiber runs between a start and the next stop, so this is no race to nothing.
            for _ in 0..5 {
                let before = ran.load(Ordering::Relaxed);
                eventually(|| ran.load(Ordering::Relaxed) > before + 10);
                rig.stop().unwrap();
                rig.start().unwrap();
            }
            finished.store(true, Ordering::Relaxed);
        });
        assert!(ran.into_inner() >= 50);
    });
}

#[test]
fn a_scheduler_dropped_from_inside_a_fiber_stops_by_itself() {
    for workers in [1, 2, 8, 64] {
        let _watch = watchdog::watch(format!("drop inside, {workers} workers"));
        let (census, gone) = (Census::new(), Arc::new(AtomicUsize::new(0)));
        let theirs = gone.clone();
        let scheduler = Scheduler::builder()
            .workers(workers)
            .on_thread_stop(move |_| {
                theirs.fetch_add(1, Ordering::SeqCst);
            })
            .build()
            .unwrap();
        let sleeping = {
            let tracked = census.track();
            scheduler.go(move || {
                let _held = tracked;
                sleep(FOR_EVER)
            })
        };
        let (give, take) = std::sync::mpsc::channel::<Scheduler>();
        let dropping = scheduler.go(move || {
            drop(take.recv().unwrap());
            "dropped"
        });
        give.send(scheduler).unwrap();
        assert_eq!(dropping.join().unwrap(), "dropped");
        let error = sleeping.join().unwrap_err();
        assert!(error.is_cancelled() || error.is_stopped(), "{error}");
        eventually(|| gone.load(Ordering::SeqCst) == 3 * workers);
        assert_eq!(census.live(), 0);
    }
}

#[test]
fn dropping_a_scheduler_ends_its_fibers() {
    for workers in [1, 2, 8, 64] {
        let _watch = watchdog::watch(format!("drop, {workers} workers"));
        let census = Census::new();
        let scheduler = Scheduler::builder().workers(workers).build().unwrap();
        let handles: Vec<_> = (0..50)
            .map(|n| {
                let tracked = census.track();
                scheduler.go(move || {
                    let _held = tracked;
                    if n % 2 == 0 { sleep(FOR_EVER) } else { yield_now() }
                })
            })
            .collect();
        drop(scheduler);
        assert_eq!(census.live(), 0);
        assert!(handles.iter().all(JoinHandle::is_finished));
    }
}

#[test]
fn a_fiber_of_one_scheduler_stops_another() {
    everywhere(|rig| {
        let other = rig.another(2);
        let sleeping = other.go(|| sleep(FOR_EVER));
        let theirs = other.clone();
        rig.go(move || theirs.stop().unwrap()).join().unwrap();
        assert!(sleeping.is_finished() && !other.is_running());
        super::retire_when_sole(other);
    });
}

#[test]
fn a_fiber_that_joins_a_stopped_one_of_another_scheduler_is_told() {
    everywhere(|rig| {
        let other = rig.another(2);
        let event = Event::new();
        let waiting = other.go({
            let event = event.clone();
            move || event.wait().unwrap_err()
        });
        eventually(|| event.waiting() == 1);
        let joiner = rig.go(move || waiting.join().is_ok());
        Rig::retire(&other);
        assert!(joiner.join().unwrap(), "its wait told it, and it returned");
        super::retire_when_sole(other);
    });
}

/// What ten thousand fibers wait for in vain, each kind of wait in turn.
#[test]
fn ten_thousand_fibers_that_wait_for_everything_there_is_end_when_it_stops() {
    const FIBERS: usize = 10_000;
    for lanes in [Lanes::one(), Lanes::three()] {
        let scheduler = Scheduler::builder().workers(2).lanes(lanes).name("blocked").build().unwrap();
        let watch_dog = watchdog::watch(format!("{FIBERS} blocked fibers, {lanes:?}"));
        let scheduler = Arc::new(scheduler);
        watch_dog.add(Arc::downgrade(&scheduler));
        let census = Census::new();
        let mutex = Arc::new(Mutex::new(()));
        let (rw_lock, for_writers) = (Arc::new(RwLock::new(())), Arc::new(RwLock::new(())));
        let (semaphore, once) = (Arc::new(Semaphore::new(0)), Arc::new(Once::new()));
        let (signal, condvar, own) =
            (Arc::new(Signal::new()), Arc::new(Condvar::new()), Arc::new(Mutex::new(())));
        let (barrier, group) = (Arc::new(Barrier::new(FIBERS)), WaitGroup::new());
        let (full, empty) = channel::bounded::<Tracked>(0);
        let (other, nothing) = channel::bounded::<Tracked>(0);
        let (cast, _hears) = broadcast::channel::<u32>(1);
        let (_tell, news) = watch::channel(0);
        // Held by this thread, for ever as far as they can tell.
        let held = (mutex.lock(), rw_lock.write(), for_writers.read());
        let first = scheduler.go({
            let once = once.clone();
            move || once.call_once(|| sleep(FOR_EVER))
        });
        eventually(|| scheduler.stats().levels[2].suspended == 1);
        let handles: Vec<_> = (0..FIBERS)
            .map(|n| {
                let tracked = census.track();
                let (mutex, rw_lock, for_writers) = (mutex.clone(), rw_lock.clone(), for_writers.clone());
                let (semaphore, once, signal) = (semaphore.clone(), once.clone(), signal.clone());
                let (condvar, own, barrier) = (condvar.clone(), own.clone(), barrier.clone());
                let (group, full, nothing) = (group.clone(), full.clone(), nothing.clone());
                let (mut cast, mut news) = (cast.subscribe(), news.clone());
                let value = census.track();
                scheduler.go_with_priority(Priority::ALL[n / 20 % 5], move || {
                    let _held = tracked;
                    match n % 20 {
                        0 => drop(mutex.lock()),
                        1 => drop(rw_lock.read()),
                        2 => drop(for_writers.write()),
                        3 => drop(semaphore.acquire()),
                        4 => once.call_once(|| ()),
                        5 => signal.wait(),
                        6 => drop(condvar.wait(own.lock())),
                        7 => drop(barrier.wait()),
                        8 => group.wait(),
                        9 => drop(full.send(value)),
                        10 => drop(nothing.recv()),
                        11 => drop(nothing.recv_timeout(Duration::from_secs(1_000_000))),
                        12 => drop(cast.recv()),
                        13 => drop(news.changed()),
                        14 => select! {
                            recv(nothing) -> value => drop(value),
                            send(full, value) -> sent => drop(sent),
                        },
                        15 => drop(block_on(nothing.recv_async())),
                        16 => drop(go(move || nothing.recv().is_ok()).join()),
                        17 => drop(scope(|s| drop(s.go(|| nothing.recv().is_ok())))),
                        18 => drop(timeout(FOR_EVER, || sleep(FOR_EVER))),
                        _ => while suspend().is_ok() {},
                    }
                })
            })
            .collect();
        // Two kinds make another one each.
        let waiting = (FIBERS + FIBERS / 10 + 1) as u64;
        eventually(|| scheduler.stats().levels.iter().map(|level| level.suspended).sum::<u64>() == waiting);
        // Who naps on its way to a line is suspended, too, and not in it yet.
        eventually(|| scheduler.who_waits().fibers.len() as u64 == waiting);
        let begin = Instant::now();
        Rig::retire(&scheduler);
        println!("{lanes:?}: stopped in {:?}", begin.elapsed());
        assert!(handles.iter().all(JoinHandle::is_finished) && first.is_finished());
        // Nobody is in any line, nothing was lost, and all of it works on.
        assert!(semaphore.try_acquire().is_none() && nothing.try_recv().is_err() && own.try_lock().is_some());
        assert!(full.try_send(census.track()).is_err() && other.is_empty() && empty.is_empty());
        drop(held);
        assert!(
            mutex.try_lock().is_some() && rw_lock.try_write().is_some() && for_writers.try_write().is_some()
        );
        assert_eq!(census.live(), 0);
    }
}
