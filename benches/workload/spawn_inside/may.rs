//! `spawn_inside` by may.
#![cfg(feature = "peers")]

use super::drive;
use crate::contender;
use heddle_benches::{Run, Sample, Timed};

pub(crate) fn run(run: &Run) -> Sample {
    contender::may::start(run.case.workers);
    drive(run, "coroutine::spawn, handles joined; batches of 20,000", contender::may::LIVE_MAX, |n| {
        contender::may::inside(move || {
            Timed::of(|| {
                let handles: Vec<_> = (0..n).map(|i| contender::may::go(move || i)).collect();
                handles.into_iter().map(|handle| handle.join().expect("no coroutine panics")).sum()
            })
        })
    })
}
