//! A table of things that anybody may look at while their owners take them away: who looks *pins* the
//! entry, and what was taken away is dropped by the last one out. Nobody waits for anybody: a thread that
//! was stopped while it looks keeps that one entry in memory, and its place from being used again.
//!
//! ```text
//! a place's word           meaning                            who changes it
//! 0                        free                               insert -> VALUE
//! VALUE                    being filled, or emptied           who does so -> VALUE | LIVE | 1, or 0
//! VALUE | LIVE | 1 + n     its owner's, and pinned by n       pin, unpin; remove -> VALUE | n
//! VALUE | n                taken away, still pinned by n      unpin; the last one empties it
//! ```
//!
//! Besides what it holds each place has a *tag*, a number that can be read and compared without pinning.
//! It belongs to the owner; what it means is the user's business.

use super::shelf::{PLACES_MAX, Shelf};
use crate::primitive::{AtomicU32, AtomicU64, Ordering, UnsafeCell};
use std::mem::MaybeUninit;

const LIVE: u32 = 1 << 31;
const VALUE: u32 = 1 << 30;

struct Place<T> {
    word: AtomicU32,
    tag: AtomicU64,
    value: UnsafeCell<MaybeUninit<T>>,
}

impl<T> Place<T> {
    fn empty() -> Place<T> {
        Place {
            word: AtomicU32::new(0),
            tag: AtomicU64::new(0),
            value: UnsafeCell::new(MaybeUninit::zeroed()),
        }
    }

    /// Lets go of a pin, or with `LIVE` of the ownership.
    fn release(&self, part: u32) {
        // ORDERING: AcqRel: all uses of the value come before its end, which is here for the last one.
        if self.word.fetch_sub(part, Ordering::AcqRel) - part == VALUE {
            // SAFETY: it was filled, and nobody can pin it any more: it is ours.
            self.value.with_mut(|value| unsafe { (*value).assume_init_drop() });
            // ORDERING: Release pairs with the acquire of `insert`.
            self.word.store(0, Ordering::Release);
        }
    }
}

/// See the module's documentation.
pub(crate) struct Table<T> {
    places: Shelf<Place<T>>,
    /// Places below this may be used.
    used: AtomicU32,
}

// SAFETY: a value is written and dropped by one thread, which the words choose, and read by others.
unsafe impl<T: Send + Sync> Send for Table<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Table<T> {}

/// The owner's hold on an entry. It has to go back to [`Table::remove`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct Key(u32);

/// An entry that stays while this does.
pub(crate) struct Pinned<'a, T>(&'a Place<T>);

impl<T> Table<T> {
    pub(crate) fn new() -> Table<T> {
        Table {
            // SAFETY: an empty place is all zeros.
            places: unsafe { Shelf::new(Place::empty) },
            used: AtomicU32::new(0),
        }
    }

    /// Puts something in. It may allocate.
    pub(crate) fn insert(&self, value: T) -> Key {
        let (key, place) = self.claim();
        // SAFETY: the place is ours until it is LIVE.
        place.value.with_mut(|cell| unsafe {
            (*cell).write(value);
        });
        // ORDERING: Release pairs with the acquire of `pin`.
        place.word.store(VALUE | LIVE | 1, Ordering::Release);
        key
    }

    /// The first free place. Looking for it takes as long as there are entries.
    fn claim(&self) -> (Key, &Place<T>) {
        for next in 0..PLACES_MAX as u32 {
            self.places.prepare(next as usize);
            let place = self.place(Key(next));
            // ORDERING: Acquire pairs with the release of the one who emptied it.
            if place.word.load(Ordering::Relaxed) == 0
                && place.word.compare_exchange(0, VALUE, Ordering::Acquire, Ordering::Relaxed).is_ok()
            {
                self.used.fetch_max(next + 1, Ordering::Relaxed);
                return (Key(next), place);
            }
        }
        unreachable!("each entry is somebody's who waits, and so many there cannot be");
    }

    /// Takes the entry away. Called once for each key; others who look at it now may go on to.
    pub(crate) fn remove(&self, key: Key) {
        self.place(key).release(LIVE | 1);
    }

    fn place(&self, key: Key) -> &Place<T> {
        self.places.get(key.0 as usize).expect("a key is of a place that was prepared")
    }

    /// The tag of an entry; 0 before it is set.
    pub(crate) fn tag(&self, key: Key) -> &AtomicU64 {
        &self.place(key).tag
    }

    /// All places that may have an entry, each with its tag.
    pub(crate) fn tags(&self) -> impl Iterator<Item = (Key, &AtomicU64)> {
        (0..self.used.load(Ordering::Relaxed))
            .filter_map(|index| Some((Key(index), &self.places.get(index as usize)?.tag)))
    }

    /// The entry in that place now.
    pub(crate) fn pin(&self, key: Key) -> Option<Pinned<'_, T>> {
        let place = self.place(key);
        let mut word = place.word.load(Ordering::Relaxed);
        while word & LIVE != 0 {
            // ORDERING: Acquire pairs with the release of `insert`.
            match place.word.compare_exchange_weak(word, word + 1, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Some(Pinned(place)),
                Err(now) => word = now,
            }
        }
        None
    }

    /// Shows all entries to `f`, each pinned.
    pub(crate) fn for_each(&self, mut f: impl FnMut(&T)) {
        for (key, _) in self.tags() {
            if let Some(entry) = self.pin(key) {
                entry.with(&mut f);
            }
        }
    }
}

impl<T> Pinned<'_, T> {
    pub(crate) fn with<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        // SAFETY: it was filled before it could be pinned, and is not emptied while it is.
        self.0.value.with(|value| f(unsafe { (*value).assume_init_ref() }))
    }
}

impl<T> Drop for Pinned<'_, T> {
    fn drop(&mut self) {
        self.0.release(1);
    }
}

impl<T> Drop for Table<T> {
    fn drop(&mut self) {
        for index in 0..self.used.load(Ordering::Relaxed) {
            if let Some(place) = self.places.get(index as usize)
                && place.word.load(Ordering::Relaxed) & VALUE != 0
            {
                // SAFETY: it was filled, and nobody else is here.
                place.value.with_mut(|value| unsafe { (*value).assume_init_drop() });
            }
        }
    }
}
