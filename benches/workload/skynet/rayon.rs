//! `skynet` by rayon, by scopes.
#![cfg(feature = "peers")]

use super::{BRANCHES, drive};
use crate::contender;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    let pool = contender::rayon::pool(run.case.workers);
    let says = "a scope per node, a spawned job per child";
    drive(run, says, |leaves, _| pool.install(|| node(0, leaves)), |_, _| unreachable!("excepted"))
}

fn node(first: u64, leaves: u64) -> u64 {
    if leaves == 1 {
        return first;
    }
    let below = leaves / BRANCHES;
    let mut sums = [0; BRANCHES as usize];
    rayon::scope(|scope| {
        for (sum, i) in sums.iter_mut().zip(0..) {
            scope.spawn(move |_| *sum = node(first + i * below, below));
        }
    });
    sums.into_iter().sum()
}
