//! `rendezvous` by tokio, whose channels have room for one at least.
#![cfg(feature = "peers")]

use super::drive;
use crate::contender;
use heddle_benches::{Run, Sample};
use tokio::sync::mpsc;

pub(crate) fn run(run: &Run) -> Sample {
    let runtime = contender::tokio::runtime(run.case.workers);
    drive(run, "two mpsc channels with room for one", |rounds| {
        contender::tokio::inside(&runtime, async move {
            let (ask, mut asked) = mpsc::channel::<u64>(1);
            let (answer, mut answered) = mpsc::channel(1);
            let other = tokio::spawn(async move {
                while let Some(question) = asked.recv().await {
                    answer.send(question + 1).await.expect("somebody waits for it");
                }
            });
            let mut sum = 0;
            for question in 0..rounds {
                ask.send(question).await.expect("somebody answers");
                sum += answered.recv().await.expect("somebody answers");
            }
            drop(ask);
            other.await.expect("no task panics");
            sum
        })
    })
}
