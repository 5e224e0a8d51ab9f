//! `rendezvous` by Heddle.

use super::drive;
use crate::contender;
use heddle_benches::{Run, Sample};
use heddle_scheduler::go;
use heddle_scheduler::sync::channel;

pub(crate) fn run(run: &Run) -> Sample {
    let scheduler = contender::heddle::scheduler(run.case.workers);
    drive(run, "two channels with room for nothing", |rounds| {
        scheduler.run(|| {
            let (ask, asked) = channel::bounded::<u64>(0);
            let (answer, answered) = channel::bounded(0);
            let other = go(move || {
                for question in asked {
                    answer.send(question + 1).expect("somebody waits for it");
                }
            });
            let mut sum = 0;
            for question in 0..rounds {
                ask.send(question).expect("somebody answers");
                sum += answered.recv().expect("somebody answers");
            }
            drop(ask);
            other.join().expect("no fiber panics");
            sum
        })
    })
}
