//! The workers of one lane, and what they share. A fiber that has not started is in the queues of the
//! crew that its level belongs to: of the workers, or in one of the crew's inboxes, which anybody may push to: one a
//! site and level. Started fibers that may move wait in its relays, one a site and level, which only the crew touches.
//!
//! | field     | written by                                  | read by                    |
//! |-----------|---------------------------------------------|----------------------------|
//! | `beacon`  | see its own table                           | everyone                   |
//! | `inboxes` | whoever is not of the crew                  | the crew                   |
//! | `relays`  | the crew                                    | the crew                   |
//! | `served`  | the crew                                    | the crew                   |
//! | `levels`  | `start`, before any fiber can be queued     | everyone                   |
//! | `reach`   | whoever makes or joins a spare's thread     | everyone                   |
//! | `hogged`  | the monitor                                 | the crew                   |
//! | `serving` | `start`, each thread that ends              | the last thread that ends  |

use super::beacon::{Beacon, Ways};
use crate::fiber::Header;
use crate::lane::Lane;
use crate::primitive::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use crate::priority::LEVELS;
use crate::queue::inbox::Inbox;
use crate::queue::relay::Relay;
use crate::site::{Post, Sites, Tie};
use std::ops::Range;

/// See the module's documentation.
pub(crate) struct Crew {
    pub(crate) lane: Lane,
    pub(crate) beacon: Beacon,
    /// One set a site.
    inboxes: Box<[[Inbox<Header>; LEVELS]]>,
    /// The same.
    relays: Box<[[Relay<Header>; LEVELS]]>,
    /// How often each site's workers have taken something from its inboxes, or its relays.
    served: Box<[AtomicU32]>,
    /// Its workers' numbers.
    pub(crate) seats: Range<usize>,
    /// How many of them each site has.
    workers_at: Box<[usize]>,
    /// The numbers of its spare workers, whose seats come after those.
    pub(crate) spares: Range<usize>,
    /// Each is tied to its seat's CPU.
    is_tied: bool,
    /// The levels that are queued here, as a mask.
    levels: AtomicU32,
    /// Seats from here on have no thread, and nothing in their queues.
    reach: AtomicUsize,
    /// Seats whose workers do not come back, modulo 64: a hint.
    hogged: AtomicU64,
    /// Threads that may take from the inboxes.
    serving: AtomicUsize,
}

impl Crew {
    /// `cpus`: how many the process may use.
    pub(crate) fn new(
        lane: Lane,
        seats: Range<usize>,
        spares: Range<usize>,
        cpus: usize,
        sites: &Sites,
    ) -> Crew {
        let ways = Ways { eager: lane == Lane::Urgent, symmetric: lane == Lane::Background };
        // The urgent lane's threads are tied to CPUs, if there are enough of them for all: each preempts what
        // runs on its own, where the kernel would let some wait for each other. Other lanes' go where there is
        // room.
        let tied = lane == Lane::Urgent && cpus > 0 && seats.len() >= cpus;
        let cpus: Box<[usize]> = if tied { sites.cpus(seats.len()) } else { Box::default() };
        let count = seats.len() + spares.len();
        let mut beacon = Beacon::new(count, ways, &cpus);
        if !sites.is_one() && count > 0 {
            let site_of = (0..count).map(|seat| sites.site(seat) as u16).collect();
            beacon = beacon.over_sites(site_of, sites.orders());
        }
        Crew {
            lane,
            beacon,
            is_tied: !cpus.is_empty(),
            inboxes: sites.all().iter().map(|_| std::array::from_fn(|_| Inbox::new())).collect(),
            relays: sites.all().iter().map(|_| std::array::from_fn(|_| Relay::new())).collect(),
            served: sites.all().iter().map(|_| AtomicU32::new(0)).collect(),
            levels: AtomicU32::new(0),
            reach: AtomicUsize::new(seats.len()),
            hogged: AtomicU64::new(0),
            serving: AtomicUsize::new(0),
            workers_at: sites.workers_at(seats.len()),
            seats,
            spares,
        }
    }

    /// The number of the worker in a seat.
    #[inline]
    pub(crate) fn worker(&self, seat: usize) -> usize {
        let regular = self.seats.len();
        if seat < regular { self.seats.start + seat } else { self.spares.start + seat - regular }
    }

    /// The seat of a worker.
    #[inline]
    pub(crate) fn seat(&self, worker: usize) -> usize {
        if self.seats.contains(&worker) {
            worker - self.seats.start
        } else {
            self.seats.len() + worker - self.spares.start
        }
    }

    /// How many workers a site has, as planned.
    pub(crate) fn workers_at(&self, site: usize) -> usize {
        self.workers_at[site]
    }

    /// How many seats to look at for what others could take.
    #[inline]
    pub(crate) fn reach(&self) -> usize {
        self.reach.load(Ordering::Relaxed)
    }

    /// The numbers of the workers in those seats.
    pub(crate) fn workers(&self) -> impl Iterator<Item = usize> {
        (0..self.reach()).map(|seat| self.worker(seat))
    }

    /// All numbers of its workers, the spares included.
    pub(crate) fn everyone(&self) -> impl Iterator<Item = usize> {
        self.seats.clone().chain(self.spares.clone())
    }

    /// From now on there may be something in the queues of that seat.
    pub(crate) fn extend_reach(&self, seat: usize) {
        self.reach.fetch_max(seat + 1, Ordering::Relaxed);
    }

    /// Seats from `reach` on are empty.
    pub(crate) fn set_reach(&self, reach: usize) {
        self.reach.store(reach, Ordering::Relaxed);
    }

    /// May somebody's queues have fibers that it does not come back for?
    #[inline]
    pub(crate) fn has_hogs(&self) -> bool {
        self.hogged.load(Ordering::Relaxed) != 0
    }

    /// May the worker in that seat be one of them?
    pub(crate) fn is_hogged(&self, seat: usize) -> bool {
        self.hogged.load(Ordering::Relaxed) & 1 << (seat % 64) != 0
    }

    /// Says which seats' workers do not come back, modulo 64.
    pub(crate) fn set_hogged(&self, seats: u64) {
        if self.hogged.load(Ordering::Relaxed) != seats {
            self.hogged.store(seats, Ordering::Relaxed);
        }
    }

    /// The threads of a new run may be made.
    pub(crate) fn begin(&self) {
        self.serving.store(self.seats.len(), Ordering::Relaxed);
        self.beacon.begin(self.seats.len());
    }

    /// One thread more. `false`: all have left.
    pub(crate) fn join_in(&self) -> bool {
        let one_more = |serving: usize| (serving > 0).then_some(serving + 1);
        self.serving.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// A thread leaves. `true`: it was the last one, and closes the inboxes.
    #[must_use]
    pub(crate) fn leave(&self) -> bool {
        // ORDERING: AcqRel: the last one's look into the inboxes comes after everybody else's.
        self.serving.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// To what a seat's thread is tied here.
    pub(crate) fn tie(&self, post: &Post) -> Tie {
        if self.is_tied && post.cpu.is_some() { Tie::Cpu } else { post.tie }
    }

    /// Where fibers of a level wait that are for a site.
    #[inline]
    pub(crate) fn inbox(&self, site: usize, level: usize) -> &Inbox<Header> {
        &self.inboxes[site][level]
    }

    /// Where started fibers of a level that may move wait at a site. Only for workers of the crew.
    #[inline]
    pub(crate) fn relay(&self, site: usize, level: usize) -> &Relay<Header> {
        &self.relays[site][level]
    }

    /// A worker of the site takes something from an inbox there, or a relay.
    pub(crate) fn count_service(&self, site: usize) {
        self.served[site].fetch_add(1, Ordering::Relaxed);
    }

    /// How often that was.
    pub(crate) fn times_served(&self, site: usize) -> u32 {
        self.served[site].load(Ordering::Relaxed)
    }

    /// All inboxes, with their levels.
    pub(crate) fn inboxes(&self) -> impl Iterator<Item = (usize, &Inbox<Header>)> {
        self.inboxes.iter().flat_map(|of_site| of_site.iter().enumerate())
    }

    /// The levels of what is in the inboxes, and in the relays.
    pub(crate) fn queued(&self) -> u32 {
        let filled = self.inboxes().filter(|(_, inbox)| !inbox.looks_empty()).map(|(level, _)| level);
        let relays = self.relays.iter().flat_map(|of_site| of_site.iter().enumerate());
        let relayed = relays.filter(|(_, relay)| !relay.looks_empty()).map(|(level, _)| level);
        filled.chain(relayed).fold(0, |mask, level| mask | 1 << level)
    }

    /// The levels that are queued here, as a mask.
    pub(crate) fn levels(&self) -> u32 {
        self.levels.load(Ordering::Relaxed)
    }

    /// Chooses the levels that are queued here.
    pub(crate) fn set_levels(&self, levels: u32) {
        self.levels.store(levels, Ordering::Relaxed);
    }
}
