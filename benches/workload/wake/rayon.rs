//! `wake` by rayon.
#![cfg(feature = "peers")]

use super::{drive, started};
use crate::contender;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    let pool = contender::rayon::pool(run.case.workers);
    drive(run, "ThreadPool::spawn", |now| pool.spawn(move || started(now)))
}
