//! `urgent_queues` by tokio, which has no priorities.
#![cfg(feature = "peers")]

use super::drive;
use crate::contender;
use heddle_benches::{Run, Sample};
use tokio::runtime::Handle;

pub(crate) fn run(run: &Run) -> Sample {
    let runtime = contender::tokio::runtime(run.case.workers);
    drive(
        run,
        "tasks like all others",
        || spawn_piece(runtime.handle()),
        |request| {
            drop(runtime.spawn(async { request.serve() }));
        },
    )
}

fn spawn_piece(handle: &Handle) {
    handle.spawn(async {
        if super::piece() {
            spawn_piece(&Handle::current());
        }
    });
}
