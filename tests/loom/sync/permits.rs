//! Semaphores: what was acquired was there, and comes back; who leaves takes nothing along, and lets the next one on.

use super::semaphore::Semaphore;
use super::wait::{cancel, set_level};
use crate::explore;
use loom::cell::UnsafeCell;
use loom::thread;
use std::sync::Arc;
use std::time::Instant;

#[test]
fn one_permit_is_had_by_one_at_a_time() {
    explore(2, || {
        let shared = Arc::new((Semaphore::new(1), UnsafeCell::new(0)));
        let section = |shared: &(Semaphore, UnsafeCell<u32>)| {
            let _permit = shared.0.acquire();
            // SAFETY: one at a time, which loom checks.
            shared.1.with_mut(|n| unsafe { *n += 1 });
        };
        let others = [0, 1].map(|level| {
            let shared = shared.clone();
            thread::spawn(move || {
                set_level(level);
                section(&shared);
            })
        });
        section(&shared);
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(shared.0.available(), 1);
        // SAFETY: nobody else is left.
        assert_eq!(shared.1.with(|n| unsafe { *n }), 3);
    });
}

#[test]
fn one_that_leaves_or_is_cancelled_was_served_or_takes_no_permit() {
    for cancelled in [false, true] {
        explore(3, move || {
            let permits = Arc::new(Semaphore::new(0));
            let servers = [1, 1].map(|count| {
                let permits = permits.clone();
                thread::spawn(move || permits.add(count))
            });
            let waiter = {
                let permits = permits.clone();
                thread::spawn(move || {
                    let had = if cancelled {
                        cancel();
                        permits.acquire_or_cancelled().ok()
                    } else {
                        permits.try_acquire_until(Instant::now())
                    };
                    had.inspect(|permit| assert_eq!(permit.count(), 1))
                        .map(|permit| permit.forget())
                        .is_some()
                })
            };
            let had = waiter.join().unwrap();
            servers.into_iter().for_each(|server| server.join().unwrap());
            assert_eq!(permits.available() + usize::from(had), 2);
        });
    }
}

#[test]
fn who_wants_many_leaves_and_the_next_is_not_forgotten() {
    explore(2, || {
        let permits = Arc::new(Semaphore::new(1));
        let others = [2, 1].map(|count| {
            let permits = permits.clone();
            thread::spawn(move || {
                if count == 2 {
                    // More urgent, so it stands before the other.
                    set_level(0);
                    cancel();
                }
                permits.acquire_many_or_cancelled(count).map(|permit| permit.count()).is_ok()
            })
        });
        let [many, one] = others.map(|other| other.join().unwrap());
        assert!(!many && one);
        assert_eq!(permits.available(), 1);
    });
}

#[test]
fn a_permit_goes_from_hand_to_hand_past_one_that_leaves() {
    explore(2, || {
        let permits = Arc::new(Semaphore::new(1));
        let others = [true, false].map(|leaves| {
            let permits = permits.clone();
            thread::spawn(move || {
                let due = leaves.then(Instant::now);
                match due {
                    Some(due) => drop(permits.try_acquire_until(due)),
                    None => drop(permits.acquire()),
                }
            })
        });
        drop(permits.acquire());
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(permits.available(), 1);
    });
}
