//! `urgent_queues` by oneTBB.
#![cfg(feature = "peers")]

use super::{depth, drive_program};
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    drive_program(
        run,
        "tbb",
        depth(run),
        "enqueued into an arena of high priority, over one of normal priority",
    )
}
