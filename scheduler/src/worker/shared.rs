//! What all workers of a scheduler share, and what anyone may do to it.

use super::crew::Crew;
use super::finish::complete;
use super::limit::Limit;
use super::places::Places;
use super::quiet::{Count, Quiet};
use super::remote::Remote;
use super::resumer::Resumer;
use super::watchman::Watchman;
use super::{Deques, current, registry};
use crate::config::Config;
use crate::error::{Error, JoinError};
use crate::fiber::FiberRef;
use crate::fiber::memory::{StackSpec, Stacks};
use crate::fiber::state::{By, Claim, Letter};
use crate::lane::{LANES, Lane};
use crate::machine::thread::ThreadPolicy;
use crate::machine::{barrier, clock, thread};
use crate::numa_stats::{NumaStats, StackPages};
use crate::policy::ALL_LEVELS;
use crate::pool::{Pool, Terms};
use crate::primitive::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use crate::priority::{LEVELS, Priority};
use crate::queue::inbox::Inbox;
use crate::site::Sites;
use crate::stats::{Counters, LaneStats, Seen, SharedCounters, StackStats, Stats};
use heddle_numa::memory::PagesByNode;
use heddle_numa::{NodeBox, affinity};
use std::ptr;
use std::sync::Arc;

/// What all workers of a scheduler share.
///
/// | field      | written by                     | read by                     |
/// |------------|--------------------------------|-----------------------------|
/// | `crews`    | see its own table              | everyone                    |
/// | `lane_of`  | `start`                        | everyone                    |
/// | `remotes`  | see its own table              | everyone                    |
/// | `stacks`   | see its own table              | everyone                    |
/// | `phase`    | `start`, `stop`                | everyone                    |
/// | `serving`  | `start`, each thread that ends | the last thread that ends   |
/// | `watchman` | see its own table              | everyone                    |
/// | the others | see their own tables, or are counters                        |
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) crews: [Crew; LANES],
    /// The lane whose crew a level is queued at.
    lane_of: [AtomicU8; LEVELS],
    /// Each on the node of its worker.
    pub(crate) remotes: Box<[NodeBox<Remote>]>,
    pub(crate) stacks: Stacks,
    pub(crate) counters: SharedCounters,
    pub(crate) quiet: Quiet<Resumer>,
    pub(crate) limit: Option<FiberLimit>,
    phase: AtomicU8,
    /// Threads that have not left, in all lanes.
    serving: AtomicUsize,
    pub(crate) watchman: Watchman,
    /// How often workers have been moved to other sites.
    moves: AtomicU32,
    pub(crate) places: Places,
    pub(crate) blocking: Arc<Pool<Resumer>>,
}

pub(crate) type FiberLimit = Limit<Resumer>;

const RUNNING: u8 = 0;
const STOPPING: u8 = 1;
/// The threads are made, and nothing can be queued yet.
const STARTING: u8 = 2;

/// Opens a letter that was taken out of a mailbox. The result is whose it is.
pub(crate) fn open_letter(letter: FiberRef) -> (FiberRef, Letter) {
    let from = if letter.is_ticket { By::Below } else { By::Anyone };
    let fiber = letter.resolve();
    (fiber, fiber.state.open_letter(from))
}

/// A block of numbers for new fibers: its start and end.
pub(crate) fn id_block() -> (u64, u64) {
    const BLOCK: u64 = 1024;
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let start = NEXT.fetch_add(BLOCK, Ordering::Relaxed);
    (start, start + BLOCK)
}

impl Shared {
    /// What the workers will share, and the queues they will own.
    pub(crate) fn new(config: Config) -> Result<(Shared, Vec<Deques>), Error> {
        barrier::prepare();
        clock::prepare();
        super::overflow::install();
        let crews = crews(&config);
        let count = crews.iter().map(|crew| crew.seats.len() + crew.spares.len()).sum();
        let make = |worker: usize| {
            let crew = crews.iter().find(|crew| crew.everyone().any(|other| other == worker));
            let crew = crew.expect("every worker is of a crew");
            let site = config.sites.site(crew.seat(worker));
            let deques: Deques = std::array::from_fn(|_| crossbeam_deque::Worker::new_lifo());
            let is_spare = crew.spares.contains(&worker);
            let remote = Remote::new(crew.lane, is_spare, &deques, config.workers + config.spares, site);
            NodeBox::new(config.sites.home(site), remote).map(|remote| (remote, deques))
        };
        let made = on_sites(&config.sites, count, |worker| site_of(&crews, &config.sites, worker), make);
        let made: Result<Vec<_>, _> = made.into_iter().collect();
        let made = made.map_err(|error| Error::no_memory(format!("no memory for a worker: {error}")))?;
        let (remotes, deques): (Vec<_>, Vec<Deques>) = made.into_iter().unzip();
        let remotes = remotes.into();
        let nodes: Vec<_> = config.sites.all().iter().map(|site| site.memory).collect();
        let (size, guard, most) = (config.stack_size, config.stack_guard, config.max_stacks);
        let stacks = Stacks::new(&nodes, StackSpec { size, guard, most })?;
        let shared = Shared {
            crews,
            lane_of: std::array::from_fn(|_| AtomicU8::new(Lane::Ordinary as u8)),
            remotes,
            stacks,
            counters: SharedCounters::default(),
            quiet: Quiet::new(Resumer::resume),
            limit: config.max_fibers.map(|most| Limit::new(most, Resumer::resume)),
            phase: AtomicU8::new(STOPPING),
            serving: AtomicUsize::new(0),
            watchman: Watchman::new(),
            moves: AtomicU32::new(0),
            places: Places::new(&config.sites),
            blocking: Pool::new(pool_terms(&config)),
            config,
        };
        Ok((shared, deques))
    }

    /// How often workers have been moved to other sites.
    #[inline]
    pub(crate) fn moves(&self) -> u32 {
        self.moves.load(Ordering::Relaxed)
    }

    /// Some were just now: each worker looks again who is near.
    pub(crate) fn note_moves(&self) {
        // ORDERING: Release pairs with the acquire of `Worker::settle`: where they are now.
        self.moves.fetch_add(1, Ordering::Release);
    }

    #[inline]
    pub(crate) fn is_running(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == RUNNING
    }

    /// For a new thread of `worker`: waits until it is needed. `true`: as a searcher. `None`: it never will
    /// be, as its lane could not be manned.
    pub(crate) fn wait_for_work(&self, worker: usize) -> Option<bool> {
        let (crew, seat) = self.crew_of_worker(worker);
        let remote = &self.remotes[worker];
        remote.counters.parks.add(1);
        loop {
            // ORDERING: Acquire pairs with the release of `open`: the levels of the lanes.
            match self.phase.load(Ordering::Acquire) {
                STARTING if crew.beacon.is_stop() => return None,
                STARTING => {}
                STOPPING => return Some(crew.beacon.rise(seat)),
                _ => {
                    if let Some(searcher) = crew.beacon.wake_up(seat) {
                        return Some(searcher);
                    }
                }
            }
            remote.park(None);
        }
    }

    /// Must workers end their fibers and leave?
    #[inline]
    pub(crate) fn is_stopping(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == STOPPING
    }

    /// Where fibers of `level` that have not started are queued.
    #[inline]
    pub(crate) fn crew_of(&self, level: usize) -> &Crew {
        &self.crews[self.lane_of[level].load(Ordering::Relaxed) as usize]
    }

    /// The crew of a worker, and its seat there.
    pub(crate) fn crew_of_worker(&self, worker: usize) -> (&Crew, usize) {
        let crew = &self.crews[self.remotes[worker].lane as usize];
        (crew, crew.seat(worker))
    }

    pub(crate) fn unpark(&self, worker: usize) {
        self.remotes[worker].unpark();
    }

    /// The threads of a new run may be made, after all before have ended.
    pub(crate) fn begin(&self) {
        let regular = self.remotes.iter().filter(|remote| !remote.is_spare).count();
        self.serving.store(regular, Ordering::Relaxed);
        self.crews.iter().for_each(Crew::begin);
        self.blocking.reopen();
        self.phase.store(STARTING, Ordering::Relaxed);
    }

    /// The threads are there, in the lanes for which `manned` says so: fibers are taken again.
    pub(crate) fn open(&self, manned: impl Fn(Lane) -> bool) {
        let mut masks = [0; LANES];
        for level in 0..LEVELS {
            let asked = self.config.lanes.of(level);
            let lane = if manned(asked) { asked } else { Lane::Ordinary };
            self.lane_of[level].store(lane as u8, Ordering::Relaxed);
            masks[lane as usize] |= 1 << level;
        }
        for (crew, mask) in self.crews.iter().zip(masks) {
            crew.set_levels(mask);
        }
        self.crews.iter().flat_map(Crew::inboxes).for_each(|(_, inbox)| inbox.reopen());
        // ORDERING: Release pairs with the acquire of `wait_for_work`.
        self.phase.store(RUNNING, Ordering::Release);
        // Whoever found an inbox open before this has unparked threads that then saw STARTING.
        self.remotes.iter().for_each(|remote| remote.unpark());
    }

    /// Threads of a lane that will not be made count as gone.
    pub(crate) fn excuse(&self, lane: Lane, threads: usize) {
        for _ in 0..threads {
            self.leave(lane);
        }
    }

    /// One thread more of a lane, a spare's, may take from the inboxes. `false`: all of the lane have left.
    pub(crate) fn join_in(&self, lane: Lane) -> bool {
        let joins = self.crews[lane as usize].join_in();
        if joins {
            self.serving.fetch_add(1, Ordering::Relaxed);
        }
        joins
    }

    /// How many threads have not left.
    pub(crate) fn serving(&self) -> usize {
        self.serving.load(Ordering::Relaxed)
    }

    /// The threads of a lane that were made before one could not be are not needed.
    pub(crate) fn dismiss(&self, lane: Lane) {
        let crew = &self.crews[lane as usize];
        crew.beacon.set_stop();
        crew.seats.clone().for_each(|worker| self.unpark(worker));
    }

    /// A thread leaves, with nothing in its queues. The last one of its lane closes the inboxes behind it:
    /// fibers of other lanes may go on making work for it, and wait for that.
    pub(crate) fn leave(&self, lane: Lane) {
        let crew = &self.crews[lane as usize];
        if crew.leave() {
            self.close_crew(crew);
        }
        // ORDERING: AcqRel: what the last one does comes after everybody else's end.
        if self.serving.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.watchman.unpark();
            self.blocking.close();
        }
    }

    /// Tells all workers to end their fibers and leave.
    pub(crate) fn begin_stop(&self) {
        self.phase.store(STOPPING, Ordering::Relaxed);
        self.crews.iter().for_each(|crew| crew.beacon.set_stop());
        if let Some(limit) = &self.limit {
            limit.resume_all();
        }
        self.watchman.unpark();
        for worker in 0..self.remotes.len() {
            self.call(worker);
            let (crew, seat) = self.crew_of_worker(worker);
            if crew.beacon.stands_aside(seat) {
                self.unpark(worker);
            }
        }
    }

    /// Wakes a worker, if it sleeps, to look at its mail.
    pub(crate) fn call(&self, worker: usize) {
        let (crew, seat) = self.crew_of_worker(worker);
        if current::may_be_frozen_by(crew.lane) {
            crew.beacon.call_from_below(seat, |_| self.unpark(worker));
        } else if crew.beacon.call(seat) {
            self.unpark(worker);
        }
    }

    /// Puts a started fiber's letter into its home's mailbox. Its bit for that was set by the caller, who
    /// reaches for it by this.
    pub(crate) fn post(&self, home: usize, fiber: FiberRef, by: By) {
        // Once it is posted, it may end and be gone.
        let level = fiber.state.level();
        let letter = if by == By::Anyone { fiber } else { fiber.make_letter() };
        match self.remotes[home].post(letter) {
            Ok(()) => {
                // It needs a CPU for it, if that was lent to it. (Once it has the letter, it knows better than we.)
                self.boost(home, level);
                self.call(home);
                let (crew, seat) = self.crew_of_worker(home);
                if crew.beacon.stands_aside(seat) && crew.beacon.is_pressing(level) {
                    self.unpark(home);
                }
            }
            // The home has left, so the fiber has ended; only the letter's hold is left.
            Err(_) => {
                let (fiber, letter) = open_letter(letter);
                if letter.free {
                    // SAFETY: that was the last hold.
                    unsafe { fiber.free() };
                }
            }
        }
    }

    /// The workers that have a thread, or may have.
    pub(crate) fn manned(&self) -> impl Iterator<Item = usize> {
        let manned = |remote: &Remote| !remote.is_spare || !remote.duty.is_vacant();
        self.remotes.iter().enumerate().filter(move |(_, remote)| manned(remote)).map(|(worker, _)| worker)
    }

    /// Has `f` called by the thread of a worker, between two fibers; by the caller, if there is no such thread.
    pub(crate) fn visit(&self, worker: usize, f: impl FnOnce() + Send + 'static) {
        // SAFETY: opened below, or by the worker.
        let visit = unsafe { FiberRef::make_visit(f) };
        match self.remotes[worker].post(visit) {
            Ok(()) => self.call(worker),
            // SAFETY: nobody else has it.
            Err(_) => unsafe { visit.open_visit() },
        }
    }

    /// The site that work of the calling thread is for, which is no worker of ours.
    #[inline]
    pub(crate) fn site_here(&self) -> usize {
        let sites = &self.config.sites;
        if sites.is_one() { 0 } else { self.places.staffed(sites.of_cpu(thread::current_cpu())) }
    }

    /// Queues a fiber from a thread that is no worker of the crew that its level belongs to, or for another site.
    pub(crate) fn push_outside(&self, fiber: FiberRef, level: usize, site: usize) {
        let crew = self.crew_of(level);
        // SAFETY: the fiber is new, or a new ticket: it is in no list.
        if unsafe { crew.inbox(site, level).push(fiber.node()) }.is_err() {
            return self.reject(fiber, level);
        }
        let unpark = |seat| self.unpark(crew.worker(seat));
        if current::may_be_frozen_by(crew.lane) {
            crew.beacon.announce_from_below(level, site, unpark);
        } else {
            crew.beacon.announce(level, site).into_iter().for_each(unpark);
        }
    }

    /// The levels (a mask) whose queued fibers are not ended by who cancels them in this way, but by who
    /// takes them from the queue: a thread that is stopped in the middle of that would keep others waiting.
    pub(crate) fn left_to_others(&self, by: By) -> u32 {
        match by {
            By::Anyone => 0,
            By::Below | By::Order => ALL_LEVELS & !self.crews[Lane::Background as usize].levels(),
        }
    }

    /// Queues a ticket for a fiber whose priority has changed.
    pub(crate) fn queue_ticket(&self, ticket: FiberRef, level: usize) {
        match current::worker() {
            Some(worker) if ptr::eq(&*worker.shared, self) => worker.push_fresh(ticket, level),
            _ => {
                let site = ticket.site().unwrap_or_else(|| self.site_here());
                self.push_outside(ticket, level, site);
            }
        }
    }

    /// Ends a queued fiber, as the scheduler has stopped.
    #[cold]
    fn reject(&self, entry: FiberRef, level: usize) {
        let ordered = entry.is_ticket && entry.is_order();
        let fiber = entry.resolve();
        let (claim, left) = match ordered {
            true => fiber.state.claim_ordered_to_end(level),
            false => (fiber.state.claim_to_end(level), None),
        };
        if let Some(before) = left {
            self.counters.count_move(before, level);
        }
        match claim {
            Claim::Won | Claim::Cancelled => {
                let error = JoinError::not_started(Error::stopped());
                // SAFETY: claimed just now.
                unsafe { self.end_unrun(fiber, level, error) };
            }
            // Who only ends it is never told that its level is unsure.
            Claim::Unsure | Claim::Stale => {}
            // SAFETY: that was the last hold.
            Claim::StaleFree => unsafe { fiber.free() },
        }
    }

    /// Nobody takes from the queues any more: what is in them ends, and no more is accepted.
    pub(crate) fn close_inboxes(&self) {
        self.crews.iter().for_each(|crew| self.close_crew(crew));
    }

    /// The same for the queues of one lane.
    fn close_crew(&self, crew: &Crew) {
        for (level, inbox) in crew.inboxes() {
            for node in inbox.close() {
                self.reject(FiberRef::from_node(node), level);
            }
        }
        let remotes = crew.everyone().map(|worker| &self.remotes[worker]);
        for (remote, level) in remotes.flat_map(|remote| (0..LEVELS).map(move |level| (remote, level))) {
            for node in remote.piles(level).into_iter().flat_map(Inbox::take_all) {
                remote.count_piled(-1);
                self.reject(FiberRef::from_node(node), level);
            }
        }
    }

    /// Ends a fiber that was never run.
    ///
    /// # Safety
    /// The caller has claimed it, at `level`.
    pub(crate) unsafe fn end_unrun(&self, fiber: FiberRef, level: usize, error: JoinError) {
        // Destructors and wakers of the user's run in here. They may move the fiber that we run in to another worker, so
        // none is known across them.
        match self.worker_here() {
            Some(worker) => worker.remote().counters.levels[level].claimed.add(1),
            None => self.counters.claimed_outside[level].add_shared(1),
        }
        // SAFETY: the caller's promise.
        unsafe { fiber.fail(error) };
        self.before_finish();
        // SAFETY: its result is in place.
        unsafe { complete(fiber) };
        match self.worker_here() {
            Some(worker) => worker.remote().counters.levels[level].finished.publish_one(),
            None => self.counters.finished_outside[level].publish_one_shared(),
        }
        self.after_finish();
        if self.worker_here().is_none() {
            self.before_sleep();
        }
    }

    /// The worker of ours whose thread this is.
    fn worker_here<'a>(&self) -> Option<&'a super::Worker> {
        current::worker().filter(|worker| ptr::eq(&*worker.shared, self))
    }

    /// Ends a fiber that was claimed at `level`, never had a stack, and whose result is in place.
    ///
    /// # Safety
    /// As for [`complete`].
    pub(crate) unsafe fn ended_outside(&self, fiber: FiberRef, level: usize) {
        self.counters.claimed_outside[level].add_shared(1);
        self.before_finish();
        // SAFETY: the caller's promise.
        unsafe { complete(fiber) };
        self.counters.finished_outside[level].publish_one_shared();
        self.after_finish();
        self.before_sleep();
    }

    /// A fiber has its result, and nobody has been told: whoever joins it may start another in its place.
    #[cold]
    pub(crate) fn before_finish(&self) {
        if let Some(limit) = &self.limit {
            limit.leave();
        }
    }

    /// A fiber has ended, and has been counted. Who has ended one calls [`before_sleep`](Self::before_sleep)
    /// before it does nothing for long.
    #[inline]
    pub(crate) fn after_finish(&self) {
        if self.quiet.is_awaited() {
            self.quiet.check(self);
        }
    }

    /// Nobody waits in vain for the fibers that this thread has ended.
    pub(crate) fn before_sleep(&self) {
        if self.quiet.is_awaited_after_all() {
            self.quiet.check(self);
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        let counters: Vec<&Counters> = self.remotes.iter().map(|remote| &*remote.counters).collect();
        let warm: u64 = counters.iter().map(|c| c.warm.get()).sum();
        let taken = self.stacks.taken();
        let in_use: u64 = counters.iter().map(|c| c.live.get()).sum();
        let stacks = StackStats {
            size: self.stacks.size(),
            in_use: in_use as usize,
            warm: taken.saturating_sub(in_use as usize).max(warm as usize).min(taken),
            cold: self.stacks.cold(),
            guard: self.stacks.guard(),
        };
        let is_known = |remote: &Remote| {
            !remote.is_spare || !remote.duty.is_vacant() || remote.counters.dispatches.get() > 0
        };
        let known = self.remotes.iter().enumerate().filter(|(_, remote)| is_known(remote));
        let workers: Vec<Seen<'_>> = known
            .map(|(number, remote)| Seen {
                number,
                spare: remote.is_spare,
                lane: remote.lane,
                policy: remote.policy(),
                cpu: remote.cpu(),
                seat: self.crews[remote.lane as usize].seat(number),
                site: remote.site(),
                node: self.config.sites.all()[remote.site()].node,
                counters: &remote.counters,
            })
            .collect();
        let watched = (self.hogs(), self.watchman.stats());
        let bytes = |site: usize| self.stacks.bytes(site);
        let numa = NumaStats::collect(&self.config.sites, &workers, bytes, self.places.fates());
        let stats = Stats::collect(&workers, &self.counters, self.lane_stats(), stacks, watched, numa);
        Stats { blocking: self.blocking.stats(), ..stats }
    }

    /// Where the stacks of each site's fibers are.
    pub(crate) fn stack_pages(&self) -> heddle_numa::Result<Vec<StackPages>> {
        let sites = self.config.sites.all().iter().enumerate();
        sites
            .map(|(index, site)| {
                let mut pages = PagesByNode::default();
                for slab in self.stacks.pages_by_node(index)? {
                    pages.absent += slab.absent;
                    pages.unknown += slab.unknown;
                    slab.on.into_iter().for_each(|(node, count)| *pages.on.entry(node).or_default() += count);
                }
                Ok(StackPages { node: site.node, pages })
            })
            .collect()
    }

    /// How the kernel schedules the threads of a crew, as far as one has begun.
    fn policy_of(&self, crew: &Crew) -> ThreadPolicy {
        let policies = crew.seats.clone().map(|worker| self.remotes[worker].policy());
        policies.into_iter().find(|policy| *policy != ThreadPolicy::Unknown).unwrap_or(ThreadPolicy::Unknown)
    }

    fn lane_stats(&self) -> Vec<LaneStats> {
        let crews = self.crews.iter().filter(|crew| !crew.seats.is_empty());
        crews
            .map(|crew| {
                let levels = crew.levels();
                let rides = |priority: &Priority| levels & 1 << priority.level() != 0;
                let (threads, policy) = match levels {
                    // They could not be made.
                    0 => (0, ThreadPolicy::Unknown),
                    _ => (crew.seats.len(), self.policy_of(crew)),
                };
                let spares =
                    crew.spares.clone().filter(|&spare| !self.remotes[spare].duty.is_vacant()).count();
                let priorities = Priority::ALL.into_iter().filter(rides).collect();
                LaneStats { lane: crew.lane, priorities, threads, spares, policy }
            })
            .collect()
    }
}

impl Count for Shared {
    fn ended(&self) -> u64 {
        let by_workers =
            self.remotes.iter().flat_map(|remote| remote.counters.levels.iter().map(|level| &level.finished));
        by_workers.chain(&self.counters.finished_outside).map(|counter| counter.get_acquire()).sum()
    }

    fn made(&self) -> u64 {
        let by_workers =
            self.remotes.iter().flat_map(|remote| remote.counters.levels.iter().map(|level| &level.spawned));
        by_workers.chain(&self.counters.spawned_outside).map(|counter| counter.get()).sum()
    }
}

fn pool_terms(config: &Config) -> Terms {
    let (most, idle_for) = config.blocking;
    let (name, nice, cpus) = (config.name.clone(), config.lanes.nice(), config.cpus.clone());
    Terms { name, most, idle_for, nice, cpus }
}

fn site_of(crews: &[Crew], sites: &Sites, worker: usize) -> usize {
    let crew = crews.iter().find(|crew| crew.everyone().any(|other| other == worker));
    crew.map_or(0, |crew| sites.site(crew.seat(worker)))
}

/// Makes something for each worker: where there are several sites, on a thread that is there, whose heap is too.
fn on_sites<T: Send>(
    sites: &Sites,
    count: usize,
    site_of: impl Fn(usize) -> usize + Sync,
    make: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    if sites.is_one() {
        return (0..count).map(make).collect();
    }
    let at = |site: usize| {
        let _pin = affinity::pin_to_set(&sites.all()[site].cpus);
        let here = (0..count).filter(|&worker| site_of(worker) == site);
        here.map(|worker| (worker, make(worker))).collect::<Vec<_>>()
    };
    let at = &at;
    let mut made: Vec<(usize, T)> = std::thread::scope(|scope| {
        let spawn = |site| (site, std::thread::Builder::new().spawn_scoped(scope, move || at(site)));
        let threads: Vec<_> = (0..sites.all().len()).map(spawn).collect();
        // Where there can be no more threads, it is made here.
        let join =
            |(site, thread): (usize, std::io::Result<std::thread::ScopedJoinHandle<'_, _>>)| match thread {
                Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                Err(_) => at(site),
            };
        threads.into_iter().flat_map(join).collect()
    });
    made.sort_by_key(|(worker, _)| *worker);
    made.into_iter().map(|(_, value)| value).collect()
}

/// The crews, one a lane: the ordinary lane's workers have the first numbers, the spares the last.
fn crews(config: &Config) -> [Crew; LANES] {
    let count = |lane, each| if config.lanes.has(lane) { each } else { 0 };
    let order = [Lane::Ordinary, Lane::Urgent, Lane::Background];
    let mut next = 0;
    let mut block = |length: usize| {
        next += length;
        next - length..next
    };
    let seats = order.map(|lane| block(count(lane, config.workers)));
    let spares = order.map(|lane| block(count(lane, config.spares)));
    let [ordinary, urgent, background] = std::array::from_fn(|k| {
        Crew::new(order[k], seats[k].clone(), spares[k].clone(), config.cpus.len(), &config.sites)
    });
    [urgent, ordinary, background]
}

impl Drop for Shared {
    fn drop(&mut self) {
        registry::remove(self);
        self.close_inboxes();
    }
}
