//! Threads for calls that block: they are made when calls wait for them, serve the most urgent call first, and end
//! when they have been idle for long.
//!
//! | file    | what it has                                                             |
//! |---------|-------------------------------------------------------------------------|
//! | `mod`   | the queue, the threads                                                  |
//! | `call`  | one call: who does it, or takes it back, and who waits                  |
//! | `staff` | how many calls wait, how many threads there are: one word               |
//!
//! # Who waits for whom
//!
//! A call is queued by a compare-and-swap in an inbox of its level, counted by another, and announced by a system
//! call; so nobody who queues one waits for anybody, and a thread of the background lane that the kernel stops in between
//! keeps nobody but itself: its call may be there and not counted (then it waits, and somebody else's count may
//! serve it first), or counted and not announced (then the next thread that looks serves it).
//! The *shelf*, where the calls are in order, has a lock, which only the threads of the pool take. They have the
//! ordinary lane's policy, whoever makes them, and a thread of the background lane makes none: it would pass on
//! its policy, and map memory, which it must not.
//!
//! | field     | used by                                                        |
//! |-----------|----------------------------------------------------------------|
//! | `inboxes` | who queues a call; whoever has the shelf                       |
//! | `shelf`   | the threads of the pool                                        |
//! | `staff`   | see its own table                                              |
//! | `gong`    | rung for each call; the threads sleep on it                    |
//! | `threads` | who makes one; `join`                                          |

pub(crate) mod call;
pub(crate) mod staff;

use crate::machine::futex::Futex;
use crate::machine::thread;
use crate::primitive::{AtomicU64, Ordering};
use crate::priority::LEVELS;
use crate::queue::inbox::Inbox;
use call::Call;
use parking_lot::Mutex;
use staff::{Arrival, Next, Staff};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What the pool's threads are like.
#[derive(Clone)]
pub(crate) struct Terms {
    /// The name of the scheduler.
    pub(crate) name: String,
    /// The most threads; 0: calls are made in place.
    pub(crate) most: usize,
    /// How long one waits for a call before it ends.
    pub(crate) idle_for: Duration,
    /// How much nicer than their maker's threads they are.
    pub(crate) nice: i32,
    /// The CPUs they may use.
    pub(crate) cpus: Vec<usize>,
}

/// The threads for blocking calls, now; see [`blocking`](crate::blocking()).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockingStats {
    /// How many threads there are.
    pub threads: usize,
    /// How many of them wait for calls.
    pub idle: usize,
    /// The most there may be.
    pub threads_max: usize,
    /// Calls that wait for a thread, with those that were taken back and not passed over yet.
    pub queued: usize,
    /// Calls that are being made.
    pub running: usize,
    /// Calls that have ended, ever.
    pub ended: u64,
}

impl fmt::Display for BlockingStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BlockingStats { threads, idle, threads_max, queued, running, ended } = self;
        write!(f, "blocking calls: {queued} queued, {running} running, {ended} ended; ")?;
        write!(f, "{threads} of {threads_max} threads, {idle} idle")
    }
}

/// See the module's documentation. `W` is who waits for a call.
pub(crate) struct Pool<W> {
    terms: Terms,
    /// The nice value of whoever has built it.
    base_nice: Option<i32>,
    inboxes: [Inbox<Call<W>>; LEVELS],
    shelf: Mutex<[VecDeque<Arc<Call<W>>>; LEVELS]>,
    staff: Staff,
    gong: Futex,
    threads: Mutex<Vec<JoinHandle<()>>>,
    made: AtomicU64,
    running: AtomicU64,
    ended: AtomicU64,
}

impl<W: Send + Sync + 'static> Pool<W> {
    pub(crate) fn new(terms: Terms) -> Arc<Pool<W>> {
        Arc::new(Pool {
            base_nice: thread::nice(),
            inboxes: std::array::from_fn(|_| Inbox::new()),
            shelf: Mutex::default(),
            staff: Staff::new(terms.most),
            gong: Futex::new(0),
            threads: Mutex::default(),
            made: AtomicU64::new(0),
            running: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            terms,
        })
    }

    /// Must calls be made in place?
    pub(crate) fn is_none(&self) -> bool {
        self.terms.most == 0
    }

    /// Queues a call. `true`: there should be a thread more, see [`grow`](Self::grow).
    #[must_use]
    pub(crate) fn submit(&self, call: &Arc<Call<W>>) -> bool {
        call.queue(&self.inboxes[call.level]);
        let arrival = self.staff.call_came();
        if arrival.wakes() {
            self.ring();
        }
        arrival == Arrival::Grow || arrival == Arrival::WakeAndGrow
    }

    fn ring(&self) {
        // ORDERING: Release pairs with the acquire of `serve`: who has heard this sees the call that was counted.
        self.gong.word.fetch_add(1, Ordering::Release);
        self.gong.wake();
    }

    /// Makes a thread, if there are calls for it. Where the system refuses the only one, the calls are made here.
    /// Not from a thread of the background lane.
    #[cold]
    pub(crate) fn grow(self: &Arc<Self>) {
        if !self.staff.hire() {
            return;
        }
        let pool = self.clone();
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-x{number}", self.terms.name);
        match std::thread::Builder::new().name(name).spawn(move || pool.serve()) {
            Ok(thread) => {
                let ended = {
                    let mut threads = self.threads.lock();
                    threads.push(thread);
                    threads.extract_if(.., |thread| thread.is_finished()).collect::<Vec<_>>()
                };
                ended.into_iter().for_each(join);
            }
            Err(_) => {
                if self.staff.dismiss() == 0 {
                    while self.staff.take_one() {
                        self.make_next();
                    }
                }
            }
        }
    }

    /// A thread, from its start to its end.
    fn serve(self: &Arc<Self>) {
        thread::settle(self.base_nice, self.terms.nice, &self.terms.cpus);
        let mut idle_since = None;
        loop {
            // ORDERING: Acquire pairs with the release of `ring`.
            let rung = self.gong.word.load(Ordering::Acquire);
            let idle = idle_since.map_or(Duration::ZERO, |since: Instant| since.elapsed());
            let left = self.terms.idle_for.saturating_sub(idle);
            match self.staff.next(idle_since.is_some(), idle_since.is_some() && left.is_zero()) {
                Next::Call => {
                    idle_since = None;
                    // Whoever came while nobody could make threads, or while we were busy.
                    self.grow();
                    self.make_next();
                }
                Next::Wait => {
                    idle_since.get_or_insert_with(Instant::now);
                    self.gong.wait(rung, Some(left));
                }
                Next::Leave { closed } => {
                    if closed {
                        // It is for the next one, too.
                        self.ring();
                    }
                    return;
                }
            }
        }
    }

    /// Makes the most urgent call, for which there is one that was counted.
    fn make_next(&self) {
        let call = {
            let mut shelf = self.shelf.lock();
            for (inbox, queue) in self.inboxes.iter().zip(shelf.iter_mut()) {
                queue.extend(inbox.take_all().oldest_first().map(Call::unqueue));
            }
            shelf.iter_mut().find_map(VecDeque::pop_front)
        };
        let call = call.expect("a call is queued before it is counted");
        if call.begin() {
            self.running.fetch_add(1, Ordering::Relaxed);
            // SAFETY: begun just now, so it is ours to make, once.
            unsafe { call.make() };
            // Before whoever waits can look.
            self.running.fetch_sub(1, Ordering::Relaxed);
            self.ended.fetch_add(1, Ordering::Relaxed);
            call.end();
        }
    }

    /// There will be no more calls: the threads end. Those that are made are waited for by their fibers, which have ended.
    pub(crate) fn close(&self) {
        if self.staff.close() {
            self.ring();
        }
    }

    /// Waits for the end of the threads, after [`close`](Self::close).
    pub(crate) fn join(&self) {
        loop {
            // One that ends may just have made another.
            let thread = self.threads.lock().pop();
            match thread {
                Some(thread) => join(thread),
                None => return,
            }
        }
    }

    /// Takes calls again.
    pub(crate) fn reopen(&self) {
        self.staff.reopen();
    }

    pub(crate) fn stats(&self) -> BlockingStats {
        let (queued, idle, threads) = self.staff.counts();
        BlockingStats {
            threads,
            idle,
            threads_max: self.terms.most,
            queued,
            running: self.running.load(Ordering::Relaxed) as usize,
            ended: self.ended.load(Ordering::Relaxed),
        }
    }
}

/// The thread runs our code around calls whose panics are caught; its own panic is a bug that must not be hidden.
fn join(thread: JoinHandle<()>) {
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}
