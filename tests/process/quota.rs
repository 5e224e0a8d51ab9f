//! A CPU quota of the real kernel. The child moves itself into a control group of its own, which takes the right
//! to make one.

use super::child;
use heddle_scheduler::{Priority, Scheduler, checkpoint};
use heddle_tests::{eventually, kernel};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A control group with a quota of one CPU, with this process in it.
struct Group {
    dir: PathBuf,
    parent: PathBuf,
}

impl Group {
    /// `None`: we may not make one.
    fn join() -> Option<Group> {
        let name = format!("heddle-test-{}", std::process::id());
        let version_1 = Path::new("/sys/fs/cgroup/cpu");
        let version_2 = Path::new("/sys/fs/cgroup");
        let controls = fs::read_to_string(version_2.join("cgroup.subtree_control")).unwrap_or_default();
        let (parent, limit, text) = if version_1.join("cpu.cfs_quota_us").exists() {
            (version_1, "cpu.cfs_quota_us", "100000")
        } else if controls.split_whitespace().any(|controller| controller == "cpu") {
            (version_2, "cpu.max", "100000 100000")
        } else {
            return None;
        };
        let group = Group { dir: parent.join(name), parent: parent.to_owned() };
        fs::create_dir(&group.dir).ok()?;
        fs::write(group.dir.join(limit), text).ok()?;
        fs::write(group.dir.join("cgroup.procs"), std::process::id().to_string()).ok()?;
        Some(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::write(self.parent.join("cgroup.procs"), std::process::id().to_string());
        let _ = fs::remove_dir(&self.dir);
    }
}

#[test]
fn under_a_real_quota_background_work_is_held_and_goes_on_while_urgent_work_is_done() {
    if child::is_child() {
        let cpus = std::thread::available_parallelism().unwrap().get();
        let Some(group) = (cpus > 1).then(Group::join).flatten() else {
            println!("SKIPPED: {cpus} CPUs, or no right to make a control group with a quota");
            return;
        };
        let scheduler = Scheduler::builder().workers(cpus).build().unwrap();
        let (enough, steps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        for _ in 0..cpus {
            let (enough, steps) = (enough.clone(), steps.clone());
            drop(scheduler.go_with_priority(Priority::Background, move || {
                while !enough.load(Ordering::Relaxed) {
                    steps.fetch_add(1, Ordering::Relaxed);
                    checkpoint();
                }
            }));
        }
        let quota = || scheduler.stats().monitor.quota;
        let ping = || scheduler.go_with_priority(Priority::Critical, || 1).join().unwrap();
        for _ in 0..3 {
            let held = quota().map_or(Duration::ZERO, |quota| quota.held);
            let since = (Instant::now(), kernel::cpu_time());
            let mut is_used = true;
            eventually(|| {
                std::thread::sleep(Duration::from_millis(1));
                // Others may want the CPUs so much that all of this process gets less than its quota.
                let (passed, had) = (since.0.elapsed(), kernel::cpu_time() - since.1);
                is_used = passed < Duration::from_secs(5) || had > passed.mul_f64(0.9);
                ping() == 1 && (!is_used || quota().is_some_and(|quota| quota.held > held))
            });
            if !is_used {
                println!("SKIPPED in part: others have the CPUs, and the quota is not used up");
                break;
            }
            let before = steps.load(Ordering::Relaxed);
            eventually(|| steps.load(Ordering::Relaxed) > before + 1000);
        }
        println!("{}", scheduler.stats());
        eventually(|| quota().is_some_and(|quota| quota.cpus == 1.0));
        enough.store(true, Ordering::Relaxed);
        scheduler.wait_all().unwrap();
        scheduler.stop().unwrap();
        drop(group);
        return;
    }
    let ended = child::run(&[]);
    if ended.text.contains("SKIPPED") {
        eprintln!("{}", ended.text);
    }
    ended.assert_passed();
}
