//! `mutex` by Heddle's lock for readers and writers, read.

use super::drive;
use heddle_benches::{Run, Sample};
use heddle_scheduler::sync::RwLock;
use std::hint::black_box;

pub(crate) fn run(run: &Run) -> Sample {
    drive(run, "sync::RwLock, read", |rounds| {
        let lock = RwLock::new(1);
        (0..rounds).map(|_| *black_box(&lock).read()).sum()
    })
}
