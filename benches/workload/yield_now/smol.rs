//! `yield_now` by smol's executor.
#![cfg(feature = "peers")]

use super::drive;
use crate::contender;
use futures_lite::future::yield_now;
use heddle_benches::{Run, Sample, Timed};
use std::time::Instant;

pub(crate) fn run(run: &Run) -> Sample {
    let executor = contender::smol::executor(run.case.workers);
    drive(run, "future::yield_now", |fibers, yields| {
        let task = move || async move {
            for _ in 0..yields {
                yield_now().await;
            }
            yields
        };
        contender::smol::inside(executor, async move {
            let start = Instant::now();
            let tasks: Vec<_> = (0..fibers).map(|_| executor.spawn(task())).collect();
            let mut sum = 0;
            for task in tasks {
                sum += task.await;
            }
            Timed::since(start, sum)
        })
    })
}
