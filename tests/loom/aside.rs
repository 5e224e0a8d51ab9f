//! Standing aside for a lower lane: the steps of `worker/aside.rs` and of `post` in `worker/shared.rs`. And pausing in
//! the background lane: the steps of `worker/pause.rs`.
//! In these models the time is never up, so who is not brought back ends one by a deadlock.

use crate::beacon::{Beacon, Ways};
use crate::explore;
use crate::sleepers::{LEVEL, Loom, spawn};
use loom::sync::atomic::Ordering;
use loom::thread;

/// A level that brings back who stands aside.
const PRESSING: usize = 1;

impl Loom {
    /// Stands aside until there is mail or something pressing.
    fn stand_aside(&self, me: usize) {
        self.know(me);
        self.beacon.step_aside(me);
        while self.mail_is_empty() && self.queued.load(Ordering::Relaxed) == 0 {
            thread::park();
        }
        self.beacon.step_back(me);
    }

    fn post_pressing(&self) {
        self.post();
        if self.beacon.stands_aside(0) {
            self.unpark(0);
        }
    }
}

#[test]
fn pressing_mail_brings_it_back() {
    explore(3, || {
        let loom = Loom::new(1);
        let aside = spawn(&loom, |loom| {
            loom.stand_aside(0);
            assert!(loom.read_mail());
        });
        loom.post_pressing();
        aside.join().unwrap();
    });
}

#[test]
fn pressing_work_brings_it_back() {
    explore(3, || {
        let loom = Loom::new(1);
        let aside = spawn(&loom, |loom| {
            loom.stand_aside(0);
            assert!(loom.take());
        });
        loom.queued.fetch_add(1, Ordering::Relaxed);
        if let Some(who) = loom.beacon.announce(PRESSING, 0) {
            loom.unpark(who);
        }
        aside.join().unwrap();
    });
}

/// Whatever the other does, and whether the work is pressing or not.
#[test]
fn a_sleeper_beside_one_that_stands_aside_is_woken_for_work() {
    for level in [PRESSING, LEVEL] {
        explore(3, move || {
            let loom = Loom::new(2);
            let sleeper = spawn(&loom, |loom| loom.work(1));
            let aside = spawn(&loom, |loom| {
                // Its time is up at once.
                loom.beacon.step_aside(0);
                loom.beacon.step_back(0);
            });
            loom.queued.fetch_add(1, Ordering::Relaxed);
            if let Some(who) = loom.beacon.announce(level, 0) {
                loom.unpark(who);
            }
            sleeper.join().unwrap();
            aside.join().unwrap();
        });
    }
}

#[test]
fn one_that_steps_back_leaves_the_sign_of_another() {
    explore(3, || {
        let loom = Loom::new(2);
        loom.beacon.step_aside(1);
        let other = spawn(&loom, |loom| {
            loom.beacon.step_aside(0);
            loom.beacon.step_back(0);
        });
        other.join().unwrap();
        assert_eq!(loom.beacon.announce(PRESSING, 0), Some(1));
    });
}

#[test]
fn who_was_held_goes_on_when_it_is_let_go() {
    for ways in [Ways::default(), Ways { symmetric: true, ..Ways::default() }] {
        explore(3, move || {
            let loom = Loom::with(1, ways);
            loom.beacon.hold(0);
            loom.beacon.set_make_way(true);
            let held = spawn(&loom, |loom| {
                loom.know(0);
                if Beacon::says_make_way(loom.beacon.signs()) {
                    loom.beacon.step_aside(0);
                    while loom.beacon.is_held(0) {
                        thread::park();
                    }
                    loom.beacon.step_back(0);
                }
            });
            if loom.beacon.let_go(0) {
                loom.unpark(0);
            }
            loom.beacon.set_make_way(false);
            held.join().unwrap();
        });
    }
}
