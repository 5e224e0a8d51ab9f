//! `handoff_cross` by tokio.
#![cfg(feature = "peers")]

use super::{SLOW_ROUNDS, drive};
use crate::contender::{self, baton::Baton};
use heddle_benches::process::thread_mark;
use heddle_benches::{Run, Sample};
use std::sync::Arc;

pub(crate) fn run(run: &Run) -> Sample {
    let runtimes = [contender::tokio::runtime(1), contender::tokio::runtime(1)];
    drive(
        run,
        "two runtimes of one worker each, as one runtime would keep both tasks together",
        SLOW_ROUNDS,
        |rounds| {
            let baton = Arc::new(Baton::default());
            let [(one, here), (other, there)] = [0, 1]
                .map(|me| {
                    let baton = Arc::clone(&baton);
                    runtimes[me].spawn(async move { (baton.play(me, rounds).await, thread_mark()) })
                })
                .map(|task| runtimes[0].block_on(task).expect("no task panics"));
            (one + other, here != there)
        },
    )
}
