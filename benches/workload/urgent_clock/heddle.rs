//! `urgent_clock` by Heddle.

use super::drive;
use crate::contender;
use crate::workload::urgent_hogs::hog;
use heddle_benches::{Run, Sample};
use heddle_scheduler::{Priority, sleep_until};

pub(crate) fn run(run: &Run) -> Sample {
    let scheduler = contender::heddle::scheduler(run.case.workers);
    let start_hog = || drop(scheduler.go_with_priority(Priority::Background, hog));
    drive(run, "a Critical fiber that sleeps until it is due", start_hog, |alarms| {
        drop(scheduler.go_with_priority(Priority::Critical, move || alarms.ring(sleep_until)));
    })
}
