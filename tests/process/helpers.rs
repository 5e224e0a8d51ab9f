//! The system refuses the threads that help out: the monitor's, and those of spare workers.

use super::child;
use heddle_scheduler::{MonitorState, Scheduler};
use heddle_tests::{Gate, eventually};

/// Starts a fiber that blocks its thread until the gate opens.
fn block(scheduler: &Scheduler) -> Gate {
    let (gate, started) = (Gate::new(), Gate::new());
    let (theirs, running) = (gate.clone(), started.clone());
    drop(scheduler.go(move || {
        running.open();
        theirs.wait();
    }));
    started.wait();
    gate
}

#[test]
fn without_a_thread_for_the_monitor_the_scheduler_starts_and_says_so() {
    if child::is_child() {
        if !child::become_nobody() {
            return;
        }
        // The worker's and no other.
        let before = child::threads();
        child::limit(libc::RLIMIT_NPROC, before as u64 + 1);
        let scheduler = Scheduler::builder().workers(1).lanes(1).build().unwrap();
        let state = scheduler.stats().monitor.state;
        assert!(matches!(&state, MonitorState::Refused(why) if why.contains("ulimit -u")), "{state:?}");
        assert!(scheduler.stats().to_string().contains("monitor: none"));
        let gate = block(&scheduler);
        let waits = scheduler.go(|| 7);
        gate.open();
        assert_eq!(waits.join().unwrap(), 7);
        scheduler.stop().unwrap();
        assert_eq!(scheduler.stats().monitor.state, MonitorState::Off);
        eventually(|| child::threads() == before);
        scheduler.start().unwrap();
        assert_eq!(scheduler.go(|| 8).join().unwrap(), 8);
        return;
    }
    child::run(&[]).assert_passed();
}

#[test]
fn without_a_thread_for_a_spare_what_waits_runs_after_the_hog() {
    if child::is_child() {
        if !child::become_nobody() {
            return;
        }
        let scheduler = Scheduler::builder().workers(1).build().unwrap();
        scheduler.go(|| ()).join().unwrap();
        child::limit(libc::RLIMIT_NPROC, 0);
        let gate = block(&scheduler);
        let waits = scheduler.go(|| 7);
        eventually(|| scheduler.stats().monitor.spares_refused > 0);
        let stats = scheduler.stats();
        assert!(stats.lanes.iter().all(|lane| lane.spares == 0) && !waits.is_finished(), "{stats}");
        gate.open();
        assert_eq!(waits.join().unwrap(), 7);
        scheduler.stop().unwrap();
        return;
    }
    child::run(&[]).assert_passed();
}
