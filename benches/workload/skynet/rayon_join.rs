//! `skynet` by rayon, by joins.
#![cfg(feature = "peers")]

use super::drive;
use crate::contender;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    let pool = contender::rayon::pool(run.case.workers);
    drive(
        run,
        "joins of two halves",
        |leaves, _| pool.install(|| node(0, leaves)),
        |_, _| unreachable!("excepted"),
    )
}

fn node(first: u64, leaves: u64) -> u64 {
    if leaves == 1 {
        return first;
    }
    let half = leaves / 2;
    let (left, right) = rayon::join(move || node(first, half), move || node(first + half, leaves - half));
    left + right
}
