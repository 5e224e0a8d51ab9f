//! `block_wake` by tokio.
#![cfg(feature = "peers")]

use super::{arrive, compute, drive};
use crate::contender;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    let runtime = contender::tokio::runtime(run.case.workers);
    let (sender, receiver) = async_channel::unbounded::<()>();
    let spawn = |n| {
        for _ in 0..n {
            let receiver = receiver.clone();
            runtime.spawn(async move {
                arrive();
                receiver.recv().await.expect("a message each");
                compute();
            });
        }
    };
    let wake = |n| (0..n).for_each(|_| sender.try_send(()).expect("the channel is open"));
    drive(run, "an async_channel, a message each from a foreign thread", spawn, wake)
}
