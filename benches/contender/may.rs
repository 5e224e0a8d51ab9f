//! may 0.3.51: stackful coroutines of 32 KiB that move between threads, one scheduler per process.
#![cfg(feature = "peers")]

use may::coroutine::{self, JoinHandle};

/// Past about 32,000 live coroutines may panics: two mappings each, against the kernel's default limit.
pub(crate) const LIVE_MAX: usize = 20_000;

/// Sets the number of workers; the first coroutine starts them.
pub(crate) fn start(workers: usize) {
    may::config().set_workers(workers);
}

/// Spawns a coroutine.
pub(crate) fn go<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    // SAFETY: may asks that coroutines use no thread-local across a switch and do not overflow their stack; the
    // benchmarks' coroutines call only leaf code between switches.
    unsafe { coroutine::spawn(work) }
}

/// Runs a closure in a coroutine and waits for it.
pub(crate) fn inside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    go(work).join().expect("no coroutine panics")
}
