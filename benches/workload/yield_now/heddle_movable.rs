//! `yield_now` by Heddle, of fibers that may move.

use super::drive;
use crate::contender;
use heddle_benches::{Run, Sample, Timed};
use heddle_scheduler::{go, yield_movable};

pub(crate) fn run(run: &Run) -> Sample {
    let scheduler = contender::heddle::scheduler(run.case.workers);
    drive(run, "yield_movable", |fibers, yields| {
        let fiber = move || {
            // SAFETY: two numbers are on this stack.
            (0..yields).for_each(|_| unsafe { yield_movable() });
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
