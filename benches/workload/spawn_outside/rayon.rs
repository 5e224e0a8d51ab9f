//! `spawn_outside` by rayon, by scopes.
#![cfg(feature = "peers")]

use super::{BATCH, drive};
use crate::contender;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    let pool = contender::rayon::pool(run.case.workers);
    drive(run, "in_place_scope and Scope::spawn, each writes its own slot", BATCH, |n| {
        let mut slots = vec![0; n as usize];
        pool.in_place_scope(|scope| {
            for (slot, i) in slots.iter_mut().zip(0..) {
                scope.spawn(move |_| *slot = i);
            }
        });
        slots.into_iter().sum()
    })
}
