//! `set_priority` by Heddle, of a fiber that may move.

use super::heddle::{self, RUNNER, raise, start_others, until_it_runs};
use super::{PREEMPTED, RUNNING, STOP, drive, piece, took_effect};
use crate::contender;
use heddle_benches::{Run, Sample};
use heddle_scheduler::suspend::Resumer;
use heddle_scheduler::{Lane, Priority, checkpoint_movable, current, set_priority, yield_movable};
use std::sync::atomic::Ordering;

pub(crate) fn run(run: &Run) -> Sample {
    if ![RUNNING, PREEMPTED].contains(&run.case.name) {
        // One that has not started moves anyway, and one that is suspended stays.
        return heddle::run(run);
    }
    let scheduler = contender::heddle::scheduler(run.case.workers);
    let stats = scheduler.stats();
    let urgent: Vec<usize> = stats
        .workers
        .iter()
        .filter(|worker| worker.lane == Lane::Urgent)
        .map(|worker| worker.number)
        .collect();
    let handle = scheduler.go_with_priority(Priority::Background, move || runs_for_ever(&urgent));
    until_it_runs();
    start_others(&scheduler, run);
    drive(run, "JoinHandle::set_priority(Critical); it runs in the urgent lane", || raise(&handle))
}

fn runs_for_ever(urgent: &[usize]) {
    let _ = RUNNER.set(Resumer::current());
    while !STOP.load(Ordering::Relaxed) {
        piece();
        // SAFETY: a slice of numbers is on this stack, and nothing of a thread's.
        unsafe { checkpoint_movable() };
        if urgent.contains(&current().expect("in a fiber").worker()) {
            took_effect();
            set_priority(Priority::Background).expect("in a fiber");
            // SAFETY: as above.
            unsafe { yield_movable() };
        }
    }
}
