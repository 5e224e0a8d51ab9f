//! `block_wake` by may.
#![cfg(feature = "peers")]

use super::{arrive, compute, drive};
use crate::contender;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    contender::may::start(run.case.workers);
    let (sender, receiver) = may::sync::mpmc::channel::<()>();
    let spawn = |n| {
        for _ in 0..n {
            let receiver = receiver.clone();
            drop(contender::may::go(move || {
                arrive();
                receiver.recv().expect("a message each");
                compute();
            }));
        }
    };
    let wake = |n| (0..n).for_each(|_| sender.send(()).expect("there are receivers"));
    drive(run, "an mpmc channel, a message each from a foreign thread", spawn, wake)
}
