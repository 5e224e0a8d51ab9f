//! `wake` by tokio.
#![cfg(feature = "peers")]

use super::{drive, started};
use crate::contender;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    let runtime = contender::tokio::runtime(run.case.workers);
    drive(run, "Runtime::spawn", |now| drop(runtime.spawn(async move { started(now) })))
}
