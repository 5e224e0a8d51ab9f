//! `yield_now` by may.
#![cfg(feature = "peers")]

use super::drive;
use crate::contender;
use heddle_benches::{Run, Sample, Timed};

pub(crate) fn run(run: &Run) -> Sample {
    contender::may::start(run.case.workers);
    drive(run, "coroutine::yield_now", |fibers, yields| {
        let task = move || {
            (0..yields).for_each(|_| may::coroutine::yield_now());
            yields
        };
        contender::may::inside(move || {
            Timed::of(|| {
                let handles: Vec<_> = (0..fibers).map(|_| contender::may::go(task)).collect();
                handles.into_iter().map(|handle| handle.join().expect("no coroutine panics")).sum()
            })
        })
    })
}
