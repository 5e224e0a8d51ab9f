//! A worker: one thread that runs fibers. Everything in [`Worker`] belongs to that thread, and to
//! the fibers that run on it, one at a time; what other threads may touch is in
//! [`Remote`].
//!
//! | file         | what it does                                                       |
//! |--------------|--------------------------------------------------------------------|
//! | `mod.rs`     | the dispatch loop: start a fiber, resume one, end one              |
//! | [`unannounced`] | a fiber for which its maker is about to wait                    |
//! | [`enqueue`]  | putting fibers into queues: new ones, started ones                 |
//! | [`find`]     | what to run next: own queues, the inbox, other workers             |
//! | [`steal`]    | taking from the queues of other workers                           |
//! | [`shortcut`] | the same, found in a few steps where little has changed            |
//! | [`afar`]     | taking work from other nodes; moving to another node               |
//! | [`pile`]     | the queues of the background lane, which does not steal            |
//! | [`aside`]    | leaving the CPU to the lanes below                                 |
//! | [`idle`]     | nothing to run: search, sleep, wake up, stop                       |
//! | [`roam`]     | started fibers that go on at another worker                        |
//! | [`rescue`]   | taking from workers that do not come back; spares that leave       |
//! | [`own_time`] | the clock by which levels are charged                              |
//! | [`holders`]  | branches of fibers that wait here                                  |
//! | [`supply`]   | where stacks come from, and who may map them                       |
//! | [`pause`]    | background workers that leave a CPU quota to others                |
//! | [`mark`]     | which workers do not come back                                     |
//! | [`duty`]     | whether a spare's seat is manned                                   |
//! | [`watchman`] | what the monitor's thread shares with the workers                  |
//! | [`vigil`]    | how the monitor sleeps and is woken                                |
//! | [`beacon`]   | the word all workers share; how they sleep and are woken           |
//! | [`crew`]     | the workers of a lane: its beacon, its inboxes                     |
//! | [`boost`]    | making way for a fiber below that was lent a level above           |
//! | [`need`]     | the word for that: what was lent, and who makes way                |
//! | [`remote`]   | what others see of a worker: its mailbox, its stealable queues     |
//! | [`places`]   | where each worker should be, and puts it there                     |
//! | [`shared`]   | what all workers share: inboxes, stacks, the phase                 |
//! | [`ready`]    | the list of started fibers that are runnable                       |
//! | [`current`]  | the worker of this thread, as fibers and their wakers reach it     |
//! | [`sleeper`]  | how a thread waits that is no worker                               |
//! | [`resumer`]  | who can be resumed, and held for that                              |
//! | [`cancel`]   | asking a fiber to end                                              |
//! | [`awaiting`] | a future that waits for the end of a fiber                         |
//! | [`wake`]     | who waits for the end of a fiber                                   |
//! | [`finish`]   | the end of a fiber                                                 |
//! | [`equip`]    | names, deadlines and contexts of fibers that have any              |
//! | [`family`]   | the fibers of a scope, counted                                     |
//! | [`kin`]      | the fibers of a scope, as its owner lends to them ([`front`])      |
//! | [`loan`]     | lending a level to whom one waits for                              |
//! | [`quiet`]    | is nothing left? (`wait_all`)                                      |
//! | [`limit`]    | the limit on live fibers                                           |
//! | [`registry`] | finding a scheduler that may be gone                               |
//! | [`census`]   | who waits here, for the report of a deadlock                       |
//! | [`overflow`] | the report of a stack overflow                                     |
//! | [`reactor`]  | descriptors that fibers wait for                                   |

pub(crate) mod beacon;
mod ready;
mod duty;
mod vigil;
pub(crate) mod crew;
mod need;
mod travels;
mod boost;
mod mark;
pub(crate) mod remote;
pub(crate) mod places;
pub(crate) mod limit;
mod watchman;
mod quiet;
pub(crate) mod shared;
pub(crate) mod registry;
pub(crate) mod current;
pub(crate) mod loan;
mod overflow;
pub(crate) mod sleeper;
pub(crate) mod resumer;
pub(crate) mod awaiting;
pub(crate) mod wake;
pub(crate) mod cancel;
mod front;
pub(crate) mod kin;
pub(crate) mod family;
pub(crate) mod finish;
mod equip;
mod pile;
mod afar;
mod aside;
mod enqueue;
mod unannounced;
mod claims;
mod find;
mod steal;
mod shortcut;
mod own_time;
mod holders;
mod pause;
pub(crate) mod census;
pub(crate) mod supply;
mod rescue;
mod roam;
pub(crate) mod reactor;
mod idle;

pub(crate) use idle::SPIN_MAX;

use crate::config::PanicReport;
use crate::error::{Error, JoinError};
use crate::fiber::carrier::{Carrier, Queued, Switch};
use crate::fiber::memory::StackGuard;
use crate::fiber::shown::Shown;
use crate::fiber::state::By;
use crate::fiber::{FiberRef, Making};
use crate::lane::Lane;
use crate::machine::clock;
use crate::machine::random::Random;
use crate::policy;
use crate::policy::queues::Ageing;
use crate::policy::steal::{Reach, Rings};
use crate::policy::turns::Turns;
use crate::priority::LEVELS;
use crate::timer::Timers;
use afar::Sighting;
use aside::Patience;
use beacon::{Beacon, LEVEL_BITS};
use crew::Crew;
use finish::complete;
use own_time::OwnTime;
use reactor::Reactor;
use ready::ReadyList;
use remote::Remote;
use shared::Shared;
use shortcut::Shortcut;
use std::cell::{Cell, RefCell, UnsafeCell};
use std::ptr;
use std::sync::Arc;

/// The queues of one level that belong to the worker alone.
struct Level {
    ready: ReadyList,
    yielded: ReadyList,
    /// How many fresh fibers go before the next yielded one.
    debt: Cell<usize>,
    /// How many were taken.
    served: Cell<u64>,
    /// When the oldest fresh one goes instead of the newest.
    ageing: Ageing,
    /// The relay was served last, and not a fresh one.
    relay_turn: Cell<bool>,
}

/// The stealable queues of a worker, one a level: what outlives its thread.
pub(crate) type Deques = [crossbeam_deque::Worker<FiberRef>; LEVELS];

/// See the module's documentation.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) index: usize,
    pub(crate) lane: Lane,
    is_spare: bool,
    /// Our seat in the crew.
    seat: usize,
    /// The site where we are.
    pub(crate) site: Cell<usize>,
    /// The others of our crew from near to far; `None`: all are equally near.
    rings: RefCell<Option<Rings>>,
    /// How many moves of workers to other sites `rings` knows of.
    moves: Cell<u32>,
    /// When to look for work at other sites.
    reach: Reach,
    /// There may be work at another site for which it was too early.
    held_back: Cell<bool>,
    sightings: UnsafeCell<Vec<Sighting>>,
    /// Our entry of `shared.crews`, which stays where it is while `shared` lives.
    crew: *const Crew,
    /// The levels whose fresh fibers we keep in our deques.
    stealable: u32,
    /// The levels whose fresh fibers we keep in our piles.
    piled: u32,
    /// Our entry of `shared.remotes`, which stays where it is while `shared` lives.
    remote: *const Remote,
    /// The thread may map and unmap memory.
    may_map: Cell<bool>,
    /// Stacks have canaries to look at.
    canaries: bool,
    /// There is a limit on fibers. Each end looks at it, so it is here.
    is_limited: bool,
    /// There is a bound on stacks: one that is kept for the next fiber could be missing elsewhere.
    stacks_are_short: bool,
    deques: Deques,
    levels: [Level; LEVELS],
    /// Levels with something in `ready` or `yielded`.
    ready_mask: Cell<u32>,
    /// Levels that may have something in their deque, or in the relay.
    fresh_mask: Cell<u32>,
    /// Levels that may have something in the relay, where we are.
    relayed: Cell<u32>,
    /// The level of a fiber in our deque of which nobody was told.
    unannounced: Cell<u32>,
    /// Fibers have left us, or have come, that had started.
    has_moved: Cell<bool>,
    /// The carrier that runs now; null: none.
    current: Cell<*mut Carrier>,
    /// The carrier that was used last, without a fiber; null: none.
    hot: Cell<*mut Carrier>,
    /// Other carriers without a fiber, warm.
    warm: UnsafeCell<Vec<*mut Carrier>>,
    /// All carriers of this worker.
    carriers: UnsafeCell<Vec<*mut Carrier>>,
    /// Suspended carriers with branches that nobody has taken.
    holders: UnsafeCell<Vec<*mut Carrier>>,
    pub(crate) timers: Timers,
    /// What fibers wait for outside.
    pub(crate) io: Reactor,
    /// Which level is served.
    pub(crate) turns: Turns,
    /// The clock for that.
    own_time: OwnTime,
    /// The dispatch at which to look at what is not worth while at each.
    chores_at: Cell<u64>,
    /// When we last looked into the inboxes of all levels, in ticks.
    swept: Cell<u64>,
    /// Since when something waits in the inboxes of the lanes above, in ticks; 0: nothing does.
    above_since: Cell<u64>,
    /// What the lanes below are owed.
    aside: Patience,
    /// How long to look for work before sleeping, in ticks: what has paid of late.
    spin: Cell<u64>,
    /// How long we hold back from taking fibers of a worker that dispatches, in ticks.
    restraint: Cell<u64>,
    /// With more live fibers than this, see whether others have far fewer.
    allowance: Cell<u64>,
    /// When we last began to leave fibers that had not started to others, in ticks.
    left_fresh: Cell<u64>,
    /// How often looking for more urgent work elsewhere was in vain.
    misses: Cell<u32>,
    ids: Cell<(u64, u64)>,
    random: Random,
    stopping: Cell<bool>,
}

/// What to run.
pub(crate) enum Work {
    /// A fiber that was claimed at this level and has not started, or roamed.
    Fresh(FiberRef, usize),
    /// The same, taken from another worker.
    Stolen(FiberRef, usize),
    /// A fiber that was taken out of a ready list.
    Started(*mut Carrier),
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, index: usize, deques: Deques) -> Worker {
        let level = |_| Level {
            ready: ReadyList::new(),
            yielded: ReadyList::new(),
            debt: Cell::new(0),
            served: Cell::new(0),
            ageing: Ageing::new(),
            relay_turn: Cell::new(false),
        };
        let (crew, seat) = shared.crew_of_worker(index);
        let background = crew.lane == Lane::Background;
        Worker {
            lane: crew.lane,
            is_spare: shared.remotes[index].is_spare,
            seat,
            stealable: if background { 0 } else { crew.levels() },
            piled: if background { crew.levels() } else { 0 },
            crew,
            remote: &*shared.remotes[index],
            site: Cell::new(0),
            rings: RefCell::new(None),
            // None yet, so that the first look at them finds all that was moved.
            moves: Cell::new(0),
            reach: Reach::new(),
            held_back: Cell::new(false),
            sightings: UnsafeCell::default(),
            may_map: Cell::new(true),
            canaries: shared.stacks.guard() == StackGuard::Canary,
            is_limited: shared.limit.is_some(),
            stacks_are_short: shared.config.max_stacks != usize::MAX,
            index,
            deques,
            levels: std::array::from_fn(level),
            ready_mask: Cell::new(0),
            fresh_mask: Cell::new(0),
            relayed: Cell::new(0),
            unannounced: Cell::new(0),
            has_moved: Cell::new(false),
            current: Cell::new(ptr::null_mut()),
            hot: Cell::new(ptr::null_mut()),
            warm: UnsafeCell::default(),
            carriers: UnsafeCell::default(),
            holders: UnsafeCell::default(),
            timers: Timers::new(),
            io: Reactor::new(),
            turns: Turns::new(),
            own_time: OwnTime::new(),
            chores_at: Cell::new(0),
            swept: Cell::new(clock::ticks()),
            above_since: Cell::new(0),
            aside: Patience::new(),
            spin: Cell::new(shared.config.spin_ticks),
            restraint: Cell::new(0),
            allowance: Cell::new(policy::LIVE_SLACK),
            left_fresh: Cell::new(0),
            misses: Cell::new(0),
            ids: Cell::new((0, 0)),
            random: Random::new(index as u64),
            stopping: Cell::new(false),
            shared,
        }
    }

    #[inline]
    pub(crate) fn remote(&self) -> &Remote {
        // SAFETY: it is part of `shared`, which we hold.
        unsafe { &*self.remote }
    }

    /// The workers of our lane.
    #[inline]
    pub(crate) fn crew(&self) -> &Crew {
        // SAFETY: it is part of `shared`, which we hold.
        unsafe { &*self.crew }
    }

    /// How its thread reaches for fibers of other threads.
    #[inline]
    pub(crate) fn reaches_by(&self) -> By {
        if self.lane == Lane::Background { By::Below } else { By::Anyone }
    }

    #[inline]
    fn beacon(&self) -> &Beacon {
        &self.crew().beacon
    }

    /// Unparks a worker of our lane.
    #[inline]
    fn unpark(&self, seat: usize) {
        self.shared.unpark(self.crew().worker(seat));
    }

    /// The dispatch loop, until the scheduler stops and nothing is left here. The worker was woken for
    /// the first time, as a searcher or not.
    pub(crate) fn run(&self, searching: bool) {
        self.begin_mapping();
        self.settle();
        let Some(first) = self.search(searching) else { return };
        self.dispatch(first);
        loop {
            match self.shortcut() {
                Shortcut::Started(carrier) => {
                    self.remote().counters.dispatches.add(1);
                    self.go_on(carrier);
                }
                Shortcut::Fresh(fiber, level) => {
                    self.remote().counters.dispatches.add(1);
                    self.start(fiber, level);
                }
                Shortcut::None => match self.next().or_else(|| self.idle()) {
                    Some(work) => self.dispatch(work),
                    None => return,
                },
            }
        }
    }

    #[inline(never)]
    fn dispatch(&self, work: Work) {
        self.remote().counters.dispatches.add(1);
        match work {
            Work::Fresh(fiber, level) => self.start(fiber, level),
            Work::Stolen(fiber, level) => self.run_stolen(fiber, level),
            Work::Started(carrier) => self.go_on(carrier),
        }
    }

    /// Runs a fiber that was taken out of a ready list.
    #[inline(always)]
    fn go_on(&self, carrier: *mut Carrier) {
        // SAFETY: what was in a ready list is alive, and has a fiber.
        let carrier_ref = unsafe { &*carrier };
        let level = carrier_ref.level.get() as usize;
        self.time_wait(level, carrier_ref.stamp.get());
        if carrier_ref.holds_branches.get() {
            self.forget_holder(carrier_ref);
        }
        self.switch_to(carrier, level);
    }

    /// Gives a claimed fiber a stack, if it has none, and runs it.
    #[inline(always)]
    fn start(&self, fiber: FiberRef, level: usize) {
        if !fiber.carrier.get().is_null() {
            return self.adopt(fiber, level);
        }
        self.time_wait(level, fiber.stamp.get());
        let equipped = fiber.extras.is_some();
        if equipped && equip::is_too_late(fiber) {
            return self.fail(fiber, level, JoinError::too_late(false));
        }
        let carrier = if !self.beacon().is_stop() { self.carrier() } else { Err(Error::stopped()) };
        let carrier = match carrier {
            Ok(carrier) => carrier,
            Err(error) => return self.fail(fiber, level, JoinError::not_started(error)),
        };
        if fiber.site().is_some_and(|site| site != self.site.get()) {
            self.remote().counters.away.add(1);
        }
        let counters = &self.remote().counters;
        counters.levels[level].claimed.add(1);
        counters.levels[level].started.add(1);
        counters.levels[level].alive.add(1);
        counters.live.add(1);
        // SAFETY: a carrier of ours, without a fiber.
        unsafe {
            (*carrier).fiber.set(fiber.as_ptr());
            (*carrier).counted.set(level as u8);
            (*carrier).shown.set(Shown::new(fiber.id, false));
            if equipped {
                self.equip(fiber, &*carrier);
            }
        }
        fiber.carrier.set(carrier);
        self.switch_to(carrier, level);
    }

    /// Ends a fiber that was claimed at `level` and will not be run.
    #[cold]
    pub(crate) fn fail(&self, fiber: FiberRef, level: usize, error: JoinError) {
        let counters = &self.remote().counters.levels[level];
        counters.claimed.add(1);
        // SAFETY: the caller has claimed it and not run it.
        unsafe { fiber.fail(error) };
        self.shared.before_finish();
        // SAFETY: its result is in place.
        unsafe { complete(fiber) };
        counters.finished.publish_one();
        self.shared.after_finish();
    }

    #[inline(always)]
    fn switch_to(&self, carrier: *mut Carrier, level: usize) {
        self.current.set(carrier);
        // SAFETY: it is ours and alive.
        let carrier_ref = unsafe { &*carrier };
        let shown = carrier_ref.shown.get().at(level);
        self.remote().counters.show_running(shown);
        if shown.is_named() {
            self.show_name(carrier_ref);
        }
        // SAFETY: it is ours, alive, and nothing else runs on this thread.
        let switch = unsafe { Carrier::resume(carrier) };
        self.current.set(ptr::null_mut());
        if self.canaries {
            // SAFETY: it is still alive: only `ended` gives it up.
            unsafe { (*carrier).check(&self.shared.stacks) };
        }
        match switch {
            Switch::Suspended => {}
            Switch::Ended => self.ended(carrier),
            Switch::Leaving => self.depart(carrier),
        }
    }

    #[cold]
    fn show_name(&self, carrier: &Carrier) {
        if let Some(fiber) = carrier.fiber() {
            self.remote().mark.show_name(fiber);
        }
    }

    /// The fiber on `carrier` has put its result in place.
    fn ended(&self, carrier: *mut Carrier) {
        // First, while there is little to keep over a call.
        if self.is_limited {
            self.shared.before_finish();
        }
        // SAFETY: ours and alive.
        let carrier_ref = unsafe { &*carrier };
        let fiber = carrier_ref.fiber().expect("a fiber that ends is on its carrier");
        carrier_ref.fiber.set(ptr::null_mut());
        carrier_ref.parked.set(false);
        carrier_ref.token.set(false);
        fiber.carrier.set(ptr::null_mut());
        fiber.outlive_locks();
        if fiber.extras.is_some() {
            self.strip(carrier_ref);
        }
        if carrier_ref.panicked.replace(false) {
            self.panicked(fiber);
        }
        let counters = &self.remote().counters;
        let level = carrier_ref.counted.get() as usize;
        counters.live.add(u64::MAX);
        counters.levels[level].alive.add(u64::MAX);
        // SAFETY: its result is in place, and it runs no more.
        unsafe { complete(fiber) };
        // Before anybody can know that all are done: it is no hog any more.
        counters.show_over(level);
        counters.levels[level].finished.publish_one();
        self.shared.after_finish();
        if carrier_ref.is_foreign.get() {
            // The next fiber shall have its stack here.
            return self.retire(carrier);
        }
        self.put_warm(carrier);
    }

    /// Tells the panic hook.
    #[cold]
    fn panicked(&self, fiber: FiberRef) {
        self.remote().counters.panics.add(1);
        let Some(hook) = &self.shared.config.hooks.panic else { return };
        let mut tell = |message: &str| {
            let name = fiber.name().map(|name| name.as_str());
            hook.call(&PanicReport { id: fiber.id, name, priority: fiber.priority(), message });
        };
        // SAFETY: the fiber has run and not ended.
        unsafe { fiber.with_panic(&mut tell) };
    }

    /// A carrier without a fiber: the one that was used last, else a new one.
    #[inline]
    fn carrier(&self) -> Result<*mut Carrier, Error> {
        let hot = self.hot.replace(ptr::null_mut());
        if !hot.is_null() {
            return Ok(hot);
        }
        // SAFETY: the vector belongs to this thread, and no reference to it is held elsewhere.
        match unsafe { (*self.warm.get()).pop() } {
            Some(carrier) => Ok(carrier),
            None => self.new_carrier(),
        }
    }

    #[inline]
    fn put_warm(&self, carrier: *mut Carrier) {
        if self.stacks_are_short {
            return self.retire(carrier);
        }
        if self.hot.get().is_null() {
            self.hot.set(carrier);
            return;
        }
        // SAFETY: as in `carrier`.
        let warm = unsafe { &mut *self.warm.get() };
        if warm.len() + 1 < self.shared.config.warm_stacks {
            warm.push(carrier);
        } else {
            self.retire(carrier);
        }
    }

    /// Gives up all carriers that wait for a fiber.
    fn cool(&self) {
        let hot = self.hot.replace(ptr::null_mut());
        if !hot.is_null() {
            self.retire(hot);
        }
        // SAFETY: as in `carrier`.
        for carrier in std::mem::take(unsafe { &mut *self.warm.get() }) {
            self.retire(carrier);
        }
        self.publish_warm();
    }

    /// How many carriers wait for a fiber.
    fn publish_warm(&self) {
        // SAFETY: as in `carrier`.
        let warm = unsafe { (*self.warm.get()).len() } + usize::from(!self.hot.get().is_null());
        self.remote().counters.warm.set(warm as u64);
    }

    // ---- for the fiber that runs ---------------------------------------------------------------

    /// The carrier of the fiber that runs on this thread.
    #[inline]
    pub(crate) fn current(&self) -> Option<&Carrier> {
        // SAFETY: the current carrier is alive, and stays so while its fiber runs.
        unsafe { self.current.get().as_ref() }
    }

    /// Makes ready to suspend the fiber that runs, on this carrier, until it gets a token. `false`: it has one.
    ///
    /// This and its like leave it to the caller to suspend the carrier, so that the switch
    /// is in the caller's frame: each return between a switch and the next is predicted wrongly.
    #[inline]
    #[must_use]
    pub(crate) fn prepare_park(&self, carrier: &Carrier) -> bool {
        if carrier.token.replace(false) {
            return false;
        }
        carrier.parked.set(true);
        let level = carrier.fiber().expect("only a fiber parks").state.level();
        carrier.level.set(level as u8);
        self.remote().counters.levels[level].suspended.add(1);
        if !carrier.forks.is_empty() {
            self.remember_holder(carrier);
        }
        true
    }

    /// Queues the fiber that runs; the caller suspends it.
    #[inline]
    pub(crate) fn prepare_yield(&self, carrier: &Carrier, preempted: bool) {
        let queued = if preempted { Queued::Ready } else { Queued::Yielded };
        self.push_ready(ptr::from_ref(carrier).cast_mut(), queued);
    }

    /// In a checkpoint of the running fiber, of `level`: is there reason to look closer?
    #[inline]
    pub(crate) fn should_look(&self, level: usize) -> bool {
        let signs = self.beacon().signs();
        let mut waiting =
            self.ready_mask.get() | self.fresh_mask.get() | (signs & LEVEL_BITS & !(1 << level));
        if signs & 1 << level != 0 && self.has_equals_outside(level) {
            waiting |= 1 << level;
        }
        self.turns.should_look(level, waiting)
            || signs & Beacon::INTERRUPTS != 0
            || self.remote().has_mail()
            || self.timers.may_be_due()
            || self.polls_now()
            || self.aside.is_due()
    }

    // ---- small things --------------------------------------------------------------------------

    #[inline]
    fn time_wait(&self, level: usize, stamp: u64) {
        if stamp != 0 {
            self.record_wait(level, stamp);
        }
    }

    #[cold]
    fn record_wait(&self, level: usize, stamp: u64) {
        let waited = clock::nanos(clock::ticks().saturating_sub(stamp));
        self.remote().counters.levels[level].waits.record(waited);
    }

    #[inline]
    pub(crate) fn next_id(&self) -> u64 {
        let (mut next, mut end) = self.ids.get();
        if next == end {
            (next, end) = shared::id_block();
        }
        self.ids.set((next + 1, end));
        next
    }

    /// What a fiber made here is made with.
    #[inline]
    pub(crate) fn making(&self, level: usize) -> Making {
        self.remote().counters.levels[level].spawned.add(1);
        let id = self.next_id();
        let shared = Arc::as_ptr(&self.shared).cast();
        let stamp = stamp(level, id);
        Making { level, shared, scope: ptr::null(), kept: false, id, stamp, extras: None, placed: 0 }
    }

    /// Runs a claimed fiber without a stack of its own, in the place of the one that runs: for a
    /// branch that was taken back and does nothing.
    ///
    /// # Safety
    /// The caller has claimed it, at `level`, and its closure returns at once.
    pub(crate) unsafe fn run_in_place(&self, fiber: FiberRef, level: usize) {
        let counters = &self.remote().counters.levels[level];
        counters.claimed.add(1);
        // SAFETY: the caller's promise.
        unsafe { fiber.run() };
        self.shared.before_finish();
        // SAFETY: its result is in place.
        unsafe { complete(fiber) };
        counters.finished.publish_one();
        self.shared.after_finish();
    }

    /// The queues, for the next thread.
    pub(crate) fn into_deques(self) -> Deques {
        self.deques
    }
}

/// A stamp for what is queued now, if it is to be timed: `count` chooses one in so many.
#[inline]
fn stamp(level: usize, count: u64) -> u64 {
    if level == 0 || count.is_multiple_of(policy::SAMPLE_INTERVAL) { stamp_now() } else { 0 }
}

#[cold]
#[inline(never)]
fn stamp_now() -> u64 {
    clock::ticks()
}
