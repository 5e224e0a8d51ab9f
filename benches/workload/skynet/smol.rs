//! `skynet` by smol's executor.
#![cfg(feature = "peers")]

use super::{BRANCHES, drive};
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
        "every node and leaf is a task",
        |leaves, chance| contender::smol::inside(executor, node(executor, 0, leaves, chance)),
        |leaves, chance| contender::smol::inside(executor, node(executor, 0, leaves, chance)),
    )
}

type Spawner = &'static Executor<'static>;

fn node<C: Chance>(
    executor: Spawner,
    first: u64,
    leaves: u64,
    chance: C,
) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move {
        if chance.hits() {
            yield_now().await;
        }
        if leaves == 1 {
            return first;
        }
        let below = leaves / BRANCHES;
        let spawn = |i| executor.spawn(node(executor, first + i * below, below, chance.branch(i)));
        let children: Vec<_> = (0..BRANCHES).map(spawn).collect();
        let mut sum = 0;
        for child in children {
            sum += child.await;
        }
        sum
    })
}
