//! `skynet` by forte.
#![cfg(feature = "peers")]

use super::drive;
use crate::contender;
use forte::Worker;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    contender::forte::inside(run.case.workers, |worker| {
        drive(
            run,
            "joins of two halves",
            |leaves, _| node(worker, 0, leaves),
            |_, _| unreachable!("excepted"),
        )
    })
}

fn node(worker: &Worker, first: u64, leaves: u64) -> u64 {
    if leaves == 1 {
        return first;
    }
    let half = leaves / 2;
    let (left, right) = worker.join(
        move |worker| node(worker, first, half),
        move |worker| node(worker, first + half, leaves - half),
    );
    left + right
}
