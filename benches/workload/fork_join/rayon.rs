//! `fork_join` by rayon.
#![cfg(feature = "peers")]

use super::drive;
use crate::contender;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    let pool = contender::rayon::pool(run.case.workers);
    drive(run, "rayon::join", 32, |n, _| pool.install(|| fib(n)), |_, _| unreachable!("excepted"))
}

fn fib(n: u32) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    let (left, right) = rayon::join(move || fib(n - 1), move || fib(n - 2));
    left + right
}
