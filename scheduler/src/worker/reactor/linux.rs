//! See [the module's documentation](super).

use super::ring::{Operation, Ring};
use crate::fiber::FiberRef;
use crate::machine::clock;
use crate::machine::poll::{Event, Poller};
use crate::policy::crowd::Crowd;
use crate::policy::{INBOX_INTERVAL, POLL_INTERVAL, TURN};
use crate::priority::{LEVELS, Priority};
use crate::worker::Worker;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;
use std::ptr;
use std::rc::Rc;
use std::time::Duration;

/// Entries in a page of the table: it has pages only where there are descriptors.
const PAGE: usize = 64;

/// Fibers of this level, and those below it, are [put off](Crowd) where they are too many.
const PATIENT: usize = Priority::Normal.level();

/// What one waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read = 0,
    Write = 1,
}

const READY: u8 = 1;
const FOR_GOOD: u8 = 2;
/// Its fibers are put off: it is in line.
const PUT_OFF: u8 = 4;

/// What is known of one descriptor.
#[derive(Default)]
struct Entry {
    /// The source; 0: none.
    id: Cell<u64>,
    /// By direction.
    state: [Cell<u8>; 2],
    /// The last turn of its crowd in which its fibers were resumed.
    mark: Cell<u64>,
    /// Who waits, by direction: the newest; null: nobody.
    waiting: [Cell<*const Node>; 2],
}

impl Entry {
    fn is_ready(&self, direction: Direction) -> bool {
        self.state[direction as usize].get() & (READY | FOR_GOOD) != 0
    }

    /// The level of whoever waits: the newest.
    fn level(&self, direction: Direction) -> Option<usize> {
        // SAFETY: a node in a list is alive.
        Some(unsafe { self.waiting[direction as usize].get().as_ref() }?.fiber.state.level())
    }
}

/// Something has come for its fibers, which are to wait for their turn.
struct PutOff {
    fd: RawFd,
    id: u64,
    direction: Direction,
}

/// One who waits, in its fiber's frame.
pub(crate) struct Node {
    fiber: FiberRef,
    /// It is in no list any more.
    is_over: Cell<bool>,
    /// At which level its fiber was resumed.
    level: Cell<usize>,
    newer: Cell<*const Node>,
    older: Cell<*const Node>,
}

impl Node {
    /// It need not wait any longer.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.get()
    }
}

/// Takes a node out when its fiber goes on.
struct Leaves<'a> {
    reactor: &'a Reactor,
    entry: &'a Entry,
    direction: Direction,
    node: &'a Node,
}

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.reactor.leave(self.entry, self.direction, self.node);
    }
}

type Page = [Entry; PAGE];

/// See the [module's documentation](super).
pub(crate) struct Reactor {
    poller: OnceCell<Poller>,
    /// `None` inside: the system has none for us.
    ring: OnceCell<Option<Ring>>,
    pages: RefCell<Vec<Option<Rc<Page>>>>,
    /// How many fibers wait.
    waiting: Cell<usize>,
    /// When to look next, in ticks.
    look_at: Cell<u64>,
    /// At most so many dispatches until the next look, so that it is not much too late.
    pace: Cell<u64>,
    /// [`POLL_INTERVAL`] in ticks.
    interval: u64,
    /// By level: who is served, and who is put off meanwhile.
    crowds: [(Crowd, RefCell<VecDeque<PutOff>>); LEVELS],
    /// [`TURN`] in ticks.
    turn: u64,
}

impl Reactor {
    pub(crate) fn new() -> Reactor {
        Reactor {
            poller: OnceCell::new(),
            ring: OnceCell::new(),
            pages: RefCell::default(),
            waiting: Cell::new(0),
            look_at: Cell::new(0),
            pace: Cell::new(INBOX_INTERVAL),
            interval: clock::ticks_in(POLL_INTERVAL),
            crowds: Default::default(),
            turn: clock::ticks_in(TURN),
        }
    }

    /// Does any fiber of ours wait for a descriptor?
    #[inline(always)]
    pub(crate) fn is_awaited(&self) -> bool {
        self.waiting.get() != 0
    }

    /// The entry of a number, if there is a page for it.
    fn entry(&self, fd: RawFd) -> Option<&Entry> {
        let (page, index) = (fd as usize / PAGE, fd as usize % PAGE);
        let pages = self.pages.borrow();
        let page: *const Page = &**pages.get(page)?.as_ref()?;
        // SAFETY: a page stays where it is until the reactor ends.
        Some(unsafe { &(*page)[index] })
    }

    /// The entry of a source, if it is registered here.
    #[inline]
    fn entry_of(&self, fd: RawFd, id: u64) -> Option<&Entry> {
        self.entry(fd).filter(|entry| entry.id.get() == id)
    }

    fn make_entry(&self, fd: RawFd) -> &Entry {
        let page = fd as usize / PAGE;
        let mut pages = self.pages.borrow_mut();
        if pages.len() <= page {
            pages.resize_with(page + 1, || None);
        }
        pages[page].get_or_insert_with(|| Rc::new(std::array::from_fn(|_| Entry::default())));
        drop(pages);
        self.entry(fd).expect("its page is there now")
    }

    /// A call is worth while: it is not known that there is nothing.
    pub(crate) fn may_be_ready(&self, fd: RawFd, id: u64, direction: Direction) -> bool {
        self.entry_of(fd, id).is_none_or(|entry| entry.is_ready(direction))
    }

    /// Something has come, and no call has found otherwise.
    pub(crate) fn is_ready(&self, fd: RawFd, id: u64, direction: Direction) -> bool {
        self.entry_of(fd, id).is_some_and(|entry| entry.is_ready(direction))
    }

    /// A call has found nothing, or less than it could take.
    pub(crate) fn found_nothing(&self, fd: RawFd, id: u64, direction: Direction) {
        if let Some(entry) = self.entry_of(fd, id) {
            let state = &entry.state[direction as usize];
            state.set(state.get() & !READY);
        }
    }

    /// Notes what has come. The result is how many were put off.
    fn note(&self, event: Event, wake: impl Fn(FiberRef)) -> u64 {
        let mut count = 0;
        let Some(entry) = self.entry(event.fd) else { return count };
        let id = entry.id.get();
        if id == 0 || id as u32 != event.generation {
            return count;
        }
        for (direction, ready, for_good) in [
            (Direction::Read, event.read(), event.read_for_good()),
            (Direction::Write, event.write(), event.write_for_good()),
        ] {
            if ready {
                let state = &entry.state[direction as usize];
                state.set(state.get() | READY | if for_good { FOR_GOOD } else { 0 });
                let Some(level) = entry.level(direction) else { continue };
                let (crowd, line) = &self.crowds[level];
                if level < PATIENT || crowd.enter(&entry.mark) {
                    self.wake_all(entry, direction, &wake);
                } else if state.get() & PUT_OFF == 0 {
                    state.set(state.get() | PUT_OFF);
                    line.borrow_mut().push_back(PutOff { fd: event.fd, id, direction });
                    count += 1;
                }
            }
        }
        count
    }

    /// Resumes those whose turn it is. After this, where somebody is in line of a level, a fiber of that level is ready.
    fn let_in(&self, wake: impl Fn(FiberRef)) {
        let now = clock::ticks();
        for (crowd, line) in &self.crowds[PATIENT..] {
            let mut room = crowd.let_in(now, self.turn);
            while room > 0
                && let Some(PutOff { fd, id, direction }) = { line.borrow_mut().pop_front() }
            {
                if let Some(entry) = self.entry_of(fd, id)
                    && self.is_let_in(entry, direction)
                {
                    crowd.join(&entry.mark);
                    self.wake_all(entry, direction, &wake);
                    room -= 1;
                }
            }
        }
    }

    /// Is put off no longer. `false`: it was not, or there is nobody to resume.
    fn is_let_in(&self, entry: &Entry, direction: Direction) -> bool {
        let state = &entry.state[direction as usize];
        let before = state.replace(state.get() & !PUT_OFF);
        before & PUT_OFF != 0 && !entry.waiting[direction as usize].get().is_null()
    }

    fn wake_all(&self, entry: &Entry, direction: Direction, wake: impl Fn(FiberRef)) {
        // The oldest first: they are linked from the newest.
        let mut node = entry.waiting[direction as usize].replace(ptr::null());
        // SAFETY: a node in a list is alive: its fiber takes it out before its frame ends, and runs only after this.
        while let Some(next) = unsafe { node.as_ref().and_then(|node| node.older.get().as_ref()) } {
            node = next;
        }
        // SAFETY: as above.
        while let Some(this) = unsafe { node.as_ref() } {
            node = this.newer.get();
            this.is_over.set(true);
            this.level.set(this.fiber.state.level());
            self.crowds[this.level.get()].0.resumed();
            self.waiting.set(self.waiting.get() - 1);
            wake(this.fiber);
        }
    }

    fn enter(&self, entry: &Entry, direction: Direction, node: &Node) {
        let first = &entry.waiting[direction as usize];
        node.older.set(first.get());
        // SAFETY: a node in a list is alive.
        if let Some(older) = unsafe { first.get().as_ref() } {
            older.newer.set(node);
        }
        first.set(node);
        self.waiting.set(self.waiting.get() + 1);
    }

    /// The entry is still the one that was entered: one that is taken over lets go of all first.
    fn leave(&self, entry: &Entry, direction: Direction, node: &Node) {
        if node.is_over.replace(true) {
            return self.crowds[node.level.get()].0.went_on();
        }
        // SAFETY: nodes in a list are alive.
        let (newer, older) = unsafe { (node.newer.get().as_ref(), node.older.get().as_ref()) };
        match newer {
            Some(newer) => newer.older.set(node.older.get()),
            None => entry.waiting[direction as usize].set(node.older.get()),
        }
        if let Some(older) = older {
            older.newer.set(node.newer.get());
        }
        self.waiting.set(self.waiting.get() - 1);
    }
}

impl Worker {
    fn poller(&self) -> io::Result<&Poller> {
        if let Some(poller) = self.io.poller.get() {
            return Ok(poller);
        }
        let poller = Poller::new(self.remote().open_bell()?)?;
        Ok(self.io.poller.get_or_init(|| poller))
    }

    fn ring(&self) -> Option<&Ring> {
        if !self.shared.config.rings {
            return None;
        }
        if let Some(ring) = self.io.ring.get() {
            return ring.as_ref();
        }
        // Where there are no descriptors just now, there may be later.
        let poller = self.poller().ok()?;
        let ring = Ring::new().ok().filter(|ring| poller.add_ring(ring.descriptor()).is_ok());
        self.io.ring.get_or_init(|| ring).as_ref()
    }

    /// Has the kernel do `entry` for the current fiber, and calls `wait`, which suspends it until the operation
    /// [has a result](Operation::result), not shorter; it may [ask for an earlier end](Self::cancel_operation). `None`:
    /// there is no ring, and it has not begun.
    ///
    /// # Safety
    /// What `entry` points to stays until `wait` returns, and `wait` returns only when there is a result. It does not
    /// unwind before.
    pub(crate) unsafe fn operate(
        &self,
        entry: io_uring::squeue::Entry,
        wait: impl FnOnce(&Operation),
    ) -> Option<io::Result<u32>> {
        let ring = self.ring()?;
        let fiber = self.current().and_then(|carrier| carrier.fiber()).expect("only a fiber waits here");
        let operation = Operation::new(fiber);
        // SAFETY: it is in this frame until it has a result; the caller promises the rest.
        unsafe { ring.submit(entry, &operation) }.ok()?;
        self.remote().counters.io.operations.add(1);
        ring.reap(|fiber| self.resume_here(fiber));
        if operation.result().is_none() {
            self.io.waiting.set(self.io.waiting.get() + 1);
            wait(&operation);
            self.io.waiting.set(self.io.waiting.get() - 1);
        }
        Some(operation.result().expect("it was waited for"))
    }

    /// Asks the kernel to end it soon.
    pub(crate) fn cancel_operation(&self, operation: &Operation) {
        if let Some(ring) = self.ring() {
            ring.cancel(operation);
        }
    }

    /// The source's entry here; it is registered if it is not.
    fn register(&self, fd: RawFd, id: u64) -> io::Result<&Entry> {
        if let Some(entry) = self.io.entry_of(fd, id) {
            return Ok(entry);
        }
        let poller = self.poller()?;
        let entry = self.io.make_entry(fd);
        poller.add(fd, id as u32)?;
        let counters = &self.remote().counters.io;
        match entry.id.replace(id) {
            0 => counters.registered.add(1),
            // The source that had the number is gone, and who waits for it holds it: so this is nobody, unless
            // somebody closed the number behind our back.
            _ => {
                for direction in [Direction::Read, Direction::Write] {
                    self.io.wake_all(entry, direction, |fiber| self.resume_here(fiber));
                }
            }
        }
        entry.state.iter().for_each(|state| state.set(0));
        Ok(entry)
    }

    /// A source is about to be closed, or to be taken out of our hands (`lives_on`).
    pub(crate) fn forget_source(&self, fd: RawFd, id: u64, lives_on: bool) {
        if let Some(entry) = self.io.entry_of(fd, id) {
            entry.id.set(0);
            self.remote().counters.io.registered.add(u64::MAX);
            if lives_on && let Some(poller) = self.io.poller.get() {
                poller.remove(fd);
            }
        }
    }

    /// Calls `wait`, which suspends the current fiber until it [need not wait](Node::is_over) or does not want to any
    /// longer, as a call has just found that the source is not ready. `None`: it is, by now.
    ///
    /// # Errors
    /// The source could not be registered.
    pub(crate) fn wait_for_source<R>(
        &self,
        (fd, id): (RawFd, u64),
        direction: Direction,
        wait: impl FnOnce(&Node) -> R,
    ) -> io::Result<Option<R>> {
        let fiber = self.current().and_then(|carrier| carrier.fiber()).expect("only a fiber waits here");
        let entry = self.register(fd, id)?;
        if entry.is_ready(direction) {
            return Ok(None);
        }
        let node = Node {
            fiber,
            is_over: Cell::new(false),
            level: Cell::new(0),
            newer: Cell::new(ptr::null()),
            older: Cell::new(ptr::null()),
        };
        self.io.enter(entry, direction, &node);
        let _leaves = Leaves { reactor: &self.io, entry, direction, node: &node };
        self.remote().counters.io.waits.add(1);
        let tick = self.remote().counters.dispatches.get();
        self.chores_at.set(self.chores_at.get().min(tick + self.io.pace.get()));
        Ok(Some(wait(&node)))
    }

    /// A fiber that waits for the source has another level now. If it was put off, that may be too late for it.
    pub(crate) fn is_more_urgent(&self, (fd, id): (RawFd, u64), direction: Direction, level: usize) {
        if level < PATIENT
            && let Some(entry) = self.io.entry_of(fd, id)
            && self.io.is_let_in(entry, direction)
        {
            self.io.wake_all(entry, direction, |fiber| self.resume_here(fiber));
        }
    }

    /// Is it time to look?
    #[inline(always)]
    pub(crate) fn polls_now(&self) -> bool {
        self.io.is_awaited() && clock::ticks() >= self.io.look_at.get()
    }

    /// Looks, and resumes who need not wait any longer.
    #[cold]
    pub(crate) fn poll_io(&self) {
        self.look_at_poller(Some(Duration::ZERO));
    }

    /// After how many dispatches to see whether it is time to look.
    pub(crate) fn pace_of_polls(&self) -> u64 {
        let (now, io) = (clock::ticks(), &self.io);
        let pace = io.pace.get();
        if now >= io.look_at.get() {
            let late = now - io.look_at.get();
            self.poll_io();
            io.pace.set(if late > io.interval { (pace / 2).max(1) } else { pace });
        } else {
            io.pace.set((2 * pace).min(INBOX_INTERVAL));
        }
        io.pace.get()
    }

    /// Sleeps until somebody unparks us, or something has happened, at most for so long.
    /// `true`: somebody did.
    pub(crate) fn park_in_poller(&self, timeout: Option<Duration>) -> bool {
        self.remote().park_in(|asleep| {
            if asleep {
                self.remote().counters.io.sleeps.add(1);
            }
            self.look_at_poller(if asleep { timeout } else { Some(Duration::ZERO) });
        })
    }

    fn look_at_poller(&self, timeout: Option<Duration>) {
        let Some(poller) = self.io.poller.get() else { return };
        let counters = &self.remote().counters.io;
        let more = poller.wait(timeout, |event| {
            counters.events.add(1);
            if event.is_ring() {
                if let Some(Some(ring)) = self.io.ring.get() {
                    ring.reap(|fiber| self.resume_here(fiber));
                }
                return;
            }
            let put_off = self.io.note(event, |fiber| self.resume_here(fiber));
            counters.put_off.add(put_off);
        });
        counters.polls.add(1);
        self.io.let_in(|fiber| self.resume_here(fiber));
        let next = if more { 0 } else { self.io.interval };
        self.io.look_at.set(clock::ticks() + next);
    }
}
