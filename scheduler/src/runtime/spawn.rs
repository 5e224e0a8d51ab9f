//! `go` in its forms.

use super::Scheduler;
use crate::config::AtLimit;
use crate::error::{Cancelled, Error, JoinError};
use crate::fiber::extras::{Extras, combine, edit};
use crate::fiber::{self, FiberRef, Making};
use crate::handle::JoinHandle;
use crate::local::heritage_outside;
use crate::machine::clock;
use crate::policy::SAMPLE_INTERVAL;
use crate::priority::Priority;
use crate::suspend::{Resumer, suspend};
use crate::worker::finish::complete;
use crate::worker::shared::{FiberLimit, Shared, id_block};
use crate::worker::{Worker, current};
use heddle_numa::NodeId;
use std::cell::Cell;
use std::ptr;
use std::sync::Arc;
use std::time::Instant;

/// Where a new fiber comes from.
pub(crate) struct Origin {
    /// `None`: its maker's.
    pub(crate) priority: Option<Priority>,
    /// A `ScopeState`, or null.
    pub(crate) scope: *const (),
    /// With a hold that is the scope's.
    pub(crate) kept: bool,
    /// Its own, without what it inherits.
    pub(crate) extras: Option<Arc<Extras>>,
    /// The site that it is for: see [`fiber::place`].
    pub(crate) placed: u8,
    /// Its maker is about to wait for it.
    pub(crate) unannounced: bool,
    /// It has nothing of its maker's.
    pub(crate) independent: bool,
}

impl Origin {
    pub(crate) fn plain(priority: Option<Priority>) -> Origin {
        Origin {
            priority,
            scope: ptr::null(),
            kept: false,
            extras: None,
            placed: 0,
            unannounced: false,
            independent: false,
        }
    }
}

/// Makes and queues a fiber. It never fails here: what is wrong is found at its `join`.
///
/// # Safety
/// As for [`fiber::make`]. The handle belongs to the caller.
#[inline]
pub(crate) unsafe fn spawn<F, T>(shared: &Arc<Shared>, origin: Origin, f: F) -> FiberRef
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    if let Some(limit) = &shared.limit
        && let Err(error) = enter(limit, shared)
    {
        // SAFETY: the caller's promise.
        return unsafe { refuse(shared, origin, f, error) };
    }
    // SAFETY: the caller's promise.
    unsafe { spawn_counted(shared, origin, f) }
}

/// The same, when the limit has been asked.
#[inline]
unsafe fn spawn_counted<F, T>(shared: &Arc<Shared>, origin: Origin, f: F) -> FiberRef
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    match current::worker() {
        // SAFETY: the caller's promise.
        Some(worker) if Arc::ptr_eq(&worker.shared, shared) => unsafe { spawn_inside(worker, origin, f) },
        _ => {
            let site = fiber::site(origin.placed).unwrap_or_else(|| shared.site_here());
            let (making, level) = making_outside(shared, origin);
            // SAFETY: the caller's promise.
            let fiber = unsafe { fiber::make(f, making) };
            shared.push_outside(fiber, level, site);
            fiber
        }
    }
}

/// The same, on a worker's own thread. Part of its callers, as for a plain fiber most of its questions are answered there.
#[inline(always)]
unsafe fn spawn_inside<F, T>(worker: &Worker, origin: Origin, f: F) -> FiberRef
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    let level = origin.priority.map_or_else(|| inherited(worker), Priority::level);
    let (placed, unannounced) = (origin.placed, origin.unannounced);
    let maker = worker.current().filter(|_| !origin.independent);
    let extras = combine(origin.extras, maker.and_then(|carrier| carrier.heritage.get()));
    let making = Making { scope: origin.scope, kept: origin.kept, extras, placed, ..worker.making(level) };
    // SAFETY: the caller's promise.
    let fiber = unsafe { fiber::make(f, making) };
    match placed {
        0 if unannounced => worker.push_unannounced(fiber, level),
        0 => worker.push_fresh(fiber, level),
        _ => worker.push_placed(fiber, level),
    }
    fiber
}

/// The maker's own level, without what is lent to it: whoever waits for the new fiber will lend again.
#[inline]
fn inherited(worker: &Worker) -> usize {
    worker
        .current()
        .and_then(|carrier| carrier.fiber())
        .map_or(Priority::Normal.level(), |fiber| fiber.loans.base())
}

thread_local! {
    /// Numbers for fibers, and a count for sampling, of a thread that is no worker.
    static OUTSIDE: Cell<(u64, u64, u64)> = const { Cell::new((0, 0, 0)) };
}

#[inline(never)]
fn next_outside() -> (u64, u64) {
    OUTSIDE.with(|cell| {
        let (mut next, mut end, sample) = cell.get();
        if next == end {
            (next, end) = id_block();
        }
        cell.set((next + 1, end, sample + 1));
        (next, sample)
    })
}

fn making_outside(shared: &Arc<Shared>, origin: Origin) -> (Making, usize) {
    let inherited = || current::in_fiber().map_or(Priority::Normal, |(_, fiber)| fiber.base_priority());
    let level = origin.priority.unwrap_or_else(inherited).level();
    let (id, sample) = next_outside();
    shared.counters.spawned_outside[level].add_shared(1);
    let timed = level == 0 || sample.is_multiple_of(SAMPLE_INTERVAL);
    let making = Making {
        level,
        shared: Arc::as_ptr(shared).cast(),
        scope: origin.scope,
        kept: origin.kept,
        id,
        stamp: if timed { clock::ticks() } else { 0 },
        extras: combine(origin.extras, heritage_outside().filter(|_| !origin.independent).as_ref()),
        placed: origin.placed,
    };
    (making, level)
}

/// Counts one more fiber, or waits until it fits, or fails, as the scheduler's owner chose.
#[cold]
fn enter(limit: &FiberLimit, shared: &Shared) -> Result<(), Error> {
    if limit.try_enter() {
        return Ok(());
    }
    if shared.config.at_limit == AtLimit::Fail || current::cannot_wait() {
        return Err(Error::limit(limit.most()));
    }
    let ticket = limit.queue(Resumer::current());
    let refused = loop {
        if limit.has(&ticket) {
            break None;
        }
        if !shared.is_running() {
            break Some(Error::stopped());
        }
        if let Err(Cancelled(())) = suspend() {
            break Some(Error::limit(limit.most()));
        }
    };
    limit.unqueue(ticket, refused.is_some());
    refused.map_or(Ok(()), Err)
}

/// Runs `f` soon as a Normal fiber, which the limit on fibers does not keep: for what the runtime itself needs to have
/// done by a thread of the ordinary lane. Where the scheduler stops, it is dropped.
#[cold]
pub(crate) fn help_out(shared: &Arc<Shared>, f: impl FnOnce() + Send + 'static) {
    if let Some(limit) = &shared.limit {
        limit.enter_beyond();
    }
    let origin = Origin::plain(Some(Priority::Normal));
    // SAFETY: nothing is borrowed; the handle is new, and its result a `()`.
    drop(unsafe { JoinHandle::<()>::new(spawn_counted(shared, origin, f)) });
}

/// A new fiber that was never queued, and is the caller's to end.
#[cold]
unsafe fn make_withdrawn<F, T>(shared: &Arc<Shared>, origin: Origin, f: F) -> FiberRef
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    let (making, _) = making_outside(shared, origin);
    // SAFETY: the caller's promise.
    let fiber = unsafe { fiber::make(f, making) };
    fiber.state.withdraw();
    if let Some(limit) = &shared.limit {
        // It is about to end, and will be counted out.
        limit.enter_beyond();
    }
    fiber
}

/// A fiber that has failed already.
#[cold]
unsafe fn refuse<F, T>(shared: &Arc<Shared>, origin: Origin, f: F, error: Error) -> FiberRef
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    // SAFETY: the caller's promise; withdrawn just now.
    unsafe {
        let fiber = make_withdrawn(shared, origin, f);
        shared.end_unrun(fiber, fiber.state.level(), JoinError::not_started(error));
        fiber
    }
}

/// A fiber that has run already, here: for callers that cannot wait.
///
/// # Safety
/// As for [`spawn`].
#[cold]
pub(crate) unsafe fn spawn_in_place<F, T>(shared: &Arc<Shared>, origin: Origin, f: F) -> FiberRef
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    // SAFETY: the caller's promise; withdrawn just now.
    unsafe {
        let fiber = make_withdrawn(shared, origin, f);
        fiber.run();
        shared.ended_outside(fiber, fiber.state.level());
        fiber
    }
}

impl Scheduler {
    /// Runs `f` as a fiber: of its maker's priority if that is a fiber, else Normal.
    ///
    /// This never fails and, unless [`AtLimit::Wait`](crate::AtLimit::Wait) says so, never waits; if
    /// the scheduler is stopped, or a limit is reached, the handle's `join` returns the error.
    #[inline]
    pub fn go<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        // SAFETY: nothing is borrowed; the handle is new, and its result a `T`.
        unsafe { JoinHandle::new(spawn(&self.shared, Origin::plain(None), f)) }
    }

    /// Runs `f` as a fiber of the given priority.
    ///
    /// ```
    /// use heddle_scheduler::{Priority, Scheduler};
    /// let scheduler = Scheduler::builder().workers(2).build()?;
    /// let answer = scheduler.go_with_priority(Priority::Critical, || 6 * 7);
    /// assert_eq!(answer.join().unwrap(), 42);
    /// # Ok::<(), heddle_scheduler::Error>(())
    /// ```
    #[inline]
    pub fn go_with_priority<F, T>(&self, priority: Priority, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        // SAFETY: as in `go`.
        unsafe { JoinHandle::new(spawn(&self.shared, Origin::plain(Some(priority)), f)) }
    }

    /// As [`go`](Self::go), but says at once what is wrong.
    ///
    /// # Errors
    /// The scheduler is stopped, or the limit on fibers is reached. (A stack is taken when the fiber
    /// first runs; if there is none then, its `join` says so.)
    pub fn try_go<F, T>(&self, f: F) -> Result<JoinHandle<T>, Error>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.fiber().try_go(f)
    }

    /// Options for one fiber.
    ///
    /// ```
    /// use heddle_scheduler::{Priority, Scheduler};
    /// let scheduler = Scheduler::builder().workers(1).build()?;
    /// let handle = scheduler.fiber().name("indexer").priority(Priority::Low).go(|| {
    ///     heddle_scheduler::current().unwrap().name().map(str::to_owned)
    /// });
    /// assert_eq!(handle.join().unwrap().as_deref(), Some("indexer"));
    /// # Ok::<(), heddle_scheduler::Error>(())
    /// ```
    pub fn fiber(&self) -> FiberBuilder<'_> {
        FiberBuilder::new(&self.shared)
    }

    /// Runs `f` as a fiber on that node, where its data is: it waits in the node's own queue, and gets a stack
    /// there. Workers of other nodes take it only when they have nothing else to do, or when it is so urgent that
    /// waiting would cost more than distance. For a node without workers it is the nearest with some.
    ///
    /// If there is no such node, the handle's `join` returns the error.
    ///
    /// ```
    /// use heddle_scheduler::{NodeId, Scheduler};
    /// let scheduler = Scheduler::builder().workers(2).build()?;
    /// let answer = scheduler.go_on(NodeId(0), || 6 * 7);
    /// assert_eq!(answer.join().unwrap(), 42);
    /// assert!(scheduler.go_on(NodeId(9999), || ()).join().unwrap_err().to_string().contains("node 9999"));
    /// # Ok::<(), heddle_scheduler::Error>(())
    /// ```
    pub fn go_on<F, T>(&self, node: NodeId, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.fiber().on(node).go(f)
    }
}

/// Options for one fiber; see [`Scheduler::fiber`].
#[must_use = "a fiber is made by go()"]
pub struct FiberBuilder<'a> {
    shared: &'a Arc<Shared>,
    origin: Origin,
    /// An option that cannot be.
    refusal: Option<Error>,
}

impl<'a> FiberBuilder<'a> {
    pub(super) fn new(shared: &'a Arc<Shared>) -> FiberBuilder<'a> {
        FiberBuilder { shared, origin: Origin::plain(None), refusal: None }
    }

    /// What it is called in reports.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        edit(&mut self.origin.extras).name = Some(Arc::new(name.into()));
        self
    }

    /// Until when it may take: then it is cancelled, and so are all fibers that it has made and that those have made, at
    /// any depth, detached ones too. Those that have not started by then never will. Fibers can have earlier deadlines
    /// than the one that makes them, not later ones.
    ///
    /// As after [`JoinHandle::cancel`], those that have started end at their next blocking call. One that is
    /// still queued is over when its turn has come.
    ///
    /// ```
    /// use heddle_scheduler::{Scheduler, go, sleep};
    /// use std::time::{Duration, Instant};
    /// let scheduler = Scheduler::builder().workers(1).build()?;
    /// let due = Instant::now() + Duration::from_millis(2);
    /// let tree = scheduler.fiber().deadline(due).go(|| {
    ///     drop(go(|| sleep(Duration::MAX))); // ends with the tree
    ///     sleep(Duration::MAX);
    /// });
    /// let error = tree.join().unwrap_err();
    /// assert!(error.is_deadline_exceeded() && Instant::now() >= due);
    /// # Ok::<(), heddle_scheduler::Error>(())
    /// ```
    pub fn deadline(mut self, due: Instant) -> Self {
        let deadline = &mut edit(&mut self.origin.extras).deadline;
        *deadline = Some(deadline.map_or(due, |earlier| earlier.min(due)));
        self
    }

    /// Its priority; else its maker's.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.origin.priority = Some(priority);
        self
    }

    /// Its maker is about to wait: so nobody else is told of it yet, and it begins here when its maker suspends. Others are told
    /// when its maker makes another fiber, reaches a [`checkpoint`](crate::checkpoint) or calls [`announce`]; so two that are made in a row run side by side,
    /// and a maker that goes on computing and has checkpoints on its way keeps nobody waiting. One without them, that does not
    /// wait either, keeps the new fiber for as long as [`hog_after`](crate::Builder::hog_after) says.
    ///
    /// What is more urgent than its maker, is for another node, or is made outside of any fiber, is announced at once, as ever.
    ///
    /// ```
    /// let scheduler = heddle_scheduler::Scheduler::builder().workers(2).build()?;
    /// let sum: u32 = scheduler.run(|| (1..=10).map(|n| scheduler.fiber().unannounced().go(move || n).join().unwrap()).sum());
    /// assert_eq!(sum, 55);
    /// # Ok::<(), heddle_scheduler::Error>(())
    /// ```
    pub fn unannounced(mut self) -> Self {
        self.origin.unannounced = true;
        self
    }

    /// It is not its maker's: it has neither the deadlines that its maker is under nor what that has
    /// [along](crate::context_local). For work that a fiber does for all, and that goes on when its maker's time is up.
    ///
    /// ```
    /// use heddle_scheduler::{Scheduler, sleep, timeout};
    /// use std::time::Duration;
    ///
    /// let scheduler = Scheduler::builder().workers(1).build()?;
    /// let spawner = scheduler.spawner();
    /// let made = scheduler.run(|| {
    ///     timeout(Duration::from_millis(1), || {
    ///         spawner.fiber().independent().go(|| {
    ///             sleep(Duration::from_millis(5)); // longer than its maker has
    ///             "done"
    ///         })
    ///     })
    /// });
    /// assert_eq!(made?.join()?, "done");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn independent(mut self) -> Self {
        self.origin.independent = true;
        self
    }

    /// On that node: see [`Scheduler::go_on`].
    pub fn on(mut self, node: NodeId) -> Self {
        let shared = self.shared;
        let sites = &shared.config.sites;
        match sites.of_node(node) {
            Some(site) => self.origin.placed = fiber::place(shared.places.staffed(site)),
            None => {
                let known = sites.known_nodes();
                let message =
                    format!("there is no {node} to run a fiber on: this machine's nodes are {known}");
                self.refusal = Some(Error::config(message));
            }
        }
        self
    }

    /// On the node that has the first byte of `data`, if the system says which one that is: see
    /// [`Scheduler::go_on`]. Asking costs a system call, about a microsecond, where nodes are minded at all.
    ///
    /// ```
    /// use heddle_scheduler::Scheduler;
    /// use std::sync::Arc;
    /// let scheduler = Scheduler::builder().workers(2).build()?;
    /// let table: Arc<[u64]> = (0..1000).collect();
    /// let sum = scheduler.fiber().near(&table[..]).go({
    ///     let table = table.clone();
    ///     move || table.iter().sum::<u64>()
    /// });
    /// assert_eq!(sum.join().unwrap(), 499_500);
    /// # Ok::<(), heddle_scheduler::Error>(())
    /// ```
    pub fn near<D: ?Sized>(mut self, data: &D) -> Self {
        let shared = self.shared;
        let sites = &shared.config.sites;
        if !sites.is_one()
            && let Ok(Some(node)) = heddle_numa::memory::node_of(data)
            && let Some(site) = sites.of_node(node)
        {
            self.origin.placed = fiber::place(shared.places.staffed(site));
        }
        self
    }

    /// On the node of the fiber that makes it, or of the thread: see [`Scheduler::go_on`]. (Without this it begins
    /// there too, and nobody counts if it ends up elsewhere.)
    pub fn same_node(mut self) -> Self {
        let shared = self.shared;
        let here = current::worker().filter(|worker| Arc::ptr_eq(&worker.shared, shared));
        self.origin.placed =
            fiber::place(here.map_or_else(|| shared.site_here(), |worker| worker.site.get()));
        self
    }

    /// As [`Scheduler::go`].
    pub fn go<F, T>(self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let shared = self.shared;
        // SAFETY: as in `Scheduler::go`.
        unsafe {
            JoinHandle::new(match self.refusal {
                None => spawn(shared, self.origin, f),
                Some(error) => refuse(shared, self.origin, f, error),
            })
        }
    }

    /// As [`Scheduler::try_go`].
    ///
    /// # Errors
    /// As [`Scheduler::try_go`].
    pub fn try_go<F, T>(self, f: F) -> Result<JoinHandle<T>, Error>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let shared = self.shared;
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        if !shared.is_running() {
            return Err(Error::stopped());
        }
        if let Some(limit) = &shared.limit
            && !limit.try_enter()
        {
            return Err(Error::limit(limit.most()));
        }
        // SAFETY: as in `Scheduler::go`.
        Ok(unsafe { JoinHandle::new(spawn_counted(shared, self.origin, f)) })
    }
}

impl std::fmt::Debug for FiberBuilder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.origin.extras.as_ref().and_then(|extras| extras.name.as_ref());
        f.debug_struct("FiberBuilder").field("name", &name).finish_non_exhaustive()
    }
}

/// Runs `f` as a fiber of the current fiber's scheduler and priority. Outside of any fiber, the
/// handle's `join` returns the error.
#[inline]
pub fn go<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    go_here(None, "go()", f)
}

/// The current fiber goes on, and may have made one [unannounced](FiberBuilder::unannounced): others are told of that. For makers
/// that have no [`checkpoint`](crate::checkpoint) where they find out that they do not wait. It costs a load where there is none.
#[inline]
pub fn announce() {
    if let Some(worker) = current::worker()
        && worker.has_unannounced()
    {
        worker.announce_late();
    }
}

/// Runs `f` as a fiber of the current fiber's scheduler, with the given priority. Outside of any
/// fiber, the handle's `join` returns the error.
#[inline]
pub fn go_with_priority<F, T>(priority: Priority, f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    go_here(Some(priority), "go_with_priority()", f)
}

/// `call` is what an error calls this.
#[inline]
pub(crate) fn go_here<F, T>(priority: Option<Priority>, call: &'static str, f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    match current::worker() {
        // SAFETY: as in `Scheduler::go`.
        Some(worker) if worker.shared.limit.is_none() => unsafe {
            JoinHandle::new(spawn_inside(worker, Origin::plain(priority), f))
        },
        // SAFETY: as in `Scheduler::go`.
        Some(worker) => unsafe { JoinHandle::new(spawn(&worker.shared, Origin::plain(priority), f)) },
        None => homeless(call, f),
    }
}

/// A fiber that nobody could run.
#[cold]
fn homeless<F, T>(call: &'static str, f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let (id, _) = next_outside();
    let level = Priority::Normal.level();
    let shared = ptr::null();
    let making =
        Making { level, shared, scope: ptr::null(), kept: false, id, stamp: 0, extras: None, placed: 0 };
    // SAFETY: nothing is borrowed.
    let fiber = unsafe { fiber::make(f, making) };
    fiber.state.withdraw();
    // SAFETY: withdrawn just now; the handle is new, and its result a `T`.
    unsafe {
        fiber.fail(JoinError::not_started(Error::outside(call)));
        complete(fiber);
        JoinHandle::new(fiber)
    }
}
