//! `handoff_same` by smol's executor.
#![cfg(feature = "peers")]

use super::drive;
use crate::contender::{self, baton::Baton};
use heddle_benches::{Run, Sample};
use std::sync::Arc;

pub(crate) fn run(run: &Run) -> Sample {
    let executor = contender::smol::executor(run.case.workers);
    drive(run, "a flag and an AtomicWaker each way", |rounds| {
        contender::smol::inside(executor, async move {
            let baton = Arc::new(Baton::default());
            let there = Arc::clone(&baton);
            let other = executor.spawn(async move { there.play(1, rounds).await });
            baton.play(0, rounds).await + other.await
        })
    })
}
