//! `handoff_same` by forte.
#![cfg(feature = "peers")]

use super::drive;
use crate::contender::{self, baton::Baton};
use heddle_benches::{Run, Sample};
use std::sync::Arc;

pub(crate) fn run(run: &Run) -> Sample {
    contender::forte::inside(run.case.workers, |worker| {
        drive(run, "two futures, a flag and an AtomicWaker each way", |rounds| {
            let baton = Arc::new(Baton::default());
            let there = Arc::clone(&baton);
            let one = worker.spawn_async(move || async move { baton.play(0, rounds).await });
            let other = worker.spawn_async(move || async move { there.play(1, rounds).await });
            // One await per block_on: a second one would spin for ever, as the first leaves its waker set.
            worker.block_on(one) + worker.block_on(other)
        })
    })
}
