//! A million fibers or tasks that have called `format!` and sleep on a channel: bytes, time to create, mappings.
//! And a million that have not started.

mod floor;
mod forte;
mod heddle;
mod may;
mod smol;
mod tokio;

use heddle_benches::process::{Memory, warm_the_memory};
use heddle_benches::{Case, Contender, Goal, Metric, Run, Sample, Workload};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

const RESIDENT: &str = "resident each, bytes";
const PAGE_TABLES: &str = "page tables each, bytes";
const ALLOCATED: &str = "of the resident, allocated by malloc each, bytes";
const CREATE: &str = "creation until blocked, ns each";
const MAPPINGS: &str = "memory mappings added";
const PARKED: &str = "parked";
const UNSTARTED: &str = "unstarted";

pub(crate) static WORKLOAD: Workload = Workload {
    name: "parked",
    question: "What does a fiber weigh that has called format! and blocked on a channel? A million of them, 2 workers.",
    cases: &[Case { name: PARKED, workers: 2, detail: 0 }, Case { name: UNSTARTED, workers: 2, detail: 1 }],
    metrics: &[
        Metric::lower(RESIDENT),
        Metric::lower(CREATE),
        Metric::lower(PAGE_TABLES),
        Metric::lower(ALLOCATED),
        Metric::shown(MAPPINGS),
    ],
    goals: &[
        Goal { case: PARKED, metric: RESIDENT, first: 4.4 * 1024.0, then: None },
        Goal { case: PARKED, metric: CREATE, first: 1500.0, then: None },
        Goal { case: UNSTARTED, metric: RESIDENT, first: 128.0, then: None },
    ],
    contenders: &[
        Contender::runs("heddle", heddle::run),
        peer!(tokio),
        Contender::cannot("rayon", "a job cannot sleep until another wakes it"),
        peer!(may),
        peer!(forte).except(&[(UNSTARTED, "the thread that spawns is the one that runs them")]),
        peer!(smol),
        Contender::cannot("chili", "a job cannot sleep until another wakes it"),
        Contender::runs("floor", floor::run).except(&[(UNSTARTED, "it has no queue")]),
    ],
};

/// How many are made.
const MILLION: usize = 1_000_000;
/// Memory to have ready for each that may be resident: a task or an unstarted fiber; a fiber with its stack.
const LITTLE: usize = 1024;
const STACKFUL: usize = 6 * 1024;
/// Made at once, then waited for, so that the queues of unstarted ones stay short and do not count.
const BATCH: usize = 10_000;

/// Bodies that have come to their channel, and bodies that have left it.
static ARRIVED: AtomicU64 = AtomicU64::new(0);
static LEFT: AtomicU64 = AtomicU64::new(0);

/// What a runtime does for this workload.
struct Ways<'a> {
    says: &'a str,
    /// How many it can hold.
    n: usize,
    /// How much memory to have ready for each that is parked.
    room: usize,
    /// Spawns that many whose body calls [`arrive`], blocks on the channel, then calls [`leave`].
    spawn: &'a mut dyn FnMut(usize),
    /// Spawns one that calls [`hold`].
    spawn_holder: &'a mut dyn FnMut(),
    /// Lets all of them through the channel.
    open: &'a mut dyn FnMut(),
}

/// What every body does first: it formats, as code that prints or logs does, which touches some stack.
fn arrive(i: u64) {
    let text = format!("fiber {i} of {:>10} blocks, {:.3}", "many", i as f64 / 7.0);
    black_box(&text);
    ARRIVED.fetch_add(1, Ordering::Relaxed);
}

/// What every body does last.
fn leave() {
    LEFT.fetch_add(1, Ordering::Relaxed);
}

fn drive(run: &Run, ways: Ways) -> Sample {
    let n = run.size(ways.n);
    if run.case.name == UNSTARTED {
        warm_the_memory(n * LITTLE);
        unstarted(run, ways, n)
    } else {
        warm_the_memory(n * ways.room);
        parked(ways, n)
    }
}

fn parked(ways: Ways, n: usize) -> Sample {
    (ways.spawn)(1); // Warm-up: threads, pools and thread-locals exist.
    wait_for(&ARRIVED, 1);
    let (before, start) = (Memory::now(), Instant::now());
    for first in (0..n).step_by(BATCH) {
        let end = n.min(first + BATCH);
        (ways.spawn)(end - first);
        wait_for(&ARRIVED, 1 + end as u64);
    }
    let took = start.elapsed();
    let sample = weigh(before, n, ways.says).with(CREATE, took.as_nanos() as f64 / n as f64);
    (ways.open)();
    wait_for(&LEFT, 1 + n as u64);
    sample
}

fn unstarted(run: &Run, ways: Ways, n: usize) -> Sample {
    let holders = run.case.workers;
    (0..holders).for_each(|_| (ways.spawn_holder)());
    wait_for(&ARRIVED, holders as u64);
    let before = Memory::now();
    (ways.spawn)(n);
    let sample = weigh(before, n, ways.says);
    assert_eq!(ARRIVED.load(Ordering::Relaxed), holders as u64, "one started although all workers were held");
    release();
    (ways.open)();
    wait_for(&LEFT, (holders + n) as u64);
    sample
}

/// What has been added since `before`, for each of `n`.
fn weigh(before: Memory, n: usize, says: &str) -> Sample {
    let now = Memory::now();
    let each = |now: u64, before: u64| now.saturating_sub(before) as f64 / n as f64;
    Sample::new(format!("{says}; {n} of them"))
        .with(RESIDENT, each(now.resident, before.resident))
        .with(PAGE_TABLES, each(now.page_tables, before.page_tables))
        .with(ALLOCATED, each(now.allocated, before.allocated))
        .with(MAPPINGS, now.mappings.saturating_sub(before.mappings) as f64)
}

fn wait_for(counter: &AtomicU64, at_least: u64) {
    while counter.load(Ordering::Relaxed) < at_least {
        std::thread::sleep(Duration::from_micros(50));
    }
}

/// Whether held workers may go on.
static RELEASED: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

/// Blocks the worker thread itself, so that what is spawned meanwhile stays unstarted.
fn hold() {
    arrive(0);
    let guard = RELEASED.0.lock().expect("no one panics");
    drop(RELEASED.1.wait_while(guard, |released| !*released));
    leave();
}

fn release() {
    *RELEASED.0.lock().expect("no one panics") = true;
    RELEASED.1.notify_all();
}
