//! `handoff_same` by tokio.
#![cfg(feature = "peers")]

use super::drive;
use crate::contender::{self, baton::Baton};
use heddle_benches::{Run, Sample};
use std::sync::Arc;

pub(crate) fn run(run: &Run) -> Sample {
    let runtime = contender::tokio::runtime(run.case.workers);
    drive(run, "a flag and an AtomicWaker each way", |rounds| {
        contender::tokio::inside(&runtime, async move {
            let baton = Arc::new(Baton::default());
            let there = Arc::clone(&baton);
            let other = tokio::spawn(async move { there.play(1, rounds).await });
            baton.play(0, rounds).await + other.await.expect("no task panics")
        })
    })
}
