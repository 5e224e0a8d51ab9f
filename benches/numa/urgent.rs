//! Urgent requests, each for a node in turn, while loops that never suspend keep every worker of every node: how late does
//! a request start after it was due?

use super::machine::Machine;
use super::setup::{Counters, Sample, Setup, stacks_away};
use heddle_benches::open_loop::{Latencies, Plan, Request, Requests, Target, Times};
use heddle_benches::process::burn;
use heddle_scheduler::{JoinHandle, NodeId, Priority, Scheduler, checkpoint};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

pub(crate) const HALF: &str = "due to start p50, us";
pub(crate) const MOST: &str = "due to start p99, us";
const DONE: &str = "due to completion p99, us";
const PIECES: &str = "thousand pieces of other work a second";

/// About 20 us, then a checkpoint.
const PIECE: u32 = 20_000;

pub(crate) fn run(machine: &Arc<Machine>, setup: &'static Setup) -> Sample {
    let plan = Plan {
        every: Duration::from_millis(1),
        burst: 1,
        bodies_us: [0, 50],
        warm_up: if machine.quick { 5 } else { 200 },
        counted: if machine.quick { 20 } else { 2000 },
        give_up: Duration::from_millis(if machine.quick { 500 } else { 2000 }),
    };
    let scheduler = setup.scheduler(machine);
    let (stop, pieces) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let seats = machine.seats();
    let loops: Vec<_> = seats
        .iter()
        .map(|seat| {
            let (stop, pieces) = (stop.clone(), pieces.clone());
            setup.go(&scheduler, seat.node, move || keep_busy(&stop, &pieces))
        })
        .collect();
    let requests = Requests::planned(plan);
    let before = scheduler.stats();
    let mut nodes = seats.iter().map(|seat| seat.node).cycle();
    let mut submit = |request: &'static Request| {
        let node = nodes.next().expect("endless");
        drop(send(setup, &scheduler, node, request));
    };
    let done = || pieces.load(Ordering::Relaxed);
    let record = requests.submit_to(Target { submit: &mut submit, between: None, pieces: &done });
    let counters = Counters::between(&before, &scheduler.stats());
    stop.store(true, Ordering::Relaxed);
    for one in loops {
        assert_eq!(
            one.join().expect("a loop ends when it is told"),
            burn(PIECE),
            "a wrong answer has no speed"
        );
    }
    requests.check();
    let of = |event: fn(&Times) -> Option<u64>| Latencies::of(record.times.iter().map(event), plan.give_up);
    let (started, done) = (of(|times| times.started), of(|times| times.done));
    let seconds = record.wall_ns as f64 / 1e9;
    Sample {
        values: vec![
            (HALF, started.quantile(0.5)),
            (MOST, started.quantile(0.99)),
            (DONE, done.quantile(0.99)),
            (PIECES, record.pieces as f64 / 1e3 / seconds),
        ],
        counters,
        far_percent: None,
        data: String::new(),
        stacks_away: stacks_away(&scheduler),
    }
}

/// To that node, where the setup sends anything anywhere.
fn send(setup: &Setup, scheduler: &Scheduler, node: NodeId, request: &'static Request) -> JoinHandle<()> {
    let fiber = scheduler.fiber().priority(Priority::Critical);
    let fiber = if setup.sends() { fiber.on(node) } else { fiber };
    fiber.go(|| request.serve())
}

/// Computes until it is told to end; the answer of the last piece.
fn keep_busy(stop: &AtomicBool, pieces: &AtomicU64) -> u64 {
    loop {
        let answer = burn(black_box(PIECE));
        pieces.fetch_add(1, Ordering::Relaxed);
        if stop.load(Ordering::Relaxed) {
            return answer;
        }
        checkpoint();
    }
}
