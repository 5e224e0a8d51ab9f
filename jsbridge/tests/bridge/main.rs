//! What a bridge promises. Each test's isolates are checked by the engine itself, which ends the
//! process when one is dropped with a value still held.

mod values;
mod errors;
mod limits;
mod priorities;
mod console;
mod globals;
mod modules;

use heddle_jsbridge::{Bridge, Builder, Error, Value};
use heddle_scheduler::{Priority, Scheduler};

/// Runs `test` over schedulers of several sizes, and looks whether all isolates are gone after.
fn everywhere(options: impl Fn(Builder<'_>) -> Builder<'_>, test: impl Fn(&Scheduler, &Bridge<'_>)) {
    for workers in [1, 2, 4] {
        let scheduler = Scheduler::builder().workers(workers).build().unwrap();
        let bridge = options(Bridge::builder(&scheduler)).build().unwrap();
        test(&scheduler, &bridge);
        scheduler.wait_all().unwrap();
        assert_eq!(bridge.stats().isolates, 0, "isolates are left, with {workers} workers");
    }
}

/// Waits for something that will happen by itself. If it never does the process ends: nobody else could tell. How long that may
/// take is what the slowest machine needs, many times over.
fn eventually(what: impl Fn() -> bool) {
    let _watch = heddle_tests::watchdog::watch(std::thread::current().name().unwrap_or("a test"));
    heddle_tests::eventually(what);
}

/// Evaluates with all defaults.
fn eval(source: &str) -> Result<Value, Error> {
    let scheduler = Scheduler::builder().workers(1).build().unwrap();
    let bridge = Bridge::builder(&scheduler).build().unwrap();
    bridge.eval(Priority::Normal, source).join()
}
