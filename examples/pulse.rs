//! Heddle in ten seconds: every CPU is busy with Background fibers, and urgent ones arrive all the
//! time. A live line shows progress; at the end there is a table of how long each priority waited.
//!
//!     cargo run --release --example pulse [seconds]

use heddle_scheduler::{Priority, Scheduler, checkpoint, yield_now};
use std::hint::black_box;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How many fibers of each priority arrive in a second, and for how long each computes.
const ARRIVALS: [(Priority, u64, Duration); 4] = [
    (Priority::Critical, 1000, Duration::from_micros(20)),
    (Priority::High, 500, Duration::from_micros(50)),
    (Priority::Normal, 200, Duration::from_micros(200)),
    (Priority::Low, 50, Duration::from_millis(1)),
];

/// Background computing, in steps that end with a checkpoint: a few microseconds each.
fn background(stop: &AtomicBool, steps: &AtomicU64) {
    let mut x = 1_u64;
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..1000 {
            x = black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
        let done = steps.fetch_add(1, Ordering::Relaxed);
        if done.is_multiple_of(512) {
            yield_now(); // to the other Background fibers
        } else {
            checkpoint(); // to anything more urgent
        }
    }
}

fn compute(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        checkpoint();
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds: f64 = std::env::args().nth(1).map_or(Ok(10.0), |text| text.parse())?;
    let scheduler = Scheduler::builder().name("pulse").build()?;
    let workers = scheduler.workers();
    println!(
        "{workers} workers, all busy with {} Background fibers; urgent ones arrive meanwhile",
        4 * workers
    );

    let (stop, steps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    for _ in 0..4 * workers {
        let (stop, steps) = (stop.clone(), steps.clone());
        scheduler.go_with_priority(Priority::Background, move || background(&stop, &steps));
    }

    let start = Instant::now();
    let run = Duration::from_secs_f64(seconds);
    let mut sent = [0_u64; ARRIVALS.len()];
    let mut next_line = Duration::ZERO;
    while start.elapsed() < run {
        let now = start.elapsed();
        for (sent, (priority, rate, time)) in sent.iter_mut().zip(ARRIVALS) {
            while *sent < (now.as_secs_f64() * rate as f64) as u64 {
                scheduler.go_with_priority(priority, move || compute(time));
                *sent += 1;
            }
        }
        if now >= next_line {
            live_line(&scheduler, now, run, steps.load(Ordering::Relaxed));
            next_line = now + Duration::from_millis(200);
        }
        std::thread::sleep(Duration::from_micros(900));
    }
    stop.store(true, Ordering::Relaxed);
    scheduler.wait_all()?;
    println!("\n\n{}", scheduler.stats());
    println!(
        "\nBackground did {:.1} million steps. The waits are from queueing to running, with every CPU busy;\n\
         the code that runs reaches a checkpoint every few microseconds.",
        steps.load(Ordering::Relaxed) as f64 / 1e6
    );
    Ok(())
}

fn live_line(scheduler: &Scheduler, now: Duration, run: Duration, steps: u64) {
    let stats = scheduler.stats();
    let critical = &stats.levels[0];
    let done = (20.0 * now.as_secs_f64() / run.as_secs_f64()) as usize;
    let line = format!(
        "[{:<20}] {:5.1} s  background {:7.2} M steps  critical {:6} done, wait p99 {:?}",
        "#".repeat(done.min(20)),
        now.as_secs_f64(),
        steps as f64 / 1e6,
        critical.finished,
        critical.waits.quantile(0.99),
    );
    if std::io::stdout().is_terminal() {
        print!("\r{line:<100}");
        let _ = std::io::stdout().flush();
    } else if now.as_millis() % 2000 < 200 {
        println!("{line}");
    }
}
