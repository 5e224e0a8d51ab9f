//! Deferreds: what a script sees of them. Each test's isolates are checked by the engine itself, which ends the process
//! when one is dropped with a value still held.

mod basics;
mod golden;
mod hostile;
mod leftovers;
mod lifetimes;
mod nested;
mod oracle;
mod parallel;

use heddle_jsbridge::{Bridge, Builder, Error, Value};
use heddle_scheduler::Scheduler;

/// What the last statement of a script comes to, in a main realm, over schedulers of several sizes. All answers must be
/// the same; afterwards nothing is left.
fn run(source: &str) -> Result<Value, Error> {
    run_with(source, |builder| builder)
}

fn run_with(source: &str, options: impl Fn(Builder<'_>) -> Builder<'_>) -> Result<Value, Error> {
    let mut answers = [1, 2, 4].map(|workers| {
        let scheduler = Scheduler::builder().workers(workers).build().unwrap();
        let bridge = options(Bridge::builder(&scheduler)).build().unwrap();
        let realm = bridge.realm().unwrap();
        let answer = realm.eval(source).join();
        realm.finish().unwrap();
        scheduler.wait_all().unwrap();
        assert_eq!(bridge.stats().isolates, 0, "isolates are left, with {workers} workers");
        answer
    });
    let [first, rest @ ..] = &mut answers;
    for other in rest {
        assert_eq!(first, other, "different answers with different numbers of workers");
    }
    let [first, ..] = answers;
    first
}

/// The same for scripts that come to a string.
fn text(source: &str) -> String {
    match run(source) {
        Ok(value) => value.to_string(),
        Err(error) => panic!("{error}\n{}", error.js_stack().unwrap_or_default()),
    }
}

/// Does something that may never end if there is a bug. Then the process ends, with the name of what hangs: no other test
/// could tell. How long it may take is no promise of anything: it is what the slowest machine needs, many times over, and
/// hardly counts while others have the CPUs.
fn watched<R>(what: &str, does: impl FnOnce() -> R) -> R {
    let _watch = heddle_tests::watchdog::watch_longer(std::time::Duration::from_secs(240), what);
    does()
}
