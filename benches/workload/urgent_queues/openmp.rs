//! `urgent_queues` by OpenMP, as in GCC's libgomp, whose submitting thread runs tasks itself once it has queued 64 for
//! each thread: the queue is shorter than the others'.
#![cfg(feature = "peers")]

use super::drive_program;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    drive_program(run, "openmp", 150, "tasks with `priority(1)` over `priority(0)`")
}
