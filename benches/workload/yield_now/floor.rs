//! `yield_now` by the floor.

use super::drive;
use crate::contender::floor::{coroutine, run_in_turn};
use heddle_benches::{Run, Sample, Timed};
use std::cell::Cell;
use std::rc::Rc;

pub(crate) fn run(run: &Run) -> Sample {
    drive(run, "bare coroutines resumed in turn by a loop, their stacks made before", |fibers, yields| {
        let made = Rc::new(Cell::new(0));
        let one = || {
            let made = Rc::clone(&made);
            coroutine(move |suspend| {
                (0..yields).for_each(|_| suspend.suspend(()));
                made.set(made.get() + yields);
            })
        };
        let coroutines = (0..fibers).map(|_| one()).collect();
        Timed::of(|| {
            run_in_turn(coroutines);
            made.get()
        })
    })
}
