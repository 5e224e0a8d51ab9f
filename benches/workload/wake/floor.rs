//! `wake` by the floor.

use super::{drive, started};
use heddle_benches::{Run, Sample};
use std::sync::Mutex;
use std::time::Instant;

/// The one task that may wait.
static TASK: Mutex<Option<Instant>> = Mutex::new(None);

pub(crate) fn run(run: &Run) -> Sample {
    let sleeper = std::thread::spawn(|| {
        loop {
            std::thread::park();
            if let Some(submitted) = TASK.lock().expect("no one panics").take() {
                started(submitted);
            }
        }
    });
    drive(run, "one parked thread, woken by unpark", |now| {
        *TASK.lock().expect("no one panics") = Some(now);
        sleeper.thread().unpark();
    })
}
