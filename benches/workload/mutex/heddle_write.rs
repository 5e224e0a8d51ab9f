//! `mutex` by Heddle's lock for readers and writers, written.

use super::drive;
use heddle_benches::{Run, Sample};
use heddle_scheduler::sync::RwLock;
use std::hint::black_box;

pub(crate) fn run(run: &Run) -> Sample {
    drive(run, "sync::RwLock, write", |rounds| {
        let lock = RwLock::new(0);
        (0..rounds).for_each(|_| *black_box(&lock).write() += 1);
        lock.into_inner()
    })
}
