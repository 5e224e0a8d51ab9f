//! `skynet` by tokio.
#![cfg(feature = "peers")]

use super::{BRANCHES, drive};
use crate::contender;
use heddle_benches::chance::Chance;
use heddle_benches::{Run, Sample};
use std::pin::Pin;

pub(crate) fn run(run: &Run) -> Sample {
    let runtime = &contender::tokio::runtime(run.case.workers);
    drive(
        run,
        "every node and leaf is a task",
        |leaves, chance| contender::tokio::inside(runtime, node(0, leaves, chance)),
        |leaves, chance| contender::tokio::inside(runtime, node(0, leaves, chance)),
    )
}

fn node<C: Chance>(first: u64, leaves: u64, chance: C) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move {
        if chance.hits() {
            tokio::task::yield_now().await;
        }
        if leaves == 1 {
            return first;
        }
        let below = leaves / BRANCHES;
        let spawn = |i| tokio::spawn(node(first + i * below, below, chance.branch(i)));
        let children: Vec<_> = (0..BRANCHES).map(spawn).collect();
        let mut sum = 0;
        for child in children {
            sum += child.await.expect("no task panics");
        }
        sum
    })
}
