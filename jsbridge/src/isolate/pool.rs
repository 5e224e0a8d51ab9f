//! The isolates of one bridge: leased to work, given back, used again inside one realm.
//!
//! ```text
//!   work --- lease_or_park ---> a place? (population) --- yes ---> an idle isolate of its realm, else a fresh one (slots)
//!                                   |                                   |
//!                                   no                               the Lease, until it is dropped
//!                                   v                                   |
//!                              its level's lot  <--- let_in ------------+--- clean: idle again, for its realm
//!                                (parked)        (a place is free)      +--- else: to the grave (keeper)
//! ```
//!
//! * **A realm is the border of trust.** An isolate that has run anything of a realm serves that realm until it is
//!   discarded. It never becomes fresh again.
//! * **Nothing is scrubbed.** An isolate that is not as it was ([`protect`](super::protect)), that was killed or that ran
//!   out of memory is discarded.
//! * **Nobody waits for a thread that the kernel has stopped.** The isolates are in a table without locks
//!   ([`slots`](super::slots)). Work that waits is in a lot per level with a lock, which is taken only by threads of
//!   fibers at least as urgent as the level: others let a fiber of the level do it, and `relevel`, which is called from
//!   anywhere, gives up soon.
//! * **Making and freeing are done elsewhere** where that is possible: by the keeper ([`keeper`](super::keeper)).
//!
//! *No wake-up is lost*: who parks counts itself in `parked` and then asks for a place once more; who leaves gives its
//! place back and then looks at `parked`. Both are `SeqCst`, so one of them sees the other.

use super::Isolate;
use super::handle::Scope;
use super::keeper::Keeper;
use super::population::{Admission, DEPTHS, Place, Population};
use super::slots::{Claim, Slots, Wish};
use crate::error::Error;
use crate::limits::Limits;
use heddle_scheduler::{Priority, Spawner, current};
use parking_lot::{Mutex, MutexGuard};
use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const LEVELS: usize = Priority::ALL.len();
/// Who holds a lot in the ordinary way has it for less than so many looks.
const ASKS_MOST: usize = 1_000;

/// A border of trust: what is made for one realm is never shown to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RealmId(pub(super) u64);

impl RealmId {
    /// One that nobody else has. There are 2^48.
    pub(crate) fn new() -> RealmId {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        RealmId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What work asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Want {
    pub(crate) realm: RealmId,
    pub(crate) level: Priority,
    /// A fresh isolate, which nobody has after.
    pub(crate) isolated: bool,
    /// How many leased isolates are above it: 0 for what a realm's main isolate or the host made, 1 for what those make.
    pub(crate) depth: usize,
    /// Where its memory should be; `None`: anywhere.
    pub(crate) node: Option<usize>,
}

/// Why an isolate was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Discard {
    /// It is not as it was: changed built-ins, something left on the global object, jobs.
    Dirty,
    /// What ran in it was ended from outside.
    Killed,
    OutOfMemory,
    /// It was asked for as one that serves once.
    Isolated,
    /// Its realm is gone.
    Forgotten,
    /// There were enough idle ones, or its slot was needed.
    Surplus,
}

pub(super) const DISCARDS: usize = 6;

/// Puts the globals into a new isolate.
pub(crate) type Furnish = dyn Fn(Scope<'_>) -> Result<(), Error> + Send + Sync;

/// A lease, and the work it is for; `None`: the work is parked.
pub(crate) type Leased<W> = Option<(Lease<W>, W)>;

/// How to make an isolate.
pub(crate) struct Recipe {
    pub(crate) limits: Limits,
    pub(crate) furnish: Arc<Furnish>,
}

/// What a pool keeps when nobody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stock {
    /// Isolates that have run nothing.
    pub(crate) fresh: usize,
    /// Isolates that have served, of all realms together.
    pub(crate) idle: usize,
}

/// See the module. `W` is work that waits for an isolate.
pub(crate) struct Pool<W: Send + 'static> {
    pub(super) recipe: Recipe,
    pub(super) population: Arc<Population>,
    pub(super) slots: Slots,
    pub(super) stock: Stock,
    pub(super) keeper: Keeper,
    pub(super) spawner: Spawner,
    lots: [Mutex<Lot<W>>; LEVELS],
    /// Work in each lot.
    parked: [AtomicUsize; LEVELS],
    /// Of that, roots.
    parked_roots: [AtomicUsize; LEVELS],
    resubmit: Resubmit<W>,
    pub(super) counts: Counts,
}

type Resubmit<W> = Box<dyn Fn(W, Option<Ticket<W>>) + Send + Sync>;

#[derive(Default)]
pub(super) struct Counts {
    pub(super) created: AtomicU64,
    pub(super) reused: AtomicU64,
    pub(super) discarded: [AtomicU64; DISCARDS],
    refused: AtomicU64,
}

/// What happens and has happened in a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PoolStats {
    /// Isolates that exist: leased, idle, fresh, and those that wait to be freed.
    pub(crate) live: usize,
    /// With work now.
    pub(crate) leased: usize,
    pub(crate) idle: usize,
    pub(crate) fresh: usize,
    pub(crate) created: u64,
    /// Leases of an isolate that had served before.
    pub(crate) reused: u64,
    /// By reason, in the order of [`Discard`].
    pub(crate) discarded: [u64; DISCARDS],
    /// Nested work that found no place and could not wait.
    pub(crate) refused: u64,
    /// Work that waits now.
    pub(crate) parked: usize,
}

/// Work of one level that waits, first come first.
struct Lot<W> {
    roots: VecDeque<(Want, W)>,
    /// By depth, from 1 on.
    nested: [VecDeque<(Want, W)>; DEPTHS],
}

/// A place that is counted, held for work until it has its lease. Dropping it lets the next one in.
pub(crate) struct Ticket<W: Send + 'static> {
    pool: Arc<Pool<W>>,
    place: Place,
}

/// An isolate, for one piece of work. It may move to another thread with its fiber. Dropping it gives the isolate back.
pub(crate) struct Lease<W: Send + 'static> {
    realm: RealmId,
    /// Both are there until the drop.
    isolate: Option<Isolate>,
    claim: Option<Claim>,
    discard: Option<Discard>,
    /// Dropped last: then the next one is let in.
    ticket: Ticket<W>,
}

impl<W: Send + 'static> Pool<W> {
    /// `resubmit` is called with work that waited, and the place that it has now. It starts the work again, with the ticket
    /// for [`lease_or_park`](Self::lease_or_park); where there is no ticket it asks as if for the first time, and is
    /// refused. It must not block: it runs wherever a place became free.
    pub(crate) fn new(
        spawner: Spawner,
        population: Arc<Population>,
        most: usize,
        recipe: Recipe,
        stock: Stock,
        resubmit: impl Fn(W, Option<Ticket<W>>) + Send + Sync + 'static,
    ) -> Arc<Pool<W>> {
        Arc::new(Pool {
            recipe,
            population,
            // One more than there are places: the keeper holds one at a time.
            slots: Slots::new(most.saturating_add(1)),
            stock: Stock { fresh: stock.fresh.min(most), idle: stock.idle.min(most) },
            keeper: Keeper::default(),
            spawner,
            lots: std::array::from_fn(|_| Mutex::new(Lot::default())),
            parked: Default::default(),
            parked_roots: Default::default(),
            resubmit: Box::new(resubmit),
            counts: Counts::default(),
        })
    }

    /// An isolate for the work: a warm one of its realm if there is one, else a fresh one. Or the work is parked, and
    /// `None` returned: it goes to `resubmit` when there is room, the most urgent first, of equals the first come.
    /// `ticket`: what came with the work from there.
    ///
    /// # Errors
    /// The system has no memory; or the work is nested, all places for its depth are taken, and nobody who has one could
    /// go on without it (`is_limit`).
    pub(crate) fn lease_or_park(
        self: &Arc<Self>,
        want: &Want,
        work: W,
        ticket: Option<Ticket<W>>,
    ) -> Result<Leased<W>, (Error, W)> {
        let ticket = match ticket {
            Some(ticket) => ticket,
            None if self.waits(want) => return Ok(self.park(want, work)),
            None => match self.population.admit(want.level, want.depth) {
                Admission::In(place) => Ticket { pool: self.clone(), place },
                Admission::Wait => return Ok(self.park(want, work)),
                Admission::Never => {
                    self.counts.refused.fetch_add(1, Ordering::Relaxed);
                    return Err((Error::nested_limit(self.population.nested_most(), want.depth), work));
                }
            },
        };
        match self.lease(want, ticket) {
            Ok(lease) => Ok(Some((lease, work))),
            Err(error) => Err((error, work)),
        }
    }

    /// Would it overtake others of its level?
    fn waits(&self, want: &Want) -> bool {
        // A hint is enough: `park` looks again.
        want.depth == 0 && self.parked_roots[want.level as usize].load(Ordering::Relaxed) > 0
    }

    /// Counts work in its lot, which is locked.
    fn count_parked(&self, want: &Want) {
        if want.depth == 0 {
            self.parked_roots[want.level as usize].fetch_add(1, Ordering::Relaxed);
        }
        // ORDERING: before the places are looked at, in `let_in`; pairs with `Ticket::drop`.
        self.parked[want.level as usize].fetch_add(1, Ordering::SeqCst);
    }

    fn count_unparked(&self, want: &Want) {
        if want.depth == 0 {
            self.parked_roots[want.level as usize].fetch_sub(1, Ordering::Relaxed);
        }
        // ORDERING: as above.
        self.parked[want.level as usize].fetch_sub(1, Ordering::SeqCst);
    }

    fn lease(self: &Arc<Self>, want: &Want, ticket: Ticket<W>) -> Result<Lease<W>, Error> {
        let node = want.node.map(|node| node.min(usize::from(u8::MAX)) as u8);
        let discard = want.isolated.then_some(Discard::Isolated);
        let ready = |(claim, isolate), ticket| Lease {
            realm: want.realm,
            isolate: Some(isolate),
            claim: Some(claim),
            discard,
            ticket,
        };
        if !want.isolated
            && let Some(found) = self.slots.claim(Wish::Idle(want.realm, node), want.realm)
        {
            self.counts.reused.fetch_add(1, Ordering::Relaxed);
            return Ok(ready(found, ticket));
        }
        if let Some(found) = self.slots.claim(Wish::Fresh(node), want.realm) {
            self.keeper.wake(self);
            return Ok(ready(found, ticket));
        }
        let claim = self.make_room(want.realm, node.unwrap_or(0));
        match self.make() {
            Ok(isolate) => {
                self.keeper.wake(self);
                Ok(ready((claim, isolate), ticket))
            }
            Err(error) => {
                self.slots.vacate(claim);
                Err(error)
            }
        }
    }

    /// A slot without an isolate. There are as many slots as places and one more, so one is there, or has an isolate that
    /// nobody has now.
    fn make_room(self: &Arc<Self>, realm: RealmId, node: u8) -> Claim {
        loop {
            if let Some(claim) = self.slots.claim_empty(realm, node) {
                return claim;
            }
            for wish in [Wish::NotOf(realm), Wish::Any] {
                if let Some((claim, isolate)) = self.slots.claim(wish, realm) {
                    self.bury(isolate, Discard::Surplus);
                    return claim;
                }
            }
            std::hint::spin_loop();
        }
    }

    /// A new isolate, furnished and sealed.
    pub(super) fn make(&self) -> Result<Isolate, Error> {
        let mut isolate = self.make_open()?;
        isolate.seal()?;
        Ok(isolate)
    }

    /// One that is not sealed: it serves one purpose, and scripts may change it as they like.
    pub(crate) fn make_open(&self) -> Result<Isolate, Error> {
        let mut isolate = Isolate::new(self.recipe.limits, self.population.house())?;
        isolate.furnish(|scope| (self.recipe.furnish)(scope))?;
        self.counts.created.fetch_add(1, Ordering::Relaxed);
        Ok(isolate)
    }

    /// Counts an isolate out; it is freed later.
    pub(super) fn bury(self: &Arc<Self>, isolate: Isolate, why: Discard) {
        self.counts.discarded[why as usize].fetch_add(1, Ordering::Relaxed);
        self.keeper.bury(self, isolate);
    }

    /// Discards all isolates of a realm: those that are idle now, those with work when that is done.
    pub(crate) fn forget_realm(self: &Arc<Self>, realm: RealmId) {
        self.slots.forget_held(realm);
        while let Some((claim, isolate)) = self.slots.claim(Wish::Idle(realm, None), realm) {
            self.bury(isolate, Discard::Forgotten);
            self.slots.vacate(claim);
        }
    }

    /// As a thread that was stopped while it had a lot.
    #[cfg(test)]
    pub(super) fn with_lot<R>(&self, level: Priority, f: impl FnOnce() -> R) -> R {
        let _lot = self.lots[level as usize].lock();
        f()
    }

    /// Takes work out that waits, in no particular order: what was cancelled, or all of it at the end.
    #[cfg(test)]
    pub(crate) fn unpark(&self, mut pred: impl FnMut(&W) -> bool) -> Vec<W> {
        let mut out = Vec::new();
        for level in 0..LEVELS {
            let mut lot = self.lots[level].lock();
            for line in lot.lines() {
                for _ in 0..line.len() {
                    let Some((want, work)) = line.pop_front() else { break };
                    if pred(&work) {
                        self.count_unparked(&want);
                        out.push(work);
                    } else {
                        line.push_back((want, work));
                    }
                }
            }
        }
        out
    }

    /// Gives work that waits another priority: it goes to the end of that line. False: it does not wait, or stays where it is
    /// as a lot was taken for long; then it keeps its place, and begins with its new priority.
    pub(crate) fn relevel(self: &Arc<Self>, level: Priority, mut pred: impl FnMut(&W) -> bool) -> bool {
        if self.parked.iter().all(|parked| parked.load(Ordering::Relaxed) == 0) {
            return false;
        }
        let moved = Priority::ALL.into_iter().filter(|from| *from != level).any(|from| {
            let (Some(mut lot), Some(mut other)) = (self.lot_soon(from), self.lot_soon(level)) else {
                return false;
            };
            let found = lot.lines().find_map(|line| {
                let index = line.iter().position(|(_, work)| pred(work))?;
                line.remove(index)
            });
            let Some((want, work)) = found else { return false };
            self.count_unparked(&want);
            let want = Want { level, ..want };
            other.line(want.depth).push_back((want, work));
            self.count_parked(&want);
            true
        });
        if moved {
            self.let_in();
        }
        moved
    }

    /// The lot of a level, from wherever that is. `None`: somebody has it, maybe a thread that the kernel has stopped.
    fn lot_soon(&self, level: Priority) -> Option<MutexGuard<'_, Lot<W>>> {
        (0..ASKS_MOST).find_map(|_| {
            std::hint::spin_loop();
            self.lots[level as usize].try_lock()
        })
    }

    fn park(self: &Arc<Self>, want: &Want, work: W) -> Option<(Lease<W>, W)> {
        {
            let mut lot = self.lots[want.level as usize].lock();
            lot.line(want.depth).push_back((*want, work));
            self.count_parked(want);
        }
        self.let_in();
        None
    }

    /// Gives places that are free to those that wait, the most urgent first.
    fn let_in(self: &Arc<Self>) {
        for level in Priority::ALL {
            // ORDERING: after a place was given back, or work was parked: see the module.
            if self.parked[level as usize].load(Ordering::SeqCst) > 0 {
                self.let_in_level(level);
            }
        }
    }

    /// The same for one level, by a fiber that is urgent enough to hold its lot.
    fn let_in_level(self: &Arc<Self>, level: Priority) {
        let here = current().map(|fiber| fiber.priority());
        let lot = &self.lots[level as usize];
        let guard = match here {
            Some(here) if here > level => None,
            Some(here) if here < level => lot.try_lock(),
            _ => Some(lot.lock()),
        };
        let Some(guard) = guard else {
            let pool = self.clone();
            let serve = move || pool.serve(level, pool.lots[level as usize].lock());
            if self.spawner.fiber().independent().priority(level).try_go(serve).is_err()
                && self.spawner.is_running()
            {
                // No fiber is to be had, so it is done here, whoever we are.
                self.serve(level, lot.lock());
            }
            return;
        };
        self.serve(level, guard);
    }

    fn serve<'a>(self: &'a Arc<Self>, level: Priority, mut lot: MutexGuard<'a, Lot<W>>) {
        while let Some((want, work, place)) = lot.next(level, &self.population) {
            self.count_unparked(&want);
            let ticket = place.map(|place| Ticket { pool: self.clone(), place });
            MutexGuard::unlocked(&mut lot, || (self.resubmit)(work, ticket));
        }
    }

    /// What happens and has happened in it.
    pub(crate) fn stats(&self) -> PoolStats {
        PoolStats {
            live: self.population.live(),
            leased: self.population.leased(),
            idle: self.slots.idle(),
            fresh: self.slots.fresh(),
            created: self.counts.created.load(Ordering::Relaxed),
            reused: self.counts.reused.load(Ordering::Relaxed),
            discarded: std::array::from_fn(|why| self.counts.discarded[why].load(Ordering::Relaxed)),
            refused: self.counts.refused.load(Ordering::Relaxed),
            parked: self.parked.iter().map(|parked| parked.load(Ordering::Relaxed)).sum(),
        }
    }
}

impl<W> Default for Lot<W> {
    fn default() -> Self {
        Lot { roots: VecDeque::new(), nested: std::array::from_fn(|_| VecDeque::new()) }
    }
}

impl<W> Lot<W> {
    fn line(&mut self, depth: usize) -> &mut VecDeque<(Want, W)> {
        if depth == 0 { &mut self.roots } else { &mut self.nested[depth.min(DEPTHS) - 1] }
    }

    fn lines(&mut self) -> impl Iterator<Item = &mut VecDeque<(Want, W)>> {
        std::iter::once(&mut self.roots).chain(&mut self.nested)
    }

    /// Who goes next, with the place it has; without one: it can no longer wait, see [`Population`]. Nested work goes
    /// first, the deepest before: others wait for it.
    fn next(&mut self, level: Priority, population: &Population) -> Option<(Want, W, Option<Place>)> {
        for depth in (0..=DEPTHS).rev() {
            let line = self.line(depth);
            let Some((want, _)) = line.front() else { continue };
            let place = match population.admit(level, want.depth) {
                Admission::In(place) => Some(place),
                Admission::Wait => continue,
                Admission::Never => None,
            };
            match line.pop_front() {
                Some((want, work)) => return Some((want, work, place)),
                None => place.into_iter().for_each(|place| population.leave(place)),
            }
        }
        None
    }
}

impl<W: Send + 'static> Drop for Ticket<W> {
    fn drop(&mut self) {
        self.pool.population.leave(self.place);
        self.pool.let_in();
    }
}

impl<W: Send + 'static> Lease<W> {}

impl<W: Send + 'static> Deref for Lease<W> {
    type Target = Isolate;

    fn deref(&self) -> &Isolate {
        self.isolate.as_ref().expect("it is there until the drop")
    }
}

impl<W: Send + 'static> DerefMut for Lease<W> {
    fn deref_mut(&mut self) -> &mut Isolate {
        self.isolate.as_mut().expect("it is there until the drop")
    }
}

impl<W: Send + 'static> Drop for Lease<W> {
    fn drop(&mut self) {
        let (Some(mut isolate), Some(claim)) = (self.isolate.take(), self.claim.take()) else { return };
        let pool = &self.ticket.pool;
        let verdict = match self.discard {
            Some(why) => Err(why),
            // Where a panic came from is not known.
            None if std::thread::panicking() => Err(Discard::Dirty),
            None => isolate.settle_up(),
        };
        let outcome = match verdict {
            Ok(_) if pool.slots.idle() >= pool.stock.idle && !pool.let_go_of_another(self.realm) => {
                Err((claim, isolate, Discard::Surplus))
            }
            Ok(wants_care) => pool
                .slots
                .put_idle(claim, isolate, wants_care)
                .map(|()| wants_care)
                .map_err(|(claim, isolate)| (claim, isolate, Discard::Forgotten)),
            Err(why) => Err((claim, isolate, why)),
        };
        match outcome {
            Ok(false) => {}
            Ok(true) => pool.keeper.wake(pool),
            Err((claim, isolate, why)) => {
                pool.bury(isolate, why);
                pool.slots.vacate(claim);
            }
        }
    }
}

impl<W: Send + 'static> Pool<W> {
    /// Discards an idle isolate of another realm, which may have been idle for longer.
    fn let_go_of_another(self: &Arc<Self>, realm: RealmId) -> bool {
        let Some((claim, isolate)) = self.slots.claim(Wish::NotOf(realm), realm) else { return false };
        self.bury(isolate, Discard::Surplus);
        self.slots.vacate(claim);
        true
    }
}
