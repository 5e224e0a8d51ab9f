//! `parked` by Heddle: plain `go`, default stacks, guards on.

use super::{MILLION, STACKFUL, Ways, arrive, drive, hold, leave};
use crate::contender::{self, heddle::Channel};
use heddle_benches::{Run, Sample};
use std::sync::Arc;

pub(crate) fn run(run: &Run) -> Sample {
    let scheduler = contender::heddle::scheduler(run.case.workers);
    let channel = Arc::new(Channel::default());
    let mut spawn = |n: usize| {
        for i in 0..n as u64 {
            let channel = Arc::clone(&channel);
            drop(scheduler.go(move || {
                arrive(i);
                assert!(!channel.receive(), "the channel closes");
                leave();
            }));
        }
    };
    let mut spawn_holder = || drop(scheduler.go(hold));
    let mut open = || channel.close();
    let says = format!("fibers on one channel, {:?}", scheduler.stats().stacks);
    drive(
        run,
        Ways {
            says: &says,
            n: MILLION,
            room: STACKFUL,
            spawn: &mut spawn,
            spawn_holder: &mut spawn_holder,
            open: &mut open,
        },
    )
}
