//! smol's async-executor 1.14: stackless tasks; the threads are ours, as its documentation shows it.
#![cfg(feature = "peers")]

use async_executor::Executor;
use futures_lite::future::{block_on, pending};
use std::future::Future;

/// An executor with `workers` threads, that lives as long as the process.
pub(crate) fn executor(workers: usize) -> &'static Executor<'static> {
    let executor: &'static Executor<'static> = Box::leak(Box::new(Executor::new()));
    for _ in 0..workers {
        std::thread::spawn(move || block_on(executor.run(pending::<()>())));
    }
    executor
}

/// Runs a future as a task on a worker.
pub(crate) fn inside<T: Send + 'static>(
    executor: &'static Executor<'static>,
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    block_on(executor.spawn(work))
}
