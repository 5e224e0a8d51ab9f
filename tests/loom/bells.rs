//! Who waits for a future polls again after each ring, and sees what was done before it.

use crate::bell::{Bell, Wakes};
use crate::explore;
use crate::mortal::{freeze_before, step};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread::{self, Thread};
use std::convert::Infallible;
use std::sync::Arc;

/// The thread that waits, as a `Resumer` has it.
struct Sleeper {
    thread: Thread,
    /// Touched by who has rung and is about to wake, and by who has heard it. loom's `unpark` makes all visible that was done
    /// before it, and without this nobody would be seen to hear a ring before that.
    between: Arc<AtomicU32>,
}

impl Wakes for Sleeper {
    fn wake(&self) {
        step();
        self.between.fetch_add(1, Ordering::Relaxed);
        self.thread.unpark();
    }
}

/// One thread waits as `waits` says, beside others that do what `rings` says. Not the model's first thread: loom's `unpark`
/// ends a `join`, too.
fn with_bell<const N: usize>(
    rings: [impl FnOnce(&Bell<Sleeper>) + 'static; N],
    waits: impl FnOnce(&Bell<Sleeper>, &AtomicU32) + 'static,
) {
    let waiter = thread::spawn(move || {
        let between = Arc::new(AtomicU32::new(0));
        let bell = Arc::new(Bell::new(Sleeper { thread: thread::current(), between: between.clone() }));
        let ringers = rings.map(|rings| {
            let bell = bell.clone();
            thread::spawn(move || rings(&bell))
        });
        waits(&bell, &between);
        ringers
    });
    waiter.join().unwrap().into_iter().for_each(|ringer| ringer.join().unwrap());
}

fn wait(bell: &Bell<Sleeper>, between: &AtomicU32) {
    let awake: Result<(), Infallible> = bell.wait(|| {
        thread::park();
        Ok(())
    });
    let Ok(()) = awake;
    between.load(Ordering::Relaxed);
}

#[test]
fn a_poll_after_a_ring_sees_what_was_done_before() {
    explore(3, || {
        let done = Arc::new(UnsafeCell::new(0));
        let seen = done.clone();
        let does = move |bell: &Bell<Sleeper>| {
            // SAFETY: alone, which loom checks.
            done.with_mut(|done| unsafe { *done = 7 });
            bell.ring();
        };
        with_bell([does], move |bell, between| {
            wait(bell, between);
            // SAFETY: nobody else any more, which loom checks.
            assert_eq!(seen.with(|done| unsafe { *done }), 7);
        });
    });
}

#[test]
fn one_that_stops_in_the_middle_of_ringing_takes_no_other_ring_along() {
    for last in 1..=2 {
        explore(3, move || {
            let ring = |stops: bool| {
                move |bell: &Bell<Sleeper>| freeze_before(if stops { last } else { 0 }, || bell.ring())
            };
            with_bell([ring(true), ring(false)], wait);
        });
    }
}

/// The future sleeps by itself in its first poll, and takes the token of a ring for its own.
#[test]
fn a_ring_whose_token_a_poll_has_taken_is_heard() {
    explore(3, || {
        with_bell([Bell::ring], |bell, between| {
            thread::park();
            wait(bell, between);
        });
    });
}

/// Each of two things that a future waits for rings for itself, at any time.
#[test]
fn the_last_of_two_rings_is_heard_after_the_first() {
    explore(3, || {
        let parts = [0, 1].map(|_| Arc::new(AtomicU32::new(0)));
        let rings = parts.clone().map(|part| {
            move |bell: &Bell<Sleeper>| {
                part.store(1, Ordering::Relaxed);
                bell.ring();
            }
        });
        with_bell(rings, move |bell, between| {
            while parts.iter().any(|part| part.load(Ordering::Relaxed) == 0) {
                wait(bell, between);
            }
        });
    });
}
