//! `handoff_same` by Heddle.

use super::drive;
use crate::contender::{self, heddle::Baton};
use heddle_benches::{Run, Sample};
use heddle_scheduler::go;
use std::sync::Arc;

pub(crate) fn run(run: &Run) -> Sample {
    let scheduler = contender::heddle::scheduler(run.case.workers);
    drive(run, "a flag, suspend and Resumer::resume each way", |rounds| {
        scheduler.run(|| {
            let baton = Arc::new(Baton::default());
            let there = Arc::clone(&baton);
            let other = go(move || there.play(1, rounds));
            baton.play(0, rounds) + other.join().expect("no fiber panics")
        })
    })
}
