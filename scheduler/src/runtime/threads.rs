//! Starting and stopping the workers' threads.
//!
//! ```text
//!          start               open            begin_stop              last thread gone
//! stopped -------> STARTING ---------> RUNNING ------------> STOPPING ------------------> stopped
//!                  threads wait        inboxes open          workers end their fibers     inboxes closed
//! ```
//!
//! The threads of the ordinary lane are made first. Another lane whose threads cannot all be made goes
//! without: its levels ride in the ordinary lane, and `stats()` says so.
//!
//! The monitor's thread is made last; the scheduler works without, too. It makes and joins the threads of
//! spares while the scheduler runs, and ends when all workers have left.
//!
//! A worker leaves when it has no live fiber and nothing in its deques. It closes its mailbox behind it, and
//! the last one of a lane the lane's inboxes. Between two runs the deques wait in [`Threads`].

use crate::error::Error;
use crate::hog::MonitorState;
use crate::lane::{LANES, Lane};
use crate::machine::thread::join_lane;
use crate::monitor::{self, Manned, Staff};
use crate::worker::shared::Shared;
use crate::worker::{Deques, Worker, current};
use heddle_numa::{CpuSet, affinity};
use parking_lot::Mutex;
use std::io;
use std::ptr;
use std::sync::Arc;
use std::thread::JoinHandle;

/// The threads of a scheduler, or what waits for the next ones.
pub(crate) struct Threads(Arc<Mutex<Roster>>);

struct Roster {
    /// One a worker, spares included.
    slots: Vec<Slot>,
    monitor: Option<JoinHandle<()>>,
}

enum Slot {
    Waiting(Deques),
    Running(JoinHandle<Deques>),
    /// Only while it changes.
    Moving,
}

impl Threads {
    pub(crate) fn new(deques: Vec<Deques>) -> Threads {
        let slots = deques.into_iter().map(Slot::Waiting).collect();
        Threads(Arc::new(Mutex::new(Roster { slots, monitor: None })))
    }

    pub(super) fn start(&self, shared: &Arc<Shared>) -> Result<(), Error> {
        if shared.is_running() {
            return Ok(());
        }
        if is_inside(shared) {
            return Err(Error::inside("start()"));
        }
        let mut roster = self.0.lock();
        if shared.is_running() {
            return Ok(());
        }
        // It may be stopping still, if that was begun without waiting.
        join_all(shared, &mut roster);
        shared.begin();
        let outcome = start_lanes(shared, &mut roster.slots);
        match &outcome {
            Ok(manned) => {
                self.start_monitor(shared, &mut roster);
                shared.open(|lane| manned[lane as usize]);
            }
            Err(_) => shared.begin_stop(),
        }
        if outcome.is_err() {
            join_all(shared, &mut roster);
        }
        outcome.map(|_| ())
    }

    /// Without it the scheduler works all the same, and says so.
    fn start_monitor(&self, shared: &Arc<Shared>, roster: &mut Roster) {
        let Some(hog_after) = shared.config.hog_after else { return };
        let (theirs, staff) = (shared.clone(), Recruiter { shared: shared.clone(), roster: self.0.clone() });
        let body = move || monitor::run(&theirs, &staff, hog_after);
        let name = format!("{}-m", shared.config.name);
        // Before it can call a hook.
        shared.watchman.set_state(MonitorState::On);
        match std::thread::Builder::new().name(name).spawn(body) {
            Ok(handle) => roster.monitor = Some(handle),
            Err(error) => shared.watchman.set_state(MonitorState::Refused(format!(
                "as its thread could not be created ({error}); raise the limit on threads (ulimit -u, the \
                 container's pids.max)"
            ))),
        }
    }

    pub(super) fn stop(&self, shared: &Shared) -> Result<(), Error> {
        if is_inside(shared) {
            return Err(Error::inside("stop()"));
        }
        let mut roster = self.0.lock();
        shared.begin_stop();
        join_all(shared, &mut roster);
        Ok(())
    }
}

/// Is this a thread for whose end `stop` would wait?
fn is_inside(shared: &Shared) -> bool {
    current::worker().is_some_and(|worker| ptr::eq(&*worker.shared, shared)) || shared.watchman.is_here()
}

/// Makes and ends the threads of spares. Whoever starts or stops the scheduler has the lock until all
/// threads have ended, the monitor's among them: so this only tries it.
struct Recruiter {
    shared: Arc<Shared>,
    roster: Arc<Mutex<Roster>>,
}

impl Staff for Recruiter {
    fn man(&self, worker: usize) -> Manned {
        let (shared, Some(mut roster)) = (&self.shared, self.roster.try_lock()) else {
            return Manned::NotNow;
        };
        if !shared.is_running() || !shared.remotes[worker].duty.begin() {
            return Manned::NotNow;
        }
        if !shared.join_in(shared.remotes[worker].lane) {
            shared.remotes[worker].duty.vacate();
            return Manned::NotNow;
        }
        let (crew, seat) = shared.crew_of_worker(worker);
        crew.extend_reach(seat);
        crew.beacon.man();
        match start_one(shared, worker, &mut roster.slots[worker]) {
            Ok(()) => Manned::Yes,
            Err(_) => {
                crew.beacon.unman();
                shared.remotes[worker].duty.vacate();
                shared.leave(shared.remotes[worker].lane);
                Manned::Refused
            }
        }
    }

    fn collect(&self) {
        let is_gone = |worker: &usize| self.shared.remotes[*worker].duty.is_gone();
        let mut spares = self.shared.crews.iter().flat_map(|crew| crew.spares.clone());
        if !spares.any(|worker| is_gone(&worker)) {
            return;
        }
        let Some(mut roster) = self.roster.try_lock() else { return };
        for crew in &self.shared.crews {
            for worker in crew.spares.clone().filter(is_gone) {
                // One that has just said so is joined the next time.
                if matches!(&roster.slots[worker], Slot::Running(handle) if handle.is_finished()) {
                    join_one(&mut roster.slots[worker]);
                    self.shared.remotes[worker].duty.vacate();
                }
            }
            let manned = crew.spares.clone().filter(|&worker| !self.shared.remotes[worker].duty.is_vacant());
            crew.set_reach(manned.map(|worker| crew.seat(worker) + 1).max().unwrap_or(crew.seats.len()));
        }
    }
}

/// Makes the threads. The result says which lanes have theirs.
fn start_lanes(shared: &Arc<Shared>, slots: &mut [Slot]) -> Result<[bool; LANES], Error> {
    let mut manned = [false; LANES];
    // Without the ordinary lane's there is no scheduler, so they are not to lack what others have taken.
    for lane in [Lane::Ordinary, Lane::Urgent, Lane::Background] {
        let seats = shared.crews[lane as usize].seats.clone();
        manned[lane as usize] = !seats.is_empty();
        if let Err((missing, error)) = start_lane(shared, lane, slots) {
            shared.excuse(lane, missing);
            if lane == Lane::Ordinary {
                let others = Lane::ALL.into_iter().filter(|&other| other != lane);
                others.for_each(|other| shared.excuse(other, shared.crews[other as usize].seats.len()));
                return Err(error);
            }
            manned[lane as usize] = false;
            shared.dismiss(lane);
            slots[seats].iter_mut().for_each(join_one);
        }
    }
    Ok(manned)
}

/// Makes the threads of one lane. The error says how many are missing, too.
fn start_lane(shared: &Arc<Shared>, lane: Lane, slots: &mut [Slot]) -> Result<(), (usize, Error)> {
    let seats = shared.crews[lane as usize].seats.clone();
    for index in seats.clone() {
        start_one(shared, index, &mut slots[index]).map_err(|error| (seats.end - index, error))?;
    }
    Ok(())
}

fn start_one(shared: &Arc<Shared>, index: usize, slot: &mut Slot) -> Result<(), Error> {
    let Slot::Waiting(deques) = std::mem::replace(slot, Slot::Moving) else {
        unreachable!("the thread before was joined")
    };
    // The deques must come back if there is no thread.
    let parcel = Arc::new(Mutex::new(Some(deques)));
    let (theirs, for_thread) = (parcel.clone(), shared.clone());
    let body = move || {
        let deques = theirs.lock().take().expect("put there above");
        serve(for_thread, index, deques)
    };
    let sites = &shared.config.sites;
    let builder = std::thread::Builder::new().name(thread_name(shared, index));
    let made = match sites.is_one() {
        true => builder.spawn(body),
        false => spawn_there(&sites.all()[shared.remotes[index].site()].cpus, builder, body),
    };
    match made {
        Ok(handle) => {
            *slot = Slot::Running(handle);
            Ok(())
        }
        Err(error) => {
            *slot = Slot::Waiting(parcel.lock().take().expect("no thread took it"));
            Err(Error::thread(format!(
                "worker thread {index} could not be created ({error}); use fewer workers, or raise the limit \
                 on threads (ulimit -u, the container's pids.max)"
            )))
        }
    }
}

/// A thread's stack begins where its maker is, so its maker is a thread that is there, and not the caller: who is tied and
/// let go again while a CPU is offline may never use that one again, and would not see it come back.
fn spawn_there<T: Send + 'static>(
    cpus: &CpuSet,
    builder: std::thread::Builder,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let parcel = Mutex::new(Some((builder, body)));
    let make = || {
        let (builder, body) = parcel.lock().take().expect("it is made once");
        builder.spawn(body)
    };
    std::thread::scope(|scope| {
        let maker = std::thread::Builder::new().spawn_scoped(scope, || {
            let _there = affinity::pin_to_set(cpus);
            make()
        });
        match maker {
            Ok(maker) => maker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            // There may be room for one more thread, where there is none for two.
            Err(_) => make(),
        }
    })
}

fn thread_name(shared: &Shared, index: usize) -> String {
    let (crew, seat) = shared.crew_of_worker(index);
    shared.config.thread_name(crew.lane, seat)
}

fn serve(shared: Arc<Shared>, index: usize, deques: Deques) -> Deques {
    let remote = &shared.remotes[index];
    let (crew, _) = shared.crew_of_worker(index);
    shared.settle_here(index);
    remote.open(join_lane(remote.lane, &shared.config.lanes));
    shared.config.hooks.call_start(index);
    let needed = shared.wait_for_work(index);
    shared.watchman.stir();
    let worker = Worker::new(shared.clone(), index, deques);
    current::enter(&worker, || {
        if let Some(searching) = needed {
            worker.run(searching);
        }
        worker.close();
    });
    remote.detach();
    crew.beacon.unman();
    shared.leave(crew.lane);
    let deques = worker.into_deques();
    shared.config.hooks.call_stop(index);
    deques
}

fn join_all(shared: &Shared, roster: &mut Roster) {
    roster.slots.iter_mut().for_each(join_one);
    // It ends when all others have.
    if let Some(Err(panic)) = roster.monitor.take().map(JoinHandle::join) {
        std::panic::resume_unwind(panic);
    }
    shared.watchman.set_state(MonitorState::Off);
    shared.blocking.close();
    shared.blocking.join();
    for crew in &shared.crews {
        crew.spares.clone().for_each(|worker| shared.remotes[worker].duty.vacate());
        crew.set_reach(crew.seats.len());
    }
    shared.close_inboxes();
}

/// Waits until the thread has ended, if there is one.
fn join_one(slot: &mut Slot) {
    *slot = match std::mem::replace(slot, Slot::Moving) {
        Slot::Running(handle) => match handle.join() {
            Ok(deques) => Slot::Waiting(deques),
            // A worker's thread runs our code only; its panic is a bug that must not be hidden.
            Err(panic) => std::panic::resume_unwind(panic),
        },
        other => other,
    };
}
