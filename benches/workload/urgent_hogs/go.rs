//! `urgent_hogs` by Go, which has no priorities but preempts after 10 ms.
#![cfg(feature = "peers")]

use super::drive_program;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    drive_program(run, "go", "goroutines like all others, submitted by one that is locked to its thread")
}
