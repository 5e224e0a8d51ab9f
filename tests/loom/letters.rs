//! A started fiber and those who reach it from elsewhere: through MAIL, TOKEN and its home's mailbox.

use crate::explore;
use crate::fiber::{Fiber, Header};
use crate::inbox::Inbox;
use crate::loans::{Changed, Loans, settle, settle_told};
use crate::mortal::{freeze_before, step};
use crate::state::{By, Cancel, Claim, SetLevel};
use loom::cell::UnsafeCell;
use loom::thread;
use std::sync::Arc;

/// A fiber, its home's mailbox, and what somebody wrote before reaching for the fiber.
#[derive(Clone)]
struct Setting {
    fiber: Fiber,
    loans: Arc<Loans>,
    /// What is posted from below; BELOW gives it to one at a time.
    letter: Fiber,
    mailbox: Arc<Inbox<Header>>,
    written: Arc<UnsafeCell<u32>>,
}

const OPERATIONS: [fn(&Setting, By); 3] = [Setting::resume, Setting::cancel, Setting::raise];

/// What the home has found in its mailbox.
#[derive(Default)]
struct Found {
    letters: u32,
    tokens: u32,
    level: usize,
    ended: bool,
}

impl Setting {
    /// With a started fiber of level 2 whose home is this thread.
    fn new() -> Setting {
        Setting {
            fiber: Fiber::started(2),
            loans: Arc::new(Loans::new(2)),
            letter: Fiber::new(0),
            mailbox: Arc::new(Inbox::new()),
            written: Arc::new(UnsafeCell::new(0)),
        }
    }

    fn spawn(&self, body: impl FnOnce(&Setting) + 'static) -> thread::JoinHandle<()> {
        let setting = self.clone();
        thread::spawn(move || body(&setting))
    }

    fn post(&self, by: By) {
        step();
        let letter = if by == By::Anyone { &self.fiber } else { &self.letter };
        self.fiber.post(&self.mailbox, letter, by);
    }

    fn write(&self) {
        // SAFETY: loom watches.
        self.written.with_mut(|written| unsafe { *written = 1 });
    }

    fn assert_written(&self) {
        // SAFETY: loom watches.
        self.written.with(|written| assert_eq!(unsafe { *written }, 1));
    }

    fn resume(&self, by: By) {
        step();
        if let Some(home) = self.fiber.state.resume(by) {
            assert_eq!(home, 0);
            self.post(by);
        }
    }

    fn cancel(&self, by: By) {
        step();
        match self.fiber.state.cancel(by, 0) {
            Cancel::PostTo(home) => {
                assert_eq!(home, 0);
                self.post(by);
            }
            Cancel::Done => {}
            Cancel::Won(_) => panic!("it has started"),
        }
    }

    /// `worker/loan.rs`: a change of the loans from elsewhere, and what it leaves to tell the home.
    fn change(&self, by: By, change: impl Fn(&Loans) -> Changed) {
        step();
        let state = &self.fiber.state;
        let changed = change(&self.loans);
        step();
        if changed == Changed(true) || !state.is_settled_at(self.loans.level()) {
            settle(&self.loans, state, by, |_, change| {
                step();
                match change.then {
                    SetLevel::PostTo(home) => {
                        assert_eq!(home, 0);
                        self.post(by);
                    }
                    SetLevel::Done | SetLevel::Posted(_) => {}
                    SetLevel::PushTicket | SetLevel::Order => panic!("it has started"),
                }
            });
        }
    }

    fn raise(&self, by: By) {
        self.change(by, |loans| loans.set_base(1));
    }

    /// `worker/find.rs`: `read_mail`.
    fn read_mail(&self, found: &mut Found) {
        for mail in self.mailbox.take_all().oldest_first() {
            self.open(mail, found);
        }
    }

    fn open(&self, mail: std::ptr::NonNull<Header>, found: &mut Found) {
        let from = if self.fiber.is(mail) { By::Anyone } else { By::Below };
        assert!(from == By::Anyone || self.letter.is(mail));
        let letter = self.fiber.state.open_letter(from);
        found.letters += 1;
        found.ended |= letter.ended;
        if letter.ended {
            if letter.free {
                self.fiber.free();
            }
            return;
        }
        assert!(!letter.free);
        found.tokens += u32::from(letter.token);
        settle_told(&self.loans, &self.fiber.state, letter.level);
        // `requeue` and `resume_here` look into the fiber.
        assert!(self.fiber.state.home().is_some());
        found.level = self.fiber.state.level();
    }

    /// Reads mail until `enough`; mail that never comes ends the model by its bound on steps.
    fn read_until(&self, found: &mut Found, enough: impl Fn(&Found) -> bool) {
        loop {
            self.read_mail(found);
            if enough(found) {
                return;
            }
            thread::yield_now();
        }
    }

    /// The fiber ends at home, which closes its mailbox, as `worker/mod.rs` does.
    fn end(&self, found: &mut Found) {
        self.fiber.run();
        self.fiber.complete();
        for mail in self.mailbox.close() {
            self.open(mail, found);
        }
    }
}

#[test]
fn a_token_that_joins_a_letter_on_its_way_is_seen_with_what_was_written_before() {
    explore(3, || {
        let setting = Setting::new();
        setting.fiber.state.hold();
        let resumer = setting.spawn(|setting| {
            setting.write();
            setting.resume(By::Anyone);
            setting.fiber.drop_resumer();
        });
        let mover = setting.spawn(|setting| {
            setting.raise(By::Anyone);
            setting.fiber.drop_handle();
        });
        let mut found = Found::default();
        setting.read_until(&mut found, |found| found.tokens == 1 && found.level == 1);
        setting.assert_written();
        assert_eq!(setting.fiber.state.level(), 1);
        setting.end(&mut found);
        resumer.join().unwrap();
        mover.join().unwrap();
        assert_eq!(found.tokens, 1);
        setting.fiber.check_end();
    });
}

#[test]
fn two_resumers_give_a_token_each_or_one_between_them() {
    explore(3, || {
        let setting = Setting::new();
        let resumers = [0, 1].map(|_| {
            setting.fiber.state.hold();
            setting.spawn(|setting| {
                setting.resume(By::Anyone);
                setting.fiber.drop_resumer();
            })
        });
        let mut found = Found::default();
        setting.read_until(&mut found, |found| found.tokens >= 1);
        for resumer in resumers {
            resumer.join().unwrap();
        }
        setting.read_mail(&mut found);
        assert!(found.tokens <= 2 && found.tokens == found.letters);
        setting.fiber.drop_handle();
        setting.end(&mut found);
        setting.fiber.check_end();
    });
}

#[test]
fn a_cancelled_fiber_is_resumed_and_sees_what_the_canceller_wrote() {
    explore(3, || {
        let setting = Setting::new();
        let canceller = setting.spawn(|setting| {
            setting.write();
            setting.cancel(By::Anyone);
            setting.fiber.drop_handle();
        });
        let mut found = Found::default();
        setting.read_until(&mut found, |found| found.tokens == 1);
        assert!(setting.fiber.state.is_cancelled());
        setting.assert_written();
        setting.end(&mut found);
        canceller.join().unwrap();
        assert_eq!(found.tokens, 1);
        setting.fiber.check_end();
    });
}

/// Also where it does not wait, and is told by nothing but the word.
#[test]
fn a_fiber_that_finds_itself_cancelled_sees_what_the_canceller_wrote() {
    explore(3, || {
        let setting = Setting::new();
        let canceller = setting.spawn(|setting| {
            setting.write();
            setting.cancel(By::Anyone);
        });
        while !setting.fiber.state.is_cancelled() {
            thread::yield_now();
        }
        setting.assert_written();
        canceller.join().unwrap();
    });
}

/// A letter that was opened gives its link to the next one's sender, whoever that is.
#[test]
fn a_second_letter_is_posted_after_the_first_was_opened() {
    for second in OPERATIONS {
        explore(3, move || {
            let setting = Setting::new();
            setting.fiber.state.hold();
            setting.resume(By::Anyone);
            let sender = setting.spawn(move |setting| {
                second(setting, By::Anyone);
                setting.fiber.drop_resumer();
            });
            let mut found = Found::default();
            setting.read_mail(&mut found);
            sender.join().unwrap();
            setting.read_mail(&mut found);
            assert!(found.tokens >= 1 && found.letters <= 2);
            setting.fiber.drop_handle();
            setting.end(&mut found);
            setting.fiber.check_end();
        });
    }
}

#[test]
fn a_letter_that_comes_after_the_end_is_only_a_hold() {
    for (late, by) in OPERATIONS.into_iter().flat_map(|late| [(late, By::Anyone), (late, By::Below)]) {
        explore(3, move || {
            let setting = Setting::new();
            setting.fiber.state.hold();
            let sender = setting.spawn(move |setting| {
                late(setting, by);
                setting.fiber.drop_resumer();
            });
            setting.fiber.drop_handle();
            setting.end(&mut Found::default());
            sender.join().unwrap();
            setting.fiber.check_end();
        });
    }
}

/// Cancelled before it started, it is ended by its canceller, wherever that runs, and has no home:
/// nobody may get a letter for it, as only a home knows whether a fiber is still there.
#[test]
fn a_fiber_that_will_never_start_gets_no_mail() {
    explore(3, || {
        let setting = Setting { fiber: Fiber::new(2), ..Setting::new() };
        let mover = setting.spawn(|setting| match setting.fiber.state.set_level(1, By::Anyone).then {
            SetLevel::PostTo(_) => setting.post(By::Anyone),
            SetLevel::PushTicket | SetLevel::Order | SetLevel::Done | SetLevel::Posted(_) => {}
        });
        let owner = setting.spawn(|setting| {
            match setting.fiber.state.cancel(By::Anyone, 0) {
                Cancel::Won(_) => {
                    setting.fiber.run();
                    setting.fiber.complete();
                }
                Cancel::PostTo(_) => setting.post(By::Anyone),
                Cancel::Done => {}
            }
            mover.join().unwrap();
            setting.fiber.drop_handle();
        });
        let mut found = Found::default();
        // The home meets the first ticket, and its mail.
        match setting.fiber.state.claim(2, 0) {
            Claim::Won => setting.end(&mut found),
            Claim::Cancelled => panic!("it was claimed to be ended"),
            Claim::Unsure | Claim::Stale => setting.read_mail(&mut found),
            Claim::StaleFree => setting.fiber.free(),
        }
        owner.join().unwrap();
    });
}

#[test]
fn a_sender_from_below_that_is_frozen_robs_nobody() {
    for (operation, last) in
        OPERATIONS.into_iter().flat_map(|operation| (1..=4).map(move |last| (operation, last)))
    {
        explore(3, move || {
            let setting = Setting::new();
            let frozen = setting.spawn(move |setting| freeze_before(last, || operation(setting, By::Below)));
            let other = setting.spawn(move |setting| operation(setting, By::Anyone));
            let mut found = Found::default();
            setting.read_until(&mut found, |found| found.tokens == 1 || found.level == 1);
            frozen.join().unwrap();
            other.join().unwrap();
        });
    }
}

#[test]
fn a_letter_from_below_and_another_one_are_opened_each_and_end_each_its_hold() {
    for operation in OPERATIONS {
        explore(3, move || {
            let setting = Setting::new();
            let senders = [By::Below, By::Anyone].map(|by| {
                setting.fiber.state.hold();
                setting.spawn(move |setting| {
                    operation(setting, by);
                    setting.fiber.drop_resumer();
                })
            });
            let mut found = Found::default();
            setting.read_until(&mut found, |found| found.tokens >= 1 || found.level == 1);
            for sender in senders {
                sender.join().unwrap();
            }
            setting.read_mail(&mut found);
            setting.fiber.drop_handle();
            setting.end(&mut found);
            setting.fiber.check_end();
        });
    }
}

#[test]
fn a_fiber_that_is_resumed_from_below_sees_what_was_written_before() {
    explore(3, || {
        let setting = Setting::new();
        setting.fiber.state.hold();
        let resumer = setting.spawn(|setting| {
            setting.write();
            setting.resume(By::Below);
            setting.fiber.drop_resumer();
        });
        let mut found = Found::default();
        setting.read_until(&mut found, |found| found.tokens == 1);
        setting.assert_written();
        setting.fiber.drop_handle();
        setting.end(&mut found);
        resumer.join().unwrap();
        setting.fiber.check_end();
    });
}

/// Two of the background lane have one letter between them, while a third one sets the priority beside it: whoever is last, the home
/// has heard of the level that it leaves, and of what was written before the token.
#[test]
fn one_letter_of_two_from_below_tells_the_home_of_both_and_of_no_level_that_is_gone() {
    for (second, third) in [(1, 0), (1, 3), (3, 1)] {
        // Four threads: with two preemptions this takes minutes.
        explore(1, move || {
            let setting = Setting::new();
            let senders: [fn(&Setting, usize, usize); 3] = [
                |setting, _, _| {
                    setting.write();
                    setting.resume(By::Below);
                },
                |setting, second, _| setting.change(By::Below, |loans| loans.set_base(second)),
                |setting, _, third| setting.change(By::Anyone, |loans| loans.set_base(third)),
            ];
            let senders = senders.map(|sends| setting.spawn(move |setting| sends(setting, second, third)));
            let mut found = Found { level: 2, ..Found::default() };
            setting.read_until(&mut found, |found| found.tokens == 1);
            setting.assert_written();
            for sender in senders {
                sender.join().unwrap();
            }
            setting.read_mail(&mut found);
            let level = setting.loans.level();
            assert_eq!(
                (setting.fiber.state.level(), found.level),
                (level, level),
                "the last word of the loans"
            );
            assert_eq!(found.tokens, 1);
            setting.fiber.drop_handle();
            setting.end(&mut found);
            setting.fiber.check_end();
        });
    }
}

/// The first of two from below is stopped with their letter in its hands, and the second before any step of its change. Who
/// lends from another lane relies on neither.
#[test]
fn a_loan_reaches_the_home_beside_two_from_below_that_are_frozen_over_their_letter() {
    for (last, base) in (1..=4).flat_map(|last| [(last, 1), (last, 3)]) {
        explore(2, move || {
            let setting = Setting::new();
            freeze_before(2, || setting.resume(By::Below));
            let second = setting.spawn(move |setting| {
                freeze_before(last, || setting.change(By::Below, |loans| loans.set_base(base)));
            });
            let other = setting.spawn(|setting| setting.change(By::Anyone, |loans| loans.lend(0)));
            let mut found = Found { level: 2, ..Found::default() };
            setting.read_until(&mut found, |found| found.level == 0);
            for sender in [second, other] {
                sender.join().unwrap();
            }
            setting.read_mail(&mut found);
            assert_eq!((setting.fiber.state.level(), found.level), (0, 0), "nobody takes the loan back");
        });
    }
}

/// `settle`, by a thread from below that was stopped after its look at the loans, and is stopped again after its write. A loan of
/// another lane has come in between, and its home knows of it. In one order only, which is the one that matters.
#[test]
fn a_level_from_below_that_is_out_of_date_takes_no_loan_away() {
    for base in [1, 3] {
        explore(1, move || {
            let setting = Setting::new();
            let _ = setting.loans.set_base(base);
            let level = setting.loans.level();
            setting.change(By::Anyone, |loans| loans.lend(0));
            let mut found = Found::default();
            setting.read_mail(&mut found);
            assert_eq!((found.letters, found.level), (1, 0));
            assert_eq!(setting.fiber.state.set_level(level, By::Below).then, SetLevel::PostTo(0));
            assert_eq!(setting.fiber.state.level(), 0);
            // It goes on at last.
            setting.post(By::Below);
            setting.read_mail(&mut found);
            assert_eq!((setting.fiber.state.level(), found.letters, found.level), (0, 2, 0));
            // What it wanted comes true when the loan is over.
            setting.change(By::Anyone, |loans| loans.take_back(0));
            setting.read_mail(&mut found);
            assert_eq!((setting.fiber.state.level(), found.level), (base, base));
        });
    }
}
