//! A future that waits for the end of a fiber: `worker/awaiting.rs` with the state word, and the steps of
//! `future.rs`.

use crate::awaiting::{Awaiting, Polled};
use crate::explore;
use crate::fiber::{Alarm, Fiber};
use loom::sync::atomic::Ordering;
use loom::thread;

fn start(fiber: &Fiber) -> thread::JoinHandle<()> {
    let fiber = fiber.clone();
    thread::spawn(move || {
        assert_eq!(fiber.state.claim(2, 0), crate::state::Claim::Won);
        fiber.run();
        fiber.complete();
    })
}

/// `JoinFuture::poll` until it is ready: each time with a new waker, or with the same.
fn poll_until_over(fiber: &Fiber, changes: bool) {
    let mut awaiting = Awaiting::new();
    let mut alarm = Alarm::new();
    loop {
        match awaiting.poll(fiber, &alarm) {
            Polled::Over => break,
            Polled::Soon => thread::yield_now(),
            Polled::Waits if changes => {
                // A poll for no reason, of another task.
                alarm = Alarm::new();
                match awaiting.poll(fiber, &alarm) {
                    Polled::Over => break,
                    Polled::Soon => thread::yield_now(),
                    Polled::Waits => sleep(&alarm),
                }
            }
            Polled::Waits => sleep(&alarm),
        }
    }
    // It is over, so the slot is ours: loom watches.
    awaiting.close(fiber).take();
    fiber.take_result();
    if fiber.state.release_handle_of_finished() {
        fiber.free();
    }
}

/// Until that waker was woken; if it never is, the model hangs, and loom says so.
fn sleep(alarm: &Alarm) {
    // ORDERING: Acquire pairs with the release of `Alarm::wake`.
    while !alarm.rung.load(Ordering::Acquire) {
        thread::park();
    }
}

#[test]
fn a_future_is_woken_at_the_end_of_its_fiber() {
    explore(3, || {
        let fiber = Fiber::new(2);
        let worker = start(&fiber);
        poll_until_over(&fiber, false);
        worker.join().unwrap();
        fiber.check_end();
    });
}

#[test]
fn the_latest_waker_is_woken() {
    explore(3, || {
        let fiber = Fiber::new(2);
        let worker = start(&fiber);
        poll_until_over(&fiber, true);
        worker.join().unwrap();
        fiber.check_end();
    });
}

#[test]
fn a_future_that_is_dropped_leaves_no_waker_behind() {
    explore(3, || {
        let fiber = Fiber::new(2);
        let worker = start(&fiber);
        let mut awaiting = Awaiting::new();
        let polled = awaiting.poll(&fiber, &Alarm::new());
        let slot = awaiting.close(&fiber);
        assert!(polled != Polled::Over || fiber.is_over());
        fiber.drop_handle();
        // The handle is gone, so nobody uses the slot: loom watches.
        drop(slot.take());
        worker.join().unwrap();
        fiber.check_end();
    });
}
