//! `yield_now` by Heddle.

use super::drive;
use crate::contender;
use heddle_benches::{Run, Sample, Timed};
use heddle_scheduler::{go, yield_now};

pub(crate) fn run(run: &Run) -> Sample {
    let scheduler = contender::heddle::scheduler(run.case.workers);
    drive(run, "yield_now", |fibers, yields| {
        let fiber = move || {
            (0..yields).for_each(|_| yield_now());
            yields
        };
        scheduler.run(|| {
            Timed::of(|| {
                let handles: Vec<_> = (0..fibers).map(|_| go(fiber)).collect();
                handles.into_iter().map(|handle| handle.join().expect("no fiber panics")).sum()
            })
        })
    })
}
