//! `spawn_outside` by the floor.

use super::{BATCH, drive};
use crossbeam_deque::{Injector, Steal, Worker};
use heddle_benches::{Run, Sample};
use std::sync::atomic::{AtomicU64, Ordering};

type Task = Box<dyn FnOnce() -> u64 + Send>;

/// The shared queue, and what the threads report: how many tasks they ran, and the sum of their numbers.
#[derive(Default)]
struct Shared {
    queue: Injector<Task>,
    ran: AtomicU64,
    sum: AtomicU64,
}

pub(crate) fn run(run: &Run) -> Sample {
    let shared: &'static Shared = Box::leak(Box::default());
    for _ in 0..run.case.workers {
        std::thread::spawn(|| work(shared));
    }
    drive(
        run,
        "boxed closures through an injector, run as plain calls by threads that never sleep",
        BATCH,
        |n| {
            shared.sum.store(0, Ordering::Relaxed);
            shared.ran.store(0, Ordering::Relaxed);
            (0..n).for_each(|i| shared.queue.push(Box::new(move || i)));
            // ORDERING: Acquire pairs with the Release in `work`: all sums are in.
            while shared.ran.load(Ordering::Acquire) < n {
                std::hint::spin_loop();
            }
            shared.sum.load(Ordering::Relaxed)
        },
    )
}

fn work(shared: &Shared) {
    let local = Worker::new_fifo();
    loop {
        if let Steal::Success(first) = shared.queue.steal_batch_and_pop(&local) {
            let (mut ran, mut sum) = (1, first());
            while let Some(task) = local.pop() {
                (ran, sum) = (ran + 1, sum + task());
            }
            shared.sum.fetch_add(sum, Ordering::Relaxed);
            // ORDERING: Release pairs with the Acquire of the waiting thread.
            shared.ran.fetch_add(ran, Ordering::Release);
        }
    }
}
