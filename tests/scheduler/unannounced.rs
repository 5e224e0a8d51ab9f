//! Fibers for which their maker is about to wait. Where the monitor is off, a fiber that nobody is told of is never run
//! beside a maker that goes on, so these tests would hang.

use heddle_scheduler::{Builder, Priority, announce, checkpoint, current, sleep, yield_now};
use heddle_tests::{everywhere, with_options};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const SEVERAL: [usize; 3] = [2, 8, 64];

fn without_monitor(builder: Builder) -> Builder {
    builder.hog_after(Duration::MAX)
}

#[test]
fn who_waits_for_what_it_made_has_it_run_on_its_own_worker() {
    with_options(&[2, 8], without_monitor, |rig| {
        let spawner = rig.spawner();
        let elsewhere = rig.go(move || {
            let here = current().unwrap().worker();
            let worker = || spawner.fiber().unannounced().go(|| current().unwrap().worker()).join().unwrap();
            (0..1000).filter(|_| worker() != here).count()
        });
        // Where a worker finds out that it may have more to do, it tells the others.
        let elsewhere = elsewhere.join().unwrap();
        assert!(elsewhere < 100, "{elsewhere} of 1000 began elsewhere");
    });
}

#[test]
fn two_that_are_made_in_a_row_run_side_by_side() {
    with_options(&SEVERAL, without_monitor, |rig| {
        let spawner = rig.spawner();
        let both = rig.go(move || {
            let met = Arc::new(AtomicUsize::new(0));
            let make = || {
                let met = met.clone();
                spawner.fiber().unannounced().go(move || {
                    met.fetch_add(1, Ordering::Relaxed);
                    while met.load(Ordering::Relaxed) < 2 {
                        std::hint::spin_loop();
                    }
                })
            };
            let (first, second) = (make(), make());
            first.join().unwrap();
            second.join().unwrap();
        });
        both.join().unwrap();
    });
}

/// A Normal maker that goes on until its fiber has run elsewhere.
fn goes_on(level: Priority, options: impl Fn(Builder) -> Builder, meanwhile: fn()) {
    with_options(&SEVERAL, options, |rig| {
        let spawner = rig.spawner();
        let maker = rig.go(move || {
            for _ in 0..20 {
                let done = Arc::new(AtomicBool::new(false));
                let tell = done.clone();
                let tell = move || tell.store(true, Ordering::Relaxed);
                let fiber = spawner.fiber().unannounced().priority(level).go(tell);
                while !done.load(Ordering::Relaxed) {
                    meanwhile();
                }
                fiber.join().unwrap();
            }
        });
        maker.join().unwrap();
    });
}

#[test]
fn a_maker_that_goes_on_tells_others_at_its_next_checkpoint() {
    goes_on(Priority::Normal, without_monitor, checkpoint);
}

#[test]
fn a_maker_that_goes_on_tells_others_when_it_says_so() {
    goes_on(Priority::Normal, without_monitor, announce);
}

#[test]
fn a_maker_that_yields_tells_others() {
    goes_on(Priority::Normal, without_monitor, yield_now);
}

#[test]
fn what_is_more_urgent_than_its_maker_begins_at_once() {
    goes_on(Priority::High, without_monitor, std::hint::spin_loop);
    goes_on(Priority::Critical, without_monitor, std::hint::spin_loop);
}

#[test]
fn the_monitor_finds_what_a_maker_keeps_that_does_not_come_back() {
    goes_on(Priority::Normal, |builder| builder.hog_after(Duration::from_millis(1)), std::hint::spin_loop);
}

#[test]
fn a_maker_that_sleeps_or_ends_leaves_it_to_its_worker() {
    everywhere(|rig| {
        let (spawner, count) = (rig.spawner(), Arc::new(AtomicUsize::new(0)));
        for ends in [false, true] {
            let (spawner, count) = (spawner.clone(), count.clone());
            let made = rig.go(move || {
                let counts = count.clone();
                let made = spawner.fiber().unannounced().go(move || counts.fetch_add(1, Ordering::Relaxed));
                while !ends && count.load(Ordering::Relaxed) == 0 {
                    sleep(Duration::from_millis(1));
                }
                made
            });
            made.join().unwrap().join().unwrap();
        }
        assert_eq!(count.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn one_that_is_cancelled_never_runs_and_one_that_is_made_more_urgent_does() {
    everywhere(|rig| {
        let spawner = rig.spawner();
        let maker = rig.go(move || {
            let cancelled = spawner.fiber().unannounced().go(|| 1);
            cancelled.cancel();
            let urgent = spawner.fiber().unannounced().go(|| 2);
            urgent.set_priority(Priority::Critical);
            let lazy = spawner.fiber().unannounced().go(|| 3);
            lazy.set_priority(Priority::Background);
            let ends = [cancelled.join().ok(), urgent.join().ok(), lazy.join().ok()];
            assert_eq!(ends[1..], [Some(2), Some(3)]);
        });
        maker.join().unwrap();
    });
}

#[test]
fn a_stop_in_between_leaves_nothing() {
    everywhere(|rig| {
        let spawner = rig.spawner();
        let begun = Arc::new(AtomicBool::new(false));
        let maker = rig.go({
            let begun = begun.clone();
            move || {
                let mut made = 0_u32;
                loop {
                    let child = spawner.fiber().unannounced().go(|| ());
                    begun.store(true, Ordering::Relaxed);
                    if child.join().is_err() || made == u32::MAX {
                        return;
                    }
                    made += 1;
                }
            }
        });
        while !begun.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        rig.stop().unwrap();
        drop(maker.join());
        rig.start().unwrap();
    });
}
