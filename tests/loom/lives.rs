//! From the first ticket to the last hold.

use crate::explore;
use crate::fiber::Fiber;
use crate::state::{Cancel, Claim, SetLevel};
use loom::thread;

/// `worker/find.rs`: what a popped ticket leads to.
fn pop(fiber: &Fiber, level: usize, home: usize) {
    match fiber.state.claim(level, home) {
        Claim::Won => {
            assert_eq!(fiber.state.home(), Some(home));
            run(fiber);
        }
        Claim::Stale => {}
        Claim::StaleFree => fiber.free(),
    }
}

fn run(fiber: &Fiber) {
    fiber.run();
    fiber.complete();
}

fn spawn(fiber: &Fiber, body: impl FnOnce(&Fiber) + 'static) -> thread::JoinHandle<()> {
    let fiber = fiber.clone();
    thread::spawn(move || body(&fiber))
}

#[test]
fn a_fiber_with_two_tickets_runs_once() {
    explore(3, || {
        let fiber = Fiber::new(2);
        let first = spawn(&fiber, |fiber| pop(fiber, 2, 0));
        let outcome = fiber.state.set_level(1).then;
        let second = (outcome == SetLevel::PushTicket).then(|| spawn(&fiber, |fiber| pop(fiber, 1, 1)));
        assert!(
            outcome == SetLevel::PushTicket || outcome == SetLevel::Done || outcome == SetLevel::PostTo(0)
        );
        if outcome == SetLevel::PostTo(0) {
            // Its home opens the letter, sooner or later.
            let letter = fiber.state.open_letter();
            assert!(letter.level == 1 && !letter.token && !letter.free);
        }
        fiber.drop_handle();
        first.join().unwrap();
        if let Some(second) = second {
            second.join().unwrap();
        }
        fiber.check_end();
    });
}

#[test]
fn a_fiber_that_moves_there_and_back_runs_once() {
    explore(2, || {
        let fiber = Fiber::new(2);
        let first = spawn(&fiber, |fiber| pop(fiber, 2, 0));
        for level in [1, 2] {
            match fiber.state.set_level(level).then {
                SetLevel::PushTicket => pop(&fiber, level, 1),
                SetLevel::PostTo(_) => assert!(!fiber.state.open_letter().free),
                SetLevel::Done | SetLevel::Posted(_) => {}
            }
        }
        fiber.drop_handle();
        first.join().unwrap();
        fiber.check_end();
    });
}

#[test]
fn the_last_of_two_stale_tickets_frees() {
    explore(3, || {
        let fiber = Fiber::new(2);
        assert_eq!(fiber.state.set_level(1).then, SetLevel::PushTicket);
        // Taken back and run in the place of its joiner: both tickets are stale.
        assert!(fiber.state.revoke(3).is_some());
        let first = spawn(&fiber, |fiber| pop(fiber, 2, 0));
        let second = spawn(&fiber, |fiber| pop(fiber, 1, 1));
        run(&fiber);
        fiber.drop_handle();
        first.join().unwrap();
        second.join().unwrap();
        fiber.check_end();
    });
}

#[test]
fn one_of_claim_cancel_and_revoke_gets_the_fiber() {
    explore(3, || {
        let fiber = Fiber::new(2);
        let claimer = spawn(&fiber, |fiber| pop(fiber, 2, 0));
        // The handle is used by one thread, and by another that it was lent to.
        let canceller = spawn(&fiber, |fiber| match fiber.state.cancel() {
            Cancel::Won(_) => run(fiber),
            Cancel::PostTo(home) => {
                assert!(home == 0 || home == 3);
                assert!(fiber.state.open_letter().token);
            }
            Cancel::Done => {}
        });
        if fiber.state.revoke(3).is_some() {
            assert_eq!(fiber.state.home(), Some(3));
            run(&fiber);
        }
        assert!(fiber.state.revoke(9).is_none());
        canceller.join().unwrap();
        fiber.drop_handle();
        claimer.join().unwrap();
        fiber.check_end();
    });
}

#[test]
fn a_withdrawn_fiber_has_no_ticket() {
    explore(3, || {
        let fiber = Fiber::new(2);
        fiber.state.withdraw();
        let ender = spawn(&fiber, run);
        fiber.join(false);
        ender.join().unwrap();
        fiber.check_end();
    });
}

#[test]
fn a_joiner_is_woken_and_gets_the_result() {
    explore(3, || {
        let fiber = Fiber::new(2);
        let worker = spawn(&fiber, |fiber| pop(fiber, 2, 0));
        fiber.join(false);
        worker.join().unwrap();
        fiber.check_end();
    });
}

#[test]
fn a_joiner_that_is_interrupted_leaves_no_waiter_behind() {
    explore(3, || {
        let fiber = Fiber::new(2);
        let worker = spawn(&fiber, |fiber| pop(fiber, 2, 0));
        fiber.join(true);
        worker.join().unwrap();
        fiber.check_end();
    });
}

#[test]
fn a_dropped_handle_and_the_end_drop_the_result_once() {
    explore(3, || {
        let fiber = Fiber::new(2);
        let worker = spawn(&fiber, |fiber| pop(fiber, 2, 0));
        // SAFETY: nobody else has the cell before the handle is gone; loom watches.
        fiber.note.with_mut(|note| unsafe { *note = 1 });
        fiber.drop_handle();
        worker.join().unwrap();
        fiber.check_end();
    });
}

#[test]
fn a_resumer_may_outlive_everything_else() {
    explore(3, || {
        let fiber = Fiber::started(2);
        fiber.state.hold();
        let resumer = spawn(&fiber, |fiber| {
            // A clone of it.
            fiber.state.hold();
            fiber.drop_resumer();
            fiber.drop_resumer();
        });
        let worker = spawn(&fiber, run);
        fiber.drop_handle();
        worker.join().unwrap();
        resumer.join().unwrap();
        fiber.check_end();
    });
}

#[test]
fn of_two_resumers_the_last_frees() {
    explore(3, || {
        let fiber = Fiber::started(2);
        fiber.state.hold();
        fiber.state.hold();
        run(&fiber);
        let resumers = [0, 1].map(|_| spawn(&fiber, Fiber::drop_resumer));
        fiber.drop_handle();
        for resumer in resumers {
            resumer.join().unwrap();
        }
        fiber.check_end();
    });
}
