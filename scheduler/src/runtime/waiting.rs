//! Who waits for what, and whether that can ever end.
//!
//! Each worker is asked by a letter, and answers for its own fibers between two of them. A worker whose fiber does not
//! come back cannot answer, and is listed.

use super::Scheduler;
use crate::fiber::FiberId;
use crate::fiber::awaited::Awaited;
use crate::priority::Priority;
use crate::sync::channel;
use crate::worker::census::{Suspended, Told};
use crate::worker::current;
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// How long to wait for the answers: some slices of a busy machine.
const PATIENCE: Duration = Duration::from_millis(200);

/// What a fiber waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AwaitedThing {
    /// The end of a fiber that it joins.
    End(FiberId),
    /// The end of the fibers of its scope.
    Scope(Vec<FiberId>),
    /// A [`Mutex`](crate::sync::Mutex) at this address, and the fiber that has it; `None`: a thread has it, or it is
    /// about to change hands.
    Lock {
        /// Which one.
        address: usize,
        /// Who has it.
        holder: Option<FiberId>,
    },
    /// Something that others do to what is at this address.
    Shared {
        /// What it is.
        what: &'static str,
        /// Which one.
        address: usize,
    },
    /// The same, and which fibers have to do it: those that have an [`RwLock`](crate::sync::RwLock), the one that has
    /// [declared](crate::sync::channel::Receiver::declare) that it receives from a channel.
    Held {
        /// What it is.
        what: &'static str,
        /// Which one.
        address: usize,
        /// The fibers; of those that read, four at most are known.
        holders: Vec<FiberId>,
    },
    /// One of several, by [`select!`](crate::select!).
    OneOf(usize),
    /// A token: what for, only its own code knows.
    Token,
}

/// A fiber that waits.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WaitingFiber {
    /// Its number.
    pub id: FiberId,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// The priority that it counts with.
    pub priority: Priority,
    /// The worker on which it began.
    pub worker: usize,
    /// What it waits for.
    pub awaits: AwaitedThing,
}

/// Who waits for what; made by [`Scheduler::who_waits`]. To be printed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// All fibers that wait, by number.
    pub fibers: Vec<WaitingFiber>,
    /// Fibers that wait for each other in a ring, each for the next and the last for the first: they wait for ever.
    pub rings: Vec<Vec<FiberId>>,
    /// Workers that have not answered, as a fiber of theirs does not come back.
    pub silent: Vec<usize>,
    /// At that moment nothing ran, nothing was to be run, and no timer was set: only what comes from outside of the
    /// scheduler can wake those who wait.
    pub stuck: bool,
}

impl Scheduler {
    /// Who waits for what, who has the locks that others want, and who waits in a ring: for a program that hangs, and that a
    /// debugger cannot help, as fibers are no threads.
    ///
    /// Each worker is asked, which costs it some microseconds and 100 ns a fiber; up to 200 ms are spent on
    /// waiting for those that are busy. A fiber that calls this is not listed.
    ///
    /// ```
    /// use heddle_scheduler::{Scheduler, sync::Mutex, yield_now};
    /// use std::sync::Arc;
    ///
    /// let scheduler = Scheduler::builder().workers(1).build()?;
    /// let locks = Arc::new([Mutex::new(()), Mutex::new(())]);
    /// let ring: Vec<_> = [("left", 0, 1), ("right", 1, 0)].into_iter().map(|(name, first, then)| {
    ///     let locks = locks.clone();
    ///     scheduler.fiber().name(name).go(move || {
    ///         let _first = locks[first].lock();
    ///         while !locks[then].is_locked() {
    ///             yield_now();
    ///         }
    ///         let _then = locks[then].lock();
    ///     })
    /// }).collect();
    /// let report = loop {
    ///     let report = scheduler.who_waits();
    ///     if report.stuck { break report }
    /// };
    /// assert_eq!(report.rings.len(), 1);
    /// println!("{report}"); // left waits for a lock that right has, and right for one that left has
    /// ring.iter().for_each(|fiber| fiber.cancel());
    /// # Ok::<(), heddle_scheduler::Error>(())
    /// ```
    pub fn who_waits(&self) -> Report {
        let (tell, told) = channel::unbounded();
        let workers: Vec<usize> = self.shared.manned().collect();
        for &worker in &workers {
            let tell = tell.clone();
            self.shared.visit(worker, move || {
                // None has a thread of its own after `stop`, and nothing waits.
                let here = current::worker().filter(|here| here.index == worker);
                let _ = tell.send((worker, here.map(|here| here.tell()).unwrap_or_default()));
            });
        }
        drop(tell);
        let due = Instant::now() + PATIENCE;
        let mut answers: BTreeMap<usize, Told> = BTreeMap::new();
        while let Ok((worker, answer)) = told.recv_deadline(due) {
            answers.insert(worker, answer);
        }
        let silent: Vec<_> = workers.into_iter().filter(|worker| !answers.contains_key(worker)).collect();
        // Nobody ran anything between its own answer and the last one's.
        let is_still = |(&worker, told): (&usize, &Told)| {
            !told.busy && told.dispatches == self.shared.remotes[worker].counters.dispatches.get()
        };
        let quiet = silent.is_empty() && answers.iter().all(is_still);
        let me = current::in_fiber().map(|(_, fiber)| fiber.id);
        let mut fibers: Vec<_> = answers
            .into_iter()
            .flat_map(|(worker, told)| told.suspended.into_iter().map(move |fiber| shown(worker, fiber)))
            .filter(|fiber| Some(fiber.id) != me)
            .collect();
        // One that has moved meanwhile may have been met twice.
        fibers.sort_by_key(|fiber| fiber.id);
        fibers.dedup_by_key(|fiber| fiber.id);
        let rings = rings(&fibers);
        // Who is alive and does not wait is queued, or begins.
        let stats = self.stats();
        let calls = stats.blocking.queued + stats.blocking.running;
        let stuck = quiet && !fibers.is_empty() && calls == 0 && stats.live() == fibers.len() as u64;
        Report { stuck, fibers, rings, silent }
    }
}

fn shown(worker: usize, fiber: Suspended) -> WaitingFiber {
    let awaits = match fiber.awaited {
        Awaited::Unsaid => AwaitedThing::Token,
        Awaited::End(id) => AwaitedThing::End(FiberId(id)),
        Awaited::Scope(ids) => AwaitedThing::Scope(ids.into_iter().map(FiberId).collect()),
        Awaited::Lock { address, holder } => AwaitedThing::Lock { address, holder: holder.map(FiberId) },
        Awaited::Thing { what, address, holders } if holders.is_empty() => {
            AwaitedThing::Shared { what, address }
        }
        Awaited::Thing { what, address, holders } => {
            AwaitedThing::Held { what, address, holders: holders.into_iter().map(FiberId).collect() }
        }
        Awaited::OneOf(count) => AwaitedThing::OneOf(count),
    };
    let name = fiber.name.as_deref().cloned();
    WaitingFiber { id: fiber.id, name, priority: fiber.priority, worker, awaits }
}

impl AwaitedThing {
    /// The fibers that have to do something before the wait is over, each of them.
    fn fibers(&self) -> &[FiberId] {
        match self {
            AwaitedThing::End(id) | AwaitedThing::Lock { holder: Some(id), .. } => std::slice::from_ref(id),
            AwaitedThing::Scope(ids) | AwaitedThing::Held { holders: ids, .. } => ids,
            _ => &[],
        }
    }
}

/// Each ring once: found by following who waits for whom, depth first, without recursion.
fn rings(fibers: &[WaitingFiber]) -> Vec<Vec<FiberId>> {
    let awaited: BTreeMap<FiberId, &[FiberId]> =
        fibers.iter().map(|fiber| (fiber.id, fiber.awaits.fibers())).collect();
    let (mut done, mut rings) = (std::collections::BTreeSet::new(), Vec::new());
    for &start in awaited.keys() {
        // The path from the start, and how many of each one's were followed.
        let mut path = vec![(start, 0)];
        while let Some((id, followed)) = path.last_mut() {
            let next = awaited.get(id).and_then(|awaited| awaited.get(*followed)).copied();
            let (id, next) = (*id, next.filter(|_| !done.contains(id)));
            *followed += 1;
            match next {
                None => {
                    done.insert(id);
                    path.pop();
                }
                Some(next) => match path.iter().position(|&(on_path, _)| on_path == next) {
                    Some(first) => rings.push(path[first..].iter().map(|&(id, _)| id).collect()),
                    None => path.push((next, 0)),
                },
            }
        }
    }
    rings
}

impl fmt::Display for AwaitedThing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AwaitedThing::End(id) => write!(f, "the end of fiber {id}"),
            AwaitedThing::Scope(ids) if ids.is_empty() => f.write_str("the end of its scope"),
            AwaitedThing::Scope(ids) => {
                write!(f, "the end of its scope's {} fibers, fiber {} among them", ids.len(), ids[0])
            }
            AwaitedThing::Lock { address, holder: Some(id) } => {
                write!(f, "the Mutex at {address:#x}, which fiber {id} has")
            }
            AwaitedThing::Lock { address, holder: None } => {
                write!(f, "the Mutex at {address:#x}, which a thread has")
            }
            AwaitedThing::Shared { what, address } => write!(f, "{what} at {address:#x}"),
            AwaitedThing::Held { what, address, holders } => {
                write!(f, "{what} at {address:#x}, up to fiber")?;
                let mut between = if holders.len() > 1 { "s " } else { " " };
                for id in holders {
                    write!(f, "{between}{id}")?;
                    between = ", ";
                }
                Ok(())
            }
            AwaitedThing::OneOf(count) => write!(f, "one of {count} things (select!)"),
            AwaitedThing::Token => f.write_str("its token (suspend, sleep, or a future's waker)"),
        }
    }
}

impl fmt::Display for WaitingFiber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fiber {}", self.id)?;
        if let Some(name) = &self.name {
            write!(f, " '{name}'")?;
        }
        write!(f, " ({}, worker {}) waits for {}", self.priority, self.worker, self.awaits)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.fibers.len();
        match (self.stuck, self.rings.len()) {
            (_, 1..) => writeln!(f, "DEADLOCK: {} of {count} waiting fibers wait in rings", {
                self.rings.iter().map(Vec::len).sum::<usize>()
            })?,
            (true, 0) => writeln!(
                f,
                "STUCK: {count} fibers wait, nothing runs and no timer is set; only other threads can wake them"
            )?,
            (false, 0) => writeln!(f, "{count} fibers wait")?,
        }
        for ring in &self.rings {
            f.write_str("  ring:")?;
            for id in ring {
                write!(f, " {id} ->")?;
            }
            writeln!(f, " {}", ring[0])?;
        }
        for fiber in &self.fibers {
            writeln!(f, "  {fiber}")?;
        }
        for worker in &self.silent {
            writeln!(f, "  worker {worker} has not answered: its fiber does not come back")?;
        }
        Ok(())
    }
}
