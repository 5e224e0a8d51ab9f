//! `urgent_queues` by rayon, which has no priorities.
#![cfg(feature = "peers")]

use super::drive;
use crate::contender;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    let pool = contender::rayon::pool(run.case.workers);
    let submit = |request: &'static heddle_benches::open_loop::Request| pool.spawn(|| request.serve());
    drive(run, "jobs like all others", || pool.spawn(piece), submit)
}

fn piece() {
    if super::piece() {
        rayon::spawn(piece);
    }
}
