//! Simulates the scheduler on a machine of your choice, with five-level loads chosen by a seed, and checks
//! its promises at every dispatch.
//!
//! ```text
//! cargo run --release -p heddle-scheduler --example simulate -- --dispatches 1000000000 --machine 2x64
//!
//! --dispatches N    in all, at least (default 10,000,000)
//! --machine SxC     sockets and CPUs in each; 2x64:4 with four memory nodes in each socket, 2x64:4:1 with
//!                   one lane instead of three (default 2x64)
//! --seed N          the first seed; one is used up for each --length dispatches (default 1)
//! --length N        dispatches of one scenario (default 1,000,000)
//! --full PIECE      instead of random loads: all levels want all CPUs, in pieces of so many ns
//! --threads N       how many simulate beside each other (default: one for each CPU here)
//! ```
//!
//! It prints shares, longest waits by level, inversions by pair of levels, and dispatches per second.
//! A broken promise ends it, with the seed and the smallest case that was found.

use heddle_scheduler::simulation::{Machine, Report, Scenario, run, shrink};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

struct Options {
    dispatches: u64,
    machine: Machine,
    seed: u64,
    length: u64,
    full: Option<u32>,
    threads: usize,
}

fn options() -> Option<Options> {
    let mut options = Options {
        dispatches: 10_000_000,
        machine: Machine::new(2, 64),
        seed: 1,
        length: 1_000_000,
        full: None,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next()?;
        match word.as_str() {
            "--dispatches" => options.dispatches = value.parse().ok()?,
            "--machine" => options.machine = Machine::parse(&value)?,
            "--seed" => options.seed = value.parse().ok()?,
            "--length" => options.length = value.parse().ok()?,
            "--full" => options.full = Some(value.parse().ok()?),
            "--threads" => options.threads = value.parse().ok()?,
            _ => return None,
        }
    }
    Some(options)
}

fn main() {
    let Some(options) = options() else {
        eprintln!("see the top of examples/simulate.rs for what it takes");
        std::process::exit(2);
    };
    let start = Instant::now();
    let (next, total) = (AtomicU64::new(options.seed), Mutex::new(Report::default()));
    std::thread::scope(|scope| {
        for _ in 0..options.threads.max(1) {
            scope.spawn(|| {
                while total.lock().unwrap().dispatches < options.dispatches {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let report = simulate(&options, seed);
                    total.lock().unwrap().add(&report);
                }
            });
        }
    });
    let (report, seconds) = (total.into_inner().unwrap(), start.elapsed().as_secs_f64());
    println!("{:?}, seeds {} to {}", options.machine, options.seed, next.into_inner() - 1);
    print!("{report}");
    let rate = report.dispatches as f64 / seconds / 1e6;
    println!("all promises kept; {seconds:.1} s, {rate:.2} million dispatches a second");
}

fn simulate(options: &Options, seed: u64) -> Report {
    let scenario = match options.full {
        Some(piece) => Scenario::full_load(seed, options.machine, piece, options.length),
        None => Scenario::random(seed, options.machine, options.length),
    };
    run(&scenario).unwrap_or_else(|violation| {
        let (small, how) = shrink(&scenario, &violation);
        println!("SEED={seed}: {violation}\nthe smallest case that was found:\n{small:?}{how}");
        std::process::exit(1);
    })
}
