//! `fork_join` by tokio.
#![cfg(feature = "peers")]

use super::drive;
use crate::contender;
use heddle_benches::chance::Chance;
use heddle_benches::{Run, Sample};
use std::pin::Pin;

pub(crate) fn run(run: &Run) -> Sample {
    let runtime = &contender::tokio::runtime(run.case.workers);
    drive(
        run,
        "left awaited in place, right spawned; yield_now suspends",
        26,
        |n, chance| contender::tokio::inside(runtime, fib(n, chance)),
        |n, chance| contender::tokio::inside(runtime, fib(n, chance)),
    )
}

fn fib<C: Chance>(n: u32, chance: C) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move {
        if chance.hits() {
            tokio::task::yield_now().await;
        }
        if n < 2 {
            return u64::from(n);
        }
        let right = tokio::spawn(fib(n - 2, chance.branch(1)));
        fib(n - 1, chance.branch(0)).await + right.await.expect("no task panics")
    })
}
