//! CPUs that are few, and that come and go.

use super::child;
use super::lanes::assert_works;
use heddle_scheduler::{
    CpuId, Lane, Pinning, Placement, Priority, Scheduler, both, go_with_priority, sleep, yield_now,
};
use heddle_tests::{Hogs, Rig, eventually, kernel};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

#[test]
fn on_one_cpu_all_lanes_work_and_urgent_work_starts_beside_hogs() {
    if child::is_child() {
        let first = kernel::cpus()[0];
        if !kernel::set_cpus(0, &[first]) {
            println!("SKIPPED: this process may not choose its CPUs");
            return;
        }
        let plain = Scheduler::builder().build().unwrap();
        assert_eq!(plain.workers(), 1, "as many as there are CPUs to be used");
        assert_works(&plain);
        Rig::retire(&plain);
        for workers in [1, 2, 4] {
            let scheduler = Scheduler::builder().workers(workers).lanes(3).build().unwrap();
            for priority in Priority::ALL {
                let cpus = scheduler.go_with_priority(priority, kernel::cpus).join().unwrap();
                assert_eq!(cpus, [first]);
            }
            assert_works(&scheduler);
            Rig::retire(&scheduler);
        }
        return;
    }
    child::run(&[]).assert_passed();
}

/// Fibers of all priorities that wait, fork and make others, while `change` is called again and again; none is
/// lost.
fn nothing_is_lost_while(mut change: impl FnMut(usize)) {
    const FIBERS: usize = 1000;
    let scheduler = Scheduler::builder().workers(2).lanes(3).build().unwrap();
    let (ran, over) = (Arc::new(AtomicUsize::new(0)), AtomicBool::new(false));
    std::thread::scope(|s| {
        s.spawn(|| {
            for n in 0..FIBERS {
                let ran = ran.clone();
                let fiber = scheduler.go_with_priority(Priority::ALL[n % 5], move || {
                    yield_now();
                    let child = go_with_priority(Priority::ALL[n / 5 % 5], move || {
                        sleep(Duration::from_micros(20));
                        n
                    });
                    both(yield_now, || ());
                    assert_eq!(child.join().unwrap(), n);
                    ran.fetch_add(1, Ordering::Relaxed);
                });
                if n % 50 == 0 {
                    fiber.join().unwrap();
                }
            }
            scheduler.wait_all().unwrap();
            over.store(true, Ordering::Relaxed);
        });
        let mut turn = 0;
        while !over.load(Ordering::Relaxed) {
            change(turn);
            turn += 1;
            // So often that it hits everything, and not so often that nothing else happens.
            std::thread::sleep(Duration::from_millis(1));
        }
        println!("{turn} changes");
    });
    assert_eq!(ran.load(Ordering::Relaxed), FIBERS);
    assert_works(&scheduler);
    Rig::retire(&scheduler);
}

/// Two sets of CPUs that have nothing in common, and both together.
fn some_sets() -> Option<[Vec<usize>; 3]> {
    let all = kernel::cpus();
    if all.len() < 2 {
        println!("SKIPPED: there is one CPU only");
        return None;
    }
    if !kernel::set_cpus(0, &all) {
        println!("SKIPPED: this process may not choose its CPUs");
        return None;
    }
    let (some, others) = all.split_at(all.len() / 2);
    Some([some.to_vec(), others.to_vec(), all])
}

#[test]
fn threads_that_are_moved_between_cpus_from_outside_lose_nothing() {
    if child::is_child() {
        let Some(sets) = some_sets() else { return };
        nothing_is_lost_while(|turn| {
            for thread in kernel::threads() {
                // One may have ended just now.
                let _ = kernel::set_cpus(thread, &sets[turn % 3]);
            }
        });
        return;
    }
    child::run(&[]).assert_passed();
}

/// A control group of our own whose CPUs can be changed; gone when this is dropped.
struct Group {
    parent: PathBuf,
    path: PathBuf,
}

impl Group {
    /// `None`, and says why: there is none to be had.
    fn enter() -> Option<Group> {
        let parent = Group::parent().or_else(|| {
            println!("SKIPPED: no control group for CPUs was found");
            None
        })?;
        let path = parent.join(format!("heddle-test-{}", std::process::id()));
        let made = fs::create_dir(&path).and_then(|()| {
            let group = Group { parent: parent.clone(), path: path.clone() };
            for file in ["cpuset.cpus", "cpuset.mems"] {
                // The second form is that of version 2, where a group may have none of its own.
                let inherited = fs::read_to_string(parent.join(file))
                    .ok()
                    .filter(|text| !text.trim().is_empty())
                    .map_or_else(|| fs::read_to_string(parent.join(format!("{file}.effective"))), Ok)?;
                fs::write(path.join(file), inherited.trim())?;
            }
            fs::write(path.join("cgroup.procs"), std::process::id().to_string())?;
            Ok(group)
        });
        made.map_err(|error| println!("SKIPPED: {}: {error}", path.display())).ok()
    }

    /// The group in whose place one of ours can be.
    fn parent() -> Option<PathBuf> {
        let mine = fs::read_to_string("/proc/self/cgroup").ok()?;
        let of =
            |mark: &str| mine.lines().find_map(|line| Some(line.split_once(mark)?.1.trim_start_matches('/')));
        if let Some(path) = of(":cpuset:") {
            return Some(PathBuf::from("/sys/fs/cgroup/cpuset").join(path)).filter(|path| path.is_dir());
        }
        // Version 2: beside our own, as a group with processes in it has no controlled groups below it.
        let own = PathBuf::from("/sys/fs/cgroup").join(of("0::")?);
        let parent = own.parent().filter(|parent| parent.starts_with("/sys/fs/cgroup"))?;
        let controlled = fs::read_to_string(parent.join("cgroup.subtree_control")).ok()?;
        controlled.split_whitespace().any(|name| name == "cpuset").then(|| parent.to_owned())
    }

    fn set_cpus(&self, cpus: &[usize]) {
        let list: Vec<_> = cpus.iter().map(usize::to_string).collect();
        fs::write(self.path.join("cpuset.cpus"), list.join(",")).expect("the group is ours");
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::write(self.parent.join("cgroup.procs"), std::process::id().to_string());
        if let Err(error) = fs::remove_dir(&self.path) {
            println!("{} is left: {error}", self.path.display());
        }
    }
}

#[test]
fn a_cpuset_that_changes_under_load_loses_nothing() {
    if child::is_child() {
        let Some(sets) = some_sets() else { return };
        let Some(group) = Group::enter() else { return };
        nothing_is_lost_while(|turn| group.set_cpus(&sets[turn % 3]));
        // What is left of the CPUs is used: also by those that were tied to one that is gone.
        group.set_cpus(&sets[0]);
        let scheduler = Scheduler::builder().workers(2).lanes(3).build().unwrap();
        group.set_cpus(&sets[1]);
        let urgent = scheduler.go_with_priority(Priority::Critical, kernel::cpus).join().unwrap();
        assert!(urgent.iter().all(|cpu| sets[1].contains(cpu)), "{urgent:?}");
        assert!(scheduler.stats().lane(Lane::Urgent).is_some());
        assert_works(&scheduler);
        Rig::retire(&scheduler);
        group.set_cpus(&sets[2]);
        eventually(|| kernel::threads().len() <= 2);
        return;
    }
    let ended = child::run(&[]);
    ended.assert_passed();
    println!("{}", ended.text);
}

#[test]
fn workers_are_put_back_where_they_belong_when_cpus_come_back() {
    if child::is_child() {
        let Some([first, second, _]) = some_sets() else { return };
        let (kept, lost) = (first[0], second[0]);
        let options = Scheduler::builder().workers(2).name("seats").pinning(Pinning::Cpu);
        let placement = Placement::Explicit([kept, lost].map(|cpu| CpuId(cpu as u32)).to_vec());
        let scheduler = options.placement(placement).build().unwrap();
        let cpus = || scheduler.stats().workers[..2].iter().map(|worker| worker.cpu).collect::<Vec<_>>();
        // Each of them is somewhere only when its thread has begun.
        eventually(|| cpus() == [Some(kept as u32), Some(lost as u32)]);
        let there = |name: &str| kernel::cpus_of(kernel::thread_named(name));
        // The monitor looks while something runs.
        let busy = Hogs::start(&scheduler, Priority::Normal, 1);
        // What the process may use is what its untied threads may.
        let monitor = kernel::thread_named("seats-m");
        assert!(kernel::set_cpus(monitor, &[kept]));
        eventually(|| scheduler.stats().numa.surplus == 1);
        assert_eq!(cpus(), [Some(kept as u32), None]);
        // One that began late has tied itself where it was meant to be, until the monitor's next look.
        eventually(|| ["seats-0", "seats-1", "seats-u1"].iter().all(|name| there(name) == [kept]));
        assert!(scheduler.stats().to_string().contains("1 share CPUs"));
        assert!(kernel::set_cpus(monitor, &[kept, lost]));
        eventually(|| scheduler.stats().numa.surplus == 0);
        assert_eq!(cpus(), [Some(kept as u32), Some(lost as u32)]);
        assert_eq!((there("seats-0"), there("seats-1")), (vec![kept], vec![lost]));
        // Somebody else has untied it.
        assert!(kernel::set_cpus(kernel::thread_named("seats-1"), &[kept, lost]));
        eventually(|| there("seats-1") == [lost]);
        drop(busy);
        assert_works(&scheduler);
        Rig::retire(&scheduler);
        return;
    }
    child::run(&[]).assert_passed();
}
