//! The two promises as formulas, in ticks. The simulator checks them at every step.
//!
//! `gap` is the longest time between two looks at the clock by a worker whose levels compete, which is
//! the longest piece of code that reaches neither the dispatch loop nor a checkpoint, where that is longer
//! than a quantum; and at most [`LOOK_MAX`](super::LOOK_MAX) such pieces, where short and long ones mix.

use super::Terms;
use crate::priority::LEVELS;

/// Promise 1: how long a worker starts fibers in a row that are less urgent than `level`, while one of
/// `level` waits, if the levels in `waiting` have work and those in `competing` have had some since the
/// worker last rested.
///
/// Less urgent levels go first only out of credit, which is at most a quantum and a turn for each level that
/// competed with them. While it is spent they earn their share of that time, so it lasts longer the
/// more they weigh: at most twice as long with the default weights. Each may be overdue for a turn besides. A
/// level without weight is promised nothing but its longest wait.
pub(crate) fn inversion(terms: &Terms, level: usize, waiting: u32, competing: u32, gap: u64) -> u64 {
    if terms.weights[level] == 0 {
        return wait(terms, level, gap);
    }
    let less_urgent = waiting & !((2 << level) - 1);
    let all = terms.weight_of(waiting | 1 << level);
    let rest = all - terms.weight_of(less_urgent);
    let levels = u64::from((competing | 1 << level).count_ones());
    levels * (terms.quantum + gap) * all / rest + u64::from(less_urgent.count_ones()) * gap
}

/// Promise 2: how much less than its share a level may have had, at any moment since it has work, of the
/// time that no level took because it was overdue. What is beyond [`CREDIT_MAX`](super::CREDIT_MAX) is forgotten.
pub(crate) fn lag(terms: &Terms, gap: u64) -> u64 {
    LEVELS as u64 * (terms.quantum + gap)
}

/// Promise 2: how long `level` waits between two turns: until it is overdue, then for the end of the turn
/// that runs, and for one turn of each other level that is overdue as well.
pub(crate) fn wait(terms: &Terms, level: usize, gap: u64) -> u64 {
    terms.max_wait[level] + LEVELS as u64 * gap
}
