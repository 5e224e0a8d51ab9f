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
