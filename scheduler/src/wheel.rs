//! Timers in order of their due times: setting, clearing and firing one takes about as long with a million
//! pending as with one. Pure: the time comes as an argument, so the workers use it with the real clock and the
//! simulator with its own.
//!
//! # The wheel
//!
//! Times are nanoseconds. A due time is written in digits of six bits, and an entry is where its due time first
//! differs from the wheel's own time, `base`: the place of that digit is its *level*, the digit its *slot*.
//!
//! ```text
//!                 level 2   1   0        base  = .. 05 17 40
//!   slot  0  [ ]     [ ]     [ ]         due A = .. 05 17 41   level 0, slot 41: this very nanosecond
//!    ..                                  due B = .. 05 20 03   level 1, slot 20: within these 64 ns
//!   slot 63  [ ]     [ ]     [ ]         due C = .. 09 00 00   level 2, slot  9
//! ```
//!
//! So everything in a lower level is due before anything in a higher one, and inside a level the slots are in
//! order. When time goes on to `now`, the slots before it are due as a whole; the one slot that has `now` in
//! it is taken apart, and what is not due yet goes to lower levels; all others are right where they are. An
//! entry moves down at most ten times, a typical timeout that is cleared before it fires never.
//!
//! | field      | what it says                                                                     |
//! |------------|----------------------------------------------------------------------------------|
//! | `entries`  | all entries, pending or free, linked by number: no allocation but for growth      |
//! | `slots`    | for each the first and last entry, in the order in which they were set           |
//! | `earliest` | of a slot: no entry is due before this; exact unless `stale`                     |
//! | `occupied` | of a level: which slots have entries                                             |
//! | `soonest`  | of the wheel: no entry is due before this                                        |
//!
//! Entries that are due at the same time fire in the order in which they were set: an entry stays in the slot that
//! setting it anew would choose, so equal ones are always in one list.

/// The bits of a digit.
const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
/// So many digits has a `u64`.
const LEVELS: usize = 64_usize.div_ceil(BITS as usize);
/// No entry.
const NONE: u32 = u32::MAX;
/// How many entries of a slot are looked at for its earliest, at most. Beyond that what is known is early enough.
const LOOK_MAX: usize = 64;
/// So much room is kept for those that fire together, 16 KiB.
const KEPT: usize = 1024;

/// Names a timer that was set, for as long as the wheel lives: it is never that of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    entry: u32,
    generation: u32,
}

struct Entry<T> {
    due: u64,
    item: T,
    next: u32,
    previous: u32,
    /// Counts who has used this entry.
    generation: u32,
    level: u8,
    slot: u8,
    pending: bool,
}

#[derive(Clone, Copy)]
struct Slot {
    earliest: u64,
    first: u32,
    last: u32,
    stale: bool,
}

const EMPTY: Slot = Slot { earliest: u64::MAX, first: NONE, last: NONE, stale: false };

/// See the module's documentation.
pub(crate) struct Wheel<T> {
    base: u64,
    soonest: u64,
    entries: Vec<Entry<T>>,
    /// The first free entry.
    free: u32,
    pending: usize,
    /// Made with the first entry.
    slots: Vec<[Slot; SLOTS]>,
    occupied: [u64; LEVELS],
    /// Room for what `take_due` has in its hands.
    found: Vec<(u64, u32)>,
    apart: Vec<(u64, u32)>,
}

impl<T: Copy> Wheel<T> {
    pub(crate) const fn new() -> Wheel<T> {
        Wheel {
            base: 0,
            soonest: u64::MAX,
            entries: Vec::new(),
            free: NONE,
            pending: 0,
            slots: Vec::new(),
            occupied: [0; LEVELS],
            found: Vec::new(),
            apart: Vec::new(),
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.pending == 0
    }

    /// No timer is due before this; `u64::MAX` where there is none.
    #[inline]
    pub(crate) fn soonest(&self) -> u64 {
        self.soonest
    }

    /// From `due` on [`take_due`](Self::take_due) gives the item.
    pub(crate) fn set(&mut self, due: u64, item: T) -> Key {
        if self.slots.is_empty() {
            self.slots = vec![[EMPTY; SLOTS]; LEVELS];
        }
        let entry = self.free;
        if entry == NONE {
            let entry = u32::try_from(self.entries.len()).ok().filter(|&entry| entry != NONE);
            let entry = entry.expect("four billion timers have no memory to be in");
            let (next, previous) = (NONE, NONE);
            let new = Entry { due, item, next, previous, generation: 0, level: 0, slot: 0, pending: true };
            self.entries.push(new);
            self.insert(entry);
            return Key { entry, generation: 0 };
        }
        let reused = &mut self.entries[entry as usize];
        self.free = reused.next;
        (reused.due, reused.item, reused.pending) = (due, item, true);
        let generation = reused.generation;
        self.insert(entry);
        Key { entry, generation }
    }

    /// Forgets a timer, whether it has fired or not.
    pub(crate) fn clear(&mut self, key: Key) {
        let entry = &self.entries[key.entry as usize];
        if entry.generation == key.generation && entry.pending {
            self.unlink(key.entry);
            self.release(key.entry);
        }
    }

    /// Passes on what is due at `now`, earliest first, and forgets it.
    pub(crate) fn take_due(&mut self, now: u64, due: &mut Vec<T>) {
        if now < self.soonest {
            return;
        }
        let now = now.max(self.base);
        let level = level_of(self.base ^ now);
        let (mut found, mut apart) = (std::mem::take(&mut self.found), std::mem::take(&mut self.apart));
        for below in 0..level {
            while self.occupied[below] != 0 {
                self.take_slot(below, self.occupied[below].trailing_zeros() as usize, &mut found);
            }
        }
        let digit = digit_of(now, level);
        while self.occupied[level] != 0 && (self.occupied[level].trailing_zeros() as usize) < digit {
            self.take_slot(level, self.occupied[level].trailing_zeros() as usize, &mut found);
        }
        if self.occupied[level] & 1 << digit != 0 {
            self.take_slot(level, digit, &mut apart);
        }
        self.base = now;
        for (when, entry) in apart.drain(..) {
            if when <= now { found.push((when, entry)) } else { self.insert(entry) }
        }
        // Stable, so those of the same time stay as they were set.
        found.sort_by_key(|&(when, _)| when);
        for (_, entry) in found.drain(..) {
            due.push(self.entries[entry as usize].item);
            self.release(entry);
        }
        found.shrink_to(KEPT);
        apart.shrink_to(KEPT);
        (self.found, self.apart) = (found, apart);
        self.soonest = self.first_slot().map_or(u64::MAX, |(level, slot)| self.slots[level][slot].earliest);
    }

    /// When the next one is due; or, where very many are due about then, a time shortly before that.
    pub(crate) fn next_due(&mut self) -> Option<u64> {
        let (level, slot) = self.first_slot()?;
        if self.slots[level][slot].stale {
            let mut earliest = u64::MAX;
            let mut entry = self.slots[level][slot].first;
            for _ in 0..LOOK_MAX {
                if entry == NONE {
                    break;
                }
                earliest = earliest.min(self.entries[entry as usize].due);
                entry = self.entries[entry as usize].next;
            }
            if entry == NONE {
                self.slots[level][slot].earliest = earliest;
                self.slots[level][slot].stale = false;
            }
        }
        self.soonest = self.slots[level][slot].earliest;
        Some(self.soonest)
    }

    fn first_slot(&self) -> Option<(usize, usize)> {
        let level = self.occupied.iter().position(|&slots| slots != 0)?;
        Some((level, self.occupied[level].trailing_zeros() as usize))
    }

    /// Puts an entry where it belongs, last in its slot.
    #[inline]
    fn insert(&mut self, entry: u32) {
        let due = self.entries[entry as usize].due;
        // What is overdue is as good as due now.
        let when = due.max(self.base);
        let level = level_of(when ^ self.base);
        let digit = digit_of(when, level);
        let slot = &mut self.slots[level][digit];
        let last = std::mem::replace(&mut slot.last, entry);
        slot.earliest = slot.earliest.min(due);
        if last == NONE {
            slot.first = entry;
            self.occupied[level] |= 1 << digit;
        } else {
            self.entries[last as usize].next = entry;
        }
        let inserted = &mut self.entries[entry as usize];
        (inserted.next, inserted.previous) = (NONE, last);
        (inserted.level, inserted.slot) = (level as u8, digit as u8);
        self.soonest = self.soonest.min(due);
        self.pending += 1;
    }

    #[inline]
    fn unlink(&mut self, entry: u32) {
        let Entry { due, next, previous, level, slot: digit, .. } = self.entries[entry as usize];
        let slot = &mut self.slots[level as usize][digit as usize];
        match previous {
            NONE => slot.first = next,
            _ => self.entries[previous as usize].next = next,
        }
        match next {
            NONE => slot.last = previous,
            _ => self.entries[next as usize].previous = previous,
        }
        if slot.first == NONE {
            *slot = EMPTY;
            self.occupied[level as usize] &= !(1 << digit);
        } else if due == slot.earliest {
            slot.stale = true;
        }
        self.pending -= 1;
        if self.pending == 0 {
            self.soonest = u64::MAX;
        }
    }

    /// Empties a slot, its entries in their order.
    fn take_slot(&mut self, level: usize, digit: usize, out: &mut Vec<(u64, u32)>) {
        self.occupied[level] &= !(1 << digit);
        let mut entry = std::mem::replace(&mut self.slots[level][digit], EMPTY).first;
        while entry != NONE {
            let taken = &self.entries[entry as usize];
            out.push((taken.due, entry));
            entry = taken.next;
            self.pending -= 1;
        }
    }

    #[inline]
    fn release(&mut self, entry: u32) {
        let released = &mut self.entries[entry as usize];
        released.pending = false;
        released.generation = released.generation.wrapping_add(1);
        released.next = std::mem::replace(&mut self.free, entry);
    }
}

/// The level of what differs from `base` by these bits.
#[inline]
fn level_of(difference: u64) -> usize {
    ((63 - (difference | 1).leading_zeros()) / BITS) as usize
}

#[inline]
fn digit_of(time: u64, level: usize) -> usize {
    (time >> (BITS * level as u32)) as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::collections::BTreeMap;

    /// splitmix64, here because the benchmark compiles this file outside of the crate.
    struct Random(Cell<u64>);

    impl Random {
        fn new(seed: u64) -> Random {
            Random(Cell::new(seed))
        }

        fn below(&self, bound: usize) -> usize {
            self.0.set(self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
            let z = self.0.get();
            let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ z >> 31) % bound as u64) as usize
        }
    }

    /// What the wheel should do.
    #[derive(Default)]
    struct Model {
        pending: BTreeMap<(u64, u32), Key>,
        next: u32,
    }

    /// Times as programs have them: now, a bit ago, soon, far, at the ends of digits, and the end of the clock.
    fn some_time(random: &Random, now: u64) -> u64 {
        let bits = random.below(64) as u32;
        let far = (random.below(1 << 30) as u64) << 30 | random.below(1 << 30) as u64;
        match random.below(12) {
            0 => now,
            1 => now.saturating_sub(far >> (bits % 60)),
            2 => now.saturating_add(1 << bits),
            3 => now | ((1 << bits) - 1),
            4 => (now | ((1 << bits) - 1)).saturating_add(1),
            5 if bits == 0 => u64::MAX,
            _ => now.saturating_add(far >> (bits % 60)),
        }
    }

    fn compare(seed: u64, steps: usize) {
        let random = Random::new(seed);
        let (mut wheel, mut model) = (Wheel::new(), Model::default());
        let mut now = if random.below(2) == 0 { 0 } else { some_time(&random, 0) };
        let mut gone = Vec::new();
        for _ in 0..steps {
            match random.below(8) {
                0..=3 => {
                    let due = some_time(&random, now);
                    let key = wheel.set(due, model.next);
                    model.pending.insert((due, model.next), key);
                    model.next += 1;
                }
                4 | 5 => {
                    let at = random.below(model.pending.len().max(1));
                    if let Some((&which, &key)) = model.pending.iter().nth(at) {
                        model.pending.remove(&which);
                        wheel.clear(key);
                        gone.push(key);
                    }
                }
                6 => {
                    // Of a timer that has fired, or was cleared before; its entry may have another by now.
                    if let Some(&key) = gone.get(random.below(gone.len().max(1))) {
                        wheel.clear(key);
                    }
                }
                _ => {
                    now = match model.pending.first_key_value() {
                        Some((&(due, _), _)) if random.below(2) == 0 => now.max(due),
                        _ => now.max(some_time(&random, now)),
                    };
                    let mut expected = Vec::new();
                    while let Some(first) = model.pending.first_entry()
                        && first.key().0 <= now
                    {
                        expected.push(first.key().1);
                        gone.push(first.remove());
                    }
                    let mut fired = Vec::new();
                    wheel.take_due(now, &mut fired);
                    assert_eq!(fired, expected, "SEED {seed}, at {now}");
                }
            }
            let first = model.pending.first_key_value().map(|(&(due, _), _)| due);
            assert!(wheel.soonest() <= first.unwrap_or(u64::MAX), "SEED {seed}");
            assert_eq!(wheel.is_empty(), model.pending.is_empty(), "SEED {seed}");
            if random.below(3) == 0 {
                // So few that none of them hides.
                assert_eq!(wheel.next_due(), first, "SEED {seed}");
            }
            if random.below(50) == 0 && now < u64::MAX / 2 {
                now += 1;
            }
        }
    }

    #[test]
    fn the_wheel_does_what_an_ordered_map_does() {
        for seed in 0..400 {
            compare(seed, 60);
        }
        for seed in 400..420 {
            compare(seed, 5_000);
        }
    }

    #[test]
    fn among_very_many_the_next_one_is_never_told_too_late_and_soon_exactly() {
        let mut wheel = Wheel::new();
        let start = 1_u64 << 40;
        let mut due = Vec::new();
        wheel.take_due(start, &mut due);
        let keys: Vec<Key> = (0..1_000_u64).map(|n| wheel.set(start + (1 << 39) + n, n)).collect();
        assert_eq!(wheel.next_due(), Some(start + (1 << 39)));
        wheel.clear(keys[0]);
        // It would take long to find the next one; who wakes at the time that it tells finds out.
        let told = wheel.next_due().expect("some are left");
        assert!(told <= start + (1 << 39) + 1);
        wheel.take_due(told, &mut due);
        assert!(due.is_empty());
        wheel.take_due(start + (1 << 39) + 1, &mut due);
        assert_eq!(due, [1]);
        assert_eq!(wheel.next_due(), Some(start + (1 << 39) + 2));
    }

    #[test]
    fn what_fires_together_fires_in_the_order_in_which_it_was_set() {
        let mut wheel = Wheel::new();
        let mut due = Vec::new();
        for n in 0..100_u32 {
            wheel.set(1_000_000, n);
            // Sets half of them when the time is near, into another level.
            if n == 50 {
                wheel.take_due(999_990, &mut due);
            }
        }
        assert!(due.is_empty());
        wheel.take_due(1_000_000, &mut due);
        assert_eq!(due, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_does_no_harm() {
        let mut wheel = Wheel::new();
        let mut due = Vec::new();
        wheel.set(0, 0);
        wheel.take_due(5, &mut due);
        wheel.set(5, 1);
        wheel.take_due(5, &mut due);
        wheel.set(3, 2);
        wheel.take_due(4, &mut due);
        wheel.set(u64::MAX, 3);
        wheel.take_due(u64::MAX, &mut due);
        wheel.set(u64::MAX, 4);
        wheel.take_due(u64::MAX, &mut due);
        assert_eq!(due, [0, 1, 2, 3, 4]);
        assert!(wheel.is_empty() && wheel.next_due().is_none());
    }
}
