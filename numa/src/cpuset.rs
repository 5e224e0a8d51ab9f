//! Growable sets of CPUs and nodes, in the kernel's own notation.
//!
//! [`CpuSet`] and [`NodeSet`] are one type with two element types: a set of nodes cannot be pinned to.
//!
//! Invariants: the last word is never zero, so equality, order and hash are those of the set; no id is
//! above [`IdSet::MAX_ID`], so a garbled number in a file cannot make a set of half a gigabyte.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{BitAnd, BitOr, Sub};
use std::str::FromStr;

use crate::error::{Error, Kind, Result};
use crate::id::{CpuId, NodeId};

/// A set of CPUs: a cpuset, an affinity mask, the CPUs of a node.
pub type CpuSet = IdSet<CpuId>;
/// A set of NUMA nodes.
pub type NodeSet = IdSet<NodeId>;

/// An id that can be kept in an [`IdSet`]: [`CpuId`] or [`NodeId`].
pub trait Id: Copy + Eq + private::Sealed {
    /// What the set is called in messages.
    const SET_NAME: &'static str;
    /// The id of this number.
    fn from_number(number: u32) -> Self;
    /// The number of this id.
    fn number(self) -> u32;
}

mod private {
    pub trait Sealed {}
    impl Sealed for crate::id::CpuId {}
    impl Sealed for crate::id::NodeId {}
}

impl Id for CpuId {
    const SET_NAME: &'static str = "CpuSet";
    fn from_number(number: u32) -> Self {
        CpuId(number)
    }
    fn number(self) -> u32 {
        self.0
    }
}

impl Id for NodeId {
    const SET_NAME: &'static str = "NodeSet";
    fn from_number(number: u32) -> Self {
        NodeId(number)
    }
    fn number(self) -> u32 {
        self.0
    }
}

/// A growable set of ids; use it as [`CpuSet`] or [`NodeSet`].
///
/// ```
/// use heddle_numa::{CpuId, CpuSet};
/// let mut set: CpuSet = "0-3,8".parse()?;
/// assert_eq!(set.len(), 5);
/// set.insert(CpuId(9));
/// assert_eq!(set.to_string(), "0-3,8-9");
/// assert_eq!((&set & &"2-8".parse()?).to_string(), "2-3,8");
/// # Ok::<(), heddle_numa::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdSet<I> {
    words: Vec<u64>,
    kind: PhantomData<I>,
}

impl<I: Id> IdSet<I> {
    /// The largest id a set holds. Linux allows 8,192 CPUs and 1,024 nodes today; the rest is head room, and the
    /// limit is there so that a garbled number in a file costs 128 KiB and not half a gigabyte.
    pub const MAX_ID: u32 = (1 << 20) - 1;

    /// The empty set.
    pub const fn new() -> Self {
        IdSet { words: Vec::new(), kind: PhantomData }
    }

    /// The set of one id.
    ///
    /// # Panics
    /// As [`IdSet::insert`].
    pub fn of(id: I) -> Self {
        Self::from_iter([id])
    }

    /// Adds an id; true if it was not there.
    ///
    /// # Panics
    /// Where the id is above [`IdSet::MAX_ID`].
    pub fn insert(&mut self, id: I) -> bool {
        let number = id.number();
        assert!(number <= Self::MAX_ID, "{number} is above the largest id of a {}", I::SET_NAME);
        let (word, bit) = (number as usize / 64, 1 << (number % 64));
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let fresh = self.words[word] & bit == 0;
        self.words[word] |= bit;
        fresh
    }

    /// Removes an id; true if it was there.
    pub fn remove(&mut self, id: I) -> bool {
        let (word, bit) = (id.number() as usize / 64, 1 << (id.number() % 64));
        let Some(bits) = self.words.get_mut(word) else { return false };
        let found = *bits & bit != 0;
        *bits &= !bit;
        self.trim();
        found
    }

    /// Whether the id is in the set.
    pub fn contains(&self, id: I) -> bool {
        self.words.get(id.number() as usize / 64).is_some_and(|bits| bits & (1 << (id.number() % 64)) != 0)
    }

    /// How many ids are in the set.
    pub fn len(&self) -> usize {
        self.words.iter().map(|bits| bits.count_ones() as usize).sum()
    }

    /// Whether the set has no ids.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The smallest id.
    pub fn first(&self) -> Option<I> {
        self.iter().next()
    }

    /// The largest id.
    pub fn last(&self) -> Option<I> {
        let top = self.words.last()?;
        Some(I::from_number(self.words.len() as u32 * 64 - 1 - top.leading_zeros()))
    }

    /// The ids in ascending order.
    pub fn iter(&self) -> Iter<'_, I> {
        Iter {
            words: &self.words,
            word: 0,
            bits: self.words.first().copied().unwrap_or(0),
            kind: PhantomData,
        }
    }

    /// Whether every id of this set is in the other.
    pub fn is_subset(&self, other: &Self) -> bool {
        (self - other).is_empty()
    }

    /// Whether the sets have no id in common.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        (self & other).is_empty()
    }

    /// Reads the kernel's mask notation: hexadecimal words of 32 bits, highest first, as in `cpumap` files.
    ///
    /// ```
    /// use heddle_numa::CpuSet;
    /// assert_eq!(CpuSet::parse_mask("00000001,0000000f\n")?.to_string(), "0-3,32");
    /// # Ok::<(), heddle_numa::Error>(())
    /// ```
    pub fn parse_mask(text: &str) -> Result<Self> {
        let mut set = Self::new();
        for (index, word) in text.trim().rsplit(',').enumerate() {
            let word = word.trim().trim_start_matches("0x");
            let bits = u32::from_str_radix(word, 16).map_err(|_| Self::unreadable(text, "a mask"))?;
            for bit in (0..32).filter(|bit| bits & (1 << bit) != 0) {
                set.insert_parsed(index as u64 * 32 + bit, text)?;
            }
        }
        Ok(set)
    }

    fn insert_parsed(&mut self, number: u64, text: &str) -> Result<()> {
        if number > u64::from(Self::MAX_ID) {
            return Err(Self::unreadable(text, "a list (ids up to 1048575)"));
        }
        self.insert(I::from_number(number as u32));
        Ok(())
    }

    fn unreadable(text: &str, wanted: &str) -> Error {
        let shown: String = text.trim().chars().take(80).collect();
        Error::new(
            Kind::Invalid,
            format!("cannot read `{shown}` as {wanted} for a {}: write it like 0-3,8", I::SET_NAME),
        )
    }

    fn trim(&mut self) {
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
    }

    /// The bits, lowest first, 64 to a word, without trailing zero words.
    pub fn as_words(&self) -> &[u64] {
        &self.words
    }

    /// The set of these bits, lowest first, 64 to a word.
    ///
    /// # Panics
    /// Where a bit is above [`IdSet::MAX_ID`].
    pub fn from_words(words: &[u64]) -> Self {
        let mut set = IdSet { words: words.to_vec(), kind: PhantomData };
        set.trim();
        assert!(set.words.len() * 64 <= Self::MAX_ID as usize + 1, "a {} of too many words", I::SET_NAME);
        set
    }

    fn zip(&self, other: &Self, op: impl Fn(u64, u64) -> u64) -> Self {
        let word = |set: &Self, index: usize| set.words.get(index).copied().unwrap_or(0);
        let len = self.words.len().max(other.words.len());
        let mut set = IdSet {
            words: (0..len).map(|index| op(word(self, index), word(other, index))).collect(),
            kind: PhantomData,
        };
        set.trim();
        set
    }
}

impl<I: Id> Default for IdSet<I> {
    fn default() -> Self {
        Self::new()
    }
}

impl<I: Id> BitOr for &IdSet<I> {
    type Output = IdSet<I>;
    fn bitor(self, other: Self) -> IdSet<I> {
        self.zip(other, |a, b| a | b)
    }
}

impl<I: Id> BitAnd for &IdSet<I> {
    type Output = IdSet<I>;
    fn bitand(self, other: Self) -> IdSet<I> {
        self.zip(other, |a, b| a & b)
    }
}

impl<I: Id> Sub for &IdSet<I> {
    type Output = IdSet<I>;
    fn sub(self, other: Self) -> IdSet<I> {
        self.zip(other, |a, b| a & !b)
    }
}

impl<I: Id> FromIterator<I> for IdSet<I> {
    fn from_iter<T: IntoIterator<Item = I>>(ids: T) -> Self {
        let mut set = Self::new();
        set.extend(ids);
        set
    }
}

impl<I: Id> Extend<I> for IdSet<I> {
    fn extend<T: IntoIterator<Item = I>>(&mut self, ids: T) {
        for id in ids {
            self.insert(id);
        }
    }
}

impl<'a, I: Id> IntoIterator for &'a IdSet<I> {
    type Item = I;
    type IntoIter = Iter<'a, I>;
    fn into_iter(self) -> Iter<'a, I> {
        self.iter()
    }
}

/// The ids of a set in ascending order.
#[derive(Clone, Debug)]
pub struct Iter<'a, I> {
    words: &'a [u64],
    word: usize,
    bits: u64,
    kind: PhantomData<I>,
}

impl<I: Id> Iterator for Iter<'_, I> {
    type Item = I;
    fn next(&mut self) -> Option<I> {
        while self.bits == 0 {
            self.word += 1;
            self.bits = *self.words.get(self.word)?;
        }
        let bit = self.bits.trailing_zeros();
        self.bits &= self.bits - 1;
        Some(I::from_number(self.word as u32 * 64 + bit))
    }
}

impl<I: Id> FromStr for IdSet<I> {
    type Err = Error;

    /// Reads the kernel's list notation: `0-3,8`. Empty text is the empty set.
    fn from_str(text: &str) -> Result<Self> {
        let mut set = Self::new();
        let number = |part: &str| part.trim().parse::<u32>().map_err(|_| Self::unreadable(text, "a list"));
        for part in text.trim().split(',').filter(|_| !text.trim().is_empty()) {
            let (from, to) = match part.split_once('-') {
                Some((from, to)) => (number(from)?, number(to)?),
                None => (number(part)?, number(part)?),
            };
            if from > to || to > Self::MAX_ID {
                return Err(Self::unreadable(text, "a list (ascending ranges, ids up to 1048575)"));
            }
            for id in from..=to {
                set.insert(I::from_number(id));
            }
        }
        Ok(set)
    }
}

impl<I: Id> fmt::Display for IdSet<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ids = self.iter().map(Id::number).peekable();
        let mut comma = "";
        while let Some(first) = ids.next() {
            let mut last = first;
            while ids.peek() == Some(&(last + 1)) {
                last += 1;
                ids.next();
            }
            match last - first {
                0 => write!(f, "{comma}{first}")?,
                _ => write!(f, "{comma}{first}-{last}")?,
            }
            comma = ",";
        }
        Ok(())
    }
}

impl<I: Id> fmt::Debug for IdSet<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({self})", I::SET_NAME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> CpuSet {
        text.parse().unwrap()
    }

    #[test]
    fn a_set_prints_what_it_reads() {
        for text in ["", "0", "0-3,8", "63-64", "1,3,5,1199", "0-2,33-34,45,72-73"] {
            assert_eq!(set(text).to_string(), text);
        }
        assert_eq!(set(" 0-3 , 8\n").to_string(), "0-3,8");
        assert_eq!(set("1,0,0-1").to_string(), "0-1");
    }

    #[test]
    fn nonsense_is_refused_with_the_text_and_never_grows_a_huge_set() {
        for text in ["x", "3-1", "1-", "-1", "0,,1", "4294967295", "0-4294967295", "1048576", "0-3:1/2"] {
            let error = text.parse::<CpuSet>().unwrap_err();
            assert!(error.is_invalid_input(), "{text}");
            assert!(error.to_string().contains(text), "{error}");
        }
        assert!(CpuSet::parse_mask("xyz").is_err());
        assert!(CpuSet::parse_mask("").is_err());
    }

    #[test]
    fn a_mask_and_a_list_of_the_same_cpus_are_equal() {
        assert_eq!(CpuSet::parse_mask("ff,00000000,80000001").unwrap(), set("0,31,64-71"));
        assert_eq!(CpuSet::parse_mask("0").unwrap(), CpuSet::new());
        assert_eq!(CpuSet::parse_mask("00000000,00000000,00000000").unwrap(), CpuSet::new());
    }

    #[test]
    fn equal_sets_are_equal_however_they_grew() {
        let mut grown = set("0,700");
        assert!(grown.remove(CpuId(700)));
        assert!(!grown.remove(CpuId(700)));
        assert_eq!(grown, set("0"));
        assert_eq!(grown.last(), Some(CpuId(0)));
        assert!(grown.remove(CpuId(0)));
        assert!(grown.is_empty());
        assert_eq!(grown.last(), None);
        assert_eq!(CpuSet::from_words(&[1, 0, 0]), set("0"));
    }

    #[test]
    fn set_operations_agree_with_a_naive_model() {
        // A fixed walk through small numbers: every pair of these sets, every operation, element by element.
        let sets: Vec<Vec<u32>> =
            (1..12u32).map(|step| (0..200).step_by(step as usize * 3).collect()).collect();
        for a in &sets {
            for b in &sets {
                let (x, y) = (
                    a.iter().map(|n| CpuId(*n)).collect::<CpuSet>(),
                    b.iter().map(|n| CpuId(*n)).collect::<CpuSet>(),
                );
                for n in 0..210 {
                    let (in_a, in_b) = (a.contains(&n), b.contains(&n));
                    assert_eq!((&x | &y).contains(CpuId(n)), in_a || in_b);
                    assert_eq!((&x & &y).contains(CpuId(n)), in_a && in_b);
                    assert_eq!((&x - &y).contains(CpuId(n)), in_a && !in_b);
                }
                assert_eq!(x.is_subset(&y), a.iter().all(|n| b.contains(n)));
                assert_eq!(x.is_disjoint(&y), a.iter().all(|n| !b.contains(n)));
                assert_eq!(x.len(), a.len());
                assert_eq!(x.iter().map(|cpu| cpu.0).collect::<Vec<_>>(), *a);
            }
        }
    }

    #[test]
    #[should_panic(expected = "above the largest id")]
    fn an_absurd_id_is_refused_loudly() {
        CpuSet::of(CpuId(u32::MAX));
    }
}
