//! What the user chooses: the share of each level, and how long it may wait.

use crate::priority::{LEVELS, Priority};
use std::time::Duration;

/// More would not be a share any more; the products of the ledger stay far from 2^63.
const WEIGHT_MAX: u32 = 1_000_000;

/// The longest that a level with work waits for a turn, by default: it matters to levels of weight zero,
/// and where code runs for long without a checkpoint. Long against a turn, so that it costs more urgent
/// work little; short enough that no time-out of anybody's notices.
pub const MAX_WAIT: Duration = Duration::from_millis(50);

/// The share of a worker's time that each level gets at least, while it has work, in proportion to
/// the weights of all levels that have work.
///
/// The default is 16, 8, 4, 2, 1 from `Critical` to `Background`: each level weighs more than all below
/// it together, so that whichever is the most urgent has at least half of the time for itself; and
/// Background, with everybody else busy, still has 3 % of the machine.
///
/// A weight of zero guarantees nothing but the longest wait ([`MAX_WAIT`] by default), and weights that
/// are all zero mean strict priority with that exception. A level of weight zero *above* others that have
/// weights is served when these have nothing to do, and at its longest wait. Weights beyond a million
/// count as a million.
///
/// ```
/// use heddle_scheduler::Priority;
/// use heddle_scheduler::policy::Weights;
/// assert_eq!(Weights::default().of(Priority::Critical), 16);
/// assert_eq!(Weights::new([5, 4, 3, 2, 0]).of(Priority::Background), 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights([u32; LEVELS]);

impl Weights {
    /// From `Critical` to `Background`.
    pub const fn new(weights: [u32; 5]) -> Weights {
        let mut weights = weights;
        let mut level = 0;
        while level < LEVELS {
            if weights[level] > WEIGHT_MAX {
                weights[level] = WEIGHT_MAX;
            }
            level += 1;
        }
        Weights(weights)
    }

    /// The weight of one level.
    pub fn of(&self, priority: Priority) -> u32 {
        self.0[priority.level()]
    }

    /// From `Critical` to `Background`.
    pub fn levels(&self) -> [u32; 5] {
        self.0
    }
}

/// From `Critical` to `Background`.
impl From<[u32; 5]> for Weights {
    fn from(weights: [u32; 5]) -> Weights {
        Weights::new(weights)
    }
}

impl Default for Weights {
    fn default() -> Self {
        Weights::new([16, 8, 4, 2, 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_each_level_weighs_more_than_all_below_it() {
        let weights = Weights::default().levels();
        for level in 0..LEVELS {
            assert!(weights[level] > weights[level + 1..].iter().sum());
        }
    }

    #[test]
    fn weights_beyond_a_million_count_as_a_million() {
        assert_eq!(Weights::new([u32::MAX; 5]), Weights::new([1_000_000; 5]));
    }
}
