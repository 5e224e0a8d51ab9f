//! `wake` by may.
#![cfg(feature = "peers")]

use super::{drive, started};
use crate::contender;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    contender::may::start(run.case.workers);
    drive(run, "coroutine::spawn", |now| drop(contender::may::go(move || started(now))))
}
