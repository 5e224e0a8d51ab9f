//! Balance: 1,000 fibers or tasks block, all are woken at once, and each then computes for about 20 us. Runtimes that
//! keep started fibers at home must have spread them at the start; those that push all woken ones to the waker's
//! queue depend on stealing.

mod floor;
mod forte;
mod heddle;
mod may;
mod smol;
mod tokio;

use heddle_benches::process::{burn, thread_mark};
use heddle_benches::{Case, Contender, Metric, Run, Sample, Timed, Workload};
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const ALL: &str = "from waking to the last one done, ms";
const SHARE: &str = "share of the busiest thread, %";

pub(crate) static WORKLOAD: Workload = Workload {
    name: "block_wake",
    question: "1,000 fibers block, then all wake and compute 20 us each: how well are they spread over two workers?",
    cases: &[Case::TWO_WORKERS],
    metrics: &[Metric::lower(ALL), Metric::shown(SHARE)],
    goals: &[],
    contenders: &[
        Contender::runs("heddle", heddle::run),
        peer!(tokio),
        Contender::cannot("rayon", "a job cannot sleep until another wakes it"),
        peer!(may),
        peer!(forte),
        peer!(smol),
        Contender::cannot("chili", "a job cannot sleep until another wakes it"),
        Contender::runs("floor", floor::run),
    ],
};

const FIBERS: usize = 1000;
/// About 20 us on the machine of PEERS.md.
const STEPS: u32 = 20_000;

static BLOCKED: AtomicU64 = AtomicU64::new(0);
static DONE: AtomicU64 = AtomicU64::new(0);
static WHERE: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// What each does before it blocks.
fn arrive() {
    BLOCKED.fetch_add(1, Ordering::Relaxed);
}

/// What each does once woken.
fn compute() {
    black_box(burn(STEPS));
    WHERE.lock().expect("no one panics").push(thread_mark());
    DONE.fetch_add(1, Ordering::Relaxed);
}

/// `spawn(n)` makes that many who call [`arrive`], block, then call [`compute`]; `wake(n)` lets them all go on.
fn drive(run: &Run, says: &str, mut spawn: impl FnMut(usize), mut wake: impl FnMut(usize)) -> Sample {
    let n = FIBERS; // Small enough for `--quick` as well.
    let mut expected = 0;
    let took = run.counted(n as u64, || {
        expected += n as u64;
        spawn(n);
        wait_for(&BLOCKED, expected);
        std::thread::sleep(Duration::from_millis(10)); // The last have arrived, but may not be asleep yet.
        WHERE.lock().expect("no one panics").clear();
        Timed::of(|| {
            wake(n);
            wait_for(&DONE, expected);
            WHERE.lock().expect("no one panics").len() as u64
        })
    });
    let mut by_thread = HashMap::new();
    for mark in WHERE.lock().expect("no one panics").iter() {
        *by_thread.entry(*mark).or_insert(0_usize) += 1;
    }
    let busiest = by_thread.values().copied().max().unwrap_or(0);
    Sample::new(says).with(ALL, took.as_secs_f64() * 1e3).with(SHARE, 100.0 * busiest as f64 / n as f64)
}

fn wait_for(counter: &AtomicU64, at_least: u64) {
    while counter.load(Ordering::Relaxed) < at_least {
        std::thread::sleep(Duration::from_micros(50));
    }
}
