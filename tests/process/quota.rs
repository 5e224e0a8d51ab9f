//! A CPU quota of the real kernel. The child moves itself into a control group of its own, which takes the right
//! to make one. Guests of `tests/vm` check the same under version 2 of control groups.

use super::child;
use heddle_tests::eventually;
use heddle_tests::quota::Burning;
use std::fs;
use std::path::{Path, PathBuf};

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
        let burning = Burning::new(cpus);
        burning.expect_held_and_going_on(1.0);
        println!("{}", burning.scheduler.stats());
        eventually(|| burning.quota().is_some_and(|quota| quota.cpus == 1.0));
        burning.end();
        drop(group);
        return;
    }
    let ended = child::run(&[]);
    if ended.text.contains("SKIPPED") {
        eprintln!("{}", ended.text);
    }
    ended.assert_passed();
}
