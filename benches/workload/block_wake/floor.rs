//! `block_wake` by the floor.

use super::{arrive, compute, drive};
use heddle_benches::{Run, Sample};
use std::sync::Barrier;

/// Both threads and the one that wakes them.
static WOKEN: Barrier = Barrier::new(3);

pub(crate) fn run(run: &Run) -> Sample {
    let spawn = |n: usize| {
        for _ in 0..2 {
            std::thread::spawn(move || {
                (0..n / 2).for_each(|_| arrive());
                WOKEN.wait();
                (0..n / 2).for_each(|_| compute());
            });
        }
    };
    let wake = |_| {
        WOKEN.wait();
    };
    drive(run, "two threads that compute half each", spawn, wake)
}
