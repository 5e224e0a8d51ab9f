//! Sleeping until a moment, and ticks in even steps: by fibers and by threads, with any time that there is.

use heddle_scheduler::{
    MissedTicks, Priority, checkpoint, go_with_priority, interval, interval_at, set_priority, sleep,
    sleep_until,
};
use heddle_tests::{everywhere, in_one_lane, on_workers};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const MS: Duration = Duration::from_millis(1);

/// So far away that nobody comes there.
fn far_future() -> Instant {
    let now = Instant::now();
    // About the last one that there is, if the clock counts seconds in 63 bits.
    (0..63).rev().fold(now, |time, bit| time.checked_add(Duration::from_secs(1 << bit)).unwrap_or(time))
}

#[test]
fn nobody_wakes_early_whoever_sleeps_until_whatever_moment() {
    everywhere(|rig| {
        let start = Instant::now();
        let sleepers: Vec<_> = (0..500_u32)
            .map(|n| {
                let due = start + n * 11 * MS / 1000;
                rig.go(move || {
                    sleep_until(due);
                    assert!(Instant::now() >= due);
                })
            })
            .collect();
        for sleeper in sleepers {
            sleeper.join().unwrap();
        }
        let due = Instant::now() + MS;
        sleep_until(due);
        assert!(Instant::now() >= due, "a thread, too");
    });
}

#[test]
fn a_moment_that_is_past_is_no_wait_but_lets_a_cancellation_be_seen() {
    everywhere(|rig| {
        let past = Instant::now();
        sleep_until(past);
        rig.run(|| {
            sleep_until(past);
            sleep(Duration::ZERO);
        });
        let (started, begun) = std::sync::mpsc::channel();
        let handle = rig.go(move || {
            started.send(()).unwrap();
            loop {
                sleep_until(past);
            }
        });
        begun.recv().unwrap();
        handle.cancel();
        assert!(handle.join().unwrap_err().is_cancelled());
    });
}

#[test]
fn who_sleeps_until_the_end_of_the_clock_can_be_cancelled_and_stopped() {
    everywhere(|rig| {
        let (started, begun) = std::sync::mpsc::channel();
        let sleepers: Vec<_> = (0..3)
            .map(|kind| {
                let (started, tracked) = (started.clone(), rig.track());
                rig.go(move || {
                    let _held = tracked;
                    started.send(()).unwrap();
                    match kind {
                        0 => sleep_until(far_future()),
                        1 => sleep(Duration::MAX),
                        _ => {
                            interval_at(far_future(), MS).tick();
                        }
                    }
                })
            })
            .collect();
        for _ in &sleepers {
            begun.recv().unwrap();
        }
        sleepers[0].cancel();
        let mut sleepers = sleepers.into_iter();
        assert!(sleepers.next().unwrap().join().unwrap_err().is_cancelled());
        rig.stop().unwrap();
        for sleeper in sleepers {
            assert!(sleeper.join().unwrap_err().is_cancelled());
        }
    });
}

#[test]
fn a_hundred_thousand_sleep_and_some_are_cancelled_in_their_sleep() {
    in_one_lane(
        &[2],
        |builder| builder,
        |rig| {
            let woken = Arc::new(AtomicUsize::new(0));
            let sleepers: Vec<_> = (0..100_000_u32)
                .map(|n| {
                    let woken = woken.clone();
                    // Those that are cancelled would sleep for long.
                    let time = if n % 10 == 0 { 3_600_000 * MS } else { n % 97 * MS / 10 };
                    rig.go(move || {
                        sleep(time);
                        woken.fetch_add(1, Ordering::Relaxed);
                    })
                })
                .collect();
            for sleeper in sleepers.iter().step_by(10) {
                sleeper.cancel();
            }
            for (n, sleeper) in sleepers.into_iter().enumerate() {
                assert_eq!(sleeper.join().is_ok(), n % 10 != 0);
            }
            assert_eq!(woken.load(Ordering::Relaxed), 90_000);
        },
    );
}

#[test]
fn a_computing_fiber_with_checkpoints_keeps_nobody_from_waking() {
    on_workers(&[1], |rig| {
        rig.run(|| {
            let woken = Arc::new(AtomicUsize::new(0));
            let theirs = woken.clone();
            let sleeper = go_with_priority(Priority::High, move || {
                sleep(MS);
                theirs.store(1, Ordering::Relaxed);
            });
            // Nobody else has anything to run.
            while woken.load(Ordering::Relaxed) == 0 {
                checkpoint();
            }
            sleeper.join().unwrap();
        });
    });
}

#[test]
fn priorities_that_change_while_fibers_sleep_lose_nobody() {
    everywhere(|rig| {
        let sleepers: Vec<_> = (0..200_u32)
            .map(|n| {
                rig.go(move || {
                    sleep(n % 7 * MS / 4);
                    set_priority(Priority::ALL[n as usize % 5]).unwrap();
                    sleep(n % 5 * MS / 4);
                })
            })
            .collect();
        for priority in Priority::ALL {
            for sleeper in &sleepers {
                sleeper.set_priority(priority);
            }
        }
        for sleeper in sleepers {
            sleeper.join().unwrap();
        }
    });
}

#[test]
fn ticks_come_when_they_are_due_and_not_before() {
    everywhere(|rig| {
        let ticks = |missed| {
            let start = Instant::now() + MS;
            let mut ticks = interval_at(start, MS / 2).missed(missed);
            for n in 0..10 {
                let due = ticks.tick();
                assert!(Instant::now() >= due);
                if missed == MissedTicks::Burst {
                    assert_eq!(due, start + n * MS / 2, "none is left out, whatever the machine does");
                }
                if missed == MissedTicks::Skip {
                    assert_eq!((due - start).as_nanos() % (MS / 2).as_nanos(), 0, "always as planned");
                }
            }
        };
        for missed in [MissedTicks::Burst, MissedTicks::Delay, MissedTicks::Skip] {
            rig.run(|| ticks(missed));
            ticks(missed);
        }
    });
}

#[test]
fn ticks_that_are_always_due_keep_neither_others_nor_a_cancellation_out() {
    everywhere(|rig| {
        let (started, begun) = std::sync::mpsc::channel();
        let handle = rig.go(move || {
            let mut ticks = interval(Duration::ZERO);
            started.send(()).unwrap();
            loop {
                ticks.tick();
            }
        });
        begun.recv().unwrap();
        for _ in 0..5 {
            rig.go(|| ()).join().unwrap();
        }
        handle.cancel();
        assert!(handle.join().unwrap_err().is_cancelled());
    });
}

/// Its worker has had nothing to do, and knows of nobody who waits, when it begins.
#[test]
fn one_that_has_slept_and_only_reaches_checkpoints_keeps_no_equal_out() {
    everywhere(|rig| {
        let (started, begun) = std::sync::mpsc::channel();
        let handle = rig.go(move || {
            for _ in 0..3 {
                sleep(MS);
                heddle_scheduler::yield_now();
            }
            started.send(()).unwrap();
            loop {
                heddle_scheduler::checkpoint();
            }
        });
        begun.recv().unwrap();
        for _ in 0..5 {
            rig.go(|| ()).join().unwrap();
        }
        handle.cancel();
        assert!(handle.join().unwrap_err().is_cancelled());
    });
}

#[test]
fn a_tick_whose_wait_was_cut_short_is_still_to_come() {
    everywhere(|rig| {
        rig.run(|| {
            let start = Instant::now() + 20 * MS;
            let mut ticks = interval_at(start, MS);
            assert!(heddle_scheduler::timeout(Duration::ZERO, || ticks.tick()).is_err());
            assert_eq!(ticks.next_due(), Some(start));
            assert_eq!(ticks.tick(), start);
            ticks.reset();
            assert!(ticks.next_due().unwrap() > start);
        });
    });
}

#[cfg(target_os = "linux")]
#[test]
fn timers_of_the_urgent_lane_are_as_fine_as_the_kernel_has_them_and_those_of_others_are_left_alone() {
    use heddle_scheduler::{Lanes, Priority};
    use heddle_tests::kernel::timer_slack;
    let ours = timer_slack();
    heddle_tests::with_lanes(Lanes::three(), &[1, 2], &|builder| builder, &|rig| {
        for priority in Priority::ALL {
            let slack = rig.go_with_priority(priority, timer_slack).join().unwrap();
            assert_eq!(slack, if priority == Priority::Critical { 1 } else { ours }, "{priority}");
        }
    });
}
