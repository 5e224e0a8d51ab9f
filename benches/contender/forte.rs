//! forte 1.0.0-alpha.4: heartbeat fork-join, and futures. The calling thread is one of the workers.
#![cfg(feature = "peers")]

use forte::{ThreadPool, Worker};

pub(crate) static POOL: ThreadPool = ThreadPool::new();

/// Runs a closure on the calling thread as one of `workers` workers.
pub(crate) fn inside<T>(workers: usize, work: impl FnOnce(&Worker) -> T) -> T {
    POOL.resize_to(workers - 1);
    POOL.with_worker(work)
}
