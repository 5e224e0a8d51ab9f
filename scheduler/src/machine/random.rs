//! Randomness for choosing victims: xorshift64*, one state a worker, seeded from its index, so that
//! a run on one worker is repeatable.

use std::cell::Cell;

pub(crate) struct Random(Cell<u64>);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        // Any odd constant spreads small seeds; zero would be a fixed point.
        Random(Cell::new((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// A number in `0..bound`.
    pub(crate) fn below(&self, bound: usize) -> usize {
        let mut x = self.0.get();
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0.set(x);
        let high = x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        ((high * bound as u64) >> 32) as usize
    }
}
