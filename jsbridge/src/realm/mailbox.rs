//! An isolate's inbox and how its fiber is woken.

use super::inbox::{Inbox, Opened};
use super::pending::Ticket;
use crate::deferred::work::{Outcome, Work};
use crate::isolate::handle::Scope;
use heddle_scheduler::suspend::{Resumer, suspend};
use heddle_scheduler::{JoinHandle, Priority, deadline};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// What an isolate is told.
pub(crate) enum Letter {
    /// A Deferred that it made has an outcome.
    Settled { ticket: Ticket, outcome: Outcome },
    /// A Deferred that it made says how far it is.
    Progress { ticket: Ticket, work: Arc<Work> },
    /// Something else to be done in it.
    Task(Box<dyn for<'a> FnOnce(Scope<'a>) + Send>),
}

/// See the module's documentation.
pub(crate) struct Mailbox {
    inbox: Inbox<Letter>,
    /// Of the fiber that runs the isolate, once it does.
    owner: OnceLock<Resumer>,
    /// Of a main realm: its fiber has the priority of the most urgent letter.
    fiber: OnceLock<JoinHandle<()>>,
    /// What the fiber counts with now.
    raised_to: AtomicU8,
    /// Nobody reads it any more.
    closed: AtomicBool,
}

impl Mailbox {
    pub(crate) fn new() -> Mailbox {
        Mailbox {
            inbox: Inbox::new(),
            owner: OnceLock::new(),
            fiber: OnceLock::new(),
            raised_to: AtomicU8::new(Priority::Critical as u8),
            closed: AtomicBool::new(false),
        }
    }

    /// The current fiber reads it.
    pub(crate) fn own(&self) {
        self.owner.get_or_init(Resumer::current);
    }

    /// The fiber that reads it follows its letters in priority.
    pub(crate) fn follow(&self, fiber: JoinHandle<()>, base: Priority) {
        self.raised_to.store(base as u8, Ordering::Relaxed);
        let _ = self.fiber.set(fiber);
    }

    /// Ends the fiber that reads it.
    pub(crate) fn cancel(&self) {
        if let Some(fiber) = self.fiber.get() {
            fiber.cancel();
        }
    }

    /// Nobody will read it any more: what is in it is dropped, and so is what comes later. Whoever waits for an answer
    /// to it learns of that.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        // ORDERING: against the fence at the end of the inbox's `post`: the letter is seen here, or the closing there.
        fence(Ordering::SeqCst);
        self.inbox.clear();
    }

    /// Will nobody read it any more?
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Posts a letter, from anywhere.
    pub(crate) fn post(&self, level: Priority, letter: Letter) {
        let rings = self.inbox.post(level as usize, letter);
        if self.closed.load(Ordering::Relaxed) {
            return self.inbox.clear();
        }
        self.raise(level);
        if rings && let Some(owner) = self.owner.get() {
            owner.resume();
        }
    }

    fn raise(&self, level: Priority) {
        // ORDERING: against the fence in `settle_down`: the owner sees the letter (its post ended with a fence), or we see
        // that it went down.
        if self.raised_to.load(Ordering::Relaxed) > level as u8
            && self.raised_to.fetch_min(level as u8, Ordering::Relaxed) > level as u8
            && let Some(fiber) = self.fiber.get()
        {
            fiber.set_priority(level);
        }
    }

    /// The owner has nothing more urgent to do than this, and takes that priority.
    pub(crate) fn settle_down(&self, opened: &Opened<Letter>, base: Priority) {
        let Some(fiber) = self.fiber.get() else { return };
        loop {
            let wanted =
                self.inbox.most_urgent(opened).map_or(base as u8, |level| (level as u8).min(base as u8));
            self.raised_to.store(wanted, Ordering::Relaxed);
            if fiber.base_priority() as u8 != wanted {
                fiber.set_priority(Priority::ALL[usize::from(wanted)]);
            }
            // ORDERING: against the fence at the end of the inbox's `post`.
            fence(Ordering::SeqCst);
            if self.inbox.most_urgent(opened).is_none_or(|level| level as u8 >= wanted) {
                return;
            }
        }
    }

    /// The most urgent letter.
    pub(crate) fn take(&self, opened: &mut Opened<Letter>) -> Option<(Priority, Letter)> {
        self.inbox.take(opened).map(|(level, letter)| (Priority::ALL[level], letter))
    }

    /// The level of the most urgent letter.
    pub(crate) fn most_urgent(&self, opened: &Opened<Letter>) -> Option<Priority> {
        self.inbox.most_urgent(opened).map(|level| Priority::ALL[level])
    }

    /// Waits for a letter, until then at most. May return without either; an error if the fiber was cancelled, or that
    /// moment has come.
    pub(crate) fn wait(&self, until: Option<Instant>) -> Result<(), heddle_scheduler::Cancelled> {
        if !self.inbox.fall_asleep() {
            return Ok(());
        }
        let woken = match until {
            None => suspend(),
            Some(until) => deadline(until, suspend).unwrap_or(Ok(())),
        };
        self.inbox.wake_up();
        woken
    }
}
