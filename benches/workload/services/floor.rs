//! `services` by the floor.

use super::drive;
use heddle_benches::{Run, Sample, Timed};
use std::cell::Cell;
use std::hint::black_box;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

pub(crate) fn run(run: &Run) -> Sample {
    drive(run, "thread_local!, on a thread", |rounds| {
        Timed::of(|| {
            COUNT.set(0);
            for _ in 0..rounds {
                COUNT.with(|count| black_box(count).set(count.get() + 1));
            }
            COUNT.get()
        })
    })
}
