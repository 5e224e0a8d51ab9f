//! Starting and stopping the workers' threads.
//!
//! ```text
//!          start               open            begin_stop              last thread gone
//! stopped -------> STARTING ---------> RUNNING ------------> STOPPING ------------------> stopped
//!                  threads wait        inboxes open          workers end their fibers     inboxes closed
//! ```
//!
//! The threads of the urgent and the background lane are made first. A lane whose threads cannot all be
//! made goes without: its levels ride in the ordinary lane, and `stats()` says so.
//!
//! A worker leaves when it has no live fiber and nothing in its deques. It closes its mailbox behind
//! it; the inboxes are closed when all have left. Between two runs the deques wait in [`Threads`].

use crate::error::Error;
use crate::lane::{LANES, Lane};
use crate::machine::thread::{join_lane, tie_to_cpu};
use crate::worker::shared::Shared;
use crate::worker::{Deques, Worker, current};
use parking_lot::Mutex;
use std::ptr;
use std::sync::Arc;
use std::thread::JoinHandle;

/// The threads of a scheduler, or what waits for the next ones.
pub(crate) struct Threads(Mutex<Vec<Slot>>);

enum Slot {
    Waiting(Deques),
    Running(JoinHandle<Deques>),
    /// Only while it changes.
    Moving,
}

impl Threads {
    pub(crate) fn new(deques: Vec<Deques>) -> Threads {
        Threads(Mutex::new(deques.into_iter().map(Slot::Waiting).collect()))
    }

    pub(super) fn start(&self, shared: &Arc<Shared>) -> Result<(), Error> {
        if shared.is_running() {
            return Ok(());
        }
        if is_inside(shared) {
            return Err(Error::inside("start()"));
        }
        let mut slots = self.0.lock();
        if shared.is_running() {
            return Ok(());
        }
        // It may be stopping still, if that was begun without waiting.
        join_all(shared, &mut slots);
        shared.begin();
        let outcome = start_lanes(shared, &mut slots);
        match &outcome {
            Ok(manned) => shared.open(|lane| manned[lane as usize]),
            Err(_) => shared.begin_stop(),
        }
        if outcome.is_err() {
            join_all(shared, &mut slots);
        }
        outcome.map(|_| ())
    }

    pub(super) fn stop(&self, shared: &Shared) -> Result<(), Error> {
        if is_inside(shared) {
            return Err(Error::inside("stop()"));
        }
        let mut slots = self.0.lock();
        shared.begin_stop();
        join_all(shared, &mut slots);
        Ok(())
    }
}

fn is_inside(shared: &Shared) -> bool {
    current::worker().is_some_and(|worker| ptr::eq(&*worker.shared, shared))
}

/// Makes the threads. The result says which lanes have theirs.
fn start_lanes(shared: &Arc<Shared>, slots: &mut [Slot]) -> Result<[bool; LANES], Error> {
    let mut manned = [true; LANES];
    let mut missing = 0;
    for lane in [Lane::Background, Lane::Urgent, Lane::Ordinary] {
        let seats = shared.crews[lane as usize].seats.clone();
        manned[lane as usize] = !seats.is_empty();
        for index in seats.clone() {
            match start_one(shared, index, &mut slots[index]) {
                Ok(()) => {}
                Err(error) => {
                    missing += seats.end - index;
                    if lane == Lane::Ordinary {
                        shared.excuse(missing);
                        return Err(error);
                    }
                    manned[lane as usize] = false;
                    break;
                }
            }
        }
    }
    shared.excuse(missing);
    Ok(manned)
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
    match std::thread::Builder::new().name(thread_name(shared, index)).spawn(body) {
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

fn thread_name(shared: &Shared, index: usize) -> String {
    let (crew, seat) = shared.crew_of_worker(index);
    shared.config.thread_name(crew.lane, seat)
}

fn serve(shared: Arc<Shared>, index: usize, deques: Deques) -> Deques {
    let remote = &shared.remotes[index];
    let (crew, seat) = shared.crew_of_worker(index);
    // If the system refuses, the thread goes where there is room, like those of other lanes.
    let cpu = crew.cpu(seat).filter(|&cpu| tie_to_cpu(cpu));
    remote.attach(join_lane(remote.lane, &shared.config.lanes), cpu);
    shared.config.hooks.call_start(index);
    let searching = shared.wait_for_work(index);
    let worker = Worker::new(shared.clone(), index, deques);
    current::enter(&worker, || {
        worker.run(searching);
        worker.close();
    });
    shared.leave();
    let deques = worker.into_deques();
    shared.config.hooks.call_stop(index);
    deques
}

fn join_all(shared: &Shared, slots: &mut [Slot]) {
    for slot in &mut *slots {
        *slot = match std::mem::replace(slot, Slot::Moving) {
            Slot::Running(handle) => match handle.join() {
                Ok(deques) => Slot::Waiting(deques),
                // A worker's thread runs our code only; its panic is a bug that must not be hidden.
                Err(panic) => std::panic::resume_unwind(panic),
            },
            other => other,
        };
    }
    shared.close_inboxes();
}
