//! `parked` by tokio.
#![cfg(feature = "peers")]

use super::{LITTLE, MILLION, Ways, arrive, drive, hold, leave};
use crate::contender;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    let runtime = contender::tokio::runtime(run.case.workers);
    let (sender, receiver) = async_channel::bounded::<()>(1);
    let mut spawn = |n: usize| {
        for i in 0..n as u64 {
            let receiver = receiver.clone();
            runtime.spawn(async move {
                arrive(i);
                assert!(receiver.recv().await.is_err(), "the channel closes");
                leave();
            });
        }
    };
    let mut spawn_holder = || drop(runtime.spawn(async { hold() }));
    let mut open = || assert!(sender.close(), "closed once");
    let says = "tasks on one async_channel";
    drive(
        run,
        Ways {
            says,
            n: MILLION,
            room: LITTLE,
            spawn: &mut spawn,
            spawn_holder: &mut spawn_holder,
            open: &mut open,
        },
    )
}
