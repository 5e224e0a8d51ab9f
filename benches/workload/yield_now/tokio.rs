//! `yield_now` by tokio.
#![cfg(feature = "peers")]

use super::drive;
use crate::contender;
use heddle_benches::{Run, Sample, Timed};
use std::time::Instant;

pub(crate) fn run(run: &Run) -> Sample {
    let runtime = contender::tokio::runtime(run.case.workers);
    drive(run, "task::yield_now", |fibers, yields| {
        let task = move || async move {
            for _ in 0..yields {
                tokio::task::yield_now().await;
            }
            yields
        };
        contender::tokio::inside(&runtime, async move {
            let start = Instant::now();
            let handles: Vec<_> = (0..fibers).map(|_| tokio::spawn(task())).collect();
            let mut sum = 0;
            for handle in handles {
                sum += handle.await.expect("no task panics");
            }
            Timed::since(start, sum)
        })
    })
}
