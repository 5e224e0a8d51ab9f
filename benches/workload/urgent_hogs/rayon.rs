//! `urgent_hogs` by rayon, which has no priorities.
#![cfg(feature = "peers")]

use super::{drive, hog};
use crate::contender;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    let pool = contender::rayon::pool(run.case.workers);
    drive(run, "jobs like all others", || pool.spawn(hog), |request| pool.spawn(|| request.serve()))
}
