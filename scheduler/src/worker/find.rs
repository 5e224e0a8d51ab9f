//! What to run next. The order is the policy's ([`policy`]); this file carries it out.

use super::beacon::{Beacon, LEVEL_BITS};
use super::shared::open_letter;
use super::{Work, Worker};
use crate::fiber::carrier::Queued;
use crate::fiber::loans;
use crate::fiber::state::Claim;
use crate::fiber::{FiberRef, Header};
use crate::lane::Lane;
use crate::machine::clock;
use crate::policy::queues::Ageing;
use crate::policy::turns::Checkpoint;
use crate::policy::{self, Queue, bounds};
use crate::priority::LEVELS;
use crate::queue::inbox::Taken;
use crate::timer::Then;
use crossbeam_deque::Steal;

/// After so many vain looks for more urgent work, the word's hints are checked and cleared. A look
/// costs a few ns a worker, checking them up to 10 us.
const MISSES_MAX: u32 = 1000;

/// The clock is looked at about once a quantum: two looks that are so many apart may have lost time between
/// them.
const LOSS: u64 = 2;

impl Worker {
    /// The next thing to run, if this worker has something. ([`next_started`](Self::next_started) is the short way there.)
    #[inline(always)]
    pub(super) fn next(&self) -> Option<Work> {
        if self.remote().has_mail() {
            self.read_mail();
        }
        if self.timers.may_be_due() {
            self.fire_timers();
        }
        let tick = self.remote().counters.dispatches.get() + 1;
        if self.unannounced.get() != 0
            && let Some(work) = self.take_unannounced(tick)
        {
            return Some(work);
        }
        if tick >= self.chores_at.get() {
            self.do_chores(tick);
        }
        // Levels of which there turned out to be nothing elsewhere.
        let mut absent = 0;
        loop {
            let mine = self.ready_mask.get() | self.fresh_mask.get();
            if mine == 0 {
                return None;
            }
            let waiting = mine | (self.elsewhere() & !absent);
            let level = match self.turns.next(waiting, tick) {
                Some(level) => level,
                None => self.decide(waiting, tick),
            };
            if mine & 1 << level != 0 {
                if let Some(work) = self.take_own(level) {
                    return Some(work);
                }
            } else if let Some(work) = self.look_for(level) {
                return Some(work);
            }
            // What we knew of our own queue was old; that says nothing about those elsewhere.
            absent |= !mine & 1 << level;
        }
    }

    /// Levels that may have work elsewhere in our lane.
    #[inline(always)]
    fn elsewhere(&self) -> u32 {
        let signs = self.beacon().signs();
        if Beacon::is_special(signs) {
            self.look_at_signs(signs);
        }
        signs & LEVEL_BITS
    }

    #[cold]
    fn look_at_signs(&self, signs: u32) {
        if self.shared.is_stopping() {
            self.begin_stop();
        } else if Beacon::says_make_way(signs) {
            match self.lane {
                Lane::Background => drop(self.pause(false)),
                _ => self.make_way(),
            }
        }
    }

    /// Looks at the clock: which level is served?
    #[inline(never)]
    pub(super) fn decide(&self, waiting: u32, tick: u64) -> usize {
        let terms = &self.shared.config.terms;
        let now = self.own_time.now(LOSS * terms.quantum);
        let level = self.turns.look(terms, waiting, tick, now);
        if waiting & ((1 << level) - 1) != 0 {
            self.count_inversions(level, waiting, now);
        }
        level
    }

    /// Is a level that is more urgent than the one that is served passed over for longer than promised?
    fn count_inversions(&self, level: usize, waiting: u32, now: u64) {
        let terms = &self.shared.config.terms;
        for above in policy::levels_of(waiting & ((1 << level) - 1)) {
            let bound = bounds::inversion(terms, above, waiting, policy::ALL_LEVELS, terms.quantum);
            let since = self.turns.since(above);
            // A hint may be old.
            if now.saturating_sub(since) > bound && self.has_work_of(above) {
                self.remote().counters.inversions[above][level].add(1);
            }
        }
    }

    /// Is there work of that level here, or anywhere where we could take it?
    fn has_work_of(&self, level: usize) -> bool {
        (self.ready_mask.get() | self.fresh_mask.get() | self.visible_levels()) & 1 << level != 0
    }

    /// Every few dispatches: what is not worth while at each.
    #[cold]
    fn do_chores(&self, tick: u64) {
        self.tidy_up(tick);
        if self.io.is_awaited() {
            let pace = self.pace_of_polls();
            self.chores_at.set(self.chores_at.get().min(tick + pace));
        }
    }

    fn tidy_up(&self, tick: u64) {
        self.chores_at.set(tick + policy::INBOX_INTERVAL);
        if self.is_leaving() {
            return self.hand_over();
        }
        if self.lane != Lane::Background {
            self.stand_aside_if_owed(tick);
        }
        self.forget_boost();
        if !self.is_settled() {
            self.settle();
        }
        let mine = self.ready_mask.get() | self.fresh_mask.get();
        if mine == 0 {
            return;
        }
        let level = mine.trailing_zeros() as usize;
        self.watch_lanes_above(level);
        // The inboxes of our own levels would otherwise wait until we have nothing left of them.
        for level in policy::levels_of(self.inboxes_due(mine)) {
            self.take_inbox(level);
            self.note_relay(level);
        }
        if !self.shared.config.sites.is_one() {
            self.help_sites(level);
        }
        if self.crew().has_hogs() {
            self.rescue(level);
        }
    }

    /// Into which inboxes to look, of the levels of which we have something.
    fn inboxes_due(&self, mine: u32) -> u32 {
        let first = mine & mine.wrapping_neg();
        if mine == first {
            return mine;
        }
        let now = clock::ticks();
        if now.saturating_sub(self.swept.get()) < self.shared.config.terms.age_max {
            return first;
        }
        self.swept.set(now);
        mine
    }

    /// Do fibers wait in a lane above, whose threads get no CPU? Then what we run, of `level`, goes before them.
    fn watch_lanes_above(&self, level: usize) {
        let above = self.shared.crews.iter().filter(|crew| crew.lane < self.lane);
        let waiting = above.fold(0, |mask, crew| mask | crew.queued());
        if waiting == 0 {
            return self.above_since.set(0);
        }
        let (now, since) = (clock::ticks(), self.above_since.get());
        if since == 0 {
            return self.above_since.set(now);
        }
        let terms = &self.shared.config.terms;
        for waited in policy::levels_of(waiting) {
            let bound = bounds::inversion(terms, waited, waiting, policy::ALL_LEVELS, terms.quantum);
            if now - since > bound {
                self.remote().counters.inversions[waited][level].add(1);
            }
        }
    }

    /// Takes from our own queues of `level`.
    #[inline(always)]
    fn take_own(&self, level: usize) -> Option<Work> {
        let queues = &self.levels[level];
        if self.ready_mask.get() & 1 << level == 0 {
            queues.debt.set(0);
            return self.take_fresh(level).map(|fiber| Work::Fresh(fiber, level));
        }
        let served = queues.served.get() + 1;
        queues.served.set(served);
        loop {
            let ready = !queues.ready.is_empty();
            let yielded = !queues.yielded.is_empty();
            let fresh = self.fresh_mask.get() & 1 << level != 0 && !self.leaves_fresh(level);
            match policy::choose_queue(ready, fresh, yielded, queues.debt.get(), served)? {
                Queue::Ready => return Some(self.take_ready(level, Queued::Ready)),
                Queue::Yielded => {
                    if fresh {
                        self.owe_fresh(level);
                    }
                    return Some(self.take_ready(level, Queued::Yielded));
                }
                Queue::Fresh => {
                    queues.debt.set(queues.debt.get().saturating_sub(1));
                    if let Some(fiber) = self.take_fresh(level) {
                        return Some(Work::Fresh(fiber, level));
                    }
                }
            }
        }
    }

    /// So many fresh fibers of `level` go before the next that yields. If there is none, that is noted, or each that yields
    /// would look again.
    #[inline(never)]
    fn owe_fresh(&self, level: usize) {
        let len = self.fresh_len(level);
        self.levels[level].debt.set(len.min(policy::YIELD_DEBT_MAX));
        // Of what is in a relay or a pile, others know more.
        if len == 0 && (self.relayed.get() | self.piled) & 1 << level == 0 {
            self.set_fresh_mask(self.fresh_mask.get() & !(1 << level));
        }
    }

    /// How many fresh fibers of `level` we have, and our part of those in the relay.
    #[inline]
    pub(super) fn fresh_len(&self, level: usize) -> usize {
        let relayed = match self.relayed.get() & 1 << level {
            0 => 0,
            _ => {
                let site = self.site.get();
                self.crew().relay(site, level).len().div_ceil(self.crew().workers_at(site).max(1))
            }
        };
        self.fresh_len_here(level) + relayed
    }

    /// How many are in our own queue.
    #[inline]
    pub(super) fn fresh_len_here(&self, level: usize) -> usize {
        if self.piled & 1 << level == 0 { self.deques[level].len() } else { self.remote().piled() as usize }
    }

    #[inline(always)]
    fn take_ready(&self, level: usize, queued: Queued) -> Work {
        let carrier = self.list(level, queued).pop_front().expect("the list was not empty");
        // SAFETY: what is in a ready list is alive.
        unsafe { (*carrier).queued.set(Queued::No) };
        self.left_ready(level);
        Work::Started(carrier)
    }

    /// Claims a fiber out of our own deque of `level`: the newest, which keeps trees of fibers small;
    /// once it has had some for too long, now and then the oldest.
    #[inline(always)]
    pub(super) fn take_fresh(&self, level: usize) -> Option<FiberRef> {
        if self.remote().counters.live.get() > self.allowance.get() {
            self.lend(level);
        }
        if self.relayed.get() & 1 << level != 0
            && let Some(fiber) = self.take_turn(level)
        {
            return Some(fiber);
        }
        if self.piled & 1 << level != 0 {
            return self.take_piled(level).or_else(|| self.take_rest(level));
        }
        let ageing = &self.levels[level].ageing;
        let oldest = ageing.took() && self.owes_oldest(ageing);
        loop {
            let entry = if oldest { self.take_oldest(level) } else { self.deques[level].pop() };
            let Some(entry) = entry else {
                self.set_fresh_mask(self.fresh_mask.get() & !(1 << level));
                return self.take_rest(level);
            };
            if let Some(fiber) = self.claim(entry, level) {
                return Some(fiber);
            }
        }
    }

    /// Our own queue is empty: what is left is in the relay.
    #[inline]
    fn take_rest(&self, level: usize) -> Option<FiberRef> {
        if self.relayed.get() & 1 << level != 0 { self.take_relayed(level) } else { None }
    }

    /// We have started fibers to run, and some that have not started. If somebody else has nothing to do,
    /// those are left to him for the time that it takes him to come: once started they would stay here.
    #[inline]
    fn leaves_fresh(&self, level: usize) -> bool {
        self.beacon().has_spare() && self.leaves_fresh_now(level)
    }

    #[cold]
    fn leaves_fresh_now(&self, level: usize) -> bool {
        if self.stealable & 1 << level != 0 && self.deques[level].len() < 2 {
            return false;
        }
        let (now, lend) = (clock::ticks(), self.shared.config.lend_ticks);
        let since = now.saturating_sub(self.left_fresh.get());
        // Nobody came: not again for a while.
        if since > policy::LEND_PAUSE * lend {
            self.left_fresh.set(now);
            if let Some(sleeper) = self.beacon().wake_one(self.site.get()) {
                self.unpark(sleeper);
            }
            return true;
        }
        since < lend
    }

    /// We have many live fibers. If another worker has far fewer and nothing to do, it gets the time
    /// to come for those that we would start next.
    #[cold]
    fn lend(&self, level: usize) {
        let live = self.remote().counters.live.get();
        let others = self.crew().workers().filter(|&index| index != self.index);
        let least = others.map(|index| self.shared.remotes[index].counters.live.get()).min().unwrap_or(live);
        self.allowance.set(least.max(live.saturating_sub(1)) + policy::LIVE_SLACK);
        if live <= least + policy::LIVE_SLACK || !self.beacon().has_spare() {
            return;
        }
        self.allowance.set(least + policy::LIVE_SLACK);
        if let Some(sleeper) = self.beacon().wake_one(self.site.get()) {
            self.unpark(sleeper);
        }
        let (start, before) = (clock::ticks(), self.deques[level].len());
        while self.deques[level].len() == before && !self.remote().has_mail() {
            std::hint::spin_loop();
            if clock::ticks() - start > self.shared.config.lend_ticks {
                // Nobody came.
                self.allowance.set(live + policy::LIVE_SLACK);
                return;
            }
        }
    }

    /// Has this level had fresh fibers for so long that the oldest of them should have their turn?
    #[cold]
    fn owes_oldest(&self, ageing: &Ageing) -> bool {
        ageing.owes_oldest(
            self.shared.config.terms.age_max,
            clock::ticks(),
            self.remote().counters.live.get(),
        )
    }

    #[cold]
    fn take_oldest(&self, level: usize) -> Option<FiberRef> {
        loop {
            match self.remote().stealers[level].steal() {
                Steal::Success(entry) => return Some(entry),
                Steal::Empty => return None,
                Steal::Retry => {}
            }
        }
    }

    /// Turns a popped entry into a fiber to start, unless it is stale.
    #[inline(always)]
    pub(super) fn claim(&self, entry: FiberRef, level: usize) -> Option<FiberRef> {
        if entry.is_ticket {
            return self.claim_by_ticket(entry, level);
        }
        match entry.state.claim(level, self.index) {
            Claim::Won => Some(entry),
            claim => self.not_won(claim, entry, level, true),
        }
    }

    /// The beacon says that there is work of `level` elsewhere, and it should go first.
    #[inline(never)]
    fn look_for(&self, level: usize) -> Option<Work> {
        let work = self.take_elsewhere(level, true);
        if work.is_some() {
            self.misses.set(0);
        } else {
            self.turns.missed(&self.shared.config.terms, level);
            self.missed(1 << level);
        }
        work
    }

    /// The beacon's hint of work in `mask` was out of date.
    fn missed(&self, mask: u32) {
        let misses = self.misses.get() + 1;
        self.misses.set(misses);
        if misses >= MISSES_MAX {
            self.misses.set(0);
            self.beacon().forget(mask & LEVEL_BITS, || self.visible_levels());
        }
    }

    /// In a checkpoint of the running fiber, of `level`: does it go on?
    #[cold]
    pub(crate) fn checkpoint(&self, level: usize) -> Checkpoint {
        self.remote().counters.checkpoints.add(1);
        if self.unannounced.get() != 0 {
            self.announce_late();
        }
        self.look_at_lanes();
        if self.timers.may_be_due() {
            self.fire_timers();
        }
        if self.polls_now() {
            self.poll_io();
        }
        if self.remote().has_mail() || self.shared.is_stopping() {
            return Checkpoint::MakeRoom;
        }
        let mut mine = self.ready_mask.get() | self.fresh_mask.get();
        // Those that nobody has are for all to run; else its equals elsewhere are for others.
        if self.has_equals_outside(level) {
            mine |= 1 << level;
        }
        let others = !(mine | 1 << level) & self.elsewhere();
        let there = if others == 0 { 0 } else { self.visible_levels() & others };
        if there != others {
            self.missed(others & !there);
        }
        let tick = self.remote().counters.dispatches.get();
        let terms = &self.shared.config.terms;
        let now = self.own_time.now(LOSS * terms.quantum);
        let outcome = self.turns.interrupt(terms, level, mine | there, tick, now);
        if outcome == Checkpoint::GoLast {
            self.take_inbox(level);
            self.note_relay(level);
        }
        outcome
    }

    /// Do equals of the fiber that runs wait where no worker has them: in the inbox, or in the relay?
    #[inline]
    pub(super) fn has_equals_outside(&self, level: usize) -> bool {
        let (crew, site) = (self.crew(), self.site.get());
        self.serves(level)
            && (!crew.inbox(site, level).looks_empty() || !crew.relay(site, level).looks_empty())
    }

    /// Looks for work of `level` in the inbox and at the other workers. `instead`: we have less urgent work.
    #[cold]
    pub(super) fn take_elsewhere(&self, level: usize, instead: bool) -> Option<Work> {
        if self.is_leaving() {
            return None;
        }
        if self.take_inbox(level)
            && let Some(fiber) = self.take_fresh(level)
        {
            return Some(Work::Fresh(fiber, level));
        }
        if !self.crew().relay(self.site.get(), level).looks_empty()
            && let Some(fiber) = self.take_relayed(level)
        {
            return Some(Work::Fresh(fiber, level));
        }
        if self.rings.borrow().is_some() {
            return self.take_by_distance(level, instead);
        }
        self.steal(level).map(|fiber| Work::Stolen(fiber, level))
    }

    /// Moves what is in the inbox of `level` to our deque, where others can steal it. `false`: nothing.
    fn take_inbox(&self, level: usize) -> bool {
        let inbox = self.crew().inbox(self.site.get(), level);
        if inbox.looks_empty() {
            return false;
        }
        if !self.shared.config.sites.is_one() {
            self.crew().count_service(self.site.get());
        }
        self.keep(inbox.take_all(), level)
    }

    /// Puts what was taken from an inbox into our queue. `false`: that was nothing.
    pub(super) fn keep(&self, taken: Taken<Header>, level: usize) -> bool {
        // Newest first, so that our end of the deque has the oldest.
        let mut some = false;
        for node in taken {
            some = true;
            let fiber = FiberRef::from_node(node);
            if self.piled & 1 << level == 0 {
                self.deques[level].push(fiber);
            } else {
                self.push_on_pile(fiber, level);
            }
        }
        if some {
            if self.fresh_mask.get() & 1 << level == 0 {
                self.add_fresh(level);
            }
            // A single one is run next, by us, unless resumed ones go first. Who is chosen to wake up
            // must be woken, so this is asked before anybody is chosen.
            let for_others = self.deques[level].len() > 1
                || self.piled & 1 << level != 0
                || self.ready_mask.get() & 1 << level != 0;
            if for_others && let Some(sleeper) = self.beacon().announce(level, self.site.get()) {
                self.unpark(sleeper);
            }
        }
        some
    }

    /// The levels that have work that this worker could take.
    pub(super) fn visible_levels(&self) -> u32 {
        let crew = self.crew();
        let queues = crew.workers().flat_map(|index| {
            let remote = &self.shared.remotes[index];
            let kept = index != self.index && crew.has_hogs() && crew.is_hogged(crew.seat(index));
            let mask = if kept { LEVEL_BITS } else { remote.mask() };
            (0..LEVELS).filter(move |&level| match self.piled & 1 << level {
                0 => mask & 1 << level != 0 && (index == self.index || !remote.stealers[level].is_empty()),
                _ => remote.piles(level).into_iter().any(|list| !list.looks_empty()),
            })
        });
        queues.fold(crew.queued(), |mask, level| mask | 1 << level)
    }

    #[cold]
    pub(super) fn read_mail(&self) {
        for mail in self.remote().take_mail() {
            self.remote().counters.letters.add(1);
            let mail = FiberRef::from_mail(mail);
            if mail.is_visit() {
                // SAFETY: it was in our mailbox, so it is ours.
                unsafe { mail.open_visit() };
                continue;
            }
            let (fiber, letter) = open_letter(mail);
            if letter.ended {
                if letter.free {
                    // SAFETY: that was the last hold.
                    unsafe { fiber.free() };
                }
                continue;
            }
            loans::settle_told(&fiber.loans, &fiber.state, letter.level);
            if letter.token {
                self.resume_here(fiber);
            }
            self.requeue(fiber);
        }
        self.forget_boost();
    }

    #[cold]
    pub(super) fn fire_timers(&self) {
        self.timers.fire(|alarm| match alarm.then {
            Then::Resume => self.resume_here(alarm.fiber),
            Then::Expire => {
                alarm.fiber.state.expire();
                self.resume_here(alarm.fiber);
            }
            Then::Cancel => self.cancel_too_late(alarm.fiber),
        });
    }
}
