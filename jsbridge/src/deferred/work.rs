//! One Deferred, between its maker and the fiber that runs it.
//!
//! | state   | who leaves it                                | to       |
//! |---------|----------------------------------------------|----------|
//! | queued  | its fiber, when it has an isolate            | running  |
//! | queued  | who cancels it; the timeout; a refusal       | settled  |
//! | running | its fiber, with the outcome                  | settled  |
//! | running | who cancels it; the timeout                  | settled  |
//! | settled | nobody                                       |          |
//!
//! Who makes the step to *settled* is the one who tells the maker: so it is told once. A fiber that finds its Deferred
//! settled ends, and what it has found out is dropped.
//!
//! The maker and the fiber may be in different lanes, so nothing here waits for anybody: words, slots that are swapped,
//! and a list of handles that only grows.

use super::answer::Answer;
use super::from_host::Source;
use super::slot::Slot;
use crate::clone::Message;
use crate::error::Error;
use crate::function::Shipment;
use crate::isolate::pool::RealmId;
use crate::realm::mailbox::{Letter, Mailbox};
use crate::realm::pending::Ticket;
use crate::script::Script;
use crate::stats::{Counters, Ended};
use heddle_scheduler::sync::channel::OneshotSender;
use heddle_scheduler::{JoinHandle, NodeId, Priority};
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

const QUEUED: u8 = 0;
const RUNNING: u8 = 1;
const SETTLED: u8 = 2;

/// See the module's documentation.
pub(crate) struct Work {
    state: AtomicU8,
    priority: AtomicU8,
    pub(crate) about: About,
    task: Slot<Task>,
    reply: Reply,
    fibers: Fibers,
    /// The last [`Asked`], odd where one of the two was there.
    asked: AtomicU32,
    /// The newest progress that was not delivered yet.
    progress: Slot<Message>,
    counters: Arc<Counters>,
}

/// What never changes.
#[derive(Debug)]
pub(crate) struct About {
    pub(crate) name: Option<String>,
    pub(crate) realm: RealmId,
    /// How many Deferreds it is inside of. Each of them holds an isolate meanwhile.
    pub(crate) depth: usize,
    /// It wants an isolate that nobody has used.
    pub(crate) isolated: bool,
    pub(crate) node: Option<NodeId>,
    pub(crate) due: Option<Instant>,
}

impl About {
    /// What has no options.
    pub(crate) fn plain(realm: RealmId) -> About {
        About { name: None, realm, depth: 0, isolated: false, node: None, due: None }
    }
}

/// What is to be run.
pub(crate) enum Task {
    /// A function and its arguments.
    Call { function: Shipment, arguments: Option<Message> },
    /// A host's function, and its arguments.
    Source { function: Arc<Source>, arguments: Option<Message> },
    /// A script; its last statement has the result.
    Script(Script),
}

/// Whom to tell.
pub(crate) enum Reply {
    /// The isolate that made it.
    Isolate { mailbox: Arc<Mailbox>, ticket: Ticket },
    /// A host.
    Host(Answer<Outcome, OneshotSender<Outcome>>),
}

/// How it went.
pub(crate) type Outcome = Result<Message, Failure>;

/// Why there is no result.
pub(crate) enum Failure {
    /// A copy of what the function threw, with its text for hosts.
    Thrown(Message, Error),
    /// Something else.
    Other(Error),
}

/// The number of a request for a fiber.
#[derive(Clone, Copy)]
pub(crate) struct Asked(u32);

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Queued,
    Running,
    Settled,
}

impl Work {
    pub(crate) fn new(
        priority: Priority,
        about: About,
        task: Task,
        reply: Reply,
        counters: &Arc<Counters>,
    ) -> Work {
        counters.made(priority);
        Work {
            state: AtomicU8::new(QUEUED),
            priority: AtomicU8::new(priority as u8),
            about,
            task: Slot::new(Some(task)),
            reply,
            fibers: Fibers::default(),
            asked: AtomicU32::new(0),
            progress: Slot::new(None),
            counters: counters.clone(),
        }
    }

    pub(crate) fn stage(&self) -> Stage {
        match self.state.load(Ordering::Relaxed) {
            QUEUED => Stage::Queued,
            RUNNING => Stage::Running,
            _ => Stage::Settled,
        }
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.stage() == Stage::Settled
    }

    /// Has it taken longer than it may?
    pub(crate) fn is_overdue(&self) -> bool {
        self.about.due.is_some_and(|due| due <= Instant::now())
    }

    pub(crate) fn priority(&self) -> Priority {
        Priority::ALL[usize::from(self.priority.load(Ordering::Relaxed)).min(Priority::ALL.len() - 1)]
    }

    /// At once, wherever it is.
    pub(crate) fn set_priority(&self, priority: Priority) {
        self.priority.store(priority as u8, Ordering::Relaxed);
        // ORDERING: against the fence in `has_fiber`: the fiber's handle is seen here, or the priority there.
        fence(Ordering::SeqCst);
        if let Some(fiber) = self.fibers.latest() {
            fiber.set_priority(priority);
        }
    }

    /// Whoever makes a fiber for it asks for that now: one after the other, each after the fiber of the one before has run.
    pub(crate) fn asks_for_a_fiber(&self) -> Asked {
        let asked = (self.asked.load(Ordering::Relaxed) | 1).wrapping_add(1);
        self.asked.store(asked, Ordering::Relaxed);
        Asked(asked)
    }

    /// Two end here: who asked for the fiber and has the answer, and the fiber if it is dropped before it begins. The second
    /// tells the maker, so a refusal is told by whoever knows why.
    pub(crate) fn is_second(&self, Asked(asked): Asked) -> bool {
        // ORDERING: the two pass nothing on to each other.
        let first = self.asked.compare_exchange(asked, asked | 1, Ordering::Relaxed, Ordering::Relaxed);
        // Another number: somebody has asked again, so the fiber ran.
        first.is_err_and(|found| found == asked | 1)
    }

    /// A fiber was made for it.
    pub(crate) fn has_fiber(&self, fiber: JoinHandle<()>, made_with: Priority) {
        let fiber = self.fibers.push(fiber);
        // ORDERING: against the fences in `set_priority` and `end`.
        fence(Ordering::SeqCst);
        if self.is_settled() {
            fiber.cancel();
        }
        let priority = self.priority();
        if priority != made_with {
            fiber.set_priority(priority);
        }
    }

    /// The fiber has an isolate, and runs it: here is what. `None`: it is settled.
    pub(crate) fn begin(&self) -> Option<Task> {
        let begun = self.state.compare_exchange(QUEUED, RUNNING, Ordering::Relaxed, Ordering::Relaxed);
        begun.ok().and_then(|_| self.task.take())
    }

    /// The step to *settled*. True: the caller made it, and tells the maker. It is counted before anybody is told.
    fn settle(&self, how: Ended) -> bool {
        let made = self.state.swap(SETTLED, Ordering::Relaxed) != SETTLED;
        if made {
            self.counters.ended(self.priority(), how);
        }
        made
    }

    /// It has an outcome; the maker is told, if nobody was faster.
    pub(crate) fn finish(self: &Arc<Self>, outcome: Outcome) {
        if !self.settle(ended(&outcome)) {
            return;
        }
        drop(self.task.take());
        match &self.reply {
            Reply::Isolate { mailbox, ticket } => {
                mailbox.post(self.priority(), Letter::Settled { ticket: *ticket, outcome });
            }
            Reply::Host(answer) => tell(answer, outcome),
        }
    }

    /// Ends it, wherever it is. True: it was not settled before, and the caller tells the maker. One that runs is
    /// stopped where the engine next asks.
    pub(crate) fn end(&self, how: Ended) -> bool {
        if !self.settle(how) {
            return false;
        }
        drop(self.task.take());
        // ORDERING: against the fence in `has_fiber`: the handle is seen here, or the end there.
        fence(Ordering::SeqCst);
        if let Some(fiber) = self.fibers.latest() {
            fiber.cancel();
        }
        true
    }

    /// Ends it, and tells a host why.
    pub(crate) fn cancel(self: &Arc<Self>, why: impl FnOnce() -> Error) {
        let outcome = Err(Failure::Other(why()));
        if self.end(ended(&outcome))
            && let Reply::Host(answer) = &self.reply
        {
            tell(answer, outcome);
        }
    }

    /// The function says how far it is. Of several that the maker has not seen yet, it will see the newest.
    pub(crate) fn progress(self: &Arc<Self>, progress: Message) {
        if let Reply::Isolate { mailbox, ticket } = &self.reply
            && self.progress.put(progress).is_none()
        {
            mailbox.post(self.priority(), Letter::Progress { ticket: *ticket, work: self.clone() });
        }
    }

    /// Was it made by a script?
    pub(crate) fn is_scripts(&self) -> bool {
        matches!(self.reply, Reply::Isolate { .. })
    }

    /// Of a host's: the outcome, or who waits for it.
    pub(crate) fn answer(&self) -> Option<&Answer<Outcome, OneshotSender<Outcome>>> {
        match &self.reply {
            Reply::Host(answer) => Some(answer),
            Reply::Isolate { .. } => None,
        }
    }

    pub(crate) fn take_progress(&self) -> Option<Message> {
        self.progress.take()
    }
}

fn tell(answer: &Answer<Outcome, OneshotSender<Outcome>>, outcome: Outcome) {
    if let Some((asker, outcome)) = answer.tell(outcome) {
        // Nobody may be listening any more.
        let _ = asker.send(outcome);
    }
}

fn ended(outcome: &Outcome) -> Ended {
    match outcome {
        Ok(_) => Ended::Returned,
        Err(Failure::Other(error)) if error.is_overdue() => Ended::TimedOut,
        Err(Failure::Other(error)) if error.is_cancelled() => Ended::Cancelled,
        Err(_) => Ended::Failed,
    }
}

/// The fibers that were made for it, one after the other: a second one if the first found no isolate. It only grows,
/// so that nobody waits for anybody.
#[derive(Default)]
struct Fibers {
    first: OnceLock<JoinHandle<()>>,
    next: OnceLock<Box<Fibers>>,
}

impl Fibers {
    /// Only one at a time calls this: who has just made the fiber.
    fn push(&self, fiber: JoinHandle<()>) -> &JoinHandle<()> {
        let mut list = self;
        while list.first.get().is_some() {
            list = list.next.get_or_init(Box::default);
        }
        list.first.get_or_init(|| fiber)
    }

    fn latest(&self) -> Option<&JoinHandle<()>> {
        let mut list = self;
        while let Some(next) = list.next.get().filter(|next| next.first.get().is_some()) {
            list = next;
        }
        list.first.get()
    }
}
