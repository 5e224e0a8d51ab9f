//! A fiber that runs, as others may see it without touching its memory: one word.
//!
//! ```text
//! bits 0..3   the level at which it runs, plus one; 0: nobody runs
//! bits 3..63  its number
//! bit  63     it has a name
//! ```

use super::FiberId;

const LEVEL_BITS: u32 = 3;
const NAMED: u64 = 1 << 63;

/// See the module's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shown(u64);

impl Shown {
    pub(crate) const NOBODY: Shown = Shown(0);

    /// One that has ended, at no level yet: what remains is that somebody was busy.
    pub(crate) const OVER: Shown = Shown(FiberId::NOBODY.0 << LEVEL_BITS);

    /// A fiber, at no level yet.
    pub(crate) fn new(id: FiberId, is_named: bool) -> Shown {
        Shown(id.0 << LEVEL_BITS & !NAMED | if is_named { NAMED } else { 0 })
    }

    /// The same fiber at `level`, of one that is at none.
    #[inline(always)]
    pub(crate) fn at(self, level: usize) -> Shown {
        Shown(self.0 + level as u64 + 1)
    }

    #[inline(always)]
    pub(crate) fn is_named(self) -> bool {
        (self.0 as i64) < 0
    }

    #[inline(always)]
    pub(crate) fn into_word(self) -> u64 {
        self.0
    }

    /// Who and at which level; `None`: nobody.
    pub(crate) fn read(word: u64) -> Option<(FiberId, usize)> {
        let level = word & ((1 << LEVEL_BITS) - 1);
        (level != 0).then(|| (FiberId((word & !NAMED) >> LEVEL_BITS), level as usize - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_shown_can_be_read() {
        for id in [1, 7, 123_456_789, (1 << 60) - 1] {
            for level in 0..5 {
                for is_named in [false, true] {
                    let shown = Shown::new(FiberId(id), is_named).at(level);
                    assert_eq!(Shown::read(shown.into_word()), Some((FiberId(id), level)));
                    assert_eq!(shown.is_named(), is_named);
                }
            }
        }
        assert_eq!(Shown::read(Shown::NOBODY.into_word()), None);
    }
}
