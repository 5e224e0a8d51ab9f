//! `shares` by Heddle.

use super::{RESPAWNING, Which, compute, drive};
use crate::contender;
use heddle_benches::{Run, Sample};
use heddle_scheduler::{Priority, Scheduler, checkpoint, go, yield_now};

pub(crate) fn run(run: &Run) -> Sample {
    let scheduler = contender::heddle::scheduler(run.case.workers);
    let respawns = run.case.name == RESPAWNING;
    let start = |which: Which| {
        let body = move || if respawns { once(which) } else { for_ever(which) };
        drop(scheduler.go_with_priority(which.priority, body));
    };
    let sample = drive(run, start, || longest_waits(&scheduler));
    while scheduler.stats().live() > 0 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    sample
}

/// By the scheduler's own clock, of those waits that it has timed and that have ended.
fn longest_waits(scheduler: &Scheduler) -> String {
    let stats = scheduler.stats();
    let words = Priority::ALL.map(|priority| {
        let waits = stats.waits(priority);
        let longest = waits.longest().as_secs_f64() * 1e3;
        format!("{priority} waited {longest:.1} ms at most in {} timed waits", waits.timed())
    });
    words.join(", ")
}

fn for_ever(which: Which) {
    while compute(which, checkpoint) {
        yield_now();
    }
}

/// The next one inherits the level.
fn once(which: Which) {
    if compute(which, checkpoint) {
        drop(go(move || once(which)));
    }
}
