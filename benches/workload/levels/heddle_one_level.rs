//! `levels` by Heddle, one in use.

use super::drive;
use heddle_benches::{Run, Sample};
use heddle_scheduler::Priority;

pub(crate) fn run(run: &Run) -> Sample {
    drive(run, "all fibers at Normal", |_| Priority::Normal)
}
