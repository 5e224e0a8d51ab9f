//! Background threads neither map nor unmap memory: the monitor does it for them. In debug builds the runtime
//! checks that at each such call, in all tests.

use heddle_scheduler::{Lane, MonitorState, Priority, go, sleep};
use heddle_tests::{Event, Rig, eventually, with_options};
use std::time::Duration;

/// Does Background ride in a lane of its own?
fn is_laned(rig: &Rig) -> bool {
    rig.stats().lane(Lane::Background).is_some()
}

fn wait_in_numbers(rig: &Rig, fibers: usize) {
    let event = Event::new();
    let theirs = event.clone();
    let parent = rig.go_with_priority(Priority::Background, move || {
        for _ in 0..fibers {
            let event = theirs.clone();
            drop(go(move || event.wait().unwrap()));
        }
    });
    parent.join().unwrap();
    eventually(|| event.waiting() == fibers);
    assert!(rig.stats().stacks.in_use >= fibers);
    event.fire();
    rig.wait_all().unwrap();
}

#[test]
fn background_fibers_in_numbers_get_their_stacks_from_the_monitor() {
    with_options(
        &[1, 2, 8],
        |builder| builder,
        |rig| {
            wait_in_numbers(rig, 3000);
            let supplied = rig.stats().monitor.stacks_supplied;
            assert_eq!(supplied >= 3000, is_laned(rig), "{}", rig.stats());
        },
    );
}

#[test]
fn without_a_monitor_background_workers_map_themselves() {
    with_options(
        &[1, 2],
        |builder| builder.hog_after(Duration::ZERO),
        |rig| {
            wait_in_numbers(rig, 500);
            let monitor = rig.stats().monitor;
            assert_eq!((monitor.state, monitor.stacks_supplied), (MonitorState::Off, 0));
        },
    );
}

#[test]
fn a_background_fiber_too_many_for_the_bound_fails_and_the_others_run() {
    with_options(
        &[1, 2],
        |builder| builder.max_stacks(10).warm_stacks(0),
        |rig| {
            let event = Event::new();
            let handles: Vec<_> = (0..50)
                .map(|_| {
                    let event = event.clone();
                    rig.go_with_priority(Priority::Background, move || event.wait().unwrap())
                })
                .collect();
            eventually(|| {
                event.waiting() + handles.iter().filter(|handle| handle.is_finished()).count() == 50
            });
            event.fire();
            let errors: Vec<_> = handles.into_iter().filter_map(|handle| handle.join().err()).collect();
            assert!((40..50).contains(&errors.len()), "{} of 50", errors.len());
            assert!(errors.iter().all(|error| error.not_started_because().unwrap().is_no_memory()));
            assert_eq!(rig.go_with_priority(Priority::Background, || 1).join().unwrap(), 1);
        },
    );
}

#[test]
fn a_stop_reaches_workers_that_wait_for_stacks() {
    with_options(
        &[1, 2, 8],
        |builder| builder,
        |rig| {
            for round in 0..20 {
                let handles: Vec<_> = (0..200)
                    .map(|_| {
                        let tracked = rig.track();
                        rig.go_with_priority(Priority::Background, move || {
                            let _held = tracked;
                            sleep(Duration::MAX);
                        })
                    })
                    .collect();
                eventually(|| rig.stats().levels[4].suspended > 10 * round);
                rig.stop().unwrap();
                assert_eq!(rig.census.live(), 0);
                assert!(handles.into_iter().all(|handle| handle.join().is_err()));
                rig.start().unwrap();
            }
        },
    );
}
