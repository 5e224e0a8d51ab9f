//! `urgent_queues` by Go, which has no priorities but preempts after 10 ms.
#![cfg(feature = "peers")]

use super::{depth, drive_program};
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    let says = "goroutines like all others, submitted by one that is locked to its thread";
    drive_program(run, "go", depth(run), says)
}
