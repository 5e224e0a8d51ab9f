//! Making way for a worker below whose fiber was lent a level above its lane: the steps of `worker/boost.rs`, and of
//! `post` in `worker/shared.rs`. The time of who stands aside is never up, so who makes way for nothing ends a model by
//! a deadlock.

use crate::beacon::Beacon;
use crate::explore;
use crate::need::{Claim, Need};
use crate::sleepers::{Loom, spawn};
use loom::thread;
use std::sync::Arc;

/// What was lent, and what the worker above has.
const LENT: usize = 1;
const OURS: usize = 2;

const CPU: usize = 0;

/// A worker below, in need, with its mailbox, and the lane above with its sign.
struct Below {
    need: Need,
    above: Arc<Loom>,
    mailbox: Arc<Loom>,
}

impl Below {
    fn new() -> Arc<Below> {
        Arc::new(Below { need: Need::new(), above: Loom::new(1), mailbox: Loom::new(1) })
    }

    /// Puts the letter into the mailbox, and says that a CPU is needed for it.
    fn lend(&self) {
        self.mailbox.put_mail();
        self.raise();
    }

    fn raise(&self) {
        if self.need.raise(LENT) {
            self.above.beacon.set_make_way(true);
        }
    }

    /// The worker, whose queues are empty but for its mail. `true`: its need is over.
    fn forget(&self) -> bool {
        if !self.need.review() || !self.mailbox.mail_is_empty() || !self.need.end() {
            return false;
        }
        let above = &self.above;
        above.beacon.set_make_way(false);
        if self.need.is_up() {
            above.beacon.set_make_way(true);
        }
        above.beacon.all_standing().for_each(|seat| above.unpark(seat));
        true
    }

    /// The worker above, once: makes way until there is no need, and is not called for anything else.
    fn make_way(&self) {
        let above = &self.above;
        above.know(0);
        let Some(claim) = self.need.claim(CPU, OURS) else { return };
        above.beacon.step_aside(0);
        while self.need.is_up() {
            thread::park();
        }
        above.beacon.step_back(0);
        if claim == Claim::First {
            self.need.give_up();
        }
    }
}

#[test]
fn who_makes_way_comes_back_when_the_need_is_over() {
    explore(3, || {
        let below = Below::new();
        below.raise();
        let theirs = below.clone();
        let above = thread::spawn(move || theirs.make_way());
        assert!(below.forget());
        above.join().unwrap();
        assert!(!below.need.is_up());
    });
}

#[test]
fn two_on_one_cpu_both_come_back() {
    explore(2, || {
        let (need, above) = (Arc::new(Need::new()), Loom::new(2));
        assert!(need.raise(LENT));
        let both: Vec<_> = (0..2)
            .map(|me| {
                let need = need.clone();
                spawn(&above, move |above| {
                    above.know(me);
                    let Some(claim) = need.claim(CPU, OURS) else { return };
                    above.beacon.step_aside(me);
                    while need.is_up() {
                        thread::park();
                    }
                    above.beacon.step_back(me);
                    if claim == Claim::First {
                        need.give_up();
                    }
                })
            })
            .collect();
        assert!(need.review() && need.end());
        above.beacon.all_standing().for_each(|seat| above.unpark(seat));
        both.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_need_whose_letter_was_not_read_does_not_end() {
    explore(3, || {
        let below = Below::new();
        // Of something that was lent before.
        below.raise();
        let theirs = below.clone();
        let lender = thread::spawn(move || theirs.lend());
        let over = below.forget();
        lender.join().unwrap();
        // Either it ended before that, and was raised again, or it did not end.
        assert!(below.need.is_up(), "it is over: {over}");
        assert!(!below.mailbox.mail_is_empty());
        assert!(Beacon::says_make_way(below.above.beacon.signs()), "nobody is told");
        assert!(below.mailbox.read_mail());
        assert!(below.forget());
    });
}

#[test]
fn the_sign_says_that_somebody_is_in_need_whoever_else_is_not_any_more() {
    explore(3, || {
        let needs = Arc::new([Need::new(), Need::new()]);
        let above = Loom::new(1);
        let raise = |need: &Need, above: &Loom| {
            if need.raise(LENT) {
                above.beacon.set_make_way(true);
            }
        };
        raise(&needs[0], &above);
        let theirs = needs.clone();
        let lender = spawn(&above, move |above| raise(&theirs[1], above));
        assert!(needs[0].review() && needs[0].end());
        above.beacon.set_make_way(false);
        if needs.iter().any(Need::is_up) {
            above.beacon.set_make_way(true);
        }
        lender.join().unwrap();
        assert!(Beacon::says_make_way(above.beacon.signs()), "it is forgotten");
    });
}

#[test]
fn a_claim_is_one_workers_on_each_cpu_and_of_those_who_are_less_urgent() {
    loom::model(|| {
        let need = Need::new();
        assert_eq!(need.claim(CPU, OURS), None);
        assert!(need.raise(OURS) && !need.raise(LENT) && !need.raise(OURS), "the most urgent counts");
        assert_eq!((need.claim(CPU, LENT), need.claim(CPU, OURS)), (None, Some(Claim::First)));
        assert_eq!((need.claim(CPU + 1, OURS), need.claim(CPU, OURS)), (None, Some(Claim::Join)));
        need.give_up();
        assert_eq!(need.claim(CPU + 1, OURS), Some(Claim::First));
        assert!(need.review() && need.end() && !need.review() && !need.end());
        assert_eq!(need.claim(CPU, OURS), None);
        need.give_up();
        assert!(!need.is_up(), "a claim that is given up late");
    });
}
