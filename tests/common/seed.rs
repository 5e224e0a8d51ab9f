//! Random numbers for tests. The seed is printed, and `SEED=n` in the environment gives the same ones
//! again.

use std::hash::{BuildHasher, RandomState};

/// A generator (splitmix64: every seed is good, and a child can be split off).
pub struct Random(u64);

impl Random {
    /// With the seed of the environment, or a new one, which is printed and told to the watchdog.
    pub fn new() -> Random {
        let seed = match std::env::var("SEED") {
            Ok(text) => text.parse().expect("SEED is a number"),
            Err(_) => RandomState::new().hash_one("seed"),
        };
        println!("SEED={seed}");
        crate::watchdog::note(format!("SEED={seed}"));
        Random(seed)
    }

    /// With this seed.
    pub fn from_seed(seed: u64) -> Random {
        Random(seed)
    }

    /// The next 64 bits.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.number()) * u128::from(n)) >> 64) as u64
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }

    /// A generator of its own, for another fiber or thread.
    pub fn split(&mut self) -> Random {
        Random(self.number())
    }
}

impl Default for Random {
    fn default() -> Self {
        Random::new()
    }
}
