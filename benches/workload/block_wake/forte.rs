//! `block_wake` by forte.
#![cfg(feature = "peers")]

use super::{arrive, compute, drive};
use crate::contender::forte::inside;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    let workers = run.case.workers;
    let (sender, receiver) = async_channel::unbounded::<()>();
    // Leaving `inside` runs what was spawned or woken in it.
    let spawn = |n| {
        inside(workers, |worker| {
            for _ in 0..n {
                let receiver = receiver.clone();
                let body = async move {
                    arrive();
                    receiver.recv().await.expect("a message each");
                    compute();
                };
                worker.spawn_future(body).detach();
            }
        });
    };
    let wake =
        |n| inside(workers, |_| (0..n).for_each(|_| sender.try_send(()).expect("the channel is open")));
    drive(run, "an async_channel, a message each from one of the workers", spawn, wake)
}
