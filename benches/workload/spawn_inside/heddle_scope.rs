//! `spawn_inside` by Heddle, by a scope.

use super::{BATCH, drive};
use crate::contender;
use heddle_benches::{Run, Sample, Timed};

pub(crate) fn run(run: &Run) -> Sample {
    let scheduler = contender::heddle::scheduler(run.case.workers);
    drive(run, "scope and Scope::go, each writes its own slot", BATCH, |n| {
        scheduler.run(|| {
            Timed::of(|| {
                let mut slots = vec![0; n as usize];
                heddle_scheduler::scope(|scope| {
                    for (slot, i) in slots.iter_mut().zip(0..) {
                        scope.go(move || *slot = i);
                    }
                })
                .expect("inside a fiber");
                slots.into_iter().sum()
            })
        })
    })
}
