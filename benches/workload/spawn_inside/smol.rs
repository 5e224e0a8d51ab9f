//! `spawn_inside` by smol's executor.
#![cfg(feature = "peers")]

use super::{BATCH, drive};
use crate::contender;
use heddle_benches::{Run, Sample, Timed};
use std::time::Instant;

pub(crate) fn run(run: &Run) -> Sample {
    let executor = contender::smol::executor(run.case.workers);
    drive(run, "Executor::spawn, tasks awaited", BATCH, |n| {
        contender::smol::inside(executor, async move {
            let start = Instant::now();
            let tasks: Vec<_> = (0..n).map(|i| executor.spawn(async move { i })).collect();
            let mut sum = 0;
            for task in tasks {
                sum += task.await;
            }
            Timed::since(start, sum)
        })
    })
}
