//! What a scheduler without work costs: nothing.
#![cfg(target_os = "linux")]

use heddle_scheduler::sleep;
use heddle_tests::{Event, Rig, eventually, on_workers, with_options};
use std::collections::BTreeMap;
use std::time::Duration;

/// For each of the scheduler's threads that has begun: its time on a CPU in ns, and how often it was
/// given one.
fn cpu_of(name: &str) -> BTreeMap<String, (u64, u64)> {
    let mut times = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let read = |file: &str| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        let thread = read("comm").trim().to_owned();
        if thread.strip_prefix(name).is_some_and(|rest| rest.starts_with('-')) {
            let text = read("schedstat");
            let fields: Vec<u64> = text.split_whitespace().filter_map(|n| n.parse().ok()).collect();
            // One of an earlier scheduler of this name may have gone just now.
            if let [time, _, count] = fields[..] {
                times.insert(thread, (time, count));
            }
        }
    }
    times
}

/// There comes a second in which no thread of this scheduler is given a CPU, and none wakes up.
pub(crate) fn falls_silent(rig: &Rig, name: &str) {
    if !std::path::Path::new("/proc/self/schedstat").exists() {
        println!("SKIPPED: the system does not say when a thread is given a CPU");
        return;
    }
    // The workers and the monitor.
    eventually(|| cpu_of(name).len() == rig.threads() + 1);
    loop {
        let before = (cpu_of(name), parks(rig));
        std::thread::sleep(Duration::from_secs(1));
        if (cpu_of(name), parks(rig)) == before {
            return;
        }
        // It was still falling asleep. One that wakes up now and then never gets past this, and the
        // watchdog ends it.
    }
}

fn parks(rig: &Rig) -> Vec<u64> {
    rig.stats().workers.iter().map(|worker| worker.parks).collect()
}

#[test]
fn an_idle_scheduler_uses_no_cpu_at_all() {
    with_options(
        &[1, 4, 64],
        |builder| builder.name("quiet"),
        |rig| {
            falls_silent(rig, "quiet");
            // Also after it had something to do.
            for _ in 0..100 {
                drop(rig.go(heddle_scheduler::yield_now));
            }
            rig.wait_all().unwrap();
            falls_silent(rig, "quiet");
        },
    );
}

#[test]
fn suspended_and_sleeping_fibers_use_no_cpu() {
    with_options(
        &[1, 4, 64],
        |builder| builder.name("hush"),
        |rig| {
            let event = Event::new();
            for _ in 0..100 {
                let event = event.clone();
                drop(rig.go(move || event.wait()));
                drop(rig.go(|| sleep(Duration::from_secs(3600))));
                drop(rig.go(|| sleep(Duration::MAX)));
            }
            eventually(|| rig.stats().levels[2].suspended == 300);
            falls_silent(rig, "hush");
        },
    );
}

#[test]
fn a_trickle_of_work_does_not_wake_every_worker_each_time() {
    on_workers(&[8, 64], |rig| {
        let rounds = 200;
        let asleep = || eventually(|| parks(rig).iter().all(|&parks| parks > 0));
        asleep();
        let before: u64 = parks(rig).iter().sum();
        for _ in 0..rounds {
            rig.go(|| ()).join().unwrap();
        }
        let after: u64 = parks(rig).iter().sum();
        let each = (after - before) as f64 / f64::from(rounds);
        assert!(each <= 3.0, "{each} workers were woken for each fiber");
    });
}
