//! Work on other nodes, and a worker that is moved to another node.
//!
//! On a machine with several sites a worker looks from near to far. How long it looks near before it goes far is the
//! policy's ([`Reach`](crate::policy::steal::Reach)); here is what it does then:
//!
//! ```text
//!  near   own queues, the inbox of its site, the workers of its site, ring by ring
//!  far    the inboxes of other sites: a handful of what is there, so that the rest stays where its memory is;
//!         then their workers, ring by ring
//! ```
//!
//! An inbox is its own site's business. If nobody there takes from it for a while (they run hogs, or have lost their
//! CPUs), workers that are busy elsewhere take a handful too: nothing waits for a site that is not served.

use super::{Work, Worker};
use crate::fiber::{FiberRef, Header};
use crate::lane::Lane;
use crate::machine::clock;
use crate::primitive::Ordering;
use crate::queue::inbox::{Inbox, Taken};
use std::time::Duration;

/// How many fibers are taken out of another site's inbox at a time.
const HANDFUL: usize = 8;

/// After so long an inbox that its site has taken nothing from is everybody's. As long as a worker may take to come
/// back from a fiber before it is asked for a sign of life, and a small part of the longest wait of a level.
const NEGLECT: Duration = Duration::from_millis(2);

/// What a worker remembers of another site's inboxes.
#[derive(Clone, Copy, Default)]
pub(super) struct Sighting {
    /// How often the site's workers had taken something.
    served: u32,
    /// Since when something has waited, in ticks; 0: nothing did.
    since: u64,
}

impl Worker {
    /// Where are we, and who is near? As it was when the thread began, and whenever somebody was moved.
    pub(super) fn settle(&self) {
        let sites = &self.shared.config.sites;
        // ORDERING: Acquire pairs with the release of `note_moves`.
        self.moves.set(self.shared.moves_acquire());
        let site = self.remote().site();
        if site != self.site.replace(site) {
            // Their stacks are where we were.
            self.cool();
        }
        let at = |seat: usize| self.shared.remotes[self.crew().worker(seat)].site();
        *self.rings.borrow_mut() = sites.rings(self.seat, self.lane == Lane::Urgent, at);
        // SAFETY: the vector belongs to this thread, and no reference to it is held elsewhere.
        unsafe { (*self.sightings.get()).resize(sites.all().len(), Sighting::default()) };
    }

    /// Has somebody been moved since?
    #[inline]
    pub(super) fn is_settled(&self) -> bool {
        self.moves.get() == self.shared.moves()
    }

    /// Takes a fiber of `level` from others, from near to far. `instead`: we have less urgent work.
    pub(super) fn take_by_distance(&self, level: usize, instead: bool) -> Option<Work> {
        let rings = self.rings.borrow();
        let rings = rings.as_ref()?;
        let random = self.random.below(u32::MAX as usize) as u32;
        let reach = self.crew().reach();
        let steal = |seat: usize| {
            let fiber = if seat < reach { self.steal_at(seat, level) } else { None };
            fiber.map(|fiber| Work::Stolen(fiber, level))
        };
        if let Some(work) = rings.near(random).find_map(steal) {
            return Some(work);
        }
        if self.shared.config.sites.is_one() {
            return None;
        }
        let tick = self.remote().counters.dispatches.get();
        let backoff = self.shared.config.far_ticks;
        if self.reach.far_in(level, instead, tick, clock::ticks(), backoff) > 0 {
            self.held_back.set(true);
            return None;
        }
        let from_inbox = || self.take_far_inboxes(level).map(|fiber| Work::Fresh(fiber, level));
        let work = from_inbox().or_else(|| rings.far(random).find_map(steal));
        if work.is_some() {
            self.reach.found_far(tick);
        }
        work
    }

    /// We found nothing near, and there may be something far, for which it is too early. Looks on until it is not.
    pub(super) fn look_until_far(&self, look: impl Fn() -> Option<Work>) -> Option<Work> {
        while self.held_back.replace(false) {
            std::hint::spin_loop();
            if self.remote().has_mail() || self.shared.is_stopping() {
                return None;
            }
            if let Some(work) = look() {
                return Some(work);
            }
        }
        None
    }

    /// Takes a few fibers out of the other sites' inboxes of `level`.
    fn take_far_inboxes(&self, level: usize) -> Option<FiberRef> {
        let here = self.site.get();
        let count = self.shared.config.sites.all().len();
        let mut sites = (1..count).map(|step| (here + step) % count);
        let taken = sites.any(|site| self.take_handful(site, level) || self.move_relayed(site, level));
        if taken { self.take_fresh(level) } else { None }
    }

    /// Moves a few fibers from another site's inbox to our queue. `false`: there is none.
    fn take_handful(&self, site: usize, level: usize) -> bool {
        let inbox = self.crew().inbox(site, level);
        if inbox.looks_empty() {
            return false;
        }
        let mut taken = inbox.take_all();
        let rest = taken.split_off(HANDFUL);
        let left = self.restore(inbox, rest, site, level);
        let some = self.keep(taken, level);
        // Who came by while we had all of it saw nothing.
        if left && let Some(sleeper) = self.beacon().announce(level, site) {
            self.unpark(sleeper);
        }
        some
    }

    /// Puts back what is not for us. `false`: there was nothing.
    fn restore(&self, inbox: &Inbox<Header>, rest: Taken<Header>, site: usize, level: usize) -> bool {
        let Err(rest) = inbox.put_back(rest) else { return !inbox.looks_empty() };
        // Something has come meanwhile, or it was closed: then they are refused there, one by one.
        rest.for_each(|node| self.shared.push_outside(FiberRef::from_node(node), level, site));
        true
    }

    /// At every few dispatches, where there are several sites: has an inbox of another one been left alone for long?
    pub(super) fn help_sites(&self, level: usize) {
        let now = clock::ticks();
        // SAFETY: as in `settle`.
        let sightings = unsafe { &mut *self.sightings.get() };
        for (site, seen) in sightings.iter_mut().enumerate() {
            let is_empty =
                self.crew().inbox(site, level).looks_empty() && self.crew().relay(site, level).looks_empty();
            if site == self.site.get() || is_empty {
                seen.since = 0;
                continue;
            }
            let served = self.crew().times_served(site);
            if seen.since == 0 || seen.served != served {
                *seen = Sighting { served, since: now };
            } else if now.saturating_sub(seen.since) > clock::ticks_in(NEGLECT) {
                seen.since = now;
                self.take_handful(site, level);
                self.move_relayed(site, level);
            }
        }
    }
}

impl super::shared::Shared {
    /// How often workers have been moved; where they are now can be read after this.
    fn moves_acquire(&self) -> u32 {
        let moves = self.moves();
        // ORDERING: Acquire pairs with the release of `note_moves`.
        crate::primitive::fence(Ordering::Acquire);
        moves
    }
}
