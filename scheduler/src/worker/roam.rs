//! Started fibers that go on at another worker: those that gave their CPU away by
//! [`yield_movable`](crate::yield_movable) and its like, where somebody else could have it.
//!
//! ```text
//!  the fiber, on worker A           A's dispatch loop, on its own stack         worker B, or A again
//!  somebody else could run here? -> D1 the switch: nothing of the fiber runs
//!  switch(Leaving)                  D2 read the mail: no letter is on its way
//!                                   D3 count it as departed; fence; STOPPING?
//!                                   D4 forget it: carriers, timers, live
//!                                   D5 depart: UNSTARTED, ROAMING (release) --> R2 claim (acquire): home = B
//!                                   D6 push: relay, or the other lane's inbox   R1 pop
//!                                                                               R3 know it: carriers, timers, live
//!                                                                               R4 count it as arrived; its token
//!                                                                               R5 the switch: it goes on
//! ```
//!
//! *Nobody resumes it before it is suspended*: D5 is done by the dispatch loop after the switch, and nobody can claim it
//! before D5: its tickets, if there are any, are stale while it has a home.
//!
//! *All that was written is seen*: by D5 and R2, which exchange the same word. What A knew of the fiber (its carrier, its
//! sections, its branches) is in its own memory and moves as it is; what is A's own, its timers and its place in A's
//! vector, is taken out before D5 and made anew after R2. If a letter came between D2 and D5, D5 does nothing, and the
//! fiber stays: a letter leads to the home that it was posted to.
//!
//! *Where it goes*: to the end of the relay of its level and site (`queue/relay.rs`), if its level is one of A's lane,
//! behind all that wait there already, and whichever worker comes takes the first. Else to the inbox of the lane that its
//! level belongs to, as a fiber does that has not started: a worker there is woken for it. So a fiber whose priority was
//! changed across lanes is in the right lane from its next such point on; and one that waits in a relay at once, by the
//! ticket that the change makes. One that nobody else could run keeps its worker, as in an ordinary yield.
//!
//! *A relay that is engaged* by a thread that was stopped in it is left alone: who would push puts the fiber into its own
//! queue of fibers that have not started, where others find it, and who would pop looks again later.
//!
//! # Stopping
//!
//! A worker leaves when it has no live fiber and nothing is queued, and a fiber that roams is nobody's. So who may leave
//! looks whether as many have arrived as have departed, of all workers ([`travels`](super::travels) has the proof). So while a fiber
//! roams nobody leaves, no inbox is closed, and whoever takes it cancels it, as it does with all it has. It tells the others then,
//! who may be asleep on account of it.
//!
//! # Threads that may be stopped
//!
//! As for a fiber that has not started, a background thread may be stopped with one in its hands, between D5 and D6 or R1
//! and R2. It is as if it had stopped while the fiber ran. What somebody does to its priority meanwhile makes a ticket of
//! that level, by which another lane has it at once. Only where the fiber leaves to a lane above by itself (D6 into that
//! lane's inbox) would that lane wait for the thread: so it asks for a CPU before (`boost`), as it does for a fiber that it
//! runs on that level.

use super::shared::Shared;
use super::travels::Travels;
use super::{Worker, stamp};
use crate::fiber::FiberRef;
use crate::fiber::carrier::{Carrier, Queued};
use crate::fiber::state::Departure;
use crate::priority::LEVELS;
use crate::queue::relay::Engaged;
use crate::timer::{Alarm, Then};
use std::time::Instant;

/// How often a relay is tried that somebody is in: he needs some ten instructions.
const TRIES: usize = 64;

/// How many of another site's are taken at a time.
const HANDFUL: usize = 8;

impl Worker {
    /// Are fibers of `level` queued in our lane?
    #[inline]
    pub(crate) fn serves(&self, level: usize) -> bool {
        (self.stealable | self.piled) & 1 << level != 0
    }

    /// The running fiber, of `level`, may move, and gives its CPU away: could somebody else have it, or should somebody
    /// else have the fiber?
    #[inline]
    pub(crate) fn is_better_left(&self, level: usize) -> bool {
        let equals_and_above = (2 << level) - 1;
        let fresh = self.fresh_mask.get() & equals_and_above;
        (self.ready_mask.get() | self.unannounced.get()) & equals_and_above != 0
            // Whoever takes the last one does not tell us.
            || fresh != 0 && (0..=level).any(|above| fresh & 1 << above != 0 && self.fresh_len(above) != 0)
            || !self.serves(level)
            || !self.crew().relay(self.site.get(), level).looks_empty()
            || self.is_leaving()
    }

    // ---- leaving -------------------------------------------------------------------------------

    /// The fiber on `carrier` gave its CPU away, may move, and is suspended: D2 to D6.
    #[inline(never)]
    pub(super) fn depart(&self, carrier: *mut Carrier) {
        // SAFETY: ours and alive.
        let carrier_ref = unsafe { &*carrier };
        let fiber = carrier_ref.fiber().expect("a fiber that leaves is on its carrier");
        if self.remote().has_mail() {
            self.read_mail();
        }
        self.has_moved.set(true);
        let travels = &self.remote().travels;
        let departs = travels.begin(|| self.shared.is_stopping());
        if departs && self.let_go(carrier_ref, fiber) {
            return;
        }
        if departs {
            travels.call_off();
        }
        self.push_ready(carrier, Queued::Yielded);
        if self.shared.is_stopping() {
            self.shared.call_all();
        }
    }

    /// D4 to D6. `false`: a letter has come, and it is ours as before.
    fn let_go(&self, carrier: &Carrier, fiber: FiberRef) -> bool {
        self.disown(carrier);
        carrier.left.set(self.index);
        // Who yields chose to wait: of those only some are timed, also of the urgent ones.
        carrier.stamp.set(stamp(LEVELS, self.remote().counters.dispatches.get()));
        let site = fiber.site().unwrap_or(self.site.get());
        let asks = !self.serves(fiber.state.level());
        if asks {
            self.shared.boost(self.index, fiber.state.level());
        }
        let stays = match fiber.state.depart() {
            Departure::Stays => {
                self.own(carrier, fiber);
                true
            }
            Departure::Queued => false,
            Departure::Push(level) => {
                self.push_roaming(fiber, level, site);
                false
            }
            // Its ticket's bit keeps it alive, and is ours.
            Departure::PushTicket(level) => {
                self.push_roaming(fiber.make_ticket(level), level, site);
                false
            }
        };
        if asks {
            self.forget_boost();
        }
        !stays
    }

    /// Queues a fiber that roams, or a ticket of its, for all workers of the lane that its level belongs to.
    fn push_roaming(&self, entry: FiberRef, level: usize, site: usize) {
        if !self.serves(level) {
            return self.shared.push_outside(entry, level, site);
        }
        let relay = self.crew().relay(site, level);
        // SAFETY: the link of the object is the caller's, by `depart`, or the ticket is new.
        let push = || unsafe { relay.push(entry.node()) };
        if attempt(push).is_err() {
            return match site == self.site.get() {
                true => self.push_fresh(entry, level),
                false => self.shared.push_outside(entry, level, site),
            };
        }
        if site == self.site.get() {
            self.note_relay(level);
        }
        if let Some(sleeper) = self.beacon().announce(level, site) {
            self.unpark(sleeper);
        }
    }

    // ---- taking --------------------------------------------------------------------------------

    /// Is something in the relay of `level`, where we are? Then it is one of our queues from now on.
    #[inline]
    pub(crate) fn note_relay(&self, level: usize) {
        if !self.crew().relay(self.site.get(), level).looks_empty() && !self.is_leaving() {
            self.relayed.set(self.relayed.get() | 1 << level);
            if self.fresh_mask.get() & 1 << level == 0 {
                self.add_fresh(level);
            }
        }
    }

    /// There may be something in the relay of `level`: it and our fibers that have not started take turns.
    #[inline(never)]
    pub(super) fn take_turn(&self, level: usize) -> Option<FiberRef> {
        let turn = &self.levels[level].relay_turn;
        turn.set(!turn.get());
        if turn.get() || self.fresh_len_here(level) == 0 { self.take_relayed(level) } else { None }
    }

    /// Claims the first of the relay of `level`, where we are.
    pub(super) fn take_relayed(&self, level: usize) -> Option<FiberRef> {
        if self.is_leaving() {
            self.relayed.set(0);
            return None;
        }
        if !self.shared.config.sites.is_one() {
            self.crew().count_service(self.site.get());
        }
        let fiber = self.pop_relay(self.site.get(), level);
        if self.crew().relay(self.site.get(), level).looks_empty() {
            self.relayed.set(self.relayed.get() & !(1 << level));
            if self.fresh_len_here(level) == 0 {
                self.set_fresh_mask(self.fresh_mask.get() & !(1 << level));
            }
        } else {
            self.note_relay(level);
        }
        fiber
    }

    /// Claims the first of a relay.
    fn pop_relay(&self, site: usize, level: usize) -> Option<FiberRef> {
        let relay = self.crew().relay(site, level);
        loop {
            let node = attempt(|| relay.pop()).ok()??;
            if let Some(fiber) = self.claim(FiberRef::from_node(node), level) {
                return Some(fiber);
            }
        }
    }

    /// Moves a few from another site's relay to ours. `false`: there is none.
    pub(super) fn move_relayed(&self, site: usize, level: usize) -> bool {
        let relay = self.crew().relay(site, level);
        let nodes = std::iter::from_fn(|| attempt(|| relay.pop()).ok().flatten());
        let moved = nodes.take(HANDFUL);
        moved.map(|node| self.push_roaming(FiberRef::from_node(node), level, self.site.get())).count() > 0
    }

    /// R3 to R5: a fiber that was claimed at `level` has a stack already.
    #[inline(never)]
    pub(super) fn adopt(&self, fiber: FiberRef, level: usize) {
        let carrier = fiber.carrier.get();
        // SAFETY: the fiber is claimed, and with it all that is its own; its carrier is alive until it ends.
        let carrier_ref = unsafe { &*carrier };
        self.time_wait(level, carrier_ref.stamp.get());
        self.has_moved.set(true);
        self.own(carrier_ref, fiber);
        self.recount(carrier_ref, level);
        carrier_ref.is_foreign.set(usize::from(carrier_ref.site) != self.site.get());
        let counters = &self.remote().counters;
        if carrier_ref.left.get() != self.index {
            counters.levels[level].adopted.add(1);
        }
        self.remote().travels.end();
        if fiber.state.take_token() {
            carrier_ref.token.set(true);
        }
        if self.stopping.get() {
            fiber.state.cancel_at_home();
            self.shared.call_all();
        }
        self.switch_to(carrier, level);
    }

    // ---- what a worker knows of its fibers -------------------------------------------------------

    /// The fiber on `carrier` is ours from now on.
    fn own(&self, carrier: &Carrier, fiber: FiberRef) {
        self.list_carrier(carrier);
        self.remote().counters.live.add(1);
        if carrier.deadline.get().is_some() || carrier.sections.timed().next().is_some() {
            self.set_timers(carrier, fiber);
        }
    }

    /// Its timers. What became due while it roamed is dealt with here: it may leave again before we look at timers.
    #[cold]
    fn set_timers(&self, carrier: &Carrier, fiber: FiberRef) {
        let now = Instant::now();
        let deadline = fiber.extras.as_ref().and_then(|extras| extras.deadline);
        if let Some(due) = deadline.filter(|_| carrier.deadline.take().is_some()) {
            if due <= now {
                self.cancel_too_late(fiber);
            } else {
                carrier.deadline.set(Some(self.timers.set_alarm(due, Alarm { fiber, then: Then::Cancel })));
            }
        }
        for (section, _, due) in carrier.sections.timed() {
            let key = if due <= now {
                fiber.state.expire();
                None
            } else {
                Some(self.timers.set_alarm(due, Alarm { fiber, then: Then::Expire }))
            };
            section.timer.set(key);
        }
    }

    /// It is not any more. It keeps the keys of its timers, which mean nothing, as a note that it has some.
    fn disown(&self, carrier: &Carrier) {
        self.unlist_carrier(carrier);
        if let Some(key) = carrier.deadline.get() {
            self.timers.clear(key);
        }
        for (_, key, _) in carrier.sections.timed() {
            self.timers.clear(key);
        }
        self.remote().counters.live.add(u64::MAX);
    }
}

/// Tries something that finds somebody in its way now and then; once his thread may be stopped on our CPU, and has it.
fn attempt<R>(mut step: impl FnMut() -> Result<R, Engaged>) -> Result<R, Engaged> {
    for round in 0..2 * TRIES {
        match step() {
            Err(Engaged) if round == TRIES => std::thread::yield_now(),
            Err(Engaged) => std::hint::spin_loop(),
            done => return done,
        }
    }
    Err(Engaged)
}

impl Shared {
    /// Has a fiber departed that has not arrived? Asked after STOPPING was seen.
    pub(super) fn has_roamers(&self) -> bool {
        !Travels::are_over(self.remotes.iter().map(|remote| &remote.travels))
    }

    /// Has all workers look up that are asleep.
    #[cold]
    pub(super) fn call_all(&self) {
        (0..self.remotes.len()).for_each(|worker| self.call(worker));
    }
}
