//! `urgent_hogs` by Heddle.

use super::{drive, hog};
use crate::contender;
use heddle_benches::{Run, Sample};
use heddle_scheduler::Priority;

pub(crate) fn run(run: &Run) -> Sample {
    let scheduler = contender::heddle::scheduler(run.case.workers);
    let start_hog = || drop(scheduler.go_with_priority(Priority::Background, hog));
    drive(run, "Critical fibers over Background ones", start_hog, |request| {
        drop(scheduler.go_with_priority(Priority::Critical, || request.serve()));
    })
}
