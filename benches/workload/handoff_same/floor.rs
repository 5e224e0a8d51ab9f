//! `handoff_same` by the floor.

use super::drive;
use crate::contender::floor::{coroutine, run_in_turn};
use heddle_benches::{Run, Sample};
use std::cell::Cell;
use std::rc::Rc;

pub(crate) fn run(run: &Run) -> Sample {
    drive(run, "two bare coroutines: each suspends to a loop that resumes the other", |rounds| {
        let received = Rc::new(Cell::new(0));
        let player = || {
            let received = Rc::clone(&received);
            coroutine(move |suspend| {
                for _ in 0..rounds {
                    received.set(received.get() + 1);
                    suspend.suspend(());
                }
            })
        };
        run_in_turn(vec![player(), player()]);
        received.get()
    })
}
