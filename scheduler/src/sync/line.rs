//! Those who wait for something, in line: the most urgent first, and of those the first that came. A [`Line`] is part
//! of a state behind a [`Latch`](super::latch::Latch), and links *places*, which are in the frames of those who wait.
//!
//! | field of a place          | used by                                                                     |
//! |---------------------------|-----------------------------------------------------------------------------|
//! | `links`                   | whoever has the latch                                                       |
//! | `value`                   | who waits, until it is pushed; then whoever has the latch; then who waits   |
//! | `served`                  | whoever serves it sets it, under the latch; who waits looks                 |
//! | `who`, `choice`           | nobody changes them                                                         |
//!
//! *Served or left, never both*: to serve a place is to take it out of the line, under the latch; to leave is the same
//! by who waits. Who finds its place no longer in line was served, and has what it waited for.
//!
//! *The frame stays long enough*: whoever serves a place touches it last when it sets `served`, after it has taken from it
//! what wakes the other. Who waits leaves its frame only when it has seen that, or has left the line itself.
//!
//! # One of several
//!
//! Who waits in several lines at once has a [`Choice`] that its places share. A place is served only by whoever
//! wins the choice, one compare-and-swap; others take the place out of their line and go on to the next.

use super::wait::{Wakes, Who};
use crate::primitive::{AtomicU32, Ordering, UnsafeCell, constructor};
use crate::priority::LEVELS;
use std::marker::PhantomPinned;
use std::mem::MaybeUninit;
use std::ptr;

/// One who waits, in a frame that does not move. See the module's documentation.
pub(crate) struct Place<V> {
    links: UnsafeCell<Links<V>>,
    value: UnsafeCell<V>,
    served: Served,
    who: Who,
    choice: Option<(*const Choice, u32)>,
    _pinned: PhantomPinned,
}

/// Has somebody what he waits for?
pub(crate) struct Served(AtomicU32);

impl Served {
    #[inline]
    pub(crate) fn get(&self) -> bool {
        // ORDERING: Acquire pairs with the release of `set`.
        self.0.load(Ordering::Acquire) != 0
    }

    #[inline]
    fn set(&self) {
        // ORDERING: Release pairs with the acquire of `get`: what it was given.
        self.0.store(1, Ordering::Release);
    }
}

struct Links<V> {
    next: *const Place<V>,
    previous: *const Place<V>,
    level: usize,
    came: u64,
    in_line: bool,
}

impl<V> Place<V> {
    /// Not in line yet.
    #[inline]
    pub(crate) fn new(who: Who, value: V) -> Place<V> {
        let (next, previous) = (ptr::null(), ptr::null());
        Place {
            links: UnsafeCell::new(Links { next, previous, level: 0, came: 0, in_line: false }),
            value: UnsafeCell::new(value),
            served: Served(AtomicU32::new(0)),
            who,
            choice: None,
            _pinned: PhantomPinned,
        }
    }

    /// One of several of which one is served, the `index`th.
    pub(crate) fn one_of(choice: &Choice, index: u32, who: Who, value: V) -> Place<V> {
        Place { choice: Some((choice, index)), ..Place::new(who, value) }
    }

    pub(crate) fn who(&self) -> &Who {
        &self.who
    }

    /// Has it what it waited for?
    #[inline]
    pub(crate) fn is_served(&self) -> bool {
        self.served.get()
    }

    /// Where that is seen.
    #[inline]
    pub(crate) fn served(&self) -> &Served {
        &self.served
    }

    /// What it has waited with, or was given.
    pub(crate) fn into_value(self) -> V {
        self.value.into_inner()
    }

    /// What it waits with.
    ///
    /// # Safety
    /// The latch is the caller's; or it is the one who waits, and not in line.
    #[inline]
    pub(crate) unsafe fn with_value<R>(&self, f: impl FnOnce(&mut V) -> R) -> R {
        // SAFETY: the caller's promise.
        self.value.with_mut(|value| f(unsafe { &mut *value }))
    }
}

/// Room for a place, in the frame of one who may have to wait.
///
/// ```text
/// empty       put -> taken
/// taken       clear -> empty
/// ```
pub(crate) struct Room<V>(std::cell::UnsafeCell<MaybeUninit<Place<V>>>);

impl<V> Room<V> {
    #[inline(always)]
    pub(crate) const fn new() -> Room<V> {
        Room(std::cell::UnsafeCell::new(MaybeUninit::uninit()))
    }

    /// Takes the room. By way of a shared reference: a line's pointer to it has to stay good beside ours.
    #[inline]
    pub(crate) fn put(&self, place: Place<V>) -> &Place<V> {
        // SAFETY: nobody can have a reference to what was there: with one, `clear` must not be called. What
        // was there and was not cleared is forgotten.
        unsafe { (*self.0.get()).write(place) }
    }

    /// # Safety
    /// It is taken.
    #[inline]
    pub(crate) unsafe fn place(&self) -> &Place<V> {
        // SAFETY: the caller's promise.
        unsafe { (*self.0.get()).assume_init_ref() }
    }

    /// # Safety
    /// It is taken, its place is in no line, and nobody has a reference to it.
    #[inline]
    pub(crate) unsafe fn clear(&self) {
        // SAFETY: the caller's promise.
        unsafe { (*self.0.get()).assume_init_drop() };
    }
}

/// Which of several places is served.
///
/// ```text
/// OPEN       none yet           claim(i): -> i + 1
/// i + 1      the ith            stays so
/// ```
pub(crate) struct Choice(AtomicU32);

const OPEN: u32 = 0;

impl Choice {
    constructor! {
        /// None is served yet.
        pub(crate) fn new() -> Choice {
            Choice(AtomicU32::new(OPEN))
        }
    }

    /// It is to be the `index`th. `false`: it is another.
    #[must_use]
    pub(crate) fn claim(&self, index: u32) -> bool {
        // ORDERING: Release pairs with the acquire of `made`: what was done before. The place itself is seen whole by
        // way of its line's latch.
        self.0.compare_exchange(OPEN, index + 1, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    /// Which one it is, if that has been decided.
    pub(crate) fn made(&self) -> Option<u32> {
        // ORDERING: Acquire pairs with the release of `claim`.
        self.0.load(Ordering::Acquire).checked_sub(1)
    }
}

struct Queue<V> {
    first: *const Place<V>,
    last: *const Place<V>,
}

impl<V> Queue<V> {
    const EMPTY: Queue<V> = Queue { first: ptr::null(), last: ptr::null() };
}

/// See the module's documentation.
pub(crate) struct Line<V> {
    queues: [Queue<V>; LEVELS],
    /// The levels with somebody in line.
    mask: u32,
    count: usize,
    came: u64,
}

// SAFETY: the places are used by whoever has the latch; what is in them goes from thread to thread.
unsafe impl<V: Send> Send for Line<V> {}

impl<V> Line<V> {
    /// Nobody waits.
    pub(crate) const fn new() -> Line<V> {
        Line { queues: [const { Queue::EMPTY }; LEVELS], mask: 0, count: 0, came: 0 }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.mask == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The level of the first in line.
    #[inline]
    pub(crate) fn most_urgent(&self) -> Option<usize> {
        (self.mask != 0).then_some(self.mask.trailing_zeros() as usize)
    }

    /// Does somebody wait who is served before one of `level` who comes now?
    #[inline]
    pub(crate) fn is_before(&self, level: usize) -> bool {
        self.mask & ((2 << level) - 1) != 0
    }

    /// The place there, if there is one.
    #[inline]
    fn at<'a>(&self, place: *const Place<V>) -> Option<&'a Place<V>> {
        // SAFETY: who is in line is there until it has left, for which it needs the latch, which is ours.
        unsafe { place.as_ref() }
    }

    /// The links of a place that is in this line or gets there.
    #[inline]
    fn links<R>(&self, place: &Place<V>, f: impl FnOnce(&mut Links<V>) -> R) -> R {
        // SAFETY: we are reached by whoever has the latch only, and so are they.
        place.links.with_mut(|links| f(unsafe { &mut *links }))
    }

    /// Gets in line.
    ///
    /// # Safety
    /// The place is new, and its address and all that it refers to stay until it has been served or has left.
    #[inline]
    pub(crate) unsafe fn push(&mut self, place: &Place<V>, level: usize) {
        self.came += 1;
        self.link(place, level, self.came);
    }

    /// At the end of its level, but before those who came later: it may have come from another level.
    #[inline]
    fn link(&mut self, place: &Place<V>, level: usize, came: u64) {
        let mut previous = self.queues[level].last;
        while let Some(before) = self.at(previous)
            && self.links(before, |links| links.came) > came
        {
            previous = self.links(before, |links| links.previous);
        }
        let next = match self.at(previous) {
            Some(before) => self.links(before, |links| std::mem::replace(&mut links.next, place)),
            None => std::mem::replace(&mut self.queues[level].first, place),
        };
        match self.at(next) {
            Some(after) => self.links(after, |links| links.previous = place),
            None => self.queues[level].last = place,
        }
        self.links(place, |links| *links = Links { next, previous, level, came, in_line: true });
        self.mask |= 1 << level;
        self.count += 1;
    }

    /// Leaves the line. `false`: it is not there, as it was served.
    ///
    /// # Safety
    /// It was pushed to this line.
    pub(crate) unsafe fn remove(&mut self, place: &Place<V>) -> bool {
        let (in_line, level, next, previous) = self.links(place, |links| {
            (std::mem::replace(&mut links.in_line, false), links.level, links.next, links.previous)
        });
        if !in_line {
            return false;
        }
        match self.at(previous) {
            Some(before) => self.links(before, |links| links.next = next),
            None => self.queues[level].first = next,
        }
        match self.at(next) {
            Some(after) => self.links(after, |links| links.previous = previous),
            None => self.queues[level].last = previous,
        }
        if self.queues[level].first.is_null() {
            self.mask &= !(1 << level);
        }
        self.count -= 1;
        true
    }

    /// Who waits has another level now. `false`: it is not in line, or there already.
    ///
    /// # Safety
    /// It was pushed to this line.
    pub(crate) unsafe fn move_to(&mut self, place: &Place<V>, level: usize) -> bool {
        let moves = self.links(place, |links| links.in_line && links.level != level);
        // SAFETY: the caller's promise.
        if moves && unsafe { self.remove(place) } {
            let came = self.links(place, |links| links.came);
            self.link(place, level, came);
        }
        moves
    }

    #[inline]
    fn first_place<'a>(&self) -> Option<&'a Place<V>> {
        let level = self.mask.trailing_zeros() as usize;
        self.at(self.queues.get(level)?.first)
    }

    /// Takes out the first in line, gives it what it waits for by `give`, and notes that it is to be woken.
    #[inline]
    pub(crate) fn serve<R>(&mut self, give: impl FnOnce(&mut V) -> R, wakes: &mut Wakes) -> Option<R> {
        self.serve_if(|_| true, give, wakes)
    }

    /// The same, if the first in line may have what it waits for. Who waits in other lines, too, and was served
    /// there, is passed over.
    #[inline]
    pub(crate) fn serve_if<R>(
        &mut self,
        may: impl Fn(&V) -> bool,
        give: impl FnOnce(&mut V) -> R,
        wakes: &mut Wakes,
    ) -> Option<R> {
        loop {
            let place = self.first_place()?;
            // SAFETY: the latch is ours.
            if !unsafe { place.with_value(|value| may(value)) } {
                return None;
            }
            self.remove_first(place);
            // SAFETY: who has a choice keeps it until all its places have left, for which it needs our latch.
            if place.choice.is_some_and(|(choice, index)| !unsafe { &*choice }.claim(index)) {
                // It is served elsewhere, and finds out by itself.
                continue;
            }
            // SAFETY: the latch is ours.
            let given = unsafe { place.with_value(give) };
            wakes.add(&place.who);
            place.served.set();
            return Some(given);
        }
    }

    /// As [`remove`](Self::remove), for the first in line.
    #[inline]
    fn remove_first(&mut self, place: &Place<V>) {
        let (level, next) = self.links(place, |links| {
            links.in_line = false;
            (links.level, links.next)
        });
        self.queues[level].first = next;
        match self.at(next) {
            Some(after) => self.links(after, |links| links.previous = ptr::null()),
            None => {
                self.queues[level].last = ptr::null();
                self.mask &= !(1 << level);
            }
        }
        self.count -= 1;
    }

    /// Serves everybody who is in line.
    pub(crate) fn serve_all(&mut self, mut give: impl FnMut(&mut V), wakes: &mut Wakes) {
        while self.serve(&mut give, wakes).is_some() {}
    }
}
