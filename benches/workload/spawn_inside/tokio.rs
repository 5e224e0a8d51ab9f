//! `spawn_inside` by tokio.
#![cfg(feature = "peers")]

use super::{BATCH, drive};
use crate::contender;
use heddle_benches::{Run, Sample, Timed};
use std::time::Instant;

pub(crate) fn run(run: &Run) -> Sample {
    let runtime = contender::tokio::runtime(run.case.workers);
    drive(run, "tokio::spawn, handles awaited", BATCH, |n| {
        contender::tokio::inside(&runtime, async move {
            let start = Instant::now();
            let handles: Vec<_> = (0..n).map(|i| tokio::spawn(async move { i })).collect();
            let mut sum = 0;
            for handle in handles {
                sum += handle.await.expect("no task panics");
            }
            Timed::since(start, sum)
        })
    })
}
