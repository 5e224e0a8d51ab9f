//! How many calls wait for threads, and how many threads there are: one word, so that nobody waits beside a free
//! thread, and no thread leaves a call behind.
//!
//! ```text
//! bits  0..32  calls that were counted and not taken by a thread
//! bits 32..47  IDLE      threads that have found no call, until they take one or leave
//! bits 47..62  THREADS   all of them, with those that are about to be made
//! bit  62      CLOSED    threads that find no call leave
//!
//!   who has a call                          a thread
//!   C1 queue it                             T1 read the gong
//!   C2 calls + 1                            T2 calls > 0: calls - 1, take the most urgent one that is queued
//!   C3 IDLE > 0: strike the gong            T3 else be idle; sleep while the gong is as it was in T1
//! ```
//!
//! *A call that is counted is served*: T2 and C2 change one word. If C2 was first, T2 takes a call. If T2 was, the thread
//! is counted as idle when C2 comes, so the gong is struck after T1, and the thread does not sleep on. One that is
//! woken and finds that another has taken the call is idle still.
//! *It leaves nothing behind*: a thread leaves by a change of the word, which fails where a call has come.
//! *There are as many calls queued as counted, or more*, as C1 is before C2 and the queue is left after T2: so who has
//! taken one from the count finds one.

use crate::primitive::{AtomicU64, Ordering};

const CALL: u64 = 1;
const IDLE: u64 = 1 << 32;
const THREAD: u64 = 1 << 47;
const CLOSED: u64 = 1 << 62;
/// What fits into the bits of THREADS and IDLE.
pub(crate) const THREADS_MAX: usize = (1 << 15) - 1;

const fn calls(word: u64) -> u64 {
    word & (IDLE - 1)
}

const fn idle(word: u64) -> u64 {
    (word & (THREAD - 1)) / IDLE
}

const fn threads(word: u64) -> u64 {
    (word & (CLOSED - 1)) / THREAD
}

/// What a new call asks for.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// There are as many threads as there may be, and all are busy.
    Queued,
    /// A thread is idle, or about to look.
    Wake,
    /// Nobody is idle: there should be a thread more.
    Grow,
    /// Somebody is idle, perhaps for another call: both.
    WakeAndGrow,
}

impl Arrival {
    pub(crate) fn wakes(self) -> bool {
        matches!(self, Arrival::Wake | Arrival::WakeAndGrow)
    }
}

/// What a thread does next.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It has taken a call from the count: take one from the queue.
    Call,
    /// It is idle: wait for the gong.
    Wait,
    /// It is not counted any more.
    Leave {
        /// And neither is anybody else to stay.
        closed: bool,
    },
}

/// See the module's documentation.
pub(crate) struct Staff {
    word: AtomicU64,
    most: u64,
}

impl Staff {
    pub(crate) fn new(most: usize) -> Staff {
        Staff { word: AtomicU64::new(0), most: most.min(THREADS_MAX) as u64 }
    }

    /// Changes the word by `f`, which gives the next one and what it says. It is not written if it stays.
    fn change<R>(&self, f: impl Fn(u64) -> (u64, R)) -> R {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let (next, result) = f(word);
            if next == word {
                return result;
            }
            // ORDERING: AcqRel. Release of C2 pairs with the acquire of T2: the queued call. Others keep the
            // chain of these.
            match self.word.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return result,
                Err(now) => word = now,
            }
        }
    }

    /// A call was queued.
    pub(crate) fn call_came(&self) -> Arrival {
        self.change(|word| {
            let next = word + CALL;
            let grows = calls(next) > idle(next) && threads(next) < self.most;
            let arrival = match (idle(next) > 0, grows) {
                (true, true) => Arrival::WakeAndGrow,
                (true, false) => Arrival::Wake,
                (false, true) => Arrival::Grow,
                (false, false) => Arrival::Queued,
            };
            (next, arrival)
        })
    }

    /// Counts a thread that is about to be made, if there are calls for it.
    pub(crate) fn hire(&self) -> bool {
        self.change(|word| {
            let hires = calls(word) > idle(word) && threads(word) < self.most && word & CLOSED == 0;
            if hires { (word + THREAD, true) } else { (word, false) }
        })
    }

    /// That thread could not be made. The result is how many there are.
    pub(crate) fn dismiss(&self) -> usize {
        self.change(|word| (word - THREAD, threads(word - THREAD) as usize))
    }

    /// Takes a call from the count, for somebody who is no thread of the pool.
    pub(crate) fn take_one(&self) -> bool {
        self.change(|word| if calls(word) > 0 { (word - CALL, true) } else { (word, false) })
    }

    /// What a thread does next, which is idle or not, and has waited for long enough or not.
    pub(crate) fn next(&self, is_idle: bool, is_tired: bool) -> Next {
        let mine = if is_idle { IDLE } else { 0 };
        self.change(|word| {
            let closed = word & CLOSED != 0;
            match () {
                () if calls(word) > 0 => (word - CALL - mine, Next::Call),
                () if closed || is_tired => (word - THREAD - mine, Next::Leave { closed }),
                () => (word + IDLE - mine, Next::Wait),
            }
        })
    }

    /// Threads that find no call leave. `true`: there are some.
    pub(crate) fn close(&self) -> bool {
        self.change(|word| (word | CLOSED, threads(word) > 0))
    }

    /// They stay again.
    pub(crate) fn reopen(&self) {
        self.change(|word| (word & !CLOSED, ()));
    }

    /// Calls that wait, idle threads, threads.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let word = self.word.load(Ordering::Relaxed);
        (calls(word) as usize, idle(word) as usize, threads(word) as usize)
    }
}
