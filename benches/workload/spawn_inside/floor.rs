//! `spawn_inside` by the floor.

use super::{BATCH, drive};
use crate::contender::floor::WarmStack;
use crossbeam_deque::Worker;
use heddle_benches::{Run, Sample, Timed};

pub(crate) fn run(run: &Run) -> Sample {
    let mut stack = WarmStack::new();
    drive(run, "a boxed closure through a deque, then a coroutine on one warm stack", BATCH, |n| {
        Timed::of(|| {
            let queue: Worker<Box<dyn FnOnce() -> u64>> = Worker::new_lifo();
            (0..n).for_each(|i| queue.push(Box::new(move || i)));
            std::iter::from_fn(|| queue.pop()).map(|task| stack.run(task)).sum()
        })
    })
}
