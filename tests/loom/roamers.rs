//! A started fiber that leaves its home for whichever worker takes it: `State::depart` and the claim after it, and the
//! relay in which it waits. The steps are those of `worker/roam.rs`.

use crate::explore;
use crate::fiber::{Fiber, Header};
use crate::inbox::{Inbox, Node};
use crate::primitive::AtomicPtr;
use crate::relay::{Engaged, Relay};
use crate::state::{By, Cancel, Claim, Departure, SetLevel};
use loom::cell::UnsafeCell;
use loom::thread;
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// What a queue has: the object itself, or a ticket of its.
pub(crate) struct Entry {
    is_ticket: bool,
    link: AtomicPtr<Entry>,
    /// Written whenever the link is used: LINKED gives it to one queue at a time.
    link_owner: UnsafeCell<()>,
}

impl Entry {
    fn new(is_ticket: bool) -> Entry {
        Entry { is_ticket, link: AtomicPtr::new(ptr::null_mut()), link_owner: UnsafeCell::new(()) }
    }
}

// SAFETY: one cell an entry.
unsafe impl Node for Entry {
    unsafe fn link<'a>(node: NonNull<Entry>) -> &'a AtomicPtr<Entry> {
        // SAFETY: entries stay until the model ends.
        let entry = unsafe { &*node.as_ptr() };
        entry.link_owner.with_mut(|_| ());
        &entry.link
    }
}

/// A fiber of level 2 that has started at home 0, and the queues.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) fiber: Fiber,
    object: Arc<Entry>,
    /// Of the levels 1 and 2.
    tickets: Arc<[Entry; 2]>,
    pub(crate) relays: Arc<[Relay<Entry>; 3]>,
    pub(crate) mailboxes: Arc<[Inbox<Header>; 3]>,
    /// A letter from below.
    letter: Fiber,
    /// The fiber's stack, and all that its home knows of it.
    stack: Arc<UnsafeCell<u32>>,
    /// What somebody wrote before reaching for the fiber.
    written: Arc<UnsafeCell<u32>>,
}

impl Setting {
    pub(crate) fn new() -> Setting {
        Setting {
            fiber: Fiber::started(2),
            object: Arc::new(Entry::new(false)),
            tickets: Arc::new([Entry::new(true), Entry::new(true)]),
            relays: Arc::new(std::array::from_fn(|_| Relay::new())),
            mailboxes: Arc::new(std::array::from_fn(|_| Inbox::new())),
            letter: Fiber::new(0),
            stack: Arc::new(UnsafeCell::new(0)),
            written: Arc::new(UnsafeCell::new(0)),
        }
    }

    fn spawn<R: 'static>(&self, body: impl FnOnce(&Setting) -> R + 'static) -> thread::JoinHandle<R> {
        let setting = self.clone();
        thread::spawn(move || body(&setting))
    }

    /// The fiber runs for a while.
    pub(crate) fn run(&self) {
        // SAFETY: loom watches.
        self.stack.with_mut(|stack| unsafe { *stack += 1 });
    }

    pub(crate) fn runs(&self) -> u32 {
        // SAFETY: loom watches.
        self.stack.with(|stack| unsafe { *stack })
    }

    /// `push_roaming`. Somebody may be in, who goes on.
    fn push(&self, entry: &Entry, level: usize) {
        // SAFETY: it is the caller's, and stays.
        while unsafe { self.relays[level].push(NonNull::from(entry)) } == Err(Engaged) {
            thread::yield_now();
        }
    }

    fn ticket(&self, level: usize) {
        self.push(&self.tickets[level - 1], level);
    }

    /// `let_go`. `false`: a letter is on its way.
    pub(crate) fn depart(&self) -> bool {
        match self.fiber.state.depart() {
            Departure::Stays => return false,
            Departure::Push(level) => self.push(&self.object, level),
            Departure::PushTicket(level) => self.ticket(level),
            Departure::Queued => {}
        }
        true
    }

    /// `pop_relay`, once. `true`: the fiber is ours.
    pub(crate) fn pop(&self, level: usize, home: usize) -> bool {
        let Ok(Some(node)) = self.relays[level].pop() else { return false };
        // SAFETY: entries stay until the model ends.
        let is_ticket = unsafe { node.as_ref() }.is_ticket;
        let claim = match is_ticket {
            true => self.fiber.state.claim_by_ticket(level, home),
            false => self.fiber.state.claim(level, home),
        };
        let claim = match claim {
            // Nobody lends here: the level is as it was set.
            Claim::Unsure => self.fiber.state.claim_surely(level, home, !is_ticket),
            claim => claim,
        };
        match claim {
            Claim::Won => {
                assert_eq!(self.fiber.state.home(), Some(home));
                self.run();
                true
            }
            Claim::Unsure => panic!("it was just made sure"),
            Claim::Stale => false,
            Claim::Cancelled => panic!("it has to unwind"),
            Claim::StaleFree => {
                self.fiber.free();
                false
            }
        }
    }

    fn pop_surely(&self, level: usize, home: usize) {
        while !self.pop(level, home) {
            thread::yield_now();
        }
    }

    /// `worker/loan.rs`: `settle`, from elsewhere, of a fiber that roams, or has this home.
    fn set_level(&self, level: usize) {
        match self.fiber.state.set_level(level, By::Anyone).then {
            SetLevel::PushTicket => self.ticket(level),
            SetLevel::PostTo(home) => self.post(home, By::Anyone),
            SetLevel::Done | SetLevel::Posted(_) => {}
            SetLevel::Order => panic!("only from below"),
        }
    }

    pub(crate) fn post(&self, home: usize, by: By) {
        let letter = if by == By::Anyone { &self.fiber } else { &self.letter };
        self.fiber.post(&self.mailboxes[home], letter, by);
    }

    /// `read_mail`, of one home. The result is how many tokens there were.
    fn read_mail(&self, home: usize) -> u32 {
        let mail = self.mailboxes[home].take_all().oldest_first();
        mail.map(|mail| {
            let from = if self.fiber.is(mail) { By::Anyone } else { By::Below };
            let letter = self.fiber.state.open_letter(from);
            assert!(!letter.ended && !letter.free);
            assert_eq!(self.fiber.state.home(), Some(home), "a letter for another home");
            u32::from(letter.token)
        })
        .sum()
    }

    fn write(&self) {
        // SAFETY: loom watches.
        self.written.with_mut(|written| unsafe { *written = 1 });
    }

    fn assert_written(&self) {
        // SAFETY: loom watches.
        self.written.with(|written| assert_eq!(unsafe { *written }, 1));
    }

    pub(crate) fn end(&self) {
        self.fiber.run();
        self.fiber.complete();
    }
}

#[test]
fn what_is_pushed_is_popped_once_and_in_order() {
    explore(3, || {
        let setting = Setting::new();
        let other = setting.spawn(|setting| {
            setting.ticket(1);
            setting.relays[1].pop().unwrap_or(None).is_some()
        });
        // SAFETY: the entries stay until the model ends.
        let pushed = unsafe { setting.relays[1].push(NonNull::from(&*setting.object)) };
        let here = setting.relays[1].pop().unwrap_or(None).is_some();
        let there = other.join().unwrap();
        let pop = || setting.relays[1].pop().expect("nobody is in");
        let rest = std::iter::from_fn(pop).count();
        let expected = 1 + usize::from(pushed.is_ok());
        assert_eq!(usize::from(here) + usize::from(there) + rest, expected);
        assert!(setting.relays[1].looks_empty());
    });
}

#[test]
fn who_takes_a_fiber_that_departs_has_all_that_was_written() {
    explore(3, || {
        let setting = Setting::new();
        let taker = setting.spawn(|setting| setting.pop(2, 1));
        setting.run();
        assert!(setting.depart());
        let mine = setting.pop(2, 0);
        let theirs = taker.join().unwrap();
        assert!(!(mine && theirs), "it is at two workers");
        if !mine && !theirs {
            setting.pop_surely(2, 0);
        }
        assert_eq!(setting.runs(), 2);
        setting.end();
        setting.fiber.drop_handle();
        setting.fiber.check_end();
    });
}

/// Its ticket was popped before it departed: the two have nothing in common but the word.
#[test]
fn a_ticket_that_was_stale_when_it_was_popped_may_be_the_fiber_s_when_it_is_claimed() {
    explore(3, || {
        let setting = Setting::new();
        assert!(setting.depart());
        setting.set_level(1);
        setting.pop_surely(1, 0);
        setting.fiber.state.set_level_at_home(2);
        let taker = setting.spawn(|setting| setting.pop(2, 1));
        setting.run();
        assert!(setting.depart());
        let taken = taker.join().unwrap();
        if !taken {
            setting.pop_surely(2, 0);
        }
        assert_eq!(setting.runs(), 3);
        setting.end();
        setting.fiber.drop_handle();
        setting.fiber.check_end();
    });
}

/// It was claimed by another ticket while the object itself was in a queue, out of which somebody takes it now.
#[test]
fn the_object_is_in_one_queue_at_a_time() {
    explore(3, || {
        let setting = Setting::new();
        assert!(setting.depart());
        setting.set_level(1);
        let taker = setting.spawn(|setting| setting.pop(2, 1));
        setting.pop_surely(1, 0);
        assert!(setting.depart());
        setting.pop_surely(1, 0);
        assert!(!taker.join().unwrap());
        setting.end();
        setting.fiber.drop_handle();
        setting.pop(2, 0);
        setting.fiber.check_end();
    });
}

#[test]
fn a_token_finds_the_fiber_wherever_it_is() {
    for by in [By::Anyone, By::Below] {
        explore(2, move || {
            let setting = Setting::new();
            setting.fiber.state.hold();
            let resumer = setting.spawn(move |setting| {
                setting.write();
                if let Some(home) = setting.fiber.state.resume(by) {
                    setting.post(home, by);
                }
                setting.fiber.drop_resumer();
            });
            let mut tokens = 0;
            let mut home = 0;
            if setting.depart() {
                home = 1;
                setting.pop_surely(2, home);
                tokens += u32::from(setting.fiber.state.take_token());
            }
            while tokens == 0 {
                tokens += setting.read_mail(home);
                thread::yield_now();
            }
            setting.assert_written();
            resumer.join().unwrap();
            assert_eq!(setting.read_mail(home), 0);
            setting.end();
            setting.fiber.drop_handle();
            setting.fiber.check_end();
        });
    }
}

#[test]
fn one_that_is_cancelled_on_its_way_is_not_ended_but_told() {
    for by in [By::Anyone, By::Below] {
        explore(2, move || {
            let setting = Setting::new();
            let canceller = setting.spawn(move |setting| {
                setting.write();
                match setting.fiber.state.cancel(by, 0) {
                    Cancel::PostTo(home) => setting.post(home, by),
                    Cancel::Done => {}
                    Cancel::Won(_) => panic!("it has started"),
                }
            });
            let home = usize::from(setting.depart());
            if home == 1 {
                assert!(setting.fiber.state.has_started() && setting.fiber.state.revoke(0).is_none());
                setting.pop_surely(2, home);
            }
            while !setting.fiber.state.is_cancelled() {
                thread::yield_now();
            }
            setting.assert_written();
            canceller.join().unwrap();
            setting.read_mail(home);
            setting.end();
            setting.fiber.drop_handle();
            setting.fiber.check_end();
        });
    }
}

#[test]
fn one_that_is_moved_on_its_way_is_taken_at_its_level() {
    explore(2, || {
        let setting = Setting::new();
        let mover = setting.spawn(|setting| setting.set_level(1));
        let mut home = 0;
        if setting.depart() {
            home = 1;
            while !setting.pop(1, home) && !setting.pop(2, home) {
                thread::yield_now();
            }
        }
        mover.join().unwrap();
        setting.read_mail(home);
        assert_eq!(setting.fiber.state.level(), 1);
        setting.end();
        setting.fiber.drop_handle();
        setting.pop(1, 2);
        setting.pop(2, 2);
        setting.fiber.check_end();
    });
}

/// An order that is popped while the fiber has a home is spent. Its maker must not take it for one that is still queued
/// because the fiber has left its home since.
#[test]
fn an_order_in_the_making_keeps_the_fiber_where_it_is() {
    explore(2, || {
        let setting = Setting::new();
        let mover = setting.spawn(|setting| {
            let state = &setting.fiber.state;
            match state.set_level(1, By::Below).then {
                SetLevel::Order => {}
                SetLevel::PostTo(home) => return setting.post(home, By::Below),
                SetLevel::Done | SetLevel::Posted(_) | SetLevel::PushTicket => return,
            }
            state.begin_order();
            setting.ticket(1);
            let then = state.set_level(1, By::Order).then;
            state.end_order();
            if let SetLevel::PostTo(home) = then {
                setting.post(home, By::Below);
            }
        });
        let ordered = |home| {
            let Ok(Some(_)) = setting.relays[1].pop() else { return false };
            setting.fiber.state.claim_ordered(1, home).0 == Claim::Won
        };
        let mut home = 0;
        for next in [1, 2] {
            setting.read_mail(home);
            assert!(!ordered(home), "it has a home: the order is spent");
            if setting.depart() {
                while !ordered(next) && !setting.pop(2, next) {
                    thread::yield_now();
                }
                home = next;
            }
        }
        mover.join().unwrap();
        setting.read_mail(home);
        assert_eq!((setting.fiber.state.level(), setting.fiber.state.home()), (1, Some(home)));
        setting.end();
        setting.fiber.drop_handle();
        setting.pop(1, 0);
        setting.pop(2, 0);
        setting.fiber.check_end();
    });
}
