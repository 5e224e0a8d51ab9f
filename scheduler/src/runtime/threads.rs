//! Starting and stopping the workers' threads.
//!
//! ```text
//!            start                      begin_stop                 last thread gone
//! stopped ------------> RUNNING ---------------------> STOPPING -------------------> stopped
//!                                                      workers end their fibers      inboxes closed
//! ```
//!
//! A worker leaves when it has no live fiber and nothing in its deques. It closes its mailbox behind
//! it; the inboxes are closed when all have left. Between two runs the deques wait in [`Threads`].

use crate::error::Error;
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
        for index in 0..slots.len() {
            if let Err(error) = start_one(shared, index, &mut slots[index]) {
                shared.begin_stop();
                join_all(shared, &mut slots);
                return Err(error);
            }
        }
        Ok(())
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

fn start_one(shared: &Arc<Shared>, index: usize, slot: &mut Slot) -> Result<(), Error> {
    let Slot::Waiting(deques) = std::mem::replace(slot, Slot::Moving) else {
        unreachable!("the thread before was joined")
    };
    // The deques must come back if there is no thread.
    let parcel = Arc::new(Mutex::new(Some(deques)));
    let (theirs, for_thread) = (parcel.clone(), shared.clone());
    let body = move || {
        let deques = theirs.lock().take().expect("put there above");
        // Before anybody can have a reason to wake this thread or to write to it.
        for_thread.remotes[index].attach(std::thread::current());
        serve(for_thread, index, deques)
    };
    match std::thread::Builder::new().name(shared.config.thread_name(index)).spawn(body) {
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

fn serve(shared: Arc<Shared>, index: usize, deques: Deques) -> Deques {
    shared.config.hooks.call_start(index);
    let worker = Worker::new(shared.clone(), index, deques);
    current::enter(&worker, || {
        worker.run();
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
