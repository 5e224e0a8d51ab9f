//! `spawn_inside` by forte.
#![cfg(feature = "peers")]

use super::{BATCH, drive};
use crate::contender;
use heddle_benches::{Run, Sample, Timed};

pub(crate) fn run(run: &Run) -> Sample {
    let says = "scope and Scope::spawn, each writes its own slot; only a join publishes work, so one worker runs all";
    contender::forte::inside(run.case.workers, |worker| {
        drive(run, says, BATCH, |n| {
            Timed::of(|| {
                let mut slots = vec![0; n as usize];
                worker.scope(|scope| {
                    for (slot, i) in slots.iter_mut().zip(0..) {
                        scope.spawn(move |_| *slot = i);
                    }
                });
                slots.into_iter().sum()
            })
        })
    })
}
