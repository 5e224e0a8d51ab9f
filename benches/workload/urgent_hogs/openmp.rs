//! `urgent_hogs` by OpenMP, as in GCC's libgomp.
#![cfg(feature = "peers")]

use super::drive_program;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    drive_program(run, "openmp", "tasks with `priority(1)` over `priority(0)`, at most 150 queued")
}
