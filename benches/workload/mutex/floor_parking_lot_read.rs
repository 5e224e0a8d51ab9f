//! `mutex` by parking_lot's lock for readers and writers, which blocks the thread, read.

use super::drive;
use heddle_benches::{Run, Sample};
use parking_lot::RwLock;
use std::hint::black_box;

pub(crate) fn run(run: &Run) -> Sample {
    drive(run, "parking_lot::RwLock, read", |rounds| {
        let lock = RwLock::new(1);
        (0..rounds).map(|_| *black_box(&lock).read()).sum()
    })
}
