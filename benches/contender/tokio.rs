//! tokio 1.54: stackless tasks, the multi-threaded scheduler.
#![cfg(feature = "peers")]

use std::future::Future;
use tokio::runtime::{Builder, Runtime};

pub(crate) fn runtime(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).build().expect("threads can be started")
}

/// Runs a future as a task on a worker, as `block_on` alone would keep it on the calling thread.
pub(crate) fn inside<T: Send + 'static>(
    runtime: &Runtime,
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    runtime.block_on(runtime.spawn(work)).expect("no task panics")
}
