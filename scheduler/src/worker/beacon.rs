//! The one word that all workers of a lane share: which levels may have work somewhere in it, whether
//! anybody sleeps, whether anybody is hungry. And the protocol by which workers go to sleep and are
//! woken. A scheduler has one beacon a lane; workers are counted here by their seats in the lane.
//!
//! # The word
//!
//! ```text
//! bits 0..5  level k may have work in some worker's queue or in the inbox (a hint)
//! bit  5     ASIDE     somebody stands aside for a lower lane (a hint)
//! bit  6     HUNGRY    a worker found nothing: a fork should turn a waiting branch into a fiber
//! bit  7     STOP      the scheduler stops: every worker should look up from its queues
//! bit  8     MAKE_WAY  a started fiber in a lane below was lent a level of ours or above (a hint); in the
//!                      background lane, where there is none below: some of its workers pause
//! bit  9     ROLL_CALL the monitor asks who reaches checkpoints
//! bits 10..32 SLEEPERS  how many are PARKED: if any, whoever queues work should wake one
//! ```
//!
//! The sleepers are counted in the word itself. A flag beside a count would have to be cleared and,
//! for one who lay down meanwhile, set again: whoever looked between would leave that one asleep.
//!
//! A fiber that is queued, a branch that is forked and a `checkpoint()` each look at this word, with
//! one relaxed load. It changes only at the borders between idle and busy.
//!
//! # Going to sleep
//!
//! ```text
//!  whoever queues work                      a worker that found none
//!  P1 put it into the queue                 W1 count as a sleeper, say PARKED
//!  P2 light barrier                         W2 stop being a searcher
//!  P3 read the word: SLEEPERS?              W3 heavy barrier
//!  P4 yes: fence; nobody searching?         W4 look at all queues once more
//!     PARKED -> SENT, unpark it             W5 nothing: park until not PARKED any more
//!
//!                                           a searcher that found some
//!                                           S1 stop being a searcher
//!                                           S2 fence; look at all queues
//!                                           S3 more: as P4, then run what was found
//! ```
//!
//! *No wake-up is lost*: the barriers order P1 before P3 and W1 before W4, so that either P3 sees
//! SLEEPERS or W4 sees the work. P4 may skip the wake-up because of a searcher; that searcher's W2 is
//! then still to come (P read `searching` before it changed), so its own W4 sees the work, and it
//! goes on as a searcher; or its S1 is, and the fences of P4 and S2 make its look see the work.
//! *Few are woken*: at most one worker searches on behalf of a queued fiber; when it finds work and
//! sees more, it wakes the next one, so that a burst wakes all and a trickle wakes one.
//!
//! A searcher that P4 creates before it finds nobody to wake is a phantom, for which another P4 may
//! have skipped its wake-up: so, having removed it, P4 looks for sleepers once more, and begins again
//! if there is one.
//!
//! ```text
//! a worker's sleep   who changes it
//! AWAKE              itself -> PARKED (W1)
//! PARKED             a waker -> SENT; whoever has mail for it, or itself -> CALLED;
//!                    a waker of a lower lane -> BECKONED
//! SENT, CALLED       itself -> AWAKE; SENT counts as a searcher from the start
//! BECKONED           itself -> AWAKE
//! STANDING           (of its own will, for a lower lane, with a time-out, or because it is held) itself -> AWAKE
//! ```
//!
//! # Pausing
//!
//! ```text
//!  the monitor                              a worker that sees MAKE_WAY in the background lane
//!  H1 held, or no more                      A1 STANDING
//!  H2 barrier                               A2 barrier
//!  H3 no more: STANDING? unpark it          A3 park while held
//! ```
//!
//! *Nobody stays held*: the barriers order H1 before H3 and A1 before A3, so either H3 sees STANDING or A3 sees that it
//! may go on.
//!
//! # Sites
//!
//! On several memory nodes searchers are counted for each: work for a node wakes a sleeper there, whoever searches
//! elsewhere, and only if there is none somebody farther away, unless one searches there already. Each searcher's
//! last look is at all queues of the lane, so that what is said above holds for each pair of sites.
//!
//! # Wakers that may be stopped in the middle
//!
//! The kernel may stop a thread of the background lane anywhere, for seconds. Between its choice of a
//! sleeper and the system call that wakes it, everybody else would think that somebody comes. So such
//! a thread never counts a searcher in another lane's beacon, and says BECKONED for what it is about to
//! unpark: whoever meets that before the sleeper is up unparks it once more, for itself. The waker does
//! not take it back: when it goes on, it may be another's, who has not unparked it yet. And the count of
//! sleepers is corrected last. (A count that is too high costs a look; one that is too low costs a wake-up.)
//!
//! Each Critical fiber that is queued wakes a sleeper if there is one: a searcher may be on its way to
//! something else. An *eager* beacon, the urgent lane's, has no searchers at all, and does so for each level. And a *symmetric* one, the background lane's, uses plain fences on both sides: its threads
//! must not be stopped inside a system call for which others wait.
//!
//! # Forgetting a level
//!
//! Setting a level's bit is the queueing side's business (P3 sees it missing, sets it). Clearing it
//! is a guess that has to be checked: clear, heavy barrier, look again, set it if there was work.

use crate::primitive::{AtomicBool, AtomicU32, Ordering, current_cpu, fence, heavy_barrier, light_barrier};

pub(crate) const LEVEL_BITS: u32 = 0b1_1111;
const ASIDE: u32 = 1 << 5;
const HUNGRY: u32 = 1 << 6;
const STOP: u32 = 1 << 7;
const MAKE_WAY: u32 = 1 << 8;
const ROLL_CALL: u32 = 1 << 9;
const SLEEPER: u32 = 1 << 10;
const SLEEPERS: u32 = !(SLEEPER - 1);

const AWAKE: u32 = 0;
const PARKED: u32 = 1;
const CALLED: u32 = 2;
const SENT: u32 = 3;
const BECKONED: u32 = 4;
const STANDING: u32 = 5;

/// What is as urgent as this level brings back a worker that stands aside.
const PRESSING: usize = 1;

/// What is special about a lane's beacon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ways {
    /// Wakes a sleeper for each that is queued.
    pub(crate) eager: bool,
    /// Uses plain fences.
    pub(crate) symmetric: bool,
}

/// The seats on one memory node.
struct Site {
    /// Workers of these that are awake and look for work on everybody's behalf.
    searching: AtomicU32,
    /// Those of spares come last.
    seats: Box<[u32]>,
    /// All sites from near to far.
    order: Box<[u16]>,
}

/// See the module's documentation.
pub(crate) struct Beacon {
    word: AtomicU32,
    ways: Ways,
    /// The seat of the worker that is tied to a CPU, by the CPU's number; empty where none is.
    seat_on: Box<[u32]>,
    sites: Box<[Site]>,
    /// The site of each seat; empty where there is but one.
    site_of: Box<[u16]>,
    /// How many seats have a thread.
    manned: AtomicU32,
    sleep: Box<[AtomicU32]>,
    /// Who pauses.
    held: Box<[AtomicBool]>,
}

impl Beacon {
    /// `cpus` says which CPU the worker at a seat is tied to; it is empty if they are not.
    pub(crate) fn new(workers: usize, ways: Ways, cpus: &[usize]) -> Beacon {
        let mut seat_on = vec![0; cpus.iter().max().map_or(0, |most| most + 1)];
        for (seat, &cpu) in cpus.iter().enumerate() {
            seat_on[cpu] = seat as u32;
        }
        Beacon {
            seat_on: seat_on.into(),
            word: AtomicU32::new(0),
            ways,
            sites: Box::new([Site {
                searching: AtomicU32::new(0),
                seats: (0..workers as u32).collect(),
                order: Box::new([0]),
            }]),
            site_of: Box::default(),
            manned: AtomicU32::new(0),
            sleep: (0..workers).map(|_| AtomicU32::new(AWAKE)).collect(),
            held: (0..workers).map(|_| AtomicBool::new(false)).collect(),
        }
    }

    /// The seats are at several sites: at which each is, and for each site all of them from near to far.
    pub(crate) fn over_sites(mut self, site_of: Box<[u16]>, orders: &[Box<[u16]>]) -> Beacon {
        debug_assert_eq!(site_of.len(), self.sleep.len());
        let seats_at = |site: usize| {
            let seats = (0..).zip(&site_of);
            seats.filter(|&(_, &of)| usize::from(of) == site).map(|(seat, _)| seat).collect()
        };
        let site = |site: usize| Site {
            searching: AtomicU32::new(0),
            seats: seats_at(site),
            order: orders[site].clone(),
        };
        self.sites = (0..orders.len()).map(site).collect();
        self.site_of = site_of;
        self
    }

    /// Where a seat is.
    #[inline]
    fn site(&self, who: usize) -> &Site {
        &self.sites[self.site_of.get(who).map_or(0, |&site| usize::from(site))]
    }

    /// No thread is there yet: the first `regular` workers are parked, and whoever is needed is unparked. The
    /// seats of the others are vacant.
    pub(crate) fn begin(&self, regular: usize) {
        for (seat, sleep) in self.sleep.iter().enumerate() {
            sleep.store(if seat < regular { PARKED } else { AWAKE }, Ordering::Relaxed);
        }
        self.sites.iter().for_each(|site| site.searching.store(0, Ordering::Relaxed));
        self.manned.store(regular as u32, Ordering::Relaxed);
        self.word.store((regular as u32 * SLEEPER) | HUNGRY, Ordering::Relaxed);
    }

    #[inline]
    fn light_barrier(&self) {
        if self.ways.symmetric {
            // ORDERING: SeqCst pairs with the fence of `heavy_barrier`, below.
            fence(Ordering::SeqCst);
        } else {
            light_barrier();
        }
    }

    fn heavy_barrier(&self) {
        if self.ways.symmetric {
            // ORDERING: SeqCst pairs with the fence of `light_barrier`, above.
            fence(Ordering::SeqCst);
        } else {
            heavy_barrier();
        }
    }

    /// Work was put into a queue of `level` at a site. The result is a worker to unpark.
    #[inline]
    #[must_use]
    pub(crate) fn announce(&self, level: usize, site: usize) -> Option<usize> {
        self.light_barrier();
        let word = self.word.load(Ordering::Relaxed);
        if word & (1 << level | SLEEPERS | ASIDE) == 1 << level {
            None
        } else {
            self.announce_slowly(level, site, word)
        }
    }

    #[cold]
    fn announce_slowly(&self, level: usize, site: usize, word: u32) -> Option<usize> {
        if word & 1 << level == 0 {
            self.word.fetch_or(1 << level, Ordering::Relaxed);
        }
        match word & SLEEPERS {
            0 if word & ASIDE != 0 && self.is_pressing(level) => self.standing(),
            0 => None,
            _ if self.ways.eager || level == 0 => self.take_anywhere(site).or_else(|| self.beckoned()),
            _ => self.wake_one(site),
        }
    }

    /// As [`announce`](Self::announce), by a thread of a lower lane that may be stopped in the middle.
    /// `unpark` unparks a worker.
    pub(crate) fn announce_from_below(&self, level: usize, site: usize, unpark: impl Fn(usize)) {
        self.light_barrier();
        self.remember(1 << level);
        if !self.near(site).any(|who| self.beckon(who, &unpark))
            && let Some(who) = self.beckoned()
        {
            unpark(who);
        }
    }

    /// As [`call`](Self::call), by a thread of a lower lane that may be stopped in the middle.
    pub(crate) fn call_from_below(&self, who: usize, unpark: impl Fn(usize)) {
        self.light_barrier();
        if !self.beckon(who, &unpark) && self.is_beckoned(who) {
            unpark(who);
        }
    }

    fn beckon(&self, who: usize, unpark: impl Fn(usize)) -> bool {
        let taken = self.take(who, BECKONED);
        if taken {
            unpark(who);
            self.word.fetch_sub(SLEEPER, Ordering::Relaxed);
        }
        taken
    }

    /// Somebody who stands aside, to unpark.
    pub(crate) fn standing(&self) -> Option<usize> {
        (0..self.sleep.len()).find(|&who| self.sleep[who].load(Ordering::Relaxed) == STANDING)
    }

    /// All who stand aside: each that does not see what the caller did before this is one of them.
    pub(crate) fn all_standing(&self) -> impl Iterator<Item = usize> {
        self.light_barrier();
        let seats = if self.word.load(Ordering::Relaxed) & ASIDE == 0 { 0 } else { self.sleep.len() };
        (0..seats).filter(|&who| self.stands_aside(who))
    }

    /// `who`, the caller, stands aside: it parks for a while, of its own will.
    pub(crate) fn step_aside(&self, who: usize) {
        self.sleep[who].store(STANDING, Ordering::Relaxed);
        self.word.fetch_or(ASIDE, Ordering::Relaxed);
        self.heavy_barrier();
    }

    /// It goes on.
    pub(crate) fn step_back(&self, who: usize) {
        self.sleep[who].store(AWAKE, Ordering::Relaxed);
        if self.standing().is_none() {
            // One that steps aside just now loses the sign: it comes back when its time is up.
            self.word.fetch_and(!ASIDE, Ordering::Relaxed);
        }
    }

    /// Does `who` stand aside? Then whoever has something pressing for it unparks it.
    pub(crate) fn stands_aside(&self, who: usize) -> bool {
        self.sleep[who].load(Ordering::Relaxed) == STANDING
    }

    /// Does `who` pause at its next dispatch or checkpoint, until it is let go?
    pub(crate) fn is_held(&self, who: usize) -> bool {
        self.held[who].load(Ordering::Relaxed)
    }

    /// It pauses, from its next look at a sign of [`set_make_way`](Self::set_make_way) on.
    pub(crate) fn hold(&self, who: usize) {
        self.held[who].store(true, Ordering::Relaxed);
    }

    /// It does not. `true`: it may be pausing, so unpark it.
    #[must_use]
    pub(crate) fn let_go(&self, who: usize) -> bool {
        self.held[who].store(false, Ordering::Relaxed);
        self.light_barrier();
        self.stands_aside(who)
    }

    /// Is this level reason to bring back who stands aside?
    pub(crate) fn is_pressing(&self, level: usize) -> bool {
        level <= PRESSING && !self.ways.eager
    }

    /// A worker that somebody is about to unpark, who may have been stopped.
    fn beckoned(&self) -> Option<usize> {
        (0..self.sleep.len()).find(|&who| self.is_beckoned(who))
    }

    fn is_beckoned(&self, who: usize) -> bool {
        self.sleep[who].load(Ordering::Relaxed) == BECKONED
    }

    /// The word, for [`LEVEL_BITS`] (levels that may have work somewhere) and [`is_special`](Self::is_special).
    #[inline]
    pub(crate) fn signs(&self) -> u32 {
        self.word.load(Ordering::Relaxed)
    }

    /// The signs that a running fiber has to look up for, besides levels.
    pub(crate) const INTERRUPTS: u32 = STOP | ROLL_CALL | MAKE_WAY;

    /// The monitor wants to know which running fibers reach checkpoints, or has seen enough.
    pub(crate) fn set_roll_call(&self, on: bool) {
        if on {
            self.word.fetch_or(ROLL_CALL, Ordering::Relaxed);
        } else {
            self.word.fetch_and(!ROLL_CALL, Ordering::Relaxed);
        }
    }

    /// Do the signs ask for something but work?
    #[inline]
    pub(crate) fn is_special(signs: u32) -> bool {
        signs & (STOP | MAKE_WAY) != 0
    }

    /// Do the signs say that a lane below needs the CPU?
    pub(crate) fn says_make_way(signs: u32) -> bool {
        signs & MAKE_WAY != 0
    }

    /// A lane below needs the CPU, or does no more.
    pub(crate) fn set_make_way(&self, needed: bool) {
        if needed {
            // ORDERING: Release pairs with the acquire below: the need.
            self.word.fetch_or(MAKE_WAY, Ordering::Release);
        } else {
            // ORDERING: Acquire pairs with the release above: a need whose sign is cleared by this is seen.
            self.word.fetch_and(!MAKE_WAY, Ordering::Acquire);
        }
    }

    /// May there be work, or does the scheduler stop?
    #[inline]
    pub(crate) fn has_news(&self) -> bool {
        self.signs() & (LEVEL_BITS | STOP) != 0
    }

    /// Does the scheduler stop?
    #[inline]
    pub(crate) fn is_stop(&self) -> bool {
        self.word.load(Ordering::Relaxed) & STOP != 0
    }

    /// The scheduler stops.
    pub(crate) fn set_stop(&self) {
        self.word.fetch_or(STOP, Ordering::Relaxed);
    }

    /// All levels that may have work somewhere.
    #[inline]
    pub(crate) fn levels(&self) -> u32 {
        self.word.load(Ordering::Relaxed) & LEVEL_BITS
    }

    /// Makes sure that `levels` (a mask) are known to have work.
    #[inline]
    pub(crate) fn remember(&self, levels: u32) {
        if levels & !self.word.load(Ordering::Relaxed) != 0 {
            self.word.fetch_or(levels, Ordering::Relaxed);
        }
    }

    /// Says that `levels` (a mask) have no work, unless `still` finds some after all.
    pub(crate) fn forget(&self, levels: u32, still: impl FnOnce() -> u32) {
        self.word.fetch_and(!levels, Ordering::Relaxed);
        self.heavy_barrier();
        self.remember(still());
    }

    /// Is there a worker that wants work? One relaxed load; the answer may be late.
    #[inline]
    pub(crate) fn is_hungry(&self) -> bool {
        self.word.load(Ordering::Relaxed) & HUNGRY != 0
    }

    /// A worker wants work.
    #[inline]
    pub(crate) fn raise_hunger(&self) {
        if !self.is_hungry() {
            self.word.fetch_or(HUNGRY, Ordering::Relaxed);
        }
    }

    /// Takes it on itself to feed one hungry worker. `false`: somebody else did.
    pub(crate) fn answer_hunger(&self) -> bool {
        self.word.fetch_and(!HUNGRY, Ordering::Relaxed) & HUNGRY != 0
    }

    /// Is anybody parked?
    #[inline]
    pub(crate) fn has_sleepers(&self) -> bool {
        self.word.load(Ordering::Relaxed) & SLEEPERS != 0
    }

    /// A vacant seat gets a thread, which is awake.
    pub(crate) fn man(&self) {
        self.manned.fetch_add(1, Ordering::Relaxed);
    }

    /// The thread of a seat goes, awake.
    pub(crate) fn unman(&self) {
        self.manned.fetch_sub(1, Ordering::Relaxed);
    }

    /// Is anybody awake?
    pub(crate) fn is_anyone_up(&self) -> bool {
        let sleepers = (self.word.load(Ordering::Relaxed) & SLEEPERS) / SLEEPER;
        sleepers < self.manned.load(Ordering::Relaxed)
    }

    /// Does `who` sleep?
    pub(crate) fn is_parked(&self, who: usize) -> bool {
        self.sleep[who].load(Ordering::Relaxed) == PARKED
    }

    /// Does everybody sleep? This looks at what each says of itself: the count is corrected late.
    pub(crate) fn is_all_quiet(&self) -> bool {
        let parked = self.sleep.iter().filter(|sleep| sleep.load(Ordering::Relaxed) == PARKED).count();
        parked == self.manned.load(Ordering::Relaxed) as usize
    }

    /// Is anybody parked or searching, and so free to take new work?
    pub(crate) fn has_spare(&self) -> bool {
        self.has_sleepers() || self.sites.iter().any(|site| site.searching.load(Ordering::Relaxed) > 0)
    }

    /// P4 for work at a site: chooses a parked worker to unpark, unless somebody is searching already: at that site, or
    /// at the nearest where anybody could.
    #[must_use]
    pub(crate) fn wake_one(&self, site: usize) -> Option<usize> {
        for &near in &self.sites[site].order {
            let site = &self.sites[usize::from(near)];
            loop {
                // ORDERING: SeqCst pairs with the fence of `stop_searching`: work queued before this is seen
                // by that searcher's last look, or we see that it no longer searches.
                fence(Ordering::SeqCst);
                // A searcher that is gone has lain down: its heavy barrier and the barriers of this side make
                // us see it PARKED, or it the work.
                site.searching.compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed).ok()?;
                if let Some(woken) = self.take_at(near, SENT) {
                    return Some(woken);
                }
                site.searching.fetch_sub(1, Ordering::Relaxed);
                // ORDERING: SeqCst pairs with the fence of another P4 that skipped because of our phantom.
                fence(Ordering::SeqCst);
                // Not sent from here: who is sent must count as a searcher before it can be up.
                if site.seats.iter().all(|&who| !self.is_parked(who as usize)) {
                    break;
                }
            }
        }
        self.beckoned()
    }

    /// All seats, from near to far as seen from a site.
    fn near(&self, site: usize) -> impl Iterator<Item = usize> {
        let sites = self.sites[site].order.iter().map(|&near| &self.sites[usize::from(near)]);
        sites.flat_map(|near| near.seats.iter().map(|&who| who as usize))
    }

    /// Chooses a sleeper who does not become a searcher, from near to far as seen from a site.
    fn take_anywhere(&self, site: usize) -> Option<usize> {
        self.sites[site].order.iter().find_map(|&near| self.take_at(near, CALLED))
    }

    /// Chooses a sleeper of a site: first the one that is tied to this CPU, which needs no interrupt of another one
    /// to come up, several us on a virtual machine.
    fn take_at(&self, site: u16, sleep: u32) -> Option<usize> {
        let here = match self.seat_on.is_empty() {
            true => None,
            false => self.seat_on.get(current_cpu()).map(|&seat| seat as usize),
        };
        let here = here.filter(|&seat| self.site_of.get(seat).is_none_or(|&of| of == site));
        let seats = self.sites[usize::from(site)].seats.iter().map(|&who| who as usize);
        here.into_iter().chain(seats).find(|&who| self.take(who, sleep))
    }

    /// There is mail for `who`. `true`: unpark it.
    #[inline]
    #[must_use]
    pub(crate) fn call(&self, who: usize) -> bool {
        self.light_barrier();
        match self.sleep[who].load(Ordering::Relaxed) {
            // One below may have been faster, and is stopped before it unparks it.
            PARKED => self.take(who, CALLED) || self.is_beckoned(who),
            sleep => sleep == BECKONED,
        }
    }

    fn take(&self, who: usize, sleep: u32) -> bool {
        // ORDERING: Acquire pairs with W1's release of PARKED: a sleeper is counted before it is
        // discounted, so the count is never less than the sleepers. What the woken is to find is in a
        // queue, which has orderings of its own.
        let taken = self.sleep[who].load(Ordering::Relaxed) == PARKED
            && self.sleep[who].compare_exchange(PARKED, sleep, Ordering::Acquire, Ordering::Relaxed).is_ok();
        if taken && sleep != BECKONED {
            self.word.fetch_sub(SLEEPER, Ordering::Relaxed);
        }
        taken
    }

    /// `who` becomes a searcher, unless half of the `workers` of its site search already (more would only disturb).
    pub(crate) fn start_searching(&self, who: usize, workers: usize) -> bool {
        let searching = &self.site(who).searching;
        if self.ways.eager || 2 * searching.load(Ordering::Relaxed) as usize >= workers.max(2) {
            return false;
        }
        searching.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// A searcher that lay down saw work in its last look (W4). It goes on searching, as it owes others
    /// to be woken if there is more than it takes. `true`, for the caller's use.
    pub(crate) fn search_on(&self, who: usize) -> bool {
        self.site(who).searching.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// S1 and S2: `who`, a searcher, found work. `true`: nobody searches at its site now and somebody sleeps, so the
    /// caller looks at all queues, and if there is more, wakes one ([`wake_one`](Self::wake_one)).
    #[must_use]
    pub(crate) fn stop_searching(&self, who: usize) -> bool {
        let last = self.site(who).searching.fetch_sub(1, Ordering::Relaxed) == 1;
        // ORDERING: SeqCst pairs with the fence of `wake_one`.
        fence(Ordering::SeqCst);
        last && self.has_sleepers()
    }

    /// W1 to W3. After this, the caller looks at all queues once more and tells
    /// [`remember`](Self::remember); if it finds work it calls
    /// [`rise`](Self::rise), if not it parks until [`wake_up`](Self::wake_up) says something.
    pub(crate) fn lie_down(&self, who: usize, searcher: bool) {
        self.word.fetch_add(SLEEPER, Ordering::Relaxed);
        // ORDERING: Release pairs with the acquire of `take`: we are counted first.
        self.sleep[who].store(PARKED, Ordering::Release);
        self.word.fetch_or(HUNGRY, Ordering::Relaxed);
        // Nobody needs our hints while we sleep; the look that follows sets those that are true.
        self.word.fetch_and(!LEVEL_BITS, Ordering::Relaxed);
        if searcher {
            self.site(who).searching.fetch_sub(1, Ordering::Relaxed);
        }
        self.heavy_barrier();
    }

    /// Has `who`, the caller, been woken? `Some(true)`: as a searcher.
    pub(crate) fn wake_up(&self, who: usize) -> Option<bool> {
        let sleep = self.sleep[who].load(Ordering::Relaxed);
        if sleep == PARKED {
            return None;
        }
        self.sleep[who].store(AWAKE, Ordering::Relaxed);
        Some(sleep == SENT)
    }

    /// The caller, `who`, gets up by itself. The result is as for [`wake_up`](Self::wake_up).
    pub(crate) fn rise(&self, who: usize) -> bool {
        let _ = self.take(who, CALLED);
        self.wake_up(who).unwrap_or(false)
    }
}
