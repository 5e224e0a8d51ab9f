//! `spawn_outside` by smol's executor.
#![cfg(feature = "peers")]

use super::{BATCH, drive};
use crate::contender;
use futures_lite::future::block_on;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    let executor = contender::smol::executor(run.case.workers);
    drive(run, "Executor::spawn, tasks awaited in block_on", BATCH, |n| {
        let tasks: Vec<_> = (0..n).map(|i| executor.spawn(async move { i })).collect();
        block_on(async {
            let mut sum = 0;
            for task in tasks {
                sum += task.await;
            }
            sum
        })
    })
}
