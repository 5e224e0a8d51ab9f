//! Loans that come and go at once with each other and with the owner's own changes: in the end the
//! level in the state word is what the loans say.

use crate::explore;
use crate::loans::{Changed, Loans, settle, settle_at_home};
use crate::state::{By, Claim, State};
use loom::thread;
use std::sync::Arc;

/// The two words of a fiber of level 3.
struct Words {
    loans: Loans,
    state: State,
}

impl Words {
    fn unstarted() -> Arc<Words> {
        Arc::new(Words { loans: Loans::new(3), state: State::new(3, false) })
    }

    fn started() -> Arc<Words> {
        let words = Words::unstarted();
        assert_eq!(words.state.claim(3, 0), Claim::Won);
        words
    }

    /// `worker/loan.rs`: a change from elsewhere, without what follows for queues.
    fn change(&self, by: impl Fn(&Loans) -> Changed) {
        if by(&self.loans) == Changed(true) || !self.state.is_settled_at(self.loans.level()) {
            settle(&self.loans, &self.state, By::Anyone, |_, _| {});
        }
    }

    fn change_at_home(&self, by: impl Fn(&Loans) -> Changed) {
        if by(&self.loans) == Changed(true) {
            assert_eq!(self.state.home(), Some(0));
            settle_at_home(&self.loans, &self.state);
        }
    }

    fn check(&self, level: usize) {
        assert_eq!(self.loans.level(), level);
        assert_eq!(self.state.level(), level);
    }
}

type Step = fn(&Loans) -> Changed;

/// One thread a step, and a last one here.
fn race(words: &Arc<Words>, elsewhere: &'static [&'static [Step]], here: impl FnOnce(&Words)) {
    let threads: Vec<_> = elsewhere
        .iter()
        .map(|steps| {
            let words = words.clone();
            thread::spawn(move || steps.iter().for_each(|step| words.change(step)))
        })
        .collect();
    here(words);
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn two_that_lend_leave_the_more_urgent_level() {
    for words in [Words::unstarted, Words::started] {
        explore(3, move || {
            let words = words();
            race(&words, &[&[|loans| loans.lend(1)]], |words| words.change(|loans| loans.lend(0)));
            words.check(0);
        });
    }
}

#[test]
fn a_loan_that_is_taken_back_while_another_comes_leaves_the_other() {
    for words in [Words::unstarted, Words::started] {
        explore(3, move || {
            let words = words();
            words.change(|loans| loans.lend(0));
            race(&words, &[&[|loans| loans.take_back(0)]], |words| words.change(|loans| loans.lend(2)));
            words.check(2);
        });
    }
}

#[test]
fn loans_that_all_come_and_go_leave_the_base() {
    for words in [Words::unstarted, Words::started] {
        explore(2, move || {
            let words = words();
            race(&words, &[&[|loans| loans.lend(1), |loans| loans.exchange(1, 4)]], |words| {
                words.change(|loans| loans.lend(0));
                words.change(|loans| loans.take_back(0));
            });
            words.check(3);
        });
    }
}

#[test]
fn a_fiber_that_changes_its_own_base_meets_a_loan() {
    explore(3, || {
        let words = Words::started();
        race(&words, &[&[|loans| loans.lend(1)]], |words| {
            words.change_at_home(|loans| loans.set_base(0));
            words.change_at_home(|loans| loans.set_base(4));
        });
        words.check(1);
    });
}

#[test]
fn a_fiber_that_lowers_itself_meets_a_loan_that_ends() {
    explore(3, || {
        let words = Words::started();
        words.change(|loans| loans.lend(1));
        race(&words, &[&[|loans| loans.take_back(1)]], |words| {
            words.change_at_home(|loans| loans.set_base(2));
        });
        words.check(2);
    });
}

#[test]
fn three_changes_at_once_settle() {
    explore(2, || {
        let words = Words::started();
        words.change(|loans| loans.lend(1));
        race(&words, &[&[|loans| loans.lend(0)], &[|loans| loans.take_back(1)]], |words| {
            words.change_at_home(|loans| loans.set_base(2));
        });
        words.check(0);
    });
}
