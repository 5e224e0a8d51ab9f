//! From the first ticket to the last hold.

use crate::explore;
use crate::fiber::Fiber;
use crate::mortal::{freeze_before, step};
use crate::state::{By, Cancel, Claim, SetLevel};
use loom::sync::Mutex;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use std::sync::Arc;

/// `worker/find.rs`: what a popped ticket leads to.
fn pop(fiber: &Fiber, level: usize, home: usize) {
    popped(fiber, fiber.state.claim(level, home), home);
}

fn popped(fiber: &Fiber, claim: Claim, home: usize) {
    match claim {
        Claim::Won | Claim::Cancelled => {
            assert_eq!(fiber.state.home(), Some(home));
            run(fiber);
        }
        Claim::Unsure => panic!("nobody sets its level from below"),
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
        let outcome = fiber.state.set_level(1, By::Anyone).then;
        let second = (outcome == SetLevel::PushTicket).then(|| spawn(&fiber, |fiber| pop(fiber, 1, 1)));
        assert!(
            outcome == SetLevel::PushTicket || outcome == SetLevel::Done || outcome == SetLevel::PostTo(0)
        );
        if outcome == SetLevel::PostTo(0) {
            // Its home opens the letter, sooner or later.
            let letter = fiber.state.open_letter(By::Anyone);
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
            match fiber.state.set_level(level, By::Anyone).then {
                SetLevel::PushTicket => pop(&fiber, level, 1),
                SetLevel::PostTo(_) => assert!(!fiber.state.open_letter(By::Anyone).free),
                SetLevel::Done | SetLevel::Posted(_) => {}
                SetLevel::Order => panic!("only from below"),
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
        assert_eq!(fiber.state.set_level(1, By::Anyone).then, SetLevel::PushTicket);
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
        let canceller = spawn(&fiber, |fiber| match fiber.state.cancel(By::Anyone, 0) {
            Cancel::Won(_) => run(fiber),
            Cancel::PostTo(home) => {
                assert!(home == 0 || home == 3);
                assert!(fiber.state.open_letter(By::Anyone).token);
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

/// A ticket, as a queue has it.
enum Ticket {
    Plain(usize),
    /// It is open for as long as the flag is up.
    Order(usize, Arc<AtomicBool>),
}

/// A fiber that has not started, at level 2, and the queues.
#[derive(Clone)]
struct Queued {
    fiber: Fiber,
    queue: Arc<Mutex<Vec<Ticket>>>,
}

impl Queued {
    fn new() -> Queued {
        Queued { fiber: Fiber::new(2), queue: Arc::new(Mutex::new(vec![Ticket::Plain(2)])) }
    }

    fn spawn(&self, body: impl FnOnce(&Queued) + 'static) -> thread::JoinHandle<()> {
        let this = self.clone();
        thread::spawn(move || body(&this))
    }

    fn push(&self, ticket: Ticket) {
        self.queue.lock().unwrap().push(ticket);
    }

    /// `worker/loan.rs`: `settle`, of a fiber that may have started by then, at home 0.
    fn set_level(&self, level: usize, by: By) {
        step();
        match self.fiber.state.set_level(level, by).then {
            SetLevel::PushTicket => self.push(Ticket::Plain(level)),
            SetLevel::Order => self.order(level),
            SetLevel::PostTo(_) => self.open(by),
            SetLevel::Done | SetLevel::Posted(_) => {}
        }
    }

    /// The same file: `order`.
    fn order(&self, level: usize) {
        let open = Arc::new(AtomicBool::new(true));
        self.fiber.state.begin_order();
        step();
        self.push(Ticket::Order(level, open.clone()));
        step();
        let then = self.fiber.state.set_level(level, By::Order).then;
        step();
        open.store(false, Ordering::Relaxed);
        self.fiber.state.end_order();
        match then {
            SetLevel::PostTo(_) => self.open(By::Below),
            SetLevel::Done | SetLevel::Posted(_) => {}
            SetLevel::PushTicket | SetLevel::Order => panic!("there is one"),
        }
    }

    /// Its home opens the letter, sooner or later.
    fn open(&self, from: By) {
        if self.fiber.state.open_letter(from).free {
            self.fiber.free();
        }
    }

    /// `worker/find.rs`: `claim`. `false`: there was nothing.
    fn pop(&self) -> bool {
        let ticket = self.queue.lock().unwrap().pop();
        match ticket {
            Some(Ticket::Plain(level)) => popped(&self.fiber, self.claim(level), 0),
            Some(Ticket::Order(level, open)) => {
                let claim = match open.load(Ordering::Relaxed) {
                    true => self.fiber.state.claim_ordered(level, 0).0,
                    false => self.claim(level),
                };
                popped(&self.fiber, claim, 0);
            }
            None => return false,
        }
        true
    }

    /// Nobody lends here: the level is as it was set.
    fn claim(&self, level: usize) -> Claim {
        match self.fiber.state.claim(level, 0) {
            Claim::Unsure => self.fiber.state.claim_surely(level, 0, true),
            claim => claim,
        }
    }

    fn pop_all(&self) {
        while self.pop() {}
    }

    /// `worker/shared.rs`: `reject`, of all there is: the scheduler stops.
    fn reject_all(&self) {
        loop {
            let ticket = self.queue.lock().unwrap().pop();
            let claim = match ticket {
                Some(Ticket::Plain(level)) => self.fiber.state.claim_to_end(level),
                Some(Ticket::Order(level, open)) => match open.load(Ordering::Relaxed) {
                    true => self.fiber.state.claim_ordered_to_end(level).0,
                    false => self.fiber.state.claim_to_end(level),
                },
                None => return,
            };
            match claim {
                Claim::Won | Claim::Cancelled => run(&self.fiber),
                Claim::Unsure | Claim::Stale => {}
                Claim::StaleFree => self.fiber.free(),
            }
        }
    }
}

#[test]
fn a_fiber_that_is_moved_from_below_runs_once_and_is_freed_once() {
    for levels in [&[1][..], &[1, 2], &[1, 0, 1]] {
        explore(2, move || {
            let queued = Queued::new();
            let mover =
                queued.spawn(|queued| levels.iter().for_each(|&level| queued.set_level(level, By::Below)));
            queued.pop();
            mover.join().unwrap();
            queued.fiber.drop_handle();
            queued.pop_all();
            queued.fiber.check_end();
        });
    }
}

#[test]
fn a_fiber_that_is_moved_from_below_and_by_others_runs_once_and_is_freed_once() {
    for (theirs, by) in [(1, By::Anyone), (0, By::Anyone), (1, By::Below), (0, By::Below)] {
        explore(2, move || {
            let queued = Queued::new();
            let below = queued.spawn(|queued| queued.set_level(1, By::Below));
            let other = queued.spawn(move |queued| queued.set_level(theirs, by));
            queued.pop();
            below.join().unwrap();
            other.join().unwrap();
            queued.fiber.drop_handle();
            queued.pop_all();
            queued.fiber.check_end();
        });
    }
}

#[test]
fn a_fiber_that_is_moved_from_below_as_its_scheduler_stops_ends_once_and_is_freed_once() {
    explore(3, || {
        let queued = Queued::new();
        let below = queued.spawn(|queued| queued.set_level(1, By::Below));
        queued.reject_all();
        below.join().unwrap();
        queued.fiber.drop_handle();
        queued.reject_all();
        queued.fiber.check_end();
    });
}

/// Wherever one from below is stopped, and another one after or beside it, who pops what is there runs the
/// fiber.
#[test]
fn a_fiber_that_is_being_moved_from_below_can_be_run_and_moved_by_others() {
    for (last, theirs, by) in (1..=4).flat_map(|last| {
        [(1, By::Anyone), (0, By::Anyone), (1, By::Below), (0, By::Below)]
            .map(|(level, by)| (last, level, by))
    }) {
        explore(2, move || {
            let queued = Queued::new();
            let frozen = queued.spawn(move |queued| freeze_before(last, || queued.set_level(1, By::Below)));
            let other = queued.spawn(move |queued| queued.set_level(theirs, by));
            queued.pop();
            other.join().unwrap();
            frozen.join().unwrap();
            queued.pop_all();
            assert!(queued.fiber.state.home().is_some(), "nobody could claim it");
        });
    }
}

#[test]
fn a_fiber_that_was_cancelled_from_below_is_ended_by_who_pops_it_or_by_who_cancels_it_too() {
    explore(3, || {
        let queued = Queued::new();
        let below = queued.spawn(|queued| {
            assert_eq!(queued.fiber.state.cancel(By::Below, 1 << 2), Cancel::Done);
        });
        let other = queued.spawn(|queued| match queued.fiber.state.cancel(By::Anyone, 0) {
            Cancel::Won(_) => run(&queued.fiber),
            Cancel::PostTo(_) => queued.open(By::Anyone),
            Cancel::Done => {}
        });
        other.join().unwrap();
        assert!(queued.fiber.is_over(), "it was over when that returned");
        below.join().unwrap();
        queued.pop_all();
        queued.fiber.drop_handle();
        queued.fiber.check_end();
    });
}
