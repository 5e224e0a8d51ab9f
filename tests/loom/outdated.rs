//! A level that a thread of the background lane sets, and that is out of date, while another lane lends: whichever ticket is
//! popped first, the loan is kept. The fiber has no home: it has not started, or roams. The steps are those of `worker/loan.rs`
//! and `worker/claims.rs`.

use crate::explore;
use crate::loans::{Changed, Loans, settle};
use crate::mortal::{freeze_before, step};
use crate::state::{By, Claim, Departure, SetLevel, State};
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use std::sync::{Arc, Mutex};

/// What is in a queue.
#[derive(Clone)]
enum Ticket {
    Itself,
    Plain,
    /// It is open until its maker has carried it out.
    Order(Arc<AtomicBool>),
}

/// A fiber of level 3 to which somebody lends level 2, and the queues by level.
struct Queues {
    loans: Loans,
    state: State,
    tickets: Mutex<[Vec<Ticket>; 5]>,
    /// Where it was claimed.
    claimed: Mutex<Option<usize>>,
    /// Its home was told of another level.
    told: Mutex<bool>,
}

/// A worker of the lanes above.
const HOME: usize = 1;

/// Whoever pops tickets. Models that leave a step out have to fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Popper {
    Settles,
    /// It does not settle before it claims a fiber that is UNSURE.
    Trusts,
    /// It does not look at the loans once more after a claim that may be late.
    Forgets,
}

impl Queues {
    fn unstarted() -> Arc<Queues> {
        let queues = Queues {
            loans: Loans::new(3),
            state: State::new(3, false),
            tickets: Mutex::default(),
            claimed: Mutex::default(),
            told: Mutex::default(),
        };
        queues.push(3, Ticket::Itself);
        queues.change(By::Anyone, |loans| loans.lend(2));
        Arc::new(queues)
    }

    /// The same after it has started, and left its home.
    fn roaming() -> Arc<Queues> {
        let queues = Queues::unstarted();
        assert!(queues.pop(2, Popper::Settles));
        let _ = queues.pop(3, Popper::Settles);
        *queues.claimed.lock().unwrap() = None;
        let Departure::Push(2) = queues.state.depart() else { panic!("nothing is in its way") };
        queues.push(2, Ticket::Itself);
        queues
    }

    fn push(&self, level: usize, ticket: Ticket) {
        self.tickets.lock().unwrap()[level].push(ticket);
    }

    /// `worker/loan.rs`.
    fn change(&self, by: By, change: impl Fn(&Loans) -> Changed) {
        step();
        let changed = change(&self.loans);
        step();
        if changed == Changed(true) || !self.state.is_settled_at(self.loans.level()) {
            self.settle(by);
        }
    }

    fn settle(&self, by: By) {
        settle(&self.loans, &self.state, by, |level, change| {
            step();
            match change.then {
                SetLevel::Done => {}
                SetLevel::PushTicket => self.push(level, Ticket::Plain),
                SetLevel::Order => self.order(level),
                SetLevel::PostTo(home) | SetLevel::Posted(home) => {
                    assert_eq!(home, HOME);
                    *self.told.lock().unwrap() = true;
                }
            }
        });
    }

    fn order(&self, level: usize) {
        let open = Arc::new(AtomicBool::new(true));
        self.state.begin_order();
        step();
        self.push(level, Ticket::Order(open.clone()));
        step();
        let _ = self.state.set_level(level, By::Order);
        step();
        open.store(false, Ordering::Relaxed);
        self.state.end_order();
        step();
    }

    /// `Worker::claim`, of what is in one queue. `true`: the fiber is ours.
    fn pop(&self, level: usize, popper: Popper) -> bool {
        let Some(ticket) = self.tickets.lock().unwrap()[level].pop() else { return false };
        let mut may_be_late = false;
        let claim = match &ticket {
            Ticket::Order(open) if open.load(Ordering::Relaxed) => {
                may_be_late = true;
                self.state.claim_ordered(level, HOME).0
            }
            Ticket::Itself => self.state.claim(level, HOME),
            _ => self.state.claim_by_ticket(level, HOME),
        };
        let claim = match claim {
            Claim::Unsure => {
                may_be_late = true;
                if popper != Popper::Trusts {
                    self.settle(By::Anyone);
                }
                self.state.claim_surely(level, HOME, matches!(ticket, Ticket::Itself))
            }
            claim => claim,
        };
        if claim != Claim::Won {
            return false;
        }
        *self.claimed.lock().unwrap() = Some(level);
        if may_be_late && popper != Popper::Forgets && self.loans.level() != self.state.level() {
            self.settle(By::Anyone);
        }
        true
    }

    /// All that is queued is popped, in this order of the lanes.
    fn pop_all(&self, levels: [usize; 5], popper: Popper) {
        while levels.iter().any(|&level| !self.tickets.lock().unwrap()[level].is_empty()) {
            for level in levels {
                let _ = self.pop(level, popper);
            }
        }
    }
}

const UPWARDS: [usize; 5] = [0, 1, 2, 3, 4];
const DOWNWARDS: [usize; 5] = [4, 3, 2, 1, 0];

/// Whoever changes the level from below: the loan is over, which leaves a level of which there is a ticket; or another base.
const CHANGES: [fn(&Loans) -> Changed; 3] =
    [|loans| loans.take_back(2), |loans| loans.set_base(1), |loans| loans.exchange(2, 4)];

fn model(
    make: fn() -> Arc<Queues>,
    last: u32,
    change: fn(&Loans) -> Changed,
    order: [usize; 5],
    popper: Popper,
) {
    let queues = make();
    let theirs = queues.clone();
    let stopped = thread::spawn(move || freeze_before(last, || theirs.change(By::Below, change)));
    let theirs = queues.clone();
    let lender = thread::spawn(move || theirs.change(By::Anyone, |loans| loans.lend(0)));
    // Somebody comes early.
    let _ = queues.pop(order[0], popper);
    lender.join().unwrap();
    stopped.join().unwrap();
    queues.pop_all(order, popper);
    assert!(queues.claimed.lock().unwrap().is_some(), "nobody has it, and no ticket of it is left");
    assert_eq!((queues.loans.level(), queues.state.level()), (0, 0), "the loan was lost");
    let at_once = *queues.claimed.lock().unwrap() == Some(0);
    assert!(at_once || *queues.told.lock().unwrap(), "its home does not know of the loan");
    assert!(at_once || order != UPWARDS, "the lane that it was lent did not take it");
}

/// More steps than a change from below has that settles twice.
const STEPS: u32 = 16;

#[test]
fn a_loan_is_kept_beside_a_level_from_below_that_is_out_of_date() {
    for make in [Queues::unstarted, Queues::roaming] {
        for change in CHANGES {
            for order in [UPWARDS, DOWNWARDS] {
                for last in 1..=STEPS {
                    explore(2, move || model(make, last, change, order, Popper::Settles));
                }
            }
        }
    }
}

/// The checker is checked.
#[test]
fn who_leaves_out_a_look_at_the_loans_loses_one() {
    for (make, popper, order) in [Queues::unstarted, Queues::roaming]
        .into_iter()
        .flat_map(|make| [(make, Popper::Trusts, UPWARDS), (make, Popper::Forgets, DOWNWARDS)])
    {
        let mut tries = (1..=STEPS).flat_map(|last| CHANGES.map(|change| (last, change)));
        let lost = tries.any(|(last, change)| {
            let check = move || {
                let mut builder = loom::model::Builder::new();
                // Whatever the environment says.
                builder.preemption_bound = Some(2);
                builder.check(move || model(make, last, change, order, popper));
            };
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).is_err()
        });
        assert!(lost, "{popper:?}: it is not missed");
    }
}
