//! `urgent_queues` by parked threads of the kernel on the waker's CPU, with those of the other tasks in `SCHED_IDLE`.

use super::{drive, lane_piece};
use crate::contender::floor_lane::{Lane, Place, Standing};
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    let urgent = Lane::start(run.case.workers, Standing::Ordinary, Place::EachCpu);
    let ordinary = Lane::start(run.case.workers, Standing::IdleClass, Place::Anywhere);
    let says = "threads that a futex wakes on the waker's CPU; those of the other tasks in `SCHED_IDLE`";
    drive(run, says, || lane_piece(ordinary), |request| urgent.push(|| request.serve()))
}
