//! The one word that all workers share: which levels may have work somewhere, whether anybody
//! sleeps, whether anybody is hungry. And the protocol by which workers go to sleep and are woken.
//!
//! # The word
//!
//! ```text
//! bits 0..5  level k may have work in some worker's queue or in the inbox (a hint)
//! bit  6     HUNGRY    a worker found nothing: a fork should turn a waiting branch into a fiber
//! bit  7     STOP      the scheduler stops: every worker should look up from its queues
//! bits 8..32 SLEEPERS  how many are PARKED: if any, whoever queues work should wake one
//! ```
//!
//! The sleepers are counted in the word itself. A flag beside a count would have to be cleared and,
//! for one who lay down meanwhile, set again: whoever looked between would leave that one asleep.
//!
//! A fiber that is queued, a branch that is forked and a `checkpoint()` each look at this word, with
//! one relaxed load. It changes only at the borders between idle and busy.
//!
//! # Going to sleep
//!
//! ```text
//!  whoever queues work                      a worker that found none
//!  P1 put it into the queue                 W1 count as a sleeper, say PARKED
//!  P2 light barrier                         W2 stop being a searcher
//!  P3 read the word: SLEEPERS?              W3 heavy barrier
//!  P4 yes: fence; nobody searching?         W4 look at all queues once more
//!     PARKED -> SENT, unpark it             W5 nothing: park until not PARKED any more
//!
//!                                           a searcher that found some
//!                                           S1 stop being a searcher
//!                                           S2 fence; look at all queues
//!                                           S3 more: as P4, then run what was found
//! ```
//!
//! *No wake-up is lost*: the barriers order P1 before P3 and W1 before W4, so that either P3 sees
//! SLEEPERS or W4 sees the work. P4 may skip the wake-up because of a searcher; that searcher's W2 is
//! then still to come (P read `searching` before it changed), so its own W4 sees the work, and it
//! goes on as a searcher; or its S1 is, and the fences of P4 and S2 make its look see the work.
//! *Few are woken*: at most one worker searches on behalf of a queued fiber; when it finds work and
//! sees more, it wakes the next one, so that a burst wakes all and a trickle wakes one.
//!
//! A searcher that P4 creates before it finds nobody to wake is a phantom, for which another P4 may
//! have skipped its wake-up: so, having removed it, P4 looks for sleepers once more, and begins again
//! if there is one.
//!
//! ```text
//! a worker's sleep   who changes it
//! AWAKE              itself -> PARKED (W1)
//! PARKED             a waker -> SENT; whoever has mail for it, or itself -> CALLED
//! SENT, CALLED       itself -> AWAKE; SENT counts as a searcher from the start
//! ```
//!
//! # Forgetting a level
//!
//! Setting a level's bit is the queueing side's business (P3 sees it missing, sets it). Clearing it
//! is a guess that has to be checked: clear, heavy barrier, look again, set it if there was work.

use crate::primitive::{AtomicU32, Ordering, fence, heavy_barrier, light_barrier};

pub(crate) const LEVEL_BITS: u32 = 0b1_1111;
const HUNGRY: u32 = 1 << 6;
const STOP: u32 = 1 << 7;
const SLEEPER: u32 = 1 << 8;
const SLEEPERS: u32 = !(SLEEPER - 1);

const AWAKE: u32 = 0;
const PARKED: u32 = 1;
const CALLED: u32 = 2;
const SENT: u32 = 3;

/// See the module's documentation.
pub(crate) struct Beacon {
    word: AtomicU32,
    /// Workers that are awake and look for work on everybody's behalf.
    searching: AtomicU32,
    sleep: Box<[AtomicU32]>,
}

impl Beacon {
    pub(crate) fn new(workers: usize) -> Beacon {
        Beacon {
            word: AtomicU32::new(0),
            searching: AtomicU32::new(0),
            sleep: (0..workers).map(|_| AtomicU32::new(AWAKE)).collect(),
        }
    }

    /// Work was put into a queue of `level`. The result is a worker to unpark.
    #[inline]
    #[must_use]
    pub(crate) fn announce(&self, level: usize) -> Option<usize> {
        light_barrier();
        let word = self.word.load(Ordering::Relaxed);
        if word & (1 << level | SLEEPERS) == 1 << level { None } else { self.announce_slowly(level, word) }
    }

    #[cold]
    fn announce_slowly(&self, level: usize, word: u32) -> Option<usize> {
        if word & 1 << level == 0 {
            self.word.fetch_or(1 << level, Ordering::Relaxed);
        }
        if word & SLEEPERS != 0 { self.wake_one() } else { None }
    }

    /// What matters more than work of `level`: the levels above it that may have work somewhere, as a
    /// mask, and STOP.
    #[inline]
    pub(crate) fn above(&self, level: usize) -> u32 {
        self.word.load(Ordering::Relaxed) & (((1 << level) - 1) | STOP)
    }

    /// Does the scheduler stop?
    #[inline]
    pub(crate) fn is_stop(&self) -> bool {
        self.word.load(Ordering::Relaxed) & STOP != 0
    }

    /// The scheduler stops, or starts again.
    pub(crate) fn set_stop(&self, stop: bool) {
        if stop {
            self.word.fetch_or(STOP, Ordering::Relaxed);
        } else {
            self.word.fetch_and(!STOP, Ordering::Relaxed);
        }
    }

    /// All levels that may have work somewhere.
    #[inline]
    pub(crate) fn levels(&self) -> u32 {
        self.word.load(Ordering::Relaxed) & LEVEL_BITS
    }

    /// Makes sure that `levels` (a mask) are known to have work.
    #[inline]
    pub(crate) fn remember(&self, levels: u32) {
        if levels & !self.word.load(Ordering::Relaxed) != 0 {
            self.word.fetch_or(levels, Ordering::Relaxed);
        }
    }

    /// Says that `levels` (a mask) have no work, unless `still` finds some after all.
    pub(crate) fn forget(&self, levels: u32, still: impl FnOnce() -> u32) {
        self.word.fetch_and(!levels, Ordering::Relaxed);
        heavy_barrier();
        self.remember(still());
    }

    /// Is there a worker that wants work? One relaxed load; the answer may be late.
    #[inline]
    pub(crate) fn is_hungry(&self) -> bool {
        self.word.load(Ordering::Relaxed) & HUNGRY != 0
    }

    /// A worker wants work.
    #[inline]
    pub(crate) fn raise_hunger(&self) {
        if !self.is_hungry() {
            self.word.fetch_or(HUNGRY, Ordering::Relaxed);
        }
    }

    /// Takes it on itself to feed one hungry worker. `false`: somebody else did.
    pub(crate) fn answer_hunger(&self) -> bool {
        self.word.fetch_and(!HUNGRY, Ordering::Relaxed) & HUNGRY != 0
    }

    /// Is anybody parked?
    #[inline]
    pub(crate) fn has_sleepers(&self) -> bool {
        self.word.load(Ordering::Relaxed) & SLEEPERS != 0
    }

    /// Is anybody parked or searching, and so free to take new work?
    pub(crate) fn has_spare(&self) -> bool {
        self.has_sleepers() || self.searching.load(Ordering::Relaxed) > 0
    }

    /// P4: chooses a parked worker to unpark, unless somebody is searching already.
    #[must_use]
    pub(crate) fn wake_one(&self) -> Option<usize> {
        loop {
            // ORDERING: SeqCst pairs with the fence of `stop_searching`: work queued before this is seen
            // by that searcher's last look, or we see that it no longer searches.
            fence(Ordering::SeqCst);
            // A searcher that is gone has lain down: its heavy barrier and the barriers of this side make
            // us see it PARKED, or it the work.
            self.searching.compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed).ok()?;
            if let Some(woken) = self.send_any() {
                return Some(woken);
            }
            self.searching.fetch_sub(1, Ordering::Relaxed);
            // ORDERING: SeqCst pairs with the fence of another P4 that skipped because of our phantom.
            fence(Ordering::SeqCst);
            // Not sent from here: who is sent must count as a searcher before it can be up.
            if self.sleep.iter().all(|sleep| sleep.load(Ordering::Relaxed) != PARKED) {
                return None;
            }
        }
    }

    fn send_any(&self) -> Option<usize> {
        (0..self.sleep.len()).find(|&who| self.take(who, SENT))
    }

    /// There is mail for `who`. `true`: it was parked, unpark it.
    #[inline]
    #[must_use]
    pub(crate) fn call(&self, who: usize) -> bool {
        light_barrier();
        self.sleep[who].load(Ordering::Relaxed) == PARKED && self.take(who, CALLED)
    }

    fn take(&self, who: usize, sleep: u32) -> bool {
        // ORDERING: Acquire pairs with W1's release of PARKED: a sleeper is counted before it is
        // discounted, so the count is never less than the sleepers. What the woken is to find is in a
        // queue, which has orderings of its own.
        let taken = self.sleep[who].load(Ordering::Relaxed) == PARKED
            && self.sleep[who].compare_exchange(PARKED, sleep, Ordering::Acquire, Ordering::Relaxed).is_ok();
        if taken {
            self.word.fetch_sub(SLEEPER, Ordering::Relaxed);
        }
        taken
    }

    /// Becomes a searcher, unless half of the workers search already (more would only disturb).
    pub(crate) fn start_searching(&self, workers: usize) -> bool {
        if 2 * self.searching.load(Ordering::Relaxed) as usize >= workers.max(2) {
            return false;
        }
        self.searching.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// A searcher that lay down saw work in its last look (W4). It goes on searching, as it owes others
    /// to be woken if there is more than it takes. `true`, for the caller's use.
    pub(crate) fn search_on(&self) -> bool {
        self.searching.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// S1 and S2: a searcher found work. `true`: nobody searches now and somebody sleeps, so the
    /// caller looks at all queues, and if there is more, wakes one ([`wake_one`](Self::wake_one)).
    #[must_use]
    pub(crate) fn stop_searching(&self) -> bool {
        let last = self.searching.fetch_sub(1, Ordering::Relaxed) == 1;
        // ORDERING: SeqCst pairs with the fence of `wake_one`.
        fence(Ordering::SeqCst);
        last && self.has_sleepers()
    }

    /// W1 to W3. After this, the caller looks at all queues once more and tells
    /// [`remember`](Self::remember); if it finds work it calls
    /// [`rise`](Self::rise), if not it parks until [`wake_up`](Self::wake_up) says something.
    pub(crate) fn lie_down(&self, who: usize, searcher: bool) {
        self.word.fetch_add(SLEEPER, Ordering::Relaxed);
        // ORDERING: Release pairs with the acquire of `take`: we are counted first.
        self.sleep[who].store(PARKED, Ordering::Release);
        self.word.fetch_or(HUNGRY, Ordering::Relaxed);
        // Nobody needs our hints while we sleep; the look that follows sets those that are true.
        self.word.fetch_and(!LEVEL_BITS, Ordering::Relaxed);
        if searcher {
            self.searching.fetch_sub(1, Ordering::Relaxed);
        }
        heavy_barrier();
    }

    /// Has `who`, the caller, been woken? `Some(true)`: as a searcher.
    pub(crate) fn wake_up(&self, who: usize) -> Option<bool> {
        let sleep = self.sleep[who].load(Ordering::Relaxed);
        if sleep == PARKED {
            return None;
        }
        self.sleep[who].store(AWAKE, Ordering::Relaxed);
        Some(sleep == SENT)
    }

    /// The caller, `who`, gets up by itself. The result is as for [`wake_up`](Self::wake_up).
    pub(crate) fn rise(&self, who: usize) -> bool {
        let _ = self.take(who, CALLED);
        self.wake_up(who).unwrap_or(false)
    }
}
