//! The parker: a token is never lost, and brings with it what its giver did before. A thread that
//! sleeps beside a token ends a model by a deadlock.

use crate::explore;
use crate::machine::futex::freeze;
use crate::machine::park::Parker;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use std::time::Duration;

struct Bed {
    parker: Parker,
    note: UnsafeCell<u32>,
}

fn make() -> Arc<Bed> {
    Arc::new(Bed { parker: Parker::new(), note: UnsafeCell::new(0) })
}

fn sleeper(bed: &Arc<Bed>, body: impl FnOnce(&Bed) + 'static) -> thread::JoinHandle<()> {
    let bed = bed.clone();
    thread::spawn(move || body(&bed))
}

/// Writes, then gives the token.
fn wake(bed: &Bed) {
    // SAFETY: the sleeper reads it after it got the token, of which there is no other.
    bed.note.with_mut(|note| unsafe { *note = 7 });
    bed.parker.unpark();
}

fn read(bed: &Bed) {
    // SAFETY: who wrote it has given us the token since.
    assert_eq!(bed.note.with(|note| unsafe { *note }), 7);
}

#[test]
fn who_parks_is_woken_and_sees_what_was_done_before() {
    explore(3, || {
        let bed = make();
        let owner = sleeper(&bed, |bed| {
            assert!(bed.parker.park(None));
            read(bed);
        });
        wake(&bed);
        owner.join().unwrap();
    });
}

#[test]
fn a_token_that_comes_when_the_time_is_up_is_there_the_next_time() {
    explore(3, || {
        let bed = make();
        let owner = sleeper(&bed, |bed| {
            if !bed.parker.park(Some(Duration::ZERO)) {
                assert!(bed.parker.park(None));
            }
            read(bed);
        });
        wake(&bed);
        owner.join().unwrap();
    });
}

#[test]
fn a_waker_that_is_frozen_does_not_keep_another_from_waking() {
    explore(3, || {
        let bed = make();
        let owner = sleeper(&bed, |bed| assert!(bed.parker.park(None)));
        let frozen = sleeper(&bed, |bed| {
            freeze();
            bed.parker.unpark();
        });
        bed.parker.unpark();
        owner.join().unwrap();
        frozen.join().unwrap();
    });
}

/// The call that wakes may come late, into the next sleep: that one ends without a token.
#[test]
fn two_sleeps_need_two_tokens_and_get_them() {
    explore(3, || {
        let (bed, other) = (make(), make());
        let echo = other.clone();
        let owner = sleeper(&bed, move |bed| {
            while !bed.parker.park(None) {}
            echo.parker.unpark();
            while !bed.parker.park(None) {}
        });
        bed.parker.unpark();
        while !other.parker.park(None) {}
        bed.parker.unpark();
        owner.join().unwrap();
    });
}

/// Sleeps in a poller, which the owner opens first.
fn park_in_poller(bed: &Bed) {
    bed.parker.bell().open();
    while !bed.parker.park_in(|asleep| bed.parker.bell().poll(asleep)) {}
}

#[test]
fn who_polls_is_woken_and_sees_what_was_done_before() {
    explore(3, || {
        let bed = make();
        let owner = sleeper(&bed, |bed| {
            park_in_poller(bed);
            read(bed);
        });
        wake(&bed);
        owner.join().unwrap();
    });
}

#[test]
fn a_waker_that_is_frozen_does_not_keep_another_from_waking_who_polls() {
    explore(3, || {
        let bed = make();
        let owner = sleeper(&bed, park_in_poller);
        let frozen = sleeper(&bed, |bed| {
            freeze();
            bed.parker.unpark();
        });
        bed.parker.unpark();
        owner.join().unwrap();
        frozen.join().unwrap();
    });
}

/// A ring may come late, into a look or a sleep after the one that it was for, which takes it.
#[test]
fn a_late_ring_is_taken_by_a_look_and_the_next_sleep_hears_its_own() {
    explore(3, || {
        let (bed, other) = (make(), make());
        let echo = other.clone();
        let owner = sleeper(&bed, move |bed| {
            park_in_poller(bed);
            echo.parker.unpark();
            // Busy, it looks without sleeping; then it sleeps again.
            bed.parker.bell().poll(false);
            while !bed.parker.park_in(|asleep| bed.parker.bell().poll(asleep)) {}
        });
        bed.parker.unpark();
        while !other.parker.park(None) {}
        bed.parker.unpark();
        owner.join().unwrap();
    });
}

/// A worker sleeps in its poller or on its futex, as it has something to poll for or not.
#[test]
fn one_that_sleeps_here_and_then_there_is_woken_in_both_places() {
    explore(3, || {
        let (bed, other) = (make(), make());
        let echo = other.clone();
        let owner = sleeper(&bed, move |bed| {
            park_in_poller(bed);
            echo.parker.unpark();
            while !bed.parker.park(None) {}
            read(bed);
        });
        bed.parker.unpark();
        while !other.parker.park(None) {}
        wake(&bed);
        owner.join().unwrap();
    });
}
