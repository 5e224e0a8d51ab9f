//! `handoff_cross` by smol's executor.
#![cfg(feature = "peers")]

use super::{SLOW_ROUNDS, drive};
use crate::contender::{self, baton::Baton};
use futures_lite::future::block_on;
use heddle_benches::process::thread_mark;
use heddle_benches::{Run, Sample};
use std::sync::Arc;

pub(crate) fn run(run: &Run) -> Sample {
    let executors = [contender::smol::executor(1), contender::smol::executor(1)];
    drive(
        run,
        "two executors of one thread each, as one executor would keep both tasks together",
        SLOW_ROUNDS,
        |rounds| {
            let baton = Arc::new(Baton::default());
            let [(one, here), (other, there)] = [0, 1]
                .map(|me| {
                    let baton = Arc::clone(&baton);
                    executors[me].spawn(async move { (baton.play(me, rounds).await, thread_mark()) })
                })
                .map(block_on);
            (one + other, here != there)
        },
    )
}
