//! `mutex` by Heddle's semaphore.

use super::drive;
use heddle_benches::{Run, Sample};
use heddle_scheduler::sync::Semaphore;
use std::hint::black_box;

pub(crate) fn run(run: &Run) -> Sample {
    drive(run, "sync::Semaphore", |rounds| {
        let permits = Semaphore::new(1);
        (0..rounds).map(|_| black_box(&permits).acquire().count() as u64).sum()
    })
}
