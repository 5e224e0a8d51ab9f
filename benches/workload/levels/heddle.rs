//! `levels` by Heddle, all five in use.

use super::drive;
use heddle_benches::{Run, Sample};
use heddle_scheduler::Priority;

const FIVE: [Priority; 5] =
    [Priority::Critical, Priority::High, Priority::Normal, Priority::Low, Priority::Background];

pub(crate) fn run(run: &Run) -> Sample {
    drive(run, "fibers at Critical, High, Normal, Low and Background in turn", |i| FIVE[(i % 5) as usize])
}
