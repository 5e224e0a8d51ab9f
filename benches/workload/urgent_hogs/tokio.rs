//! `urgent_hogs` by tokio, which has no priorities.
#![cfg(feature = "peers")]

use super::{drive, hog};
use crate::contender;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    let runtime = contender::tokio::runtime(run.case.workers);
    let start_hog = || drop(runtime.spawn(async { hog() }));
    drive(run, "tasks like all others", start_hog, |request| {
        drop(runtime.spawn(async { request.serve() }));
    })
}
