//! `spawn_outside` by Heddle.

use super::{BATCH, drive};
use crate::contender;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    let scheduler = contender::heddle::scheduler(run.case.workers);
    drive(run, "Scheduler::go, handles joined", BATCH, |n| {
        let handles: Vec<_> = (0..n).map(|i| scheduler.go(move || i)).collect();
        handles.into_iter().map(|handle| handle.join().expect("no fiber panics")).sum()
    })
}
