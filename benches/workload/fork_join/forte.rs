//! `fork_join` by forte.
#![cfg(feature = "peers")]

use super::drive;
use crate::contender;
use forte::Worker;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    contender::forte::inside(run.case.workers, |worker| {
        drive(run, "Worker::join", 32, |n, _| fib(worker, n), |_, _| unreachable!("excepted"))
    })
}

fn fib(worker: &Worker, n: u32) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    let (left, right) = worker.join(move |worker| fib(worker, n - 1), move |worker| fib(worker, n - 2));
    left + right
}
