//! `urgent_queues` by Heddle.

use super::drive;
use crate::contender;
use heddle_benches::{Run, Sample};
use heddle_scheduler::{Priority, go};

pub(crate) fn run(run: &Run) -> Sample {
    let scheduler = contender::heddle::scheduler(run.case.workers);
    let make = || drop(scheduler.go(piece));
    drive(run, "Critical fibers over Normal ones", make, |request| {
        drop(scheduler.go_with_priority(Priority::Critical, || request.serve()));
    })
}

fn piece() {
    if super::piece() {
        drop(go(piece));
    }
}
