//! What an isolate costs. Nothing is asserted about time; the figures are for whoever asks:
//!
//! ```text
//! cargo test --release -p heddle-jsbridge --lib measure -- --nocapture --test-threads=1
//! ```

use super::Isolate;
use super::enter::StackTop;
use super::handle::CStrSource;
use super::pool::{Pool, RealmId, Recipe, Stock, Want};
use super::population::Population;
use crate::error::Error;
use crate::host::console::Console;
use crate::limits::Limits;
use crate::value::Value;
use heddle_scheduler::{Priority, Scheduler};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

const STACK: usize = 256 << 10;
/// Without optimization one round is enough to see that it works.
const ROUNDS: usize = if cfg!(debug_assertions) { 1 } else { 51 };

fn limits() -> Limits {
    Limits { stack: 128 << 10, ..Limits::DEFAULT }
}

fn bare(population: &Arc<Population>) -> Isolate {
    Isolate::new(limits(), population.house()).unwrap()
}

fn sealed(population: &Arc<Population>) -> Isolate {
    let mut isolate = bare(population);
    isolate.furnish(|scope| Ok(crate::host::furnish(scope, &Console::new(|_, _| {}))?)).unwrap();
    isolate.seal().unwrap();
    isolate
}

/// The middle one of several, so that others on the machine do not count.
fn median(rounds: usize, mut round: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<_> = (0..rounds).map(|_| round()).collect();
    times.sort_unstable();
    times[rounds / 2]
}

/// Of one of `count`.
fn each(rounds: usize, count: u32, mut f: impl FnMut()) -> Duration {
    median(rounds, || {
        let begin = Instant::now();
        (0..count).for_each(|_| f());
        begin.elapsed() / count
    })
}

fn eval(isolate: &mut Isolate, source: &str) -> Result<Value, Error> {
    isolate.enter(StackTop::here(STACK), |scope| {
        let result = scope.eval(c"test.js", &CStrSource::new(source))?;
        scope.settle(result)?.to_value()
    })
}

#[test]
fn measure_isolates() {
    let population = Arc::new(Population::new(1));
    let plain = each(ROUNDS, 4, || drop(bare(&population)));
    let made = median(4 * ROUNDS, || {
        let begin = Instant::now();
        let isolate = sealed(&population);
        let time = begin.elapsed();
        drop(isolate);
        time
    });
    let whole = each(ROUNDS, 4, || drop(sealed(&population)));
    let isolate = sealed(&population);
    println!("isolate: {} KiB of the engine's, bare", bare(&population).memory_used() / 1024);
    println!("isolate: made and freed {plain:?} bare, {whole:?} sealed; made sealed {made:?}");
    println!(
        "isolate: {} KiB of the engine's, {} KiB of ours",
        isolate.memory_used() / 1024,
        isolate.seal_size() / 1024
    );
}

#[test]
fn measure_reuse() {
    let population = Arc::new(Population::new(1));
    let mut isolate = sealed(&population);
    let warm = super::protect_tests::WARM;
    for (name, source) in [("fresh", "1".to_owned()), ("warm", format!("(() => {{ {warm} }})()"))] {
        eval(&mut isolate, &source).unwrap();
        isolate.settle_up().unwrap();
        let quick = each(ROUNDS, 1000, || assert!(black_box(isolate.settle_up()).is_ok()));
        println!("settle_up, {name}: {quick:?}");
    }
    let long = each(ROUNDS, 10, || {
        isolate.forget_counts();
        assert!(isolate.settle_up().is_ok());
    });
    println!("settle_up, the long look: {long:?}");
}

#[test]
fn measure_leases() {
    let scheduler = Scheduler::builder().workers(1).build().unwrap();
    let population = Arc::new(Population::new(8));
    let recipe = Recipe { limits: limits(), furnish: Arc::new(|_| Ok(())) };
    let stock = Stock { fresh: 1, idle: 4 };
    let pool = Pool::new(scheduler.spawner(), population, 8, recipe, stock, |_: (), _| {});
    let realm = RealmId::new();
    let time = scheduler.go(move || {
        let want = Want { realm, level: Priority::Normal, isolated: false, depth: 0, node: None };
        let lease = |()| pool.lease_or_park(&want, (), None).map_err(|(error, ())| error).unwrap();
        let time = each(ROUNDS, 1000, || drop(black_box(lease(()))));
        (time, pool.stats())
    });
    let (time, stats) = time.join().unwrap();
    println!("lease and give back: {time:?}, {} reused of {} made", stats.reused, stats.created);
}
