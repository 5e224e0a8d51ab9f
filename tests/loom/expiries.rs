//! The sections of a started fiber: that one is over, or called off from elsewhere, against a cancellation, other
//! resumers and the fiber's end. The steps of `fiber/sections.rs` are repeated here in their order.

use crate::explore;
use crate::fiber::{Fiber, Header};
use crate::inbox::Inbox;
use crate::primitive::Ordering;
use crate::state::{By, Cancel};
use loom::sync::atomic::AtomicBool;
use loom::thread;
use std::sync::Arc;

/// A fiber that home 0 has started, and the flag of a section that others may call off.
#[derive(Clone)]
struct Setting {
    fiber: Fiber,
    letter: Fiber,
    mailbox: Arc<Inbox<Header>>,
    flag: Arc<AtomicBool>,
}

impl Setting {
    fn new() -> Setting {
        Setting {
            fiber: Fiber::started(2),
            letter: Fiber::new(0),
            mailbox: Arc::new(Inbox::new()),
            flag: Arc::new(AtomicBool::new(false)),
        }
    }

    fn spawn(&self, body: impl FnOnce(&Setting) + 'static) -> thread::JoinHandle<()> {
        let setting = self.clone();
        thread::spawn(move || body(&setting))
    }

    fn post(&self, home: Option<usize>, by: By) {
        if home == Some(0) {
            let letter = if by == By::Anyone { &self.fiber } else { &self.letter };
            self.fiber.post(&self.mailbox, letter, by);
        }
    }

    /// `Resumer::call_off`, with the flag before it.
    fn call_off(&self, by: By) {
        // ORDERING: Release pairs with the acquire of `is_over`, as in production.
        self.flag.store(true, Ordering::Release);
        self.post(self.fiber.state.call_off(by), by);
    }

    fn cancel(&self) {
        match self.fiber.state.cancel(By::Anyone, 0) {
            Cancel::PostTo(home) => self.post(Some(home), By::Anyone),
            Cancel::Done => {}
            Cancel::Won(_) => panic!("it has started"),
        }
    }

    /// A section ends: `Inside::drop`, with one section around it.
    fn leave_section(&self) {
        if self.fiber.state.is_expired() {
            self.fiber.state.forget_expiry();
            if self.is_over() {
                self.fiber.state.expire();
            }
        }
    }

    fn is_over(&self) -> bool {
        // ORDERING: Acquire pairs with the release of `call_off`, as in production.
        self.flag.load(Ordering::Acquire)
    }

    /// The home looks into its mailbox. How many tokens were there?
    fn read_mail(&self) -> u32 {
        let mut tokens = 0;
        for mail in self.mailbox.take_all() {
            let from = if self.fiber.is(mail) { By::Anyone } else { By::Below };
            let letter = self.fiber.state.open_letter(from);
            tokens += u32::from(letter.token);
            if letter.free {
                self.fiber.free();
            }
        }
        tokens
    }

    /// The fiber has its result, and the last letters are opened.
    fn end(&self) {
        self.fiber.run();
        self.fiber.complete();
    }
}

/// Else a fiber would wait in a section that was called off.
#[test]
fn a_section_that_is_called_off_stays_so_whichever_other_one_ends_meanwhile() {
    for by in [By::Anyone, By::Below] {
        explore(3, move || {
            let setting = Setting::new();
            // A timer of an inner section has fired.
            setting.fiber.state.expire();
            let other = setting.spawn(move |setting| setting.call_off(by));
            setting.leave_section();
            other.join().unwrap();
            assert!(setting.fiber.state.is_called(), "the fiber looks, and finds the outer one over");
            assert!(setting.is_over());
            assert_eq!(setting.read_mail(), 1, "and it was woken to look");
        });
    }
}

/// The home is a thread of its own: a thread that has given way once is shown nothing old by loom.
#[test]
fn whoever_finds_the_fiber_called_sees_why() {
    explore(3, || {
        let setting = Setting::new();
        let home = setting.spawn(|setting| {
            while !setting.fiber.state.is_called() {
                thread::yield_now();
            }
            assert!(setting.is_over() && !setting.fiber.state.is_cancelled());
        });
        setting.call_off(By::Anyone);
        home.join().unwrap();
    });
}

#[test]
fn a_cancellation_is_never_lost_to_a_section_that_ends() {
    explore(3, || {
        let setting = Setting::new();
        let canceller = setting.spawn(Setting::cancel);
        setting.fiber.state.expire();
        setting.leave_section();
        canceller.join().unwrap();
        assert!(setting.fiber.state.is_cancelled() && setting.fiber.state.is_called());
        assert!(!setting.fiber.state.is_expired());
        assert_eq!(setting.read_mail(), 1);
    });
}

#[test]
fn the_bit_neither_keeps_a_fiber_alive_nor_frees_it() {
    explore(3, || {
        let setting = Setting::new();
        setting.fiber.state.hold();
        let other = setting.spawn(|setting| {
            setting.call_off(By::Anyone);
            setting.fiber.drop_resumer();
        });
        let joiner = setting.spawn(|setting| setting.fiber.drop_handle());
        setting.leave_section();
        setting.end();
        joiner.join().unwrap();
        other.join().unwrap();
        setting.read_mail();
        setting.fiber.check_end();
    });
}
