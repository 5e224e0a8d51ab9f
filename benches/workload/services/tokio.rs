//! `services` by tokio.
#![cfg(feature = "peers")]

use super::drive;
use crate::contender::tokio::inside;
use heddle_benches::{Run, Sample, Timed};
use std::hint::black_box;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

tokio::task_local! {
    static ONE: u64;
}

pub(crate) fn run(run: &Run) -> Sample {
    let workers = run.case.workers;
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_time()
        .build()
        .expect("threads can be started");
    let (detail, says) = match run.case.detail {
        0 => (0, "time::timeout(30 s, ...) of what is ready"),
        4 => (4, "task_local!, in one scope"),
        _ => (5, "spawn_blocking, one call after the other"),
    };
    drive(run, says, |rounds| {
        inside(&runtime, async move {
            let start = Instant::now();
            let mut sum = 0;
            match detail {
                0 => {
                    let limit = Duration::from_secs(30);
                    for _ in 0..rounds {
                        sum += timeout(limit, async { black_box(1) }).await.expect("half a minute is long");
                    }
                }
                4 => {
                    sum = ONE
                        .scope(1, async { (0..rounds).map(|_| ONE.with(|one| black_box(*one))).sum() })
                        .await;
                }
                _ => {
                    for _ in 0..rounds {
                        sum += spawn_blocking(|| black_box(1)).await.expect("it does not panic");
                    }
                }
            }
            Timed::since(start, sum)
        })
    })
}
