//! `spawn_inside` by rayon, by scopes.
#![cfg(feature = "peers")]

use super::{BATCH, drive};
use crate::contender;
use heddle_benches::{Run, Sample, Timed};

pub(crate) fn run(run: &Run) -> Sample {
    let pool = contender::rayon::pool(run.case.workers);
    drive(run, "scope and Scope::spawn, each writes its own slot", BATCH, |n| {
        pool.install(|| {
            Timed::of(|| {
                let mut slots = vec![0; n as usize];
                rayon::scope(|scope| {
                    for (slot, i) in slots.iter_mut().zip(0..) {
                        scope.spawn(move |_| *slot = i);
                    }
                });
                slots.into_iter().sum()
            })
        })
    })
}
