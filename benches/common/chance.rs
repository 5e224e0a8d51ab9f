//! Which branches of a recursion suspend: none, or a random one percent that is the same in every contender and run.
//!
//! A recursion is generic over [`Chance`]; with [`Never`] the choice has no size and no cost, with [`OnePercent`] it
//! costs a multiplication a branch, in the serial floor too.

/// Decides per branch, and splits for the two (or ten) branches below.
pub trait Chance: Copy + Send + Sync + 'static {
    /// The chance of the `index`th branch below this one.
    #[must_use]
    fn branch(self, index: u64) -> Self;
    /// Whether this branch suspends.
    #[must_use]
    fn hits(self) -> bool;
}

/// No branch suspends.
#[derive(Clone, Copy, Debug)]
pub struct Never;

impl Chance for Never {
    #[inline(always)]
    fn branch(self, _index: u64) -> Self {
        Never
    }
    #[inline(always)]
    fn hits(self) -> bool {
        false
    }
}

/// One branch in a hundred suspends, chosen by a hash of its path from the root.
#[derive(Clone, Copy, Debug)]
pub struct OnePercent(u64);

impl OnePercent {
    /// The root of the tree; the seed is fixed so that all contenders suspend in the same places.
    #[must_use]
    pub const fn root() -> Self {
        OnePercent(0x9E37_79B9_7F4A_7C15)
    }
}

impl Chance for OnePercent {
    #[inline(always)]
    fn branch(self, index: u64) -> Self {
        let mixed = (self.0 ^ (index + 1)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        OnePercent(mixed ^ (mixed >> 32))
    }
    #[inline(always)]
    fn hits(self) -> bool {
        // The upper half is the well mixed one.
        (self.0 >> 32) < (1 << 32) / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_one_branch_in_a_hundred_hits() {
        fn count(chance: OnePercent, depth: u32) -> u64 {
            let below = if depth == 0 { 0 } else { (0..2).map(|i| count(chance.branch(i), depth - 1)).sum() };
            u64::from(chance.hits()) + below
        }
        let (hits, branches) = (count(OnePercent::root(), 16), (1 << 17) - 1);
        assert!((branches / 125..branches / 80).contains(&hits), "{hits} of {branches}");
    }
}
