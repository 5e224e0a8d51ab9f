//! `mutex` by parking_lot's mutex, which blocks the thread.

use super::drive;
use heddle_benches::{Run, Sample};
use parking_lot::Mutex;
use std::hint::black_box;

pub(crate) fn run(run: &Run) -> Sample {
    drive(run, "parking_lot::Mutex", |rounds| {
        let lock = Mutex::new(0);
        (0..rounds).for_each(|_| *black_box(&lock).lock() += 1);
        lock.into_inner()
    })
}
