//! What to run next. The order is the policy's ([`policy`]); this file carries it out.

use super::remote::Remote;
use super::{Work, Worker};
use crate::fiber::FiberRef;
use crate::fiber::carrier::Queued;
use crate::fiber::state::Claim;
use crate::machine::clock;
use crate::policy::{self, Queue};
use crate::priority::{LEVELS, Priority};
use crate::worker::beacon::LEVEL_BITS;
use crossbeam_deque::Steal;

/// After so many vain looks for more urgent work, the word's hints are checked and cleared. A look
/// costs a few ns a worker, checking them up to 10 us.
const MISSES_MAX: u32 = 1000;

impl Worker {
    /// The next thing to run, if this worker has or is owed something.
    #[inline(always)]
    pub(super) fn next(&self) -> Option<Work> {
        if self.remote().has_mail() {
            self.read_mail();
        }
        if !self.timers.is_empty() {
            self.fire_timers();
        }
        let tick = self.remote().counters.dispatches.get() + 1;
        if tick.is_multiple_of(policy::INBOX_INTERVAL)
            && let Some(work) = self.next_in_turn(tick)
        {
            return Some(work);
        }
        loop {
            let mask = self.ready_mask.get() | self.fresh_mask.get();
            if mask == 0 {
                return None;
            }
            let level = mask.trailing_zeros() as usize;
            let above = self.beacon().above(level);
            if above != 0
                && let Some(work) = self.look_up(above)
            {
                return Some(work);
            }
            if let Some(work) = self.take_own(level, tick) {
                return Some(work);
            }
        }
    }

    /// Every few dispatches: what strict order would starve.
    #[cold]
    fn next_in_turn(&self, tick: u64) -> Option<Work> {
        let mine = self.ready_mask.get() | self.fresh_mask.get();
        let elsewhere = self.beacon().levels();
        if tick.is_multiple_of(policy::SHARE_INTERVAL)
            && let Some(level) = policy::share_level(mine | elsewhere, tick / policy::SHARE_INTERVAL)
        {
            return self.take_own_in_turn(level, tick).or_else(|| self.take_elsewhere(level));
        }
        if mine == 0 {
            return None;
        }
        // The inbox of our own level would otherwise wait until we have nothing left.
        let level = mine.trailing_zeros() as usize;
        if self.beacon().above(level) != 0 {
            return None;
        }
        self.take_inbox(level).then(|| self.take_own_in_turn(level, tick)).flatten()
    }

    /// The same as `take_own`, out of the way of the dispatch loop.
    #[cold]
    fn take_own_in_turn(&self, level: usize, tick: u64) -> Option<Work> {
        self.take_own(level, tick)
    }

    /// Takes from our own queues of `level`.
    #[inline(always)]
    fn take_own(&self, level: usize, tick: u64) -> Option<Work> {
        let queues = &self.levels[level];
        loop {
            let ready = !queues.ready.is_empty();
            let yielded = !queues.yielded.is_empty();
            let fresh = self.fresh_mask.get() & 1 << level != 0;
            match policy::choose_queue(ready, fresh, yielded, queues.debt.get(), tick)? {
                Queue::Ready => return Some(self.take_ready(level, Queued::Ready)),
                Queue::Yielded => {
                    if fresh {
                        queues.debt.set(self.deques[level].len().min(policy::YIELD_DEBT_MAX));
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
    fn take_fresh(&self, level: usize) -> Option<FiberRef> {
        if self.remote().counters.live.get() > self.allowance.get() {
            self.lend(level);
        }
        if self.piled & 1 << level != 0 {
            return self.take_piled(level);
        }
        let queues = &self.levels[level];
        let taken = queues.taken.get() + 1;
        queues.taken.set(taken);
        let oldest = taken.is_multiple_of(policy::OLDEST_INTERVAL) && self.owes_oldest(queues);
        loop {
            let entry = if oldest { self.take_oldest(level) } else { self.deques[level].pop() };
            let Some(entry) = entry else {
                self.set_fresh_mask(self.fresh_mask.get() & !(1 << level));
                return None;
            };
            if let Some(fiber) = self.claim(entry, level) {
                return Some(fiber);
            }
        }
    }

    /// We have many live fibers. If another worker has far fewer and nothing to do, it gets the time
    /// to come for those that we would start next.
    #[cold]
    fn lend(&self, level: usize) {
        let live = self.remote().counters.live.get();
        let others = self.crew().seats.clone().filter(|&index| index != self.index);
        let least = others.map(|index| self.shared.remotes[index].counters.live.get()).min().unwrap_or(live);
        self.allowance.set(least.max(live.saturating_sub(1)) + policy::LIVE_SLACK);
        if live <= least + policy::LIVE_SLACK || !self.beacon().has_spare() {
            return;
        }
        self.allowance.set(least + policy::LIVE_SLACK);
        if let Some(sleeper) = self.beacon().wake_one() {
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
    fn owes_oldest(&self, queues: &super::Level) -> bool {
        let now = clock::ticks();
        if now.saturating_sub(queues.empty_at.get()) < self.shared.config.age_ticks {
            return false;
        }
        let served = queues.oldest_taken.get() + 1;
        queues.oldest_taken.set(served);
        if served.is_multiple_of(policy::OLDEST_BATCH) {
            queues.empty_at.set(now);
        }
        true
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
        let fiber = entry.resolve();
        match fiber.state.claim(level, self.index) {
            Claim::Won => Some(fiber),
            Claim::Stale => None,
            Claim::StaleFree => {
                // SAFETY: that was the last hold.
                unsafe { fiber.free() };
                None
            }
        }
    }

    /// The beacon says that there is something more important than our own queues: a stop, or work
    /// of the levels in `mask`.
    #[inline(never)]
    fn look_up(&self, mask: u32) -> Option<Work> {
        if self.shared.is_stopping() {
            self.begin_stop();
        }
        for level in (0..LEVELS).filter(|level| mask & 1 << level != 0) {
            if let Some(work) = self.take_elsewhere(level) {
                self.misses.set(0);
                return Some(work);
            }
        }
        self.missed(mask);
        None
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

    /// [`should_preempt`](Self::should_preempt) said that there may be something more urgent than
    /// `level`: is there?
    pub(crate) fn confirm_preempt(&self, level: usize) -> bool {
        let above = (1 << level) - 1;
        let here = (self.ready_mask.get() | self.fresh_mask.get()) & above;
        if here != 0 || self.remote().has_mail() || self.shared.is_stopping() {
            return true;
        }
        let there = self.visible_levels() & above;
        if there == 0 {
            self.missed(above);
        }
        there != 0
    }

    /// Looks for work of `level` in the inbox and at the other workers.
    #[cold]
    pub(super) fn take_elsewhere(&self, level: usize) -> Option<Work> {
        if self.take_inbox(level)
            && let Some(fiber) = self.take_fresh(level)
        {
            return Some(Work::Fresh(fiber, level));
        }
        self.steal(level).map(|fiber| Work::Stolen(fiber, level))
    }

    /// Moves what is in the inbox of `level` to our deque, where others can steal it. `false`: nothing.
    fn take_inbox(&self, level: usize) -> bool {
        let inbox = &self.crew().inboxes[level];
        if inbox.looks_empty() {
            return false;
        }
        // Newest first, so that our end of the deque has the oldest.
        let mut some = false;
        for node in inbox.take_all() {
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
            if for_others && let Some(sleeper) = self.beacon().announce(level) {
                self.unpark(sleeper);
            }
        }
        some
    }

    /// Takes the oldest fiber of another worker's deque of `level`.
    fn steal(&self, level: usize) -> Option<FiberRef> {
        if self.piled & 1 << level != 0 {
            return self.steal_piled(level);
        }
        let seats = self.crew().seats.clone();
        let first = seats.start + self.random.below(seats.len());
        for victim in (first..seats.end).chain(seats.start..first) {
            if victim == self.index || self.shared.remotes[victim].mask() & 1 << level == 0 {
                continue;
            }
            if let Some(fiber) = self.steal_from(victim, level) {
                return Some(fiber);
            }
        }
        None
    }

    /// Is it worth while to take from a worker that has `waiting` fibers? One that does not dispatch will
    /// not run them soon. One that does would run a single fiber itself, with its memory in that cache;
    /// and if what we took before was tiny, moving it cost more than running it, so we hold back.
    fn may_disturb(&self, victim: &Remote, waiting: usize) -> bool {
        let restraint = self.restraint.get();
        if waiting > 1 && restraint == 0 {
            return true;
        }
        let start = clock::ticks();
        loop {
            let before = victim.counters.dispatches.get();
            for _ in 0..policy::PATIENCE_SPINS {
                std::hint::spin_loop();
            }
            if victim.counters.dispatches.get() == before {
                return true;
            }
            if waiting <= 1 || self.remote().has_mail() {
                return false;
            }
            if clock::ticks() - start > restraint {
                return true;
            }
        }
    }

    /// Runs a fiber that was taken from another worker, and learns whether that was worth while.
    #[inline(never)]
    pub(super) fn run_stolen(&self, fiber: FiberRef, level: usize) {
        let live = self.remote().counters.live.get();
        let start = clock::ticks();
        self.start(fiber, level);
        let took = clock::ticks() - start;
        let tiny = took < self.shared.config.tiny_ticks && self.remote().counters.live.get() == live;
        let restraint = self.restraint.get();
        self.restraint.set(match tiny {
            true => (2 * restraint + self.shared.config.tiny_ticks).min(self.shared.config.spin_ticks),
            false => 0,
        });
    }

    #[inline(never)]
    fn steal_from(&self, victim: usize, level: usize) -> Option<FiberRef> {
        let remote = &self.shared.remotes[victim];
        let stealer = &remote.stealers[level];
        // Urgent fibers are taken at once.
        if level > Priority::High.level() && !self.may_disturb(remote, stealer.len()) {
            return None;
        }
        loop {
            match stealer.steal() {
                Steal::Empty => return None,
                Steal::Retry => std::hint::spin_loop(),
                Steal::Success(entry) => {
                    self.remote().counters.stolen_from[victim - self.crew().seats.start].add(1);
                    if let Some(fiber) = self.claim(entry, level) {
                        return Some(fiber);
                    }
                }
            }
        }
    }

    /// The levels that have work that this worker could take.
    pub(super) fn visible_levels(&self) -> u32 {
        let crew = self.crew();
        let inboxes = (0..LEVELS).filter(|&level| !crew.inboxes[level].looks_empty());
        let queues = crew.seats.clone().flat_map(|index| {
            let remote = &self.shared.remotes[index];
            let mask = remote.mask();
            (0..LEVELS).filter(move |&level| match self.piled & 1 << level {
                0 => mask & 1 << level != 0 && (index == self.index || !remote.stealers[level].is_empty()),
                _ => remote.piles(level).into_iter().any(|list| !list.looks_empty()),
            })
        });
        inboxes.chain(queues).fold(0, |mask, level| mask | 1 << level)
    }

    #[cold]
    fn read_mail(&self) {
        for mail in self.remote().take_mail() {
            let fiber = FiberRef::from_mail(mail);
            let letter = fiber.state.open_letter();
            if letter.ended {
                if letter.free {
                    // SAFETY: that was the last hold.
                    unsafe { fiber.free() };
                }
                continue;
            }
            if letter.token {
                self.resume_here(fiber);
            }
            self.requeue(fiber);
        }
    }

    #[cold]
    pub(super) fn fire_timers(&self) {
        self.timers.fire(|fiber| self.resume_here(fiber));
    }
}
