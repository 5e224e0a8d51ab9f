//! Wakers of a lower lane, which the kernel may stop anywhere: whatever they were about to do, whoever
//! queues work or posts mail afterwards, or beside them, still wakes who sleeps.

use crate::beacon::Ways;
use crate::explore;
use crate::mortal::{freeze_before, step};
use crate::sleepers::{ALL_WAYS, LEVEL, Loom, spawn};

/// More steps than `announce_from_below` and `call_from_below` have with one sleeper: with the last one
/// the thread is not frozen.
const STEPS: u32 = 8;

/// Runs `model` with a thread that is frozen before each of its steps, on the beacons above.
fn explore_steps(preemptions: usize, model: impl Fn(Ways, u32) + Copy + Send + Sync + 'static) {
    for ways in ALL_WAYS.into_iter().filter(|ways| !ways.symmetric) {
        for last in 1..=STEPS {
            explore(preemptions, move || model(ways, last));
        }
    }
}

impl Loom {
    fn announce_from_below(&self) {
        self.beacon.announce_from_below(LEVEL, 0, |who| self.unpark_from_below(who));
    }

    fn call_from_below(&self) {
        self.beacon.call_from_below(0, |who| self.unpark_from_below(who));
    }

    fn unpark_from_below(&self, who: usize) {
        step();
        self.unpark(who);
    }
}

#[test]
fn who_announces_from_below_wakes_who_falls_asleep() {
    for ways in ALL_WAYS {
        explore(3, move || {
            let loom = Loom::with(1, ways);
            let worker = spawn(&loom, |loom| loom.work(0));
            loom.queued.fetch_add(1, loom::sync::atomic::Ordering::Relaxed);
            loom.announce_from_below();
            worker.join().unwrap();
        });
    }
}

#[test]
fn who_posts_from_below_wakes_who_falls_asleep() {
    explore(3, || {
        let loom = Loom::new(1);
        let worker = spawn(&loom, |loom| loom.work(0));
        loom.put_mail();
        loom.call_from_below();
        worker.join().unwrap();
    });
}

#[test]
fn a_frozen_announcer_robs_nobody_who_queues() {
    explore_steps(2, |ways, last| {
        let loom = Loom::with(1, ways);
        let worker = spawn(&loom, |loom| loom.work(0));
        let frozen = spawn(&loom, move |loom| freeze_before(last, || loom.announce_from_below()));
        loom.push();
        worker.join().unwrap();
        frozen.join().unwrap();
    });
}

#[test]
fn a_frozen_announcer_robs_nobody_who_posts() {
    explore_steps(2, |ways, last| {
        let loom = Loom::with(1, ways);
        let worker = spawn(&loom, |loom| loom.work(0));
        let frozen = spawn(&loom, move |loom| freeze_before(last, || loom.announce_from_below()));
        loom.post();
        worker.join().unwrap();
        frozen.join().unwrap();
    });
}

#[test]
fn a_frozen_poster_robs_nobody_who_queues() {
    explore_steps(2, |ways, last| {
        let loom = Loom::with(1, ways);
        let worker = spawn(&loom, |loom| loom.work(0));
        let frozen = spawn(&loom, move |loom| freeze_before(last, || loom.call_from_below()));
        loom.push();
        worker.join().unwrap();
        frozen.join().unwrap();
    });
}

#[test]
fn a_frozen_announcer_robs_no_other_one_below() {
    explore_steps(2, |ways, last| {
        let loom = Loom::with(1, ways);
        let worker = spawn(&loom, |loom| loom.work(0));
        let frozen = spawn(&loom, move |loom| freeze_before(last, || loom.announce_from_below()));
        loom.queued.fetch_add(1, loom::sync::atomic::Ordering::Relaxed);
        loom.announce_from_below();
        worker.join().unwrap();
        frozen.join().unwrap();
    });
}

/// One was stopped for a while after it had woken the sleeper; another is frozen before it wakes it again.
#[test]
fn one_that_goes_on_late_does_not_take_the_sign_of_another_that_is_frozen() {
    // Which is after it has taken the sleeper, whatever else it had to do before.
    for last in 4..=6 {
        explore(2, move || {
            let loom = Loom::new(1);
            let worker = spawn(&loom, |loom| loom.work(0));
            let late = spawn(&loom, |loom| loom.announce_from_below());
            let frozen = spawn(&loom, move |loom| freeze_before(last, || loom.announce_from_below()));
            late.join().unwrap();
            frozen.join().unwrap();
            loom.push();
            worker.join().unwrap();
        });
    }
}
