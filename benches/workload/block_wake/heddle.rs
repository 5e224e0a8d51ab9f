//! `block_wake` by Heddle.

use super::{arrive, compute, drive};
use crate::contender::{self, heddle::Channel};
use heddle_benches::{Run, Sample};
use std::sync::Arc;

pub(crate) fn run(run: &Run) -> Sample {
    let scheduler = contender::heddle::scheduler(run.case.workers);
    let channel = Arc::new(Channel::default());
    let spawn = |n| {
        for _ in 0..n {
            let channel = Arc::clone(&channel);
            drop(scheduler.go(move || {
                arrive();
                assert!(channel.receive(), "a message each");
                compute();
            }));
        }
    };
    let wake = |n| (0..n).for_each(|_| channel.send());
    drive(run, "a channel on suspend and resume, a message each from a foreign thread", spawn, wake)
}
