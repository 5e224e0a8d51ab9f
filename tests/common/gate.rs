//! Waiting for each other: [`Gate`] blocks the thread, fiber or not, and so keeps a worker busy;
//! [`Event`] suspends the fiber.

use crate::watchdog;
use heddle_scheduler::suspend::{Resumer, suspend};
use heddle_scheduler::{Cancelled, Priority, Scheduler};
use std::panic::Location;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Closed until it is opened; who waits for it blocks the *thread*.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// A closed one.
    pub fn new() -> Gate {
        Gate::default()
    }

    /// Blocks the thread until the gate is open.
    pub fn wait(&self) {
        let mut open = self.0.0.lock().expect("no panic while locked");
        while !*open {
            open = self.0.1.wait(open).expect("no panic while locked");
        }
    }

    /// Lets everybody through, for ever.
    pub fn open(&self) {
        *self.0.0.lock().expect("no panic while locked") = true;
        self.0.1.notify_all();
    }

    /// Was it opened?
    pub fn is_open(&self) -> bool {
        *self.0.0.lock().expect("no panic while locked")
    }
}

/// Not happened until it is fired; who waits for it suspends.
#[derive(Clone, Default)]
pub struct Event(Arc<Mutex<(bool, Vec<Resumer>)>>);

impl Event {
    /// One that has not happened.
    pub fn new() -> Event {
        Event::default()
    }

    /// Suspends until it has happened, or the fiber is cancelled.
    pub fn wait(&self) -> Result<(), Cancelled> {
        {
            let mut state = self.0.lock().expect("no panic while locked");
            if state.0 {
                return Ok(());
            }
            state.1.push(Resumer::current());
        }
        while !self.has_fired() {
            suspend()?;
        }
        Ok(())
    }

    /// Wakes all who wait.
    pub fn fire(&self) {
        let waiting = {
            let mut state = self.0.lock().expect("no panic while locked");
            state.0 = true;
            std::mem::take(&mut state.1)
        };
        for resumer in waiting {
            resumer.resume();
        }
    }

    /// Has it happened?
    pub fn has_fired(&self) -> bool {
        self.0.lock().expect("no panic while locked").0
    }

    /// How many have come to wait, whether they are suspended yet or not.
    pub fn waiting(&self) -> usize {
        self.0.lock().expect("no panic while locked").1.len()
    }
}

/// Some seconds: before that nobody asks, and telling takes a lock.
const MANY_LOOKS: u32 = 10_000;

/// Waits for something that will happen, by itself, however long it takes; if it never does, the
/// watchdog says so, and where.
#[track_caller]
pub fn eventually(mut what: impl FnMut() -> bool) {
    let at = Location::caller();
    let mut looks = 0_u32;
    let mut told = None;
    while !what() {
        looks = looks.saturating_add(1);
        if looks < 100 {
            std::thread::yield_now();
        } else {
            if looks > MANY_LOOKS {
                told.get_or_insert_with(|| watchdog::waits(at));
            }
            // Threads of a background lane would get nothing of a CPU on which somebody looks all the time.
            std::thread::sleep(Duration::from_micros(100));
        }
    }
}

/// Fibers that keep workers busy until this is dropped.
pub struct Occupied {
    gates: Vec<Gate>,
}

impl Occupied {
    /// Lets one worker of each lane go on.
    pub fn release_one(&mut self) {
        self.gates.pop().expect("somebody is still held").open();
    }

    /// Lets all go on.
    pub fn release(self) {}
}

impl Drop for Occupied {
    fn drop(&mut self) {
        for gate in &self.gates {
            gate.open();
        }
    }
}

/// Keeps every worker of the scheduler, in all lanes, busy with a fiber that blocks its thread.
pub fn occupy(scheduler: &Scheduler) -> Occupied {
    // The most urgent of each lane, so that nothing goes before it.
    let riders: Vec<Priority> = scheduler.stats().lanes.iter().map(|lane| lane.priorities[0]).collect();
    let workers = scheduler.workers();
    let ready = Arc::new(std::sync::Barrier::new(workers * riders.len() + 1));
    let gates: Vec<Gate> = (0..workers).map(|_| Gate::new()).collect();
    for (gate, rider) in gates.iter().flat_map(|gate| riders.iter().map(move |rider| (gate, rider))) {
        let (gate, ready) = (gate.clone(), ready.clone());
        drop(scheduler.go_with_priority(*rider, move || {
            ready.wait();
            gate.wait();
        }));
    }
    ready.wait();
    Occupied { gates }
}
