//! [`park`](super::park) on the real system; in a file of its own as `tests/loom` compiles that one.

use super::park::Parker;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[test]
fn a_token_that_came_first_is_taken_at_once_and_two_are_one() {
    let parker = Parker::new();
    parker.unpark();
    parker.unpark();
    assert!(parker.park(None));
    assert!(!parker.park(Some(Duration::ZERO)), "there was one token");
}

#[test]
fn without_a_token_the_wait_ends_when_the_time_is_up() {
    let parker = Parker::new();
    // It may return early for no reason, but never with a token.
    assert!(!parker.park(Some(Duration::from_millis(2))));
    parker.unpark();
    assert!(parker.park(Some(Duration::MAX)), "a time that the kernel cannot count");
}

#[test]
fn every_token_of_a_ping_pong_arrives() {
    const ROUNDS: usize = 2000;
    let (a, b) = (Parker::new(), Parker::new());
    let count = AtomicUsize::new(0);
    let side = |mine: &Parker, other: &Parker, first: usize| {
        for round in 0..ROUNDS {
            while count.load(Ordering::Relaxed) != 2 * round + first {
                mine.park(None);
            }
            count.fetch_add(1, Ordering::Relaxed);
            other.unpark();
        }
    };
    std::thread::scope(|s| {
        s.spawn(|| side(&a, &b, 0));
        side(&b, &a, 1);
    });
    assert_eq!(count.load(Ordering::Relaxed), 2 * ROUNDS);
}
