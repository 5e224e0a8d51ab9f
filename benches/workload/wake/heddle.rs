//! `wake` by Heddle.

use super::{drive, started};
use crate::contender;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    let scheduler = contender::heddle::scheduler(run.case.workers);
    drive(run, "Scheduler::go, Normal", |now| drop(scheduler.go(move || started(now))))
}
