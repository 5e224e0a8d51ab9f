//! Spare workers that leave, and the monitor that falls asleep. The steps of a spare are those of
//! `worker/rescue.rs` and `worker/idle.rs`, those of the monitor of `monitor/mod.rs` and
//! `monitor/spares.rs`.

use crate::beacon::{Beacon, Ways};
use crate::duty::Duty;
use crate::explore;
use crate::machine::park::Parker;
use crate::vigil::Vigil;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;
use std::sync::Arc;

const LEVEL: usize = 2;
/// Of the two seats: one that sleeps, and one of a spare.
const REGULAR: usize = 0;
const SPARE: usize = 1;

/// Two workers of a crew, as far as the beacon knows them, and a queue of which only the length matters.
struct Crew {
    beacon: Beacon,
    queued: AtomicU32,
    duty: Duty,
}

impl Crew {
    fn new(ways: Ways) -> Arc<Crew> {
        let crew = Crew { beacon: Beacon::new(2, ways, &[]), queued: AtomicU32::new(0), duty: Duty::new() };
        assert!(crew.duty.begin());
        Arc::new(crew)
    }

    fn push(&self) {
        self.queued.fetch_add(1, Ordering::Relaxed);
        let _ = self.beacon.announce(LEVEL, 0);
    }

    fn has_work(&self) -> bool {
        self.queued.load(Ordering::Relaxed) > 0
    }

    /// `Worker::try_to_leave`.
    fn try_to_leave(&self, searching: bool) -> bool {
        if searching {
            let _ = self.beacon.stop_searching(SPARE);
        }
        if self.has_work() {
            let _ = self.beacon.announce(LEVEL, 0);
        }
        self.duty.leave()
    }

    /// One turn of `Worker::idle`, from where it has found nothing. `true`: it has gone. If not, it got up
    /// again by itself, or sleeps.
    fn idle(&self, searching: bool) -> bool {
        let leaving = self.duty.is_leaving();
        if leaving && self.try_to_leave(searching) {
            return true;
        }
        self.beacon.lie_down(SPARE, searching && !leaving);
        if self.duty.is_leaving() != leaving || (!leaving && self.has_work()) {
            self.beacon.rise(SPARE);
        }
        false
    }

    /// Work in the queue is known to somebody who takes it: is up, or was woken.
    fn assert_served(&self) {
        let spare_serves = self.duty.is_serving() && !self.beacon.is_parked(SPARE);
        assert!(!self.has_work() || !self.beacon.is_parked(REGULAR) || spare_serves, "work beside a sleeper");
    }
}

fn ways() -> [Ways; 2] {
    [Ways::default(), Ways { eager: true, symmetric: false }]
}

/// Who queues work may choose the spare to wake, which goes.
#[test]
fn a_spare_that_is_woken_for_work_and_goes_hands_the_wake_up_on() {
    for ways in ways() {
        explore(3, move || {
            let crew = Crew::new(ways);
            crew.beacon.lie_down(SPARE, false);
            let theirs = crew.clone();
            let pusher = thread::spawn(move || theirs.push());
            assert!(crew.duty.dismiss());
            crew.beacon.lie_down(REGULAR, false);
            if crew.has_work() {
                crew.beacon.rise(REGULAR);
            }
            // Woken by the monitor, or by whoever queued.
            let _ = crew.beacon.call(SPARE);
            let searching = crew.beacon.wake_up(SPARE).expect("it was called");
            assert!(crew.try_to_leave(searching));
            pusher.join().unwrap();
            crew.assert_served();
        });
    }
}

/// Who queues work may rely on a spare that searches, and goes.
#[test]
fn a_spare_that_searches_and_goes_leaves_nobody_asleep_beside_work() {
    explore(3, || {
        let crew = Crew::new(Ways::default());
        crew.beacon.lie_down(REGULAR, false);
        assert!(crew.beacon.start_searching(SPARE, 2));
        assert!(crew.duty.dismiss());
        let theirs = crew.clone();
        let pusher = thread::spawn(move || theirs.push());
        assert!(crew.try_to_leave(true));
        pusher.join().unwrap();
        crew.assert_served();
    });
}

/// The word is wanted while the spare falls asleep: it goes, or gets up to go.
#[test]
fn a_spare_that_falls_asleep_hears_that_it_may_go() {
    explore(3, || {
        let crew = Crew::new(Ways::default());
        let theirs = crew.clone();
        let spare = thread::spawn(move || theirs.idle(false));
        assert!(crew.duty.dismiss());
        let called = crew.beacon.call(SPARE);
        let gone = spare.join().unwrap();
        assert!(gone || called || !crew.beacon.is_parked(SPARE), "it sleeps and does not know");
    });
}

/// The monitor wants it back for work that waits, while the spare goes or lies down.
#[test]
fn a_spare_that_is_called_back_has_gone_or_takes_the_work() {
    explore(3, || {
        let crew = Crew::new(Ways::default());
        crew.queued.fetch_add(1, Ordering::Relaxed);
        assert!(crew.duty.dismiss());
        let theirs = crew.clone();
        // It has a live fiber, so that it lies down instead of going, in one of two cases.
        let spare = thread::spawn(move || {
            let leaving = theirs.duty.is_leaving();
            theirs.beacon.lie_down(SPARE, false);
            if theirs.duty.is_leaving() != leaving || (!leaving && theirs.has_work()) {
                theirs.beacon.rise(SPARE);
            }
        });
        assert!(crew.duty.recall());
        let _ = crew.beacon.announce(LEVEL, 0);
        spare.join().unwrap();
        assert!(!crew.beacon.is_parked(SPARE), "it sleeps beside work that it was called for");
    });
}

/// It is gone or it stays: both sides agree.
#[test]
fn a_spare_leaves_or_is_called_back_and_never_both() {
    explore(3, || {
        let crew = Crew::new(Ways::default());
        assert!(crew.duty.dismiss());
        let theirs = crew.clone();
        let spare = thread::spawn(move || theirs.duty.leave());
        let recalled = crew.duty.recall();
        assert!(spare.join().unwrap() != recalled);
        assert_eq!((crew.duty.is_gone(), crew.duty.is_serving()), (!recalled, recalled));
    });
}

/// The monitor, and one worker.
struct Watch {
    beacon: Beacon,
    vigil: Vigil,
    parker: Parker,
}

/// A monitor that slept while a worker is up would never look: here it would never be woken, and
/// loom sees the deadlock.
#[test]
fn the_monitor_does_not_sleep_while_a_worker_is_up() {
    explore(3, || {
        let watch = Arc::new(Watch {
            beacon: Beacon::new(1, Ways::default(), &[]),
            vigil: Vigil::new(),
            parker: Parker::new(),
        });
        watch.beacon.man();
        watch.beacon.lie_down(0, false);
        let theirs = watch.clone();
        let monitor = thread::spawn(move || {
            theirs.vigil.sleep(
                || theirs.beacon.is_all_quiet(),
                || {
                    while !theirs.parker.park(None) {}
                },
            );
        });
        // The worker gets up.
        let _ = watch.beacon.rise(0);
        if watch.vigil.should_wake() {
            watch.parker.unpark();
        }
        monitor.join().unwrap();
    });
}

/// A worker that the kernel has stopped before it unparks the monitor keeps nobody else from it.
#[test]
fn one_who_is_stopped_before_it_wakes_the_monitor_does_not_stand_in_the_way() {
    explore(3, || {
        let watch = Arc::new(Watch {
            beacon: Beacon::new(2, Ways::default(), &[]),
            vigil: Vigil::new(),
            parker: Parker::new(),
        });
        [0, 1].into_iter().for_each(|who| {
            watch.beacon.man();
            watch.beacon.lie_down(who, false);
        });
        let theirs = watch.clone();
        let monitor = thread::spawn(move || {
            theirs.vigil.sleep(
                || theirs.beacon.is_all_quiet(),
                || {
                    while !theirs.parker.park(None) {}
                },
            );
        });
        let theirs = watch.clone();
        let stopped = thread::spawn(move || {
            let _ = theirs.beacon.rise(1);
            // It gets no further.
            let _ = theirs.vigil.should_wake();
        });
        stopped.join().unwrap();
        let _ = watch.beacon.rise(0);
        if watch.vigil.should_wake() {
            watch.parker.unpark();
        }
        monitor.join().unwrap();
    });
}
