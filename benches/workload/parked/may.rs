//! `parked` by may.
#![cfg(feature = "peers")]

use super::{STACKFUL, Ways, arrive, drive, hold, leave};
use crate::contender::{self, may::LIVE_MAX};
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    contender::may::start(run.case.workers);
    let (sender, receiver) = may::sync::mpmc::channel::<()>();
    let mut spawn = |n: usize| {
        for i in 0..n as u64 {
            let receiver = receiver.clone();
            drop(contender::may::go(move || {
                arrive(i);
                receiver.recv().expect("a message each");
                leave();
            }));
        }
    };
    let mut spawn_holder = || drop(contender::may::go(hold));
    let mut open = || (0..=LIVE_MAX).for_each(|_| sender.send(()).expect("there are receivers"));
    let says = "coroutines on one mpmc channel, far fewer than the others: it panics past about 32,000";
    drive(
        run,
        Ways {
            says,
            n: LIVE_MAX,
            room: STACKFUL,
            spawn: &mut spawn,
            spawn_holder: &mut spawn_holder,
            open: &mut open,
        },
    )
}
