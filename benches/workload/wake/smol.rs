//! `wake` by smol's executor.
#![cfg(feature = "peers")]

use super::{drive, started};
use crate::contender;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    let executor = contender::smol::executor(run.case.workers);
    drive(run, "Executor::spawn", |now| executor.spawn(async move { started(now) }).detach())
}
