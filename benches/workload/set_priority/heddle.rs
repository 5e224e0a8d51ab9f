//! `set_priority` by Heddle.

use super::{OTHERS, QUEUED, STOP, SUSPENDED, drive, of_others, other, piece, took_effect};
use crate::contender;
use heddle_benches::thread::now_ns;
use heddle_benches::{Run, Sample};
use heddle_scheduler::suspend::{Resumer, suspend};
use heddle_scheduler::{JoinHandle, Priority, Scheduler, checkpoint, current, go, set_priority};
use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Who is raised, when it has begun.
pub(super) static RUNNER: OnceLock<Resumer> = OnceLock::new();

pub(crate) fn run(run: &Run) -> Sample {
    let scheduler = contender::heddle::scheduler(run.case.workers);
    let says = "JoinHandle::set_priority(Critical)";
    if run.case.name == QUEUED {
        start_others(&scheduler, run);
        return drive(run, says, || {
            let handle = scheduler.go_with_priority(Priority::Background, took_effect);
            raise(&handle)
        });
    }
    // It starts before the others, so that it has a home.
    let suspends = run.case.name == SUSPENDED;
    let body = if suspends { suspends_for_ever } else { runs_for_ever };
    let handle = scheduler.go_with_priority(Priority::Background, body);
    until_it_runs();
    start_others(&scheduler, run);
    drive(run, says, || {
        let begun = raise(&handle);
        if suspends {
            RUNNER.get().expect("it has started").resume();
        }
        begun
    })
}

pub(super) fn until_it_runs() {
    while RUNNER.get().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub(super) fn start_others(scheduler: &Scheduler, run: &Run) {
    for _ in 0..OTHERS {
        drop(scheduler.go_with_priority(of_others(&run.case), respawn));
    }
    std::thread::sleep(Duration::from_millis(10));
}

fn respawn() {
    if other() {
        drop(go(respawn));
    }
}

pub(super) fn raise(handle: &JoinHandle<()>) -> u64 {
    let begun = now_ns();
    handle.set_priority(Priority::Critical);
    begun
}

/// Is it Critical now? Then it says so and goes back to Background.
fn look() {
    if current().expect("in a fiber").priority() == Priority::Critical {
        took_effect();
        set_priority(Priority::Background).expect("in a fiber");
    }
}

fn suspends_for_ever() {
    let _ = RUNNER.set(Resumer::current());
    // The end of the scheduler cancels it.
    while suspend().is_ok() {
        look();
    }
}

fn runs_for_ever() {
    let _ = RUNNER.set(Resumer::current());
    while !STOP.load(Ordering::Relaxed) {
        piece();
        checkpoint();
        look();
    }
}
