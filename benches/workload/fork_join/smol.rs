//! `fork_join` by smol's executor.
#![cfg(feature = "peers")]

use super::drive;
use crate::contender;
use async_executor::Executor;
use futures_lite::future::yield_now;
use heddle_benches::chance::Chance;
use heddle_benches::{Run, Sample};
use std::pin::Pin;

pub(crate) fn run(run: &Run) -> Sample {
    let executor = contender::smol::executor(run.case.workers);
    drive(
        run,
        "left awaited in place, right spawned; yield_now suspends",
        24,
        |n, chance| contender::smol::inside(executor, fib(executor, n, chance)),
        |n, chance| contender::smol::inside(executor, fib(executor, n, chance)),
    )
}

type Spawner = &'static Executor<'static>;

fn fib<C: Chance>(executor: Spawner, n: u32, chance: C) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move {
        if chance.hits() {
            yield_now().await;
        }
        if n < 2 {
            return u64::from(n);
        }
        let right = executor.spawn(fib(executor, n - 2, chance.branch(1)));
        fib(executor, n - 1, chance.branch(0)).await + right.await
    })
}
