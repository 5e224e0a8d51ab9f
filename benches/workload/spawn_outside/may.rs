//! `spawn_outside` by may.
#![cfg(feature = "peers")]

use super::drive;
use crate::contender;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    contender::may::start(run.case.workers);
    drive(run, "coroutine::spawn, handles joined; batches of 20,000", contender::may::LIVE_MAX, |n| {
        let handles: Vec<_> = (0..n).map(|i| contender::may::go(move || i)).collect();
        handles.into_iter().map(|handle| handle.join().expect("no coroutine panics")).sum()
    })
}
