//! What an isolate waits for: the Deferreds that it made and that have no outcome yet.

use crate::deferred::work::Work;
use crate::isolate::kept::Kept;
use std::sync::Arc;

/// Names one of them. A ticket that was used up names nothing, also when its place is taken again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    place: u32,
    use_number: u32,
}

/// A Deferred without an outcome.
pub(crate) struct Pending {
    pub(crate) work: Arc<Work>,
    /// The Deferred object.
    pub(crate) object: Kept,
    pub(crate) settling: Settling,
    /// Of one with a signal: to be called when it is settled.
    pub(crate) leave: Option<Kept>,
    /// The stack of where it was made.
    pub(crate) made_at: Option<Arc<str>>,
    /// The number of its timeout's timer.
    pub(crate) timer: Option<u64>,
    /// It goes on when who made it ends.
    pub(crate) detached: bool,
}

/// How its promise is settled.
pub(crate) enum Settling {
    /// It is a pledge.
    Pledge,
    /// By two functions of its own.
    Functions { resolve: Kept, reject: Kept },
}

/// All of an isolate's.
#[derive(Default)]
pub(crate) struct Table {
    places: Vec<Place>,
    free: Vec<u32>,
    count: usize,
}

#[derive(Default)]
struct Place {
    use_number: u32,
    pending: Option<Pending>,
}

impl Ticket {
    /// Of one that was settled before it was put in.
    pub(crate) const NOWHERE: Ticket = Ticket { place: u32::MAX, use_number: 0 };

    const USE_BITS: u32 = 18;
    /// Room for something of the script's.
    const EXTRA_BITS: u32 = 3;

    /// As a number that JavaScript can hold: 32 bits of place, 18 of use, and 3 that the script reads.
    pub(crate) fn to_number(self, extra: u8) -> f64 {
        let uses = u64::from(self.use_number) & ((1 << Self::USE_BITS) - 1);
        let whole = (u64::from(self.place) << Self::USE_BITS) | uses;
        ((whole << Self::EXTRA_BITS) | u64::from(extra)) as f64
    }
}

impl Table {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The ticket of the next one that is put in.
    pub(crate) fn next(&mut self) -> Ticket {
        let place = self.free.last().copied().unwrap_or_else(|| {
            self.places.push(Place::default());
            let place = self.places.len() as u32 - 1;
            self.free.push(place);
            place
        });
        Ticket { place, use_number: self.places[place as usize].use_number }
    }

    /// Puts one in, under the ticket that [`next`](Self::next) has told.
    pub(crate) fn insert(&mut self, pending: Pending) {
        if let Some(place) = self.free.pop() {
            self.places[place as usize].pending = Some(pending);
            self.count += 1;
        }
    }

    pub(crate) fn get(&self, ticket: Ticket) -> Option<&Pending> {
        let place = self.places.get(ticket.place as usize)?;
        if place.use_number == ticket.use_number { place.pending.as_ref() } else { None }
    }

    /// The one with that number.
    pub(crate) fn find(&self, number: f64) -> Option<Ticket> {
        let bits = number as u64 >> Ticket::EXTRA_BITS;
        let place = u32::try_from(bits >> Ticket::USE_BITS).ok()?;
        let ticket = Ticket { place, use_number: self.places.get(place as usize)?.use_number };
        (ticket.to_number(0) == (bits << Ticket::EXTRA_BITS) as f64 && self.get(ticket).is_some())
            .then_some(ticket)
    }

    pub(crate) fn remove(&mut self, ticket: Ticket) -> Option<Pending> {
        self.get(ticket)?;
        let place = &mut self.places[ticket.place as usize];
        place.use_number = place.use_number.wrapping_add(1);
        self.free.push(ticket.place);
        self.count -= 1;
        place.pending.take()
    }

    /// Empties it.
    pub(crate) fn drain(&mut self) -> Vec<Pending> {
        if self.count == 0 {
            return Vec::new();
        }
        self.count = 0;
        self.free.clear();
        let places = std::mem::take(&mut self.places);
        // Old tickets must not name what comes later: use numbers go on.
        self.places =
            places.iter().map(|place| Place { use_number: place.use_number + 1, pending: None }).collect();
        self.free.extend((0..self.places.len() as u32).rev());
        places.into_iter().filter_map(|place| place.pending).collect()
    }
}
