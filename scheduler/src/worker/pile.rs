//! The queues of the background lane. Its threads do not steal: crossbeam's stealing pins an epoch,
//! which a thread that the kernel has stopped would hold for everybody. Instead each worker has two
//! lists a level that anybody may take as a whole, keep a few of, and put the rest back. A thread that is
//! stopped between the two holds up those fibers of its own lane, and no other thread.
//!
//! ```text
//!   push -> pile (newest first) -> most takes          when some have been in it for too long:
//!           elders (oldest first) -> every 16th take   elders = the pile, turned over
//! ```

use super::Worker;
use super::remote::Remote;
use crate::fiber::{FiberRef, Header};
use crate::machine::clock;
use crate::queue::inbox::{Inbox, Taken};

/// How many fibers are taken from another's pile at a time: enough that two workers do not take turns
/// at every dispatch, few enough to be walked in a microsecond.
const HANDFUL: usize = 32;

impl Remote {
    /// The pile and the elders of a level.
    pub(super) fn piles(&self, level: usize) -> [&Inbox<Header>; 2] {
        [&self.piles[level], &self.elders[level]]
    }
}

/// Puts the rest of a list back. If there is something in it by now, the rest goes on top of `pile`.
fn restore(list: &Inbox<Header>, pile: &Inbox<Header>, rest: Taken<Header>) {
    if let Err(rest) = list.put_back(rest) {
        rest.for_each(|node| push(pile, FiberRef::from_node(node)));
    }
}

fn push(pile: &Inbox<Header>, fiber: FiberRef) {
    // SAFETY: the fiber is new, or a ticket, or was just taken: it is in no list.
    let pushed = unsafe { pile.push(fiber.node()) };
    debug_assert!(pushed.is_ok(), "piles are never closed");
}

impl Worker {
    /// Puts a fiber on top of our own pile.
    pub(super) fn push_on_pile(&self, fiber: FiberRef, level: usize) {
        self.remote().count_piled(1);
        push(&self.remote().piles[level], fiber);
    }

    /// Claims the top of our own pile, or now and then the oldest of the elders.
    #[inline(never)]
    pub(super) fn take_piled(&self, level: usize) -> Option<FiberRef> {
        let [pile, elders] = self.remote().piles(level);
        let oldest = self.levels[level].ageing.took();
        if oldest && elders.looks_empty() {
            self.turn_over(level);
        }
        loop {
            let order = if oldest { [elders, pile] } else { [pile, elders] };
            let found = order.into_iter().find_map(|list| {
                let mut taken = list.take_all();
                let node = taken.next()?;
                restore(list, pile, taken);
                self.remote().count_piled(-1);
                Some(FiberRef::from_node(node))
            });
            let Some(entry) = found else {
                self.set_fresh_mask(self.fresh_mask.get() & !(1 << level));
                return None;
            };
            if let Some(fiber) = self.claim(entry, level) {
                return Some(fiber);
            }
        }
    }

    /// Makes elders of the pile if some have been in it for too long. It costs a few ns for each.
    fn turn_over(&self, level: usize) {
        let [pile, elders] = self.remote().piles(level);
        let now = clock::ticks();
        let ageing = &self.levels[level].ageing;
        if now.saturating_sub(ageing.since()) >= self.shared.config.terms.age_max {
            ageing.begin(now);
            restore(elders, pile, pile.take_all().oldest_first());
        }
    }

    /// Takes a few fibers off another worker's lists, or off our own if others put some back there.
    pub(super) fn steal_piled(&self, level: usize) -> Option<FiberRef> {
        let seats = self.crew().reach();
        let first = self.random.below(seats);
        (first..seats).chain(0..first).find_map(|seat| self.steal_piled_from(seat, level))
    }

    /// The same from one worker's.
    pub(super) fn steal_piled_from(&self, seat: usize, level: usize) -> Option<FiberRef> {
        let remote = &self.shared.remotes[self.crew().worker(seat)];
        let [pile, elders] = remote.piles(level);
        for list in [elders, pile] {
            if self.move_handful(remote, list, level) > 0
                && let Some(fiber) = self.take_piled(level)
            {
                if seat != self.seat {
                    self.remote().counters.stolen_from[seat].add(1);
                }
                return Some(fiber);
            }
        }
        None
    }

    /// Takes a few fibers off another worker's lists to our own pile. The result is how many.
    pub(super) fn move_piled(&self, seat: usize, level: usize) -> usize {
        let remote = &self.shared.remotes[self.crew().worker(seat)];
        let [pile, elders] = remote.piles(level);
        [elders, pile].into_iter().map(|list| self.move_handful(remote, list, level)).sum()
    }

    /// Takes a few fibers off a list of a worker's to our own pile. The result is how many.
    fn move_handful(&self, whose: &Remote, list: &Inbox<Header>, level: usize) -> usize {
        if list.looks_empty() {
            return 0;
        }
        let mut taken = list.take_all();
        let rest = taken.split_off(HANDFUL);
        restore(list, &whose.piles[level], rest);
        // The first of the list shall be on top.
        let mut count = 0;
        for node in taken.oldest_first() {
            whose.count_piled(-1);
            self.push_on_pile(FiberRef::from_node(node), level);
            count += 1;
        }
        if count > 0 && self.fresh_mask.get() & 1 << level == 0 {
            self.add_fresh(level);
        }
        count
    }
}
