//! Who has declared that it receives from a channel, and what those who wait for room have lent to it.
//!
//! One fiber that says so is who all who wait for room wait for: it is lent the level of the first in line. Where several say so
//! nobody knows which of them will take the next value, and none is lent anything, until only one is left. A thread counts, and
//! nothing can be lent to it.

use crate::sync::lent::{Lent, Step};
use crate::sync::line::Line;
use crate::sync::owner::Owner;

/// See the module's documentation. It is behind the channel's latch.
pub(crate) struct Claim {
    /// Each as often as it has said so. Fibers among them are [noted](Owner::note), and so alive.
    all: Vec<Owner>,
    lent: Lent,
}

impl Claim {
    /// Nobody has.
    pub(crate) const fn new() -> Claim {
        Claim { all: Vec::new(), lent: Lent::new() }
    }

    /// One more. The result is to be done when the latch is free.
    pub(crate) fn add(&mut self, receiver: Owner) -> Option<Step> {
        self.all.push(receiver);
        self.change()
    }

    /// One less.
    pub(crate) fn remove(&mut self, receiver: Owner) -> Option<Step> {
        if let Some(index) = self.all.iter().position(|&other| other == receiver) {
            self.all.swap_remove(index);
        }
        self.change()
    }

    fn change(&mut self) -> Option<Step> {
        let sole = match self.all[..] {
            [first, ref others @ ..] if others.iter().all(|&other| other == first) => first,
            _ => Owner::NOBODY,
        };
        if self.lent.belongs_to(sole) { None } else { self.lent.passes_to(sole) }
    }

    /// Is what was lent not what the first of those has to lend?
    #[inline]
    pub(crate) fn is_off<V>(&self, senders: &Line<V>) -> bool {
        self.lent.is_off(senders.most_urgent())
    }

    /// See [`Lent::follow`].
    pub(crate) fn follow(&mut self, first: Option<usize>) -> Option<Step> {
        self.lent.follow(first)
    }

    /// What a step does under the latch.
    pub(crate) fn with(&mut self, keep: &mut dyn FnMut(&mut Lent)) {
        keep(&mut self.lent);
    }

    /// The number of the one fiber that receives.
    pub(crate) fn number(&self) -> Option<u64> {
        self.lent.owner_number()
    }
}
