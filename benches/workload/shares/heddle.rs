//! `shares` by Heddle.

use super::{MOVING, RESPAWNING, Which, compute, drive};
use crate::contender;
use heddle_benches::{Run, Sample};
use heddle_scheduler::{Priority, Scheduler, checkpoint, go, yield_movable, yield_now};

pub(crate) fn run(run: &Run) -> Sample {
    let scheduler = contender::heddle::scheduler(run.case.workers);
    let body: fn(Which) = match run.case.name {
        RESPAWNING => once,
        MOVING => for_ever_anywhere,
        _ => for_ever,
    };
    let start = |which: Which| drop(scheduler.go_with_priority(which.priority, move || body(which)));
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

fn for_ever_anywhere(which: Which) {
    while compute(which, checkpoint) {
        // SAFETY: below are this function, which keeps a number and a level, and the scheduler: nothing of a thread.
        unsafe { yield_movable() };
    }
}

/// The next one inherits the level.
fn once(which: Which) {
    if compute(which, checkpoint) {
        drop(go(move || once(which)));
    }
}
