//! `spawn_inside` by Heddle, by handles.

use super::{BATCH, drive};
use crate::contender;
use heddle_benches::{Run, Sample, Timed};
use heddle_scheduler::go;

pub(crate) fn run(run: &Run) -> Sample {
    let scheduler = contender::heddle::scheduler(run.case.workers);
    drive(run, "go, handles joined", BATCH, |n| {
        scheduler.run(|| {
            Timed::of(|| {
                let handles: Vec<_> = (0..n).map(|i| go(move || i)).collect();
                handles.into_iter().map(|handle| handle.join().expect("no fiber panics")).sum()
            })
        })
    })
}
