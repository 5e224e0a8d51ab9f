//! `parked` by forte.
#![cfg(feature = "peers")]

use super::{LITTLE, MILLION, Ways, arrive, drive, leave};
use crate::contender;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    let (sender, receiver) = async_channel::bounded::<()>(1);
    let workers = run.case.workers;
    // Leaving `inside` runs what was spawned in it.
    let mut spawn = |n: usize| {
        contender::forte::inside(workers, |worker| {
            for i in 0..n as u64 {
                let receiver = receiver.clone();
                let body = async move {
                    arrive(i);
                    assert!(receiver.recv().await.is_err(), "the channel closes");
                    leave();
                };
                worker.spawn_future(body).detach();
            }
        });
    };
    let mut open = || contender::forte::inside(workers, |_| assert!(sender.close(), "closed once"));
    let says = "futures on one async_channel";
    drive(
        run,
        Ways { says, n: MILLION, room: LITTLE, spawn: &mut spawn, spawn_holder: &mut || (), open: &mut open },
    )
}
