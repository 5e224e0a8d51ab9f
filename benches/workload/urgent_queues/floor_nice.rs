//! `urgent_queues` by parked threads of the kernel, with those of the other tasks at nice 10.

use super::drive;
use crate::contender::floor_lane::{Lane, Standing};
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    let urgent = Lane::start(run.case.workers, Standing::Ordinary);
    let ordinary = Lane::start(run.case.workers, Standing::Nice(10));
    let says = "threads that a futex wakes and a queue for them, those of the other tasks at nice 10";
    drive(run, says, || piece(ordinary), |request| urgent.push(|| request.serve()))
}

fn piece(lane: &'static Lane) {
    lane.push(move || {
        if super::piece() {
            piece(lane);
        }
    });
}
