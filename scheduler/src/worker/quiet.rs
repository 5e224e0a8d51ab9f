//! `wait_all`: waiting until nothing is left.
//!
//! Workers count the fibers they make and end without a shared counter. Whether all have ended is
//! found by adding up: first all that ended, then all that were made. Both only grow, and every fiber
//! is counted as made before it can end; so if the two sums are equal, there was a moment between
//! them at which nothing was left. A fiber that waits here itself is not waited for: it counts as ended
//! when it comes and as made again when it goes.
//!
//! # Who is released
//!
//! All who have come before such a moment, at once, by one exchange of the word:
//!
//! ```text
//! bits of the word   meaning                                            who changes it
//! 0..32              how often somebody came to wait                    who comes: one more
//! 32..64             how often all who waited were released             who found nothing left: one more
//! ```
//!
//! Whoever adds up reads the word, adds up, and exchanges it: that fails if somebody has come meanwhile,
//! who might wait for something that was made before. Whoever waits is released when the upper half is not
//! what it was when it came. Then all who wait are resumed, by everyone who looks until one has resumed
//! them all: a thread that is stopped anywhere here keeps nobody else from doing all of it.
//!
//! # Nobody waits in vain
//!
//! ```text
//! who ends a fiber                      who waits
//! E1 count it as ended                  W1 come; count as ended, if it is a fiber; say that one waits
//! E2 does anybody wait? add up          W2 fence
//! E3 later, before it sleeps: fence;    W3 add up
//!    does anybody wait? add up          W4 suspend until released
//! ```
//!
//! E2 costs the end of a fiber one relaxed load, and may miss one who has just come; the fences of E3 and
//! W2 make one of the two see the other. A worker that finds something to run instead of going to sleep has
//! not ended the last fiber.

use crate::primitive::{AtomicU32, AtomicU64, Ordering, fence};
use crate::queue::table::{Key, Table};

const CAME: u64 = u32::MAX as u64;
const ONE_RELEASE: u64 = 1 << 32;

/// See the module's documentation. `W` is who waits.
pub(crate) struct Quiet<W> {
    /// How many wait, or are about to go.
    awaited: AtomicU32,
    word: AtomicU64,
    /// The last release after which all were resumed.
    resumed: AtomicU64,
    /// Fibers that have come to wait, and that have gone.
    came_inside: AtomicU64,
    went_inside: AtomicU64,
    table: Table<W>,
    resume: fn(&W),
}

/// One who waits. It has to go back to [`Quiet::leave`].
#[must_use]
pub(crate) struct Waiting {
    key: Key,
    release: u64,
    inside: bool,
}

/// How many fibers were made and have ended, by all who count.
pub(crate) trait Count {
    /// The sum of all that ended. Whoever reads it has seen all that those did before.
    fn ended(&self) -> u64;
    fn made(&self) -> u64;
}

impl<W> Quiet<W> {
    pub(crate) fn new(resume: fn(&W)) -> Quiet<W> {
        Quiet {
            awaited: AtomicU32::new(0),
            word: AtomicU64::new(0),
            resumed: AtomicU64::new(0),
            came_inside: AtomicU64::new(0),
            went_inside: AtomicU64::new(0),
            table: Table::new(),
            resume,
        }
    }

    /// E2: does anybody wait? Asked after each end of a fiber; the answer may be late.
    #[inline]
    pub(crate) fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::Relaxed) != 0
    }

    /// E3: does anybody wait whom E2 may have missed?
    pub(crate) fn is_awaited_after_all(&self) -> bool {
        // ORDERING: SeqCst pairs with the fence of W2.
        fence(Ordering::SeqCst);
        self.is_awaited()
    }

    /// W1 to W3: somebody begins to wait, a fiber of this scheduler if it is `inside`. It looks whether it
    /// [is released](Self::is_released), and again each time that it is resumed.
    pub(crate) fn enter(&self, who: W, inside: bool, count: &impl Count) -> Waiting {
        let key = self.table.insert(who);
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let next = (word & !CAME) | (word.wrapping_add(1) & CAME);
            // ORDERING: Release pairs with the acquires of `check`: who sees that we came sees us in the
            // table, and what we have made.
            match self.word.compare_exchange_weak(word, next, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        if inside {
            // Only now: who counts us among those who wait shall release us with them.
            // ORDERING: Release pairs with the acquire of `is_quiet`: the word says so by then.
            self.came_inside.fetch_add(1, Ordering::Release);
        }
        self.awaited.fetch_add(1, Ordering::Relaxed);
        // ORDERING: SeqCst pairs with the fence of E3.
        fence(Ordering::SeqCst);
        self.check(count);
        Waiting { key, release: word / ONE_RELEASE, inside }
    }

    /// Was there a moment since it came at which nothing was left?
    pub(crate) fn is_released(&self, waiting: &Waiting) -> bool {
        // ORDERING: Acquire pairs with the release of `check`: the waiter sees what the fibers did.
        self.word.load(Ordering::Acquire) / ONE_RELEASE != waiting.release
    }

    /// Somebody waits no longer.
    pub(crate) fn leave(&self, waiting: Waiting) {
        self.table.remove(waiting.key);
        if waiting.inside {
            self.went_inside.fetch_add(1, Ordering::Relaxed);
        }
        self.awaited.fetch_sub(1, Ordering::Relaxed);
    }

    /// Releases everybody if nothing is left.
    #[cold]
    pub(crate) fn check(&self, count: &impl Count) {
        // ORDERING: Acquire, here and below, pairs with the release of `enter`.
        let mut word = self.word.load(Ordering::Acquire);
        while self.is_quiet(count) {
            let next = word.wrapping_add(ONE_RELEASE);
            // ORDERING: Release pairs with the acquire of `is_released`.
            match self.word.compare_exchange(word, next, Ordering::Release, Ordering::Acquire) {
                Ok(_) => {
                    word = next;
                    break;
                }
                Err(now) => word = now,
            }
        }
        self.resume_released(word / ONE_RELEASE);
    }

    fn is_quiet(&self, count: &impl Count) -> bool {
        // ORDERING: Acquire pairs with the release of `enter`.
        let ended = count.ended() + self.came_inside.load(Ordering::Acquire);
        let made = count.made() + self.went_inside.load(Ordering::Relaxed);
        made <= ended
    }

    /// Resumes everybody, unless that was done since the last release. Who is not released finds that out.
    /// All who were are in the table, as the caller has acquired the word that says so.
    fn resume_released(&self, release: u64) {
        let resumed = self.resumed.load(Ordering::Relaxed);
        if resumed != release {
            self.table.for_each(self.resume);
            // If it fails, somebody else has resumed all of them too, or some are resumed once more.
            let _ = self.resumed.compare_exchange(resumed, release, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}
