//! Looking for one text in another in time proportional to both, without memory, and with questions in between.
//!
//! This is the two-way search of Crochemore and Perrin. The needle is cut where its period can be told from both sides:
//!
//! ```text
//!   needle     |  left  |     right      |     first the right part is compared, from the cut on; where it differs after
//!   text   ....|........|................|     k units, the next place that is possible is k + 1 further. Then the left part,
//!                       ^ cut                  backwards; where that differs, it is a period further.
//! ```
//!
//! If the needle repeats itself, what is known to agree after a shift by its period is remembered, and not compared again.
//! So no unit of the text is compared more than three times. Before all that, one look at the last unit: if the needle has
//! none such, the next place is the needle's length further.
//!
//! Texts have 8 or 16 bits a unit, each of the two its own; searching backwards is searching in both reversed.

/// Compared units between two questions: about a tenth of a millisecond.
const EVERY: usize = 1 << 16;

/// Units of a text, maybe in reverse.
#[derive(Clone, Copy)]
struct Units<'t, U, const REVERSED: bool>(&'t [U]);

impl<U: Copy + Into<u16>, const REVERSED: bool> Units<'_, U, REVERSED> {
    fn len(self) -> usize {
        self.0.len()
    }

    #[inline(always)]
    fn at(self, index: usize) -> u16 {
        if REVERSED { self.0[self.0.len() - 1 - index].into() } else { self.0[index].into() }
    }
}

/// The first place at or after `from` where the needle is.
///
/// # Errors
/// Those of `ask`, which is called again and again.
pub(super) fn first<T, N, E>(
    text: &[T],
    needle: &[N],
    from: usize,
    ask: impl FnMut() -> Result<(), E>,
) -> Result<Option<usize>, E>
where
    T: Copy + Into<u16>,
    N: Copy + Into<u16>,
{
    Search { text: Units::<T, false>(text), needle: Units::<N, false>(needle), work: 0, ask }.run(from)
}

/// The last place at or before `from` where the needle is.
///
/// # Errors
/// As for [`first`].
pub(super) fn last<T, N, E>(
    text: &[T],
    needle: &[N],
    from: usize,
    ask: impl FnMut() -> Result<(), E>,
) -> Result<Option<usize>, E>
where
    T: Copy + Into<u16>,
    N: Copy + Into<u16>,
{
    let Some(last) = text.len().checked_sub(needle.len()) else { return Ok(None) };
    let skip = last - from.min(last);
    let mut search = Search { text: Units::<T, true>(text), needle: Units::<N, true>(needle), work: 0, ask };
    Ok(search.run(skip)?.map(|place| last - place))
}

struct Search<'t, 'n, T, N, A, const REVERSED: bool> {
    text: Units<'t, T, REVERSED>,
    needle: Units<'n, N, REVERSED>,
    /// Compared since the last question.
    work: usize,
    ask: A,
}

impl<T, N, A, E, const REVERSED: bool> Search<'_, '_, T, N, A, REVERSED>
where
    T: Copy + Into<u16>,
    N: Copy + Into<u16>,
    A: FnMut() -> Result<(), E>,
{
    #[inline]
    fn worked(&mut self, units: usize) -> Result<(), E> {
        self.work += units;
        if self.work >= EVERY {
            self.work = 0;
            (self.ask)()?;
        }
        Ok(())
    }

    /// Where the largest suffix begins, by this order of units or by its opposite, and its period.
    fn largest_suffix(&mut self, opposite: bool) -> Result<(usize, usize), E> {
        let needle = self.needle;
        let (mut best, mut next, mut same, mut period) = (0, 1, 0, 1);
        while next + same < needle.len() {
            let (a, b) = (needle.at(next + same), needle.at(best + same));
            if a == b {
                same += 1;
                if same == period {
                    next += period;
                    same = 0;
                }
            } else if (a < b) != opposite {
                next += same + 1;
                same = 0;
                period = next - best;
            } else {
                best = next;
                next += 1;
                same = 0;
                period = 1;
            }
            self.worked(1)?;
        }
        Ok((best, period))
    }

    fn run(&mut self, from: usize) -> Result<Option<usize>, E> {
        let (text, needle, count) = (self.text, self.needle, self.needle.len());
        if count > text.len() || from > text.len() - count {
            return Ok(None);
        }
        if count == 0 {
            return Ok(Some(from));
        }
        let (one, other) = (self.largest_suffix(false)?, self.largest_suffix(true)?);
        let (cut, period) = if one.0 > other.0 { one } else { other };
        // Does the whole needle repeat itself, or only what is right of the cut?
        let mut left = 0;
        while left < cut && needle.at(left) == needle.at(left + period) {
            left += 1;
            self.worked(1)?;
        }
        let repeats = left == cut;
        let shift = if repeats { period } else { cut.max(count - cut) + 1 };
        let mut units = 0_u64;
        for index in 0..count {
            units |= 1 << (needle.at(index) & 63);
            self.worked(1)?;
        }
        let (mut place, mut known) = (from, 0);
        while place <= text.len() - count {
            if units >> (text.at(place + count - 1) & 63) & 1 == 0 {
                place += count;
                known = 0;
                self.worked(1)?;
                continue;
            }
            let mut right = cut.max(known);
            while right < count && needle.at(right) == text.at(place + right) {
                right += 1;
                self.worked(1)?;
            }
            if right < count {
                place += right - cut + 1;
                known = 0;
                self.worked(1)?;
                continue;
            }
            let mut left = cut;
            while left > known && needle.at(left - 1) == text.at(place + left - 1) {
                left -= 1;
                self.worked(1)?;
            }
            if left <= known {
                return Ok(Some(place));
            }
            place += shift;
            known = if repeats { count - period } else { 0 };
            self.worked(1)?;
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn naive(text: &[u16], needle: &[u16]) -> Vec<usize> {
        (0..=text.len().wrapping_sub(needle.len()).min(text.len()))
            .filter(|place| text[*place..].starts_with(needle))
            .collect()
    }

    /// Small numbers from a seed.
    fn numbers(mut seed: u64) -> impl FnMut(u64) -> u64 {
        move |below| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        }
    }

    #[test]
    fn every_place_is_found_from_both_sides() {
        let mut number = numbers(7);
        for round in 0..60_000 {
            // Few letters, so that needles repeat themselves; one that is none of 8 bits.
            let letters = 1 + number(3);
            let mut word = |longest: u64| -> Vec<u16> {
                (0..number(longest))
                    .map(|_| if number(40) == 0 { 0x161 } else { 0x61 + number(letters) as u16 })
                    .collect()
            };
            let (text, needle) = (word(60), word(if round % 2 == 0 { 4 } else { 14 }));
            let from = number(64) as usize;
            let places = if needle.len() > text.len() { Vec::new() } else { naive(&text, &needle) };
            let after = places.iter().copied().find(|place| *place >= from);
            let before = places.iter().copied().rfind(|place| *place <= from);
            let never = || Ok::<(), Infallible>(());
            assert_eq!(first(&text, &needle, from, never), Ok(after), "{text:x?} {needle:x?} {from}");
            assert_eq!(last(&text, &needle, from, never), Ok(before), "{text:x?} {needle:x?} {from}");
            let narrow =
                |units: &[u16]| units.iter().map(|unit| u8::try_from(*unit)).collect::<Result<Vec<u8>, _>>();
            if let Ok(text) = narrow(&text) {
                assert_eq!(first(&text, &needle, from, never), Ok(after));
                assert_eq!(last(&text, &needle, from, never), Ok(before));
            }
            if let Ok(needle) = narrow(&needle) {
                assert_eq!(first(&text, &needle, from, never), Ok(after));
                assert_eq!(last(&text, &needle, from, never), Ok(before));
            }
        }
    }

    #[test]
    fn the_work_is_proportional_and_there_are_questions() {
        let (text, mut needle) = (vec![b'a'; 600_000], vec![b'a'; 300_000]);
        let questions = |text: &[u8], needle: &[u8]| {
            let mut count = 0_usize;
            let ask = || {
                count += 1;
                Ok::<(), Infallible>(())
            };
            let found = first(text, needle, 0, ask);
            (found, count)
        };
        for place in [0, 1, 150_000, 299_998, 299_999] {
            needle[place] = b'b';
            let (found, count) = questions(&text, &needle);
            assert_eq!(found, Ok(None));
            assert!((4..100).contains(&count), "{count} questions");
            needle[place] = b'a';
        }
        assert_eq!(first(&text, &needle, 5, || Err("stop")), Err("stop"));
    }
}
