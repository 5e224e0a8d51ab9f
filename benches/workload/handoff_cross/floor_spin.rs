//! `handoff_cross` by the floor, spinning.

use super::{FAST_ROUNDS, drive};
use heddle_benches::{Run, Sample};
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) fn run(run: &Run) -> Sample {
    drive(run, "two threads spin on one cache line, no fibers", FAST_ROUNDS, |rounds| {
        let turn = AtomicUsize::new(0);
        let play = |me: usize| {
            for _ in 0..rounds {
                // ORDERING: Acquire and Release pair with each other: the token carries what was written before.
                while turn.load(Ordering::Acquire) != me {
                    std::hint::spin_loop();
                }
                turn.store(1 - me, Ordering::Release);
            }
            rounds
        };
        std::thread::scope(|scope| {
            let other = scope.spawn(|| play(1));
            (play(0) + other.join().expect("no thread panics"), true)
        })
    })
}
