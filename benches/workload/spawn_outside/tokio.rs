//! `spawn_outside` by tokio.
#![cfg(feature = "peers")]

use super::{BATCH, drive};
use crate::contender;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    let runtime = contender::tokio::runtime(run.case.workers);
    drive(run, "Runtime::spawn, handles awaited in block_on", BATCH, |n| {
        let handles: Vec<_> = (0..n).map(|i| runtime.spawn(async move { i })).collect();
        runtime.block_on(async {
            let mut sum = 0;
            for handle in handles {
                sum += handle.await.expect("no task panics");
            }
            sum
        })
    })
}
