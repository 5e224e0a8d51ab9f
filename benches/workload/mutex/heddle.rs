//! `mutex` by Heddle's mutex.

use super::drive;
use heddle_benches::{Run, Sample};
use heddle_scheduler::sync::Mutex;
use std::hint::black_box;

pub(crate) fn run(run: &Run) -> Sample {
    drive(run, "sync::Mutex", |rounds| {
        let lock = Mutex::new(0);
        (0..rounds).for_each(|_| *black_box(&lock).lock() += 1);
        lock.into_inner()
    })
}
