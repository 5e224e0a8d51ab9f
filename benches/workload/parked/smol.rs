//! `parked` by smol's executor.
#![cfg(feature = "peers")]

use super::{LITTLE, MILLION, Ways, arrive, drive, hold, leave};
use crate::contender;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    let executor = contender::smol::executor(run.case.workers);
    let (sender, receiver) = async_channel::bounded::<()>(1);
    let mut spawn = |n: usize| {
        for i in 0..n as u64 {
            let receiver = receiver.clone();
            let body = async move {
                arrive(i);
                assert!(receiver.recv().await.is_err(), "the channel closes");
                leave();
            };
            executor.spawn(body).detach();
        }
    };
    let mut spawn_holder = || executor.spawn(async { hold() }).detach();
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
