//! Where each worker should be now, and putting it there.
//!
//! The plan is in [`Sites`]. It changes when the owner of the scheduler moves a worker, and what becomes of it when
//! CPUs go away and come back is decided by [`Seats::reseat`]: the kernel then widens the masks of our threads without
//! a word, so the monitor compares them now and then.
//!
//! | field      | written by                          | read by                           |
//! |------------|-------------------------------------|-----------------------------------|
//! | `posts`    | whoever moves a worker              | threads that begin, the monitor   |
//! | `fates`    | the monitor                         | `stats()`                         |
//! | `staffed`  | whoever moves a worker              | whoever has work for a site       |
//! | `moves` (of `Shared`) | whoever moves a worker, last | workers, which look again who is near |
//!
//! A worker that is moved to another node takes its started fibers along: they stay on its thread, and their stacks
//! where they are. What it starts from then on has its stack there.

use super::crew::Crew;
use super::remote::Remote;
use super::shared::Shared;
use crate::error::Error;
use crate::lane::Lane;
use crate::primitive::{AtomicU32, Mutex, Ordering};
use crate::site::{Post, Sites, Tie, check_affinity};
use heddle_numa::affinity::{self, PinGuard, Thread};
use heddle_numa::{CpuId, CpuSet, Fate, NodeId, Seat, Seats, Topology};

/// See the module's documentation.
pub(crate) struct Places {
    posts: Mutex<Vec<Post>>,
    /// How many seats are not as planned, by [`Fate`]: moved, displaced, surplus.
    fates: [AtomicU32; 3],
    /// For each site the nearest one that has workers: itself, if it has.
    staffed: Box<[AtomicU32]>,
}

impl Places {
    pub(super) fn new(sites: &Sites) -> Places {
        let places = Places {
            posts: Mutex::new(sites.posts().to_vec()),
            fates: std::array::from_fn(|_| AtomicU32::new(0)),
            staffed: sites.all().iter().map(|_| AtomicU32::new(0)).collect(),
        };
        places.staff(sites, |site| sites.posts().iter().any(|post| post.site == site));
        places
    }

    /// The nearest site that has workers.
    #[inline]
    pub(crate) fn staffed(&self, site: usize) -> usize {
        self.staffed[site].load(Ordering::Relaxed) as usize
    }

    fn staff(&self, sites: &Sites, has_workers: impl Fn(usize) -> bool) {
        let count = sites.all().len();
        let open: Vec<usize> = (0..count).filter(|&site| has_workers(site)).collect();
        for (site, nearest) in self.staffed.iter().enumerate() {
            let best = open.iter().min_by_key(|&&other| (sites.distance(site, other), other));
            nearest.store(*best.unwrap_or(&site) as u32, Ordering::Relaxed);
        }
    }

    /// How many seats are on another CPU of their node, on another node, and without a CPU of their own.
    pub(crate) fn fates(&self) -> [u32; 3] {
        std::array::from_fn(|fate| self.fates[fate].load(Ordering::Relaxed))
    }
}

impl Shared {
    /// The calling thread, a new one, serves the worker: it is tied to where that belongs. If the system refuses, it goes where
    /// there is room.
    pub(crate) fn settle_here(&self, worker: usize) {
        let ((crew, seat), remote) = (self.crew_of_worker(worker), &self.remotes[worker]);
        // Until the thread is known: whoever moves the worker meanwhile would leave it to the thread, which ties itself to the
        // post that it had. The thread has no policy yet with which it could be stopped here.
        let posts = self.places.posts.lock();
        let post = &posts[seat];
        let cpus = self.cpus_for(crew, post, post.cpu, remote.site());
        let tied = cpus.is_some_and(|cpus| affinity::pin_to_set(&cpus).map(PinGuard::keep).is_ok());
        let cpu = post.cpu.filter(|_| tied && crew.tie(post) == Tie::Cpu);
        remote.attach(cpu.map(CpuId::index));
    }

    /// The CPUs for a thread of a crew; `None`: any.
    fn cpus_for(&self, crew: &Crew, post: &Post, cpu: Option<CpuId>, site: usize) -> Option<CpuSet> {
        match (crew.tie(post), cpu) {
            (Tie::Nothing, _) => None,
            (Tie::Cpu, Some(cpu)) => Some(CpuSet::of(cpu)),
            // Its CPU is gone, and there is no other for it alone.
            (Tie::Cpu | Tie::Site, _) => Some(self.config.sites.all()[site].cpus.clone()),
        }
    }

    /// Moves a worker, in all lanes, to a CPU.
    pub(crate) fn move_worker(&self, worker: usize, cpu: CpuId, node: NodeId) -> Result<(), Error> {
        let sites = &self.config.sites;
        let Some(machine) = &sites.machine else {
            return Err(Error::config(format!(
                "set_worker_affinity(worker {worker}, {cpu}, {node}): the system does not tell which CPUs there are"
            )));
        };
        check_affinity(machine, self.config.workers, worker, cpu, node)?;
        let site = sites.of_node(node).unwrap_or(0);
        let mut posts = self.places.posts.lock();
        let seated =
            || self.crews.iter().filter(|crew| !crew.seats.is_empty()).map(|crew| crew.worker(worker));
        if let Some(kept) = seated()
            .map(|index| &*self.remotes[index])
            .find(|remote| remote.site() != site && remote.counters.live.get() > 0)
        {
            return Err(Error::busy(format!(
                "set_worker_affinity(worker {worker}, {cpu}, {node}): {} fibers of the {} lane have started there and \
                 cannot move, and their stacks are on another node; wait for them, or choose a CPU of that node",
                kept.counters.live.get(),
                kept.lane
            )));
        }
        posts[worker] = Post { site, node, cpu: Some(cpu), tie: Tie::Cpu };
        for index in seated() {
            self.seat(&self.remotes[index], Some(cpu), site, &CpuSet::of(cpu));
        }
        self.tell_moves();
        Ok(())
    }

    /// Workers have been moved: whoever has work for a site, or looks for some, takes note.
    fn tell_moves(&self) {
        let ordinary = &self.crews[Lane::Ordinary as usize];
        let at = |site: usize| ordinary.seats.clone().any(|worker| self.remotes[worker].site() == site);
        self.places.staff(&self.config.sites, at);
        self.note_moves();
    }

    /// A worker is to be at a site from now on, its thread on these CPUs, of which `cpu` is its own. `true`: it was
    /// elsewhere.
    fn seat(&self, remote: &Remote, cpu: Option<CpuId>, site: usize, cpus: &CpuSet) -> bool {
        let moves = remote.site() != site;
        remote.set_site(site);
        let number = remote.thread();
        if number == 0 {
            // It ties itself when it begins.
            return moves;
        }
        let thread = Thread::numbered(number);
        let is_there = thread.allowed_cpus().is_ok_and(|now| now == *cpus);
        if is_there || thread.pin(cpus).is_ok() {
            remote.set_cpu(cpu.map(CpuId::index));
        }
        moves
    }

    /// Brings a worker's thread to the CPU of the calling thread, which is about to leave it.
    pub(super) fn bring_here(&self, worker: usize) {
        // Not while workers are being moved.
        if let Some(_posts) = self.places.posts.try_lock()
            && let Ok(here) = affinity::current_cpu()
        {
            self.send(worker, &|_| CpuSet::of(here));
        }
    }

    /// The same, and sends workers of lanes above that run less urgent fibers than it needs the CPU for to others.
    pub(crate) fn clear_cpu_for(&self, worker: usize) {
        if self.clear_cpu(worker, self.remotes[worker].need.level()) {
            self.watchman.cpus_cleared.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The same, where what it needs the CPU for is of that level. `false`: it cannot be brought here.
    pub(super) fn clear_cpu(&self, worker: usize, level: usize) -> bool {
        let (Some(_posts), Ok(here)) = (self.places.posts.try_lock(), affinity::current_cpu()) else {
            return false;
        };
        let (needy, here) = (&self.remotes[worker], CpuSet::of(here));
        if !self.send(worker, &|_| here.clone()) {
            return false;
        }
        for above in self.crews.iter().filter(|crew| crew.lane < needy.lane) {
            let is_less =
                |other: &usize| self.remotes[*other].counters.busy_level().is_some_and(|of| of > level);
            for other in above.workers().filter(is_less) {
                self.send(other, &|cpus| cpus - &here);
            }
        }
        true
    }

    /// Sends a worker's thread to some of the CPUs that it may use, for now: it keeps its mask. The caller has the lock of
    /// the posts. `false`: it is tied to its own, or may use none of them, or the system refuses.
    fn send(&self, worker: usize, some: &dyn Fn(&CpuSet) -> CpuSet) -> bool {
        let remote = &self.remotes[worker];
        let number = remote.thread();
        if number == 0 || remote.cpu().is_some() || !self.config.sites.may_tie {
            return false;
        }
        let thread = Thread::numbered(number);
        let Ok(cpus) = thread.allowed_cpus() else { return false };
        let there = &some(&cpus) & &cpus;
        if there.is_empty() || there == cpus || thread.pin(&there).is_err() {
            return false;
        }
        // If none of them may be used any more, the system has chosen others.
        let _ = thread.pin(&cpus);
        true
    }

    /// Puts every worker where it should be, given the CPUs that may be used now.
    pub(crate) fn reseat(&self, allowed: &CpuSet) {
        let sites = &self.config.sites;
        let Some(machine) = &sites.machine else { return };
        // A worker may have it, which brings another one to its CPU: there is a next time.
        let Some(posts) = self.places.posts.try_lock() else { return };
        let wanted: Seats = posts.iter().map(|post| Seat { cpu: post.cpu, node: post.node }).collect();
        let now = wanted.reseat(machine, allowed);
        let mut moved = false;
        for crew in self.crews.iter().filter(|crew| !crew.seats.is_empty()) {
            for worker in crew.everyone() {
                let (post, now) = (&posts[crew.seat(worker)], now[crew.seat(worker)]);
                let site = if sites.is_one() { 0 } else { sites.of_node(now.seat.node).unwrap_or(post.site) };
                let Some(cpus) = self.cpus_for(crew, post, now.seat.cpu, site) else { continue };
                let usable = usable(&cpus, machine, now.seat.node, allowed);
                let cpu = now.seat.cpu.filter(|_| crew.tie(post) == Tie::Cpu);
                moved |= self.seat(&self.remotes[worker], cpu, site, &usable);
            }
        }
        if moved {
            self.tell_moves();
        }
        for (count, fate) in self.places.fates.iter().zip([Fate::Moved, Fate::Displaced, Fate::Surplus]) {
            let seats = now[..self.config.workers].iter().filter(|now| now.fate == fate).count();
            count.store(seats as u32, Ordering::Relaxed);
        }
    }
}

/// The part of `cpus` that may be used; else what there is of the node; else all there is.
fn usable(cpus: &CpuSet, machine: &Topology, node: NodeId, allowed: &CpuSet) -> CpuSet {
    let of_node = || machine.node(node).map(|node| node.cpus() & allowed).unwrap_or_default();
    [cpus & allowed, of_node()].into_iter().find(|set| !set.is_empty()).unwrap_or_else(|| allowed.clone())
}
