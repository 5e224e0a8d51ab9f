//! A CPU quota: background work leaves it to the other lanes. The control group is a folder of ours.
#![cfg(target_os = "linux")]

use heddle_scheduler::sync::Mutex;
use heddle_scheduler::{Builder, HogKind, Priority, QuotaStats, checkpoint, thread_time, yield_now};
use heddle_tests::{Folder, Gate, Rig, eventually, with_lanes};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A file-system root with a control group that has this quota, and has used nothing by itself.
struct Group(Folder);

impl Group {
    fn new(max: &str) -> Group {
        let root = Folder::new();
        root.write("proc/self/cgroup", "0::/job\n");
        root.write("proc/self/mountinfo", "41 23 0:28 / /sys/fs/cgroup rw - cgroup2 none rw\n");
        root.write("sys/fs/cgroup/job/cpu.max", max);
        let stat = "usage_usec 0\nnr_periods 9\nnr_throttled 4\nthrottled_usec 77\n";
        root.write("sys/fs/cgroup/job/cpu.stat", stat);
        Group(root)
    }

    fn throttle(&self) {
        let stat = "usage_usec 0\nnr_periods 9\nnr_throttled 6\nthrottled_usec 1077\n";
        // Whole or not at all, as the kernel's file is.
        self.0.write("new", stat);
        let root = self.0.path();
        std::fs::rename(root.join("new"), root.join("sys/fs/cgroup/job/cpu.stat")).unwrap();
    }
}

fn under_quota(max: &str, workers: &[usize], body: impl Fn(&Rig, &Group)) {
    let group = Group::new(max);
    let options = |builder: Builder| builder.quota_root(group.0.path()).hog_after(Duration::from_millis(4));
    with_lanes(3, workers, &options, &|rig| body(rig, &group));
}

fn quota(rig: &Rig) -> QuotaStats {
    rig.stats().monitor.quota.expect("there is one")
}

/// The monitor has seen it.
fn await_quota(rig: &Rig) {
    eventually(|| rig.stats().monitor.quota.is_some());
}

#[test]
fn background_work_pauses_when_the_quota_is_nearly_used_and_goes_on_in_the_next_period() {
    // Who looks all the time here, and the monitor, take up to 7 % of a CPU of it.
    under_quota("20000 100000", &[1, 2], |rig, _| {
        await_quota(rig);
        assert_eq!(quota(rig).cpus, 0.2);
        for pause in [checkpoint as fn(), yield_now] {
            let (enough, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
            let had = Arc::new(AtomicU64::new(0));
            let (theirs, steps, time) = (enough.clone(), count.clone(), had.clone());
            let working = rig.go_with_priority(Priority::Background, move || {
                while !theirs.load(Ordering::Relaxed) {
                    steps.fetch_add(1, Ordering::Relaxed);
                    time.store(thread_time().as_nanos() as u64, Ordering::Relaxed);
                    pause();
                }
            });
            let had = || Duration::from_nanos(had.load(Ordering::Relaxed));
            for _ in 0..3 {
                let (held, since, before) = (quota(rig).held, Instant::now(), had());
                // Others may want the CPUs so much that a background thread gets less than the quota.
                let starves = || {
                    let passed = since.elapsed();
                    passed > Duration::from_secs(2) && had() - before < passed.mul_f64(0.2)
                };
                eventually(|| quota(rig).held > held || starves());
                if quota(rig).held == held {
                    println!("SKIPPED in part: others have the CPUs, and the quota is not used up");
                    break;
                }
                let before = count.load(Ordering::Relaxed);
                eventually(|| count.load(Ordering::Relaxed) > before + 100);
            }
            // Nobody else is held.
            for priority in [Priority::Critical, Priority::High, Priority::Normal] {
                assert_eq!(rig.go_with_priority(priority, || 1).join().unwrap(), 1);
            }
            enough.store(true, Ordering::Relaxed);
            working.join().unwrap();
        }
    });
}

/// The period is an hour here: who is held is held for the length of the test.
#[test]
fn a_background_fiber_that_holds_what_an_urgent_one_waits_for_is_not_held() {
    under_quota("10000 3600000000", &[1, 2], |rig, _| {
        await_quota(rig);
        let lock = Arc::new(Mutex::new(0_u64));
        let (theirs, locked) = (lock.clone(), Gate::new());
        let (has_it, awaited) = (locked.clone(), Arc::new(AtomicBool::new(false)));
        let is_awaited = awaited.clone();
        drop(rig.go_with_priority(Priority::Background, move || {
            let mut guard = theirs.lock();
            has_it.open();
            // Until it is held, and after that more than a dispatch a second would get done.
            while *guard < 1000 {
                *guard += u64::from(is_awaited.load(Ordering::Relaxed));
                checkpoint();
            }
        }));
        locked.wait();
        eventually(|| !quota(rig).held.is_zero());
        let waits = rig.go_with_priority(Priority::Critical, move || {
            awaited.store(true, Ordering::Relaxed);
            *lock.lock()
        });
        assert_eq!(waits.join().unwrap(), 1000);
    });
}

#[test]
fn while_code_that_cannot_be_paused_uses_what_background_may_no_other_background_fiber_starts() {
    // One and a half CPUs: so one such fiber at once.
    under_quota("150000 100000", &[2, 4], |rig, _| {
        if std::thread::available_parallelism().unwrap().get() < 2 {
            eprintln!("SKIPPED: a quota of 1.5 CPUs is no limit on a machine with one");
            return;
        }
        await_quota(rig);
        let enough = Arc::new(AtomicBool::new(false));
        let theirs = enough.clone();
        let burning = rig.go_with_priority(Priority::Background, move || {
            while !theirs.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        eventually(|| rig.stats().hogs.iter().any(|hog| hog.kind == HogKind::Burning));
        // One of these is held, and with it all that come later.
        let mut probes = Vec::new();
        eventually_with(
            || quota(rig).held.is_zero(),
            || {
                probes.push(rig.go_with_priority(Priority::Background, || ()));
            },
        );
        let held = quota(rig).held;
        let last = rig.go_with_priority(Priority::Background, || ());
        eventually(|| quota(rig).held > held + Duration::from_millis(20));
        assert!(!last.is_finished(), "{}", rig.stats());
        assert_eq!(rig.go(|| 1).join().unwrap(), 1);
        enough.store(true, Ordering::Relaxed);
        burning.join().unwrap();
        last.join().unwrap();
        probes.into_iter().for_each(|probe| probe.join().unwrap());
    });
}

/// Does `step` again and again while `still`.
fn eventually_with(still: impl Fn() -> bool, mut step: impl FnMut()) {
    while still() {
        step();
        // A thread of the background lane has to get at them.
        std::thread::sleep(Duration::from_micros(100));
    }
}

#[test]
fn throttling_is_counted_from_when_the_quota_was_first_seen() {
    under_quota("50000 100000", &[1], |rig, group| {
        await_quota(rig);
        rig.go(|| ()).join().unwrap();
        assert_eq!(quota(rig).throttled_periods, 0);
        group.throttle();
        eventually(|| {
            rig.go(|| ()).join().unwrap();
            quota(rig).throttled_periods == 2 && quota(rig).throttled == Duration::from_millis(1)
        });
        assert!(rig.stats().to_string().contains("quota of 0.5 CPUs: throttled in 2 periods"));
    });
}

#[test]
fn a_quota_above_the_cpus_is_none_and_a_stop_ends_a_pause() {
    under_quota("100000000 100000", &[1], |rig, _| {
        rig.go_with_priority(Priority::Background, || ()).join().unwrap();
        assert!(rig.stats().monitor.quota.is_none());
    });
    under_quota("1000 3600000000", &[1, 2], |rig, _| {
        for _ in 0..2 {
            await_quota(rig);
            let before = quota(rig).held;
            let waits = rig.go_with_priority(Priority::Background, || {
                loop {
                    checkpoint();
                }
            });
            eventually(|| quota(rig).held > before);
            rig.stop().unwrap();
            assert!(waits.join().map(|_: ()| ()).is_err());
            rig.start().unwrap();
        }
    });
}
