//! `urgent_hogs` by parked threads of the kernel, with the loops in `SCHED_IDLE`.

use super::{drive, hog};
use crate::contender::floor_lane::{Lane, Standing};
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    let urgent = Lane::start(run.case.workers, Standing::Ordinary);
    let background = Lane::start(run.case.workers, Standing::IdleClass);
    let says = "threads that a futex wakes, the loops in `SCHED_IDLE`";
    drive(run, says, || background.push(hog), |request| urgent.push(|| request.serve()))
}
