//! `urgent_hogs` by parked threads of the kernel on the waker's CPU, with the loops at nice 10.

use super::{drive, hog};
use crate::contender::floor_lane::{Lane, Place, Standing};
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    let urgent = Lane::start(run.case.workers, Standing::Ordinary, Place::EachCpu);
    let background = Lane::start(run.case.workers, Standing::Nice(10), Place::Anywhere);
    let says = "threads that a futex wakes on the waker's CPU; the loops at nice 10";
    drive(run, says, || background.push(hog), |request| urgent.push(|| request.serve()))
}
