//! `handoff_cross` by Heddle: one scheduler, two workers. Started fibers stay at home, so two that have met while
//! both ran are on two threads for ever.

use super::{FAST_ROUNDS, drive};
use crate::contender::{self, heddle::Baton};
use heddle_benches::process::thread_mark;
use heddle_benches::{Run, Sample};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) fn run(run: &Run) -> Sample {
    let scheduler = contender::heddle::scheduler(run.case.workers);
    let says = "one scheduler, both workers awake, the default spin; suspend and Resumer::resume each way";
    drive(run, says, FAST_ROUNDS, |rounds| {
        let baton = Arc::new(Baton::default());
        let running = Arc::new(AtomicUsize::new(0));
        let players = [0, 1].map(|me| {
            let (baton, running) = (Arc::clone(&baton), Arc::clone(&running));
            scheduler.go(move || {
                running.fetch_add(1, Ordering::Relaxed);
                while running.load(Ordering::Relaxed) < 2 {
                    std::hint::spin_loop();
                }
                (baton.play(me, rounds), thread_mark())
            })
        });
        let [(one, here), (other, there)] = players.map(|player| player.join().expect("no fiber panics"));
        (one + other, here != there)
    })
}
