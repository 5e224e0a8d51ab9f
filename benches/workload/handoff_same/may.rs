//! `handoff_same` by may.
#![cfg(feature = "peers")]

use super::drive;
use crate::contender;
use heddle_benches::{Run, Sample};
use may::coroutine::{current, park};

pub(crate) fn run(run: &Run) -> Sample {
    contender::may::start(run.case.workers);
    drive(run, "coroutine::park and Coroutine::unpark", |rounds| {
        contender::may::inside(move || {
            let first = current();
            let second = contender::may::go(move || {
                (0..rounds).for_each(|_| {
                    park();
                    first.unpark();
                });
                rounds
            });
            (0..rounds).for_each(|_| {
                second.coroutine().unpark();
                park();
            });
            rounds + second.join().expect("no coroutine panics")
        })
    })
}
