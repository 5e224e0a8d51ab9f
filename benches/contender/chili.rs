//! chili 0.2: heartbeat fork-join and nothing else. The calling thread is one of the workers.
#![cfg(feature = "peers")]

use chili::{Config, ThreadPool};
use std::num::NonZero;

pub(crate) fn pool(workers: usize) -> ThreadPool {
    ThreadPool::with_config(Config { thread_count: NonZero::new(workers), ..Config::default() })
}
