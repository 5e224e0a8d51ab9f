//! What other threads see of a worker.
//!
//! | field      | written by                | read by                                    |
//! |------------|---------------------------|--------------------------------------------|
//! | `mail`     | anyone pushes             | the worker takes                           |
//! | `mask`     | the worker                | thieves: which of its deques have fibers   |
//! | `stealers` | thieves take from them    | thieves                                    |
//! | `piles`    | the worker, thieves       | the same: queues of the background lane    |
//! | `elders`   | the same                  | the same                                   |
//! | `parker`   | see its own table         | the worker parks, anyone unparks           |
//! | `need`     | see its own table         | the same                                   |
//! | `policy`   | the worker's thread       | `stats()`                                  |
//! | `cpu`      | the worker's thread       | `stats()`                                  |
//! | `site`     | the monitor               | the worker; whoever looks where workers are |
//! | `cpu_clock`| the worker's thread       | workers that may stand aside for it        |
//! | `thread`   | the worker's thread       | the monitor: its number in the system      |
//! | `duty`     | see its own table         | of a spare: everyone                       |
//! | `mark`     | see its own table         | `stats()`, the monitor                     |
//! | `posted`   | whoever pushes `mail`     | `stats()`, the monitor                     |
//! | `piled`    | whoever changes the piles | the same                                   |
//! | `travels`  | see its own table         | the same                                   |
//! | `hungry`   | the worker sets it, the monitor clears it | the monitor: it waits for a stack |
//! | `counters` | the worker                | `stats()`, `wait_all()`                    |

use super::Deques;
use super::duty::Duty;
use super::mark::Mark;
use super::need::Need;
use super::travels::Travels;
use crate::fiber::{FiberRef, Header, Mail};
use crate::lane::Lane;
use crate::machine::park::Parker;
use crate::machine::thread::{self, CpuClock, ThreadPolicy, decode, encode};
use crate::primitive::{AtomicBool, AtomicI64};
use crate::primitive::{AtomicU32, AtomicU64, Ordering};
use crate::priority::LEVELS;
use crate::queue::inbox::{Closed, Inbox, Taken};
use crate::stats::Counters;
use crossbeam_deque::Stealer;
use std::time::Duration;

/// Two cache lines, as processors fetch them in pairs.
#[repr(align(128))]
pub(crate) struct Apart<T>(T);

/// See the module's documentation.
pub(crate) struct Remote {
    mail: Apart<(Inbox<Mail>, AtomicU64)>,
    mask: Apart<AtomicU32>,
    pub(crate) lane: Lane,
    /// It is a spare's seat.
    pub(crate) is_spare: bool,
    pub(crate) duty: Duty,
    pub(crate) mark: Mark,
    /// Fibers in its piles.
    piled: AtomicI64,
    pub(crate) stealers: [Stealer<FiberRef>; LEVELS],
    pub(crate) piles: [Inbox<Header>; LEVELS],
    pub(crate) elders: [Inbox<Header>; LEVELS],
    parker: Parker,
    /// What its fibers were lent above its lane.
    pub(super) need: Need,
    /// How the kernel schedules its thread.
    policy: AtomicU64,
    /// The CPU that it is tied to, plus one; 0: none.
    cpu: AtomicU32,
    /// Where it is now.
    site: AtomicU32,
    /// The clock of its thread's CPU time.
    cpu_clock: AtomicU64,
    thread: AtomicU32,
    /// Its thread's mark; 0: it has none.
    thread_mark: AtomicU64,
    hungry: AtomicBool,
    /// Started fibers that left it to go on wherever they are taken, and that it took.
    pub(super) travels: Travels,
    pub(crate) counters: Apart<Counters>,
}

impl<T> std::ops::Deref for Apart<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl Remote {
    /// `seats`: how many workers the crew may have.
    pub(crate) fn new(lane: Lane, is_spare: bool, deques: &Deques, seats: usize, site: usize) -> Remote {
        Remote {
            lane,
            is_spare,
            duty: Duty::new(),
            mark: Mark::new(),
            piled: AtomicI64::new(0),
            mail: Apart((Inbox::new(), AtomicU64::new(0))),
            mask: Apart(AtomicU32::new(0)),
            stealers: std::array::from_fn(|level| deques[level].stealer()),
            piles: std::array::from_fn(|_| Inbox::new()),
            elders: std::array::from_fn(|_| Inbox::new()),
            parker: Parker::new(),
            need: Need::new(),
            policy: AtomicU64::new(encode(ThreadPolicy::Unknown)),
            cpu: AtomicU32::new(0),
            site: AtomicU32::new(site as u32),
            cpu_clock: AtomicU64::new(CpuClock::of_this_thread().into_word()),
            thread: AtomicU32::new(0),
            thread_mark: AtomicU64::new(0),
            hungry: AtomicBool::new(false),
            travels: Travels::new(),
            counters: Apart(Counters::new(seats)),
        }
    }

    /// The levels whose deques may have fibers.
    #[inline]
    pub(crate) fn mask(&self) -> u32 {
        self.mask.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn set_mask(&self, mask: u32) {
        self.mask.store(mask, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn has_mail(&self) -> bool {
        !self.mail.0.0.looks_empty()
    }

    /// Puts a fiber's letter in: the fiber itself, whose MAIL bit was set by the caller, or one that was
    /// made for it.
    pub(crate) fn post(&self, letter: FiberRef) -> Result<(), Closed> {
        let (mail, posted) = &self.mail.0;
        // In the line that the push takes anyway.
        posted.fetch_add(1, Ordering::Relaxed);
        // SAFETY: MAIL is a hold, and it is the caller's, so the fiber is in no mailbox; or the letter is new.
        unsafe { mail.push(letter.mail()) }
    }

    /// How many letters are in the mailbox, about.
    pub(crate) fn letters(&self) -> u64 {
        let read = self.counters.letters.get();
        self.mail.0.1.load(Ordering::Relaxed).saturating_sub(read)
    }

    /// All letters, oldest first.
    pub(crate) fn take_mail(&self) -> Taken<Mail> {
        self.mail.0.0.take_all().oldest_first()
    }

    /// The same, and no more are accepted.
    pub(crate) fn close_mail(&self) -> Taken<Mail> {
        self.mail.0.0.close()
    }

    /// A new thread, the caller, serves the worker, tied to that CPU or none.
    pub(crate) fn attach(&self, cpu: Option<usize>) {
        self.set_cpu(cpu);
        self.cpu_clock.store(CpuClock::of_this_thread().into_word(), Ordering::Relaxed);
        self.thread.store(thread::number(), Ordering::Relaxed);
        self.thread_mark.store(thread::mark(), Ordering::Relaxed);
    }

    /// The thread is scheduled like this, and accepts letters.
    pub(crate) fn open(&self, policy: ThreadPolicy) {
        self.policy.store(encode(policy), Ordering::Relaxed);
        // Those that were refused were counted too; only the thread that reads may correct that.
        let (mail, posted) = &self.mail.0;
        self.counters.letters.set(posted.load(Ordering::Relaxed));
        mail.reopen();
    }

    /// The thread is about to end.
    pub(crate) fn detach(&self) {
        self.thread.store(0, Ordering::Relaxed);
        self.thread_mark.store(0, Ordering::Relaxed);
    }

    /// Is that its thread?
    pub(crate) fn has_mark(&self, mark: u64) -> bool {
        self.thread_mark.load(Ordering::Relaxed) == mark
    }

    /// The number of its thread in the system; 0: it has none.
    pub(crate) fn thread(&self) -> u32 {
        self.thread.load(Ordering::Relaxed)
    }

    /// The worker waits for a stack; it unparks the monitor next.
    pub(crate) fn want_stack(&self) {
        self.hungry.store(true, Ordering::Relaxed);
    }

    pub(crate) fn wants_stack(&self) -> bool {
        self.hungry.load(Ordering::Relaxed)
    }

    /// There are stacks again. `true`: the worker waits for one.
    pub(crate) fn got_stack(&self) -> bool {
        self.wants_stack() && self.hungry.swap(false, Ordering::Relaxed)
    }

    /// So many fibers more are in its piles.
    pub(crate) fn count_piled(&self, more: i64) {
        self.piled.fetch_add(more, Ordering::Relaxed);
    }

    /// How many fibers are in its piles, about.
    pub(crate) fn piled(&self) -> u64 {
        u64::try_from(self.piled.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// The CPU that it is tied to.
    pub(crate) fn cpu(&self) -> Option<u32> {
        self.cpu.load(Ordering::Relaxed).checked_sub(1)
    }

    /// It is tied to that CPU now, or to none.
    pub(crate) fn set_cpu(&self, cpu: Option<usize>) {
        self.cpu.store(cpu.map_or(0, |cpu| cpu as u32 + 1), Ordering::Relaxed);
    }

    /// Where it is now.
    pub(crate) fn site(&self) -> usize {
        self.site.load(Ordering::Relaxed) as usize
    }

    /// It is there from now on; [`Shared::note_moves`](super::shared::Shared::note_moves) says so to all.
    pub(crate) fn set_site(&self, site: usize) {
        self.site.store(site as u32, Ordering::Relaxed);
    }

    /// How much CPU time its thread has had, in ns.
    pub(crate) fn cpu_time(&self) -> u64 {
        CpuClock::from_word(self.cpu_clock.load(Ordering::Relaxed)).read()
    }

    pub(crate) fn policy(&self) -> ThreadPolicy {
        decode(self.policy.load(Ordering::Relaxed))
    }

    /// Waits until somebody unparks the worker; only on its own thread. It may return for no reason.
    /// `false`: the time is up, or there was no reason.
    pub(crate) fn park(&self, timeout: Option<Duration>) -> bool {
        self.parker.park(timeout)
    }

    /// The same in its poller, see [`Parker::park_in`].
    #[cfg(target_os = "linux")]
    pub(crate) fn park_in(&self, poll: impl FnOnce(bool)) -> bool {
        self.parker.park_in(poll)
    }

    /// What wakes it there.
    #[cfg(target_os = "linux")]
    pub(crate) fn open_bell(&self) -> std::io::Result<std::os::fd::RawFd> {
        self.parker.bell().open()
    }

    pub(crate) fn unpark(&self) {
        self.parker.unpark();
    }
}
