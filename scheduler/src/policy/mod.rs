//! What to run next, whom to steal from, whom to wake: functions of a state, without threads or a
//! clock in them. The workers use them, and so does the [simulator](crate::simulation), which checks
//! the promises below at every step of machines that we do not have.
//!
//! Time comes in as *ticks*, of whatever clock the caller has; `Terms` has every duration of this
//! page in them. The clock of `turns` should stand still while the kernel gives the CPU to lanes above, or
//! that time is charged to whichever level was interrupted: in the simulator, two levels that should have had
//! 25.8 and 12.9 % of a CPU below a busy lane had 28.7 and 10.5. Nothing here allocates after it was built.
//!
//! | file      | the question it answers                                                     |
//! |-----------|-----------------------------------------------------------------------------|
//! | `weights` | what the user chose: shares and the longest waits                           |
//! | `ledger`  | which level is owed time, and how much: an account of credits               |
//! | `turns`   | which level goes next, at the price of a compare where only one has work    |
//! | `aside`   | how long a worker leaves its CPU to the lanes below                         |
//! | `queues`  | which queue of a level, and which end of it                                 |
//! | `steal`   | whom to steal from, how far to go, whether to wait a little; whom to wake   |
//! | `bounds`  | the two promises as formulas                                                |
//! | `crowd`   | whom of many connections to serve                                           |
//!
//! # The order
//!
//! Strict priority, with one exception: a level that has work gets *at least* its share of each
//! worker's time, in proportion to the weights of the levels that have work. So under full load the
//! weights are met exactly, and under less each level takes what those above leave, or its share if that
//! is more. Time is what counts, not dispatches: a level of long fibers gets fewer of them.
//!
//! # Promise 1: inversion
//!
//! Less urgent levels go first only for the time that they are owed. So while a fiber that has not started
//! waits, no worker of its lane starts less urgent ones in a row for longer than `bounds::inversion`: by
//! default at most two [`QUANTUM`]s and three *turns* for each level that competes. A turn is one dispatch if
//! that takes a quantum, else up to [`OWED_MAX`]; it can be up to [`LOOK_MAX`] of the longest where a level's
//! fibers take very different times. Besides these only what ran already goes first, and what is dispatched
//! while the news of the fiber is on its way (tens of ns).
//!
//! A started fiber waits for its home thread: to that the same holds, plus the longest piece of code on that
//! thread that reaches no checkpoint.
//!
//! # Promise 2: starvation
//!
//! A level that has work all the time gets from each worker at least its share of the time, less
//! `bounds::lag`, which does not grow. It has a turn at least every `bounds::wait`, its longest wait and the
//! turns that run then. Inside a level, a fiber with n older ones before it in the same queue starts after at
//! most [`OLDEST_INTERVAL`] times n + 1 dispatches of that level, once it has waited for [`AGE_MAX`], as long
//! as those that start also end.

pub(crate) mod aside;
pub(crate) mod bounds;
#[cfg(any(target_os = "linux", test))]
pub(crate) mod crowd;
pub(crate) mod ledger;
pub(crate) mod queues;
pub(crate) mod quota;
pub(crate) mod steal;
pub(crate) mod turns;
pub(crate) mod weights;

pub(crate) use queues::{Queue, YIELD_DEBT_MAX, choose_queue};
pub(crate) use steal::{PATIENCE_SPINS, TINY};
pub use weights::{MAX_WAIT, Weights};

use crate::priority::LEVELS;
use std::time::Duration;

/// What a level must be owed before it goes ahead of a more urgent one. Longer than it takes to warm
/// a cache with another level's data, short enough that an urgent fiber does not mind: it is what the
/// wake-up of a thread costs.
pub const QUANTUM: Duration = Duration::from_micros(50);

/// Where several levels have work, a worker looks at the clock after at most so many dispatches: at
/// 17 ns a look that is 1 ns of each dispatch. It adapts downwards, so that what takes [`QUANTUM`] or
/// more is looked at each time.
pub const LOOK_MAX: u64 = 16;

/// The same while a level goes ahead of a more urgent one, which must not wait for long should the
/// next fibers take longer than those before.
pub const OWED_MAX: u64 = 4;

/// A fiber that reaches checkpoints runs for so long before others of its level have their turn.
/// Long enough to make the switch and its cache misses invisible, short enough for a person.
pub const SLICE: Duration = Duration::from_millis(10);

/// Neither credit nor debt grows beyond this: two slices, so that fibers that use theirs up are
/// accounted for in full. What goes further is code that did not come back for longer, and the levels
/// that it held up would in return hold up others for as long.
pub const CREDIT_MAX: Duration = Duration::from_millis(20);

/// The longest that a worker leaves its CPU to the lanes below at a stretch, unless its own fibers run
/// for longer than that without a checkpoint. It is what a more urgent fiber may wait if nobody wakes the
/// worker, and many times the two switches that it costs.
pub const ASIDE_MAX: Duration = Duration::from_millis(1);

/// It does not for less: going to sleep and waking up takes tens of microseconds.
pub const ASIDE_MIN: Duration = Duration::from_micros(200);

/// Every so many dispatches a worker looks into the inbox of its level, so that work from outside is
/// not starved by fibers that make more fibers; and each [`AGE_MAX`] into those of all levels of which it has something.
/// (More often, one worker would have all of a level before others have come to look.)
pub(crate) const INBOX_INTERVAL: u64 = 16;

/// A busy worker whose fibers wait for descriptors looks at its poller about so often. A look that finds nothing takes
/// 0.2 to 0.5 us: 1 % of this.
pub const POLL_INTERVAL: Duration = Duration::from_micros(50);

/// Where more connections ask than a worker gets to, it serves so many for a while, and then the next. Their sockets,
/// stacks and buffers, 15 to 20 KiB each, have to fit into a core's second cache, of 1 to 2 MiB.
pub const CROWD: usize = 64;

/// How long that while is: some ten answers for each of them, of which only the first waits for memory. It is what others
/// wait longer than in turn, once for each [`CROWD`] of them.
pub const TURN: Duration = Duration::from_millis(4);

/// So many of the others come in each time when those have nothing to do. Few: else the crowd grows to all where
/// the clients are as fast as the server.
pub const MORE: usize = 2;

/// A worker takes the newest of its own fibers that have not started, which keeps trees of fibers
/// small and their memory in the cache. When it has had some for longer than this, every
/// [`OLDEST_INTERVAL`]th is the oldest instead, so that none is left behind for ever. Longer than a
/// burst of forks should take, shorter than anybody notices.
pub const AGE_MAX: Duration = Duration::from_millis(20);

/// See [`AGE_MAX`].
pub const OLDEST_INTERVAL: u64 = 16;

/// After so many of the oldest, it goes on only if most of them have ended; else the next [`AGE_MAX`]
/// begins. A tree of fibers that is large rather than endless should not be opened everywhere at once,
/// as each open branch holds a stack; a backlog of fibers that end is worked off without a pause.
pub(crate) const OLDEST_BATCH: u64 = 64;

/// A worker that has so many more live fibers than another, which has nothing to do, leaves new ones to
/// that one: started fibers stay, so balance is made at the start. Small against the thousands that
/// make a difference, large enough that ordinary work never meets it.
pub(crate) const LIVE_SLACK: u64 = 64;

/// How long it waits for the other to come: several times a thread's wake-up.
pub(crate) const LEND_MAX: Duration = Duration::from_micros(200);

/// If nobody comes, so many times that long must pass before it waits again.
pub(crate) const LEND_PAUSE: u64 = 10;

/// For so long a worker that finds nothing on its own node looks there before it goes to another node, unless
/// what is there is urgent. In the sweep in `docs/numa.md` it is enough for fibers to stay where their data are on
/// each of three machines, also if all costs are doubled; twice that costs trees of tiny fibers more.
pub(crate) const FAR_BACKOFF: Duration = Duration::from_micros(5);

/// One in so many waits is timed, for all levels but Critical, of which each is.
pub const SAMPLE_INTERVAL: u64 = 64;

/// The durations of this page and the user's choices, in ticks.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) weights: [u64; LEVELS],
    /// The longest that a level waits between two turns.
    pub(crate) max_wait: [u64; LEVELS],
    pub(crate) quantum: u64,
    pub(crate) slice: u64,
    pub(crate) credit_max: u64,
    pub(crate) aside_min: u64,
    pub(crate) aside_max: u64,
    pub(crate) age_max: u64,
}

impl Terms {
    /// `ticks` turns a time into ticks.
    pub(crate) fn new(
        weights: Weights,
        max_wait: [Duration; LEVELS],
        ticks: impl Fn(Duration) -> u64,
    ) -> Terms {
        // A clock so slow that a time is no tick must not turn it into "at once".
        let ticks = |time| ticks(time).max(1);
        Terms {
            weights: weights.levels().map(u64::from),
            max_wait: max_wait.map(ticks),
            quantum: ticks(QUANTUM),
            slice: ticks(SLICE),
            credit_max: ticks(CREDIT_MAX),
            aside_min: ticks(ASIDE_MIN),
            aside_max: ticks(ASIDE_MAX),
            age_max: ticks(AGE_MAX),
        }
    }

    /// The weights of the levels in `mask` together.
    pub(crate) fn weight_of(&self, mask: u32) -> u64 {
        levels_of(mask).map(|level| self.weights[level]).sum()
    }
}

/// The mask with all levels in it.
pub(crate) const ALL_LEVELS: u32 = (1 << LEVELS) - 1;

/// Is there more than one level in the mask?
#[inline]
pub(crate) fn several(mask: u32) -> bool {
    mask & mask.wrapping_sub(1) != 0
}

/// The levels in a mask, most urgent first.
#[inline]
pub(crate) fn levels_of(mask: u32) -> Levels {
    Levels(mask)
}

/// See [`levels_of`].
pub(crate) struct Levels(u32);

impl Iterator for Levels {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let level = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_lists_its_levels_most_urgent_first() {
        assert_eq!(levels_of(0b10110).collect::<Vec<_>>(), [1, 2, 4]);
        assert_eq!(levels_of(0).count(), 0);
    }
}
