//! rayon 1.12: jobs on the workers' own stacks, fork-join by work stealing.
#![cfg(feature = "peers")]

use rayon::{ThreadPool, ThreadPoolBuilder};

pub(crate) fn pool(workers: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(workers).build().expect("threads can be started")
}
