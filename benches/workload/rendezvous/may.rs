//! `rendezvous` by may, whose channels have no bound.
#![cfg(feature = "peers")]

use super::drive;
use crate::contender;
use heddle_benches::{Run, Sample};
use may::sync::mpsc;

pub(crate) fn run(run: &Run) -> Sample {
    contender::may::start(run.case.workers);
    drive(run, "two mpsc channels without a bound", |rounds| {
        contender::may::inside(move || {
            let (ask, asked) = mpsc::channel::<u64>();
            let (answer, answered) = mpsc::channel();
            let other = contender::may::go(move || {
                for question in asked.iter() {
                    answer.send(question + 1).expect("somebody waits for it");
                }
            });
            let mut sum = 0;
            for question in 0..rounds {
                ask.send(question).expect("somebody answers");
                sum += answered.recv().expect("somebody answers");
            }
            drop(ask);
            other.join().expect("no coroutine panics");
            sum
        })
    })
}
