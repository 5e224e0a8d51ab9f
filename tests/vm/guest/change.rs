//! CPUs, cpusets and quotas that go and come back, under threads that run all the time.
//!
//! A [`Crew`] has a thread for each seat of a plan, pinned there, that counts without ever waiting. The checks take CPUs
//! away, read the masks again as a scheduler would, ask [`Seats::reseat`] what to do, do it, and look that every thread
//! still counts, and counts where it should.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use heddle_numa::affinity::{self, Thread};
use heddle_numa::{CpuId, CpuSet, Fate, NodeId, Placement, Reseat, Seat, Seats, Topology, default_workers};
use heddle_tests::eventually;

use crate::Check;
use crate::group::{Group, Offline};
use crate::machine::Machine;

pub(crate) const CHECKS: &[Check] = &[
    Check::everywhere("a_cpuset_that_shrinks_and_regrows_under_a_thread_on_each_node", cpuset),
    Check::everywhere("a_cpuset_that_shrinks_and_regrows_under_a_thread_on_each_cpu", crowded_cpuset),
    Check::everywhere("a_cpu_goes_offline_and_comes_back_under_its_thread", offline),
    Check::everywhere("all_cpus_of_a_node_go_offline_and_come_back", offline_node),
    Check::everywhere("the_quota_of_a_control_group_bounds_the_workers", quota),
    Check::everywhere("who_uses_up_a_quota_is_throttled_and_can_see_it", throttled),
];

/// A thread for each seat.
struct Crew {
    machine: Topology,
    plan: Seats,
    threads: Vec<Member>,
    enough: Arc<AtomicBool>,
}

struct Member {
    thread: Thread,
    steps: Arc<AtomicU64>,
    /// Where it was at its last step.
    cpu: Arc<AtomicU32>,
    handle: JoinHandle<()>,
}

impl Crew {
    fn new(machine: Topology, workers: usize) -> Crew {
        let plan = Seats::plan(&machine, &Placement::Spread, workers).unwrap();
        let enough = Arc::new(AtomicBool::new(false));
        let threads = plan.iter().map(|seat| Member::new(seat.cpu.unwrap(), enough.clone())).collect();
        Crew { machine, plan, threads, enough }
    }

    /// What should become of each thread, with the CPUs that are left: those of a thread that was never pinned.
    fn fates(&self) -> Vec<Reseat> {
        self.plan.reseat(&self.machine, &affinity::allowed_cpus().unwrap())
    }

    /// Moves each to its seat, and waits until all have counted there.
    fn seat(&self, seats: &[Reseat]) {
        for (member, now) in self.threads.iter().zip(seats) {
            let allowed = affinity::allowed_cpus().unwrap();
            let of_home = &allowed & self.machine.node(now.seat.node).unwrap().cpus();
            let wanted = now.seat.cpu.map_or(of_home, CpuSet::of);
            assert_eq!(member.thread.pin(&wanted).unwrap(), wanted);
            member.expect_on(&wanted);
        }
    }

    /// All are where the plan wants them.
    fn expect_planned(&self) {
        let seats = self.fates();
        let planned: Vec<Reseat> =
            self.plan.iter().map(|seat| Reseat { seat: *seat, fate: Fate::Kept }).collect();
        assert_eq!(seats, planned);
        self.seat(&seats);
    }

    fn end(self) {
        self.enough.store(true, Ordering::Relaxed);
        for member in self.threads {
            member.handle.join().unwrap();
        }
    }
}

impl Member {
    fn new(seat: CpuId, enough: Arc<AtomicBool>) -> Member {
        let (steps, cpu) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU32::new(u32::MAX)));
        let (tell, hear) = mpsc::channel();
        let (counted, place) = (steps.clone(), cpu.clone());
        let handle = thread::spawn(move || {
            affinity::pin_to_cpu(seat).unwrap().keep();
            tell.send(Thread::current()).unwrap();
            while !enough.load(Ordering::Relaxed) {
                place.store(affinity::current_cpu().unwrap().0, Ordering::Relaxed);
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Member { thread: hear.recv().unwrap(), steps, cpu, handle }
    }

    /// It goes on counting, and does so on these CPUs.
    fn expect_on(&self, cpus: &CpuSet) {
        assert_eq!(&self.thread.allowed_cpus().unwrap(), cpus);
        let before = self.steps.load(Ordering::Relaxed);
        eventually(|| {
            let here = CpuId(self.cpu.load(Ordering::Relaxed));
            self.steps.load(Ordering::Relaxed) > before + 1 && cpus.contains(here)
        });
    }
}

fn detect() -> Topology {
    Topology::detect().unwrap()
}

fn at(cpu: CpuId, node: u32, fate: Fate) -> Reseat {
    Reseat { seat: Seat { cpu: Some(cpu), node: NodeId(node) }, fate }
}

/// The first and the last CPU of each node that has any, with the node.
fn ends(machine: &Machine) -> Vec<(u32, CpuId, CpuId)> {
    let ends =
        |node: &crate::machine::Node| node.cpus.map(|(first, last)| (node.id, CpuId(first), CpuId(last)));
    machine.nodes.iter().filter_map(ends).collect()
}

fn cpuset(machine: &Machine) {
    let group = Group::new("cpuset");
    group.set("cpuset.cpus", &machine.cpus().to_string());
    group.enter();
    let ends = ends(machine);
    let crew = Crew::new(detect(), ends.len());
    crew.expect_planned();

    // Every thread loses its CPU, and its node has another.
    let left: CpuSet = ends.iter().map(|(_, _, last)| *last).collect();
    group.set("cpuset.cpus", &left.to_string());
    assert_eq!(detect().allowed_cpus(), &left);
    for member in &crew.threads {
        assert_eq!(member.thread.allowed_cpus().unwrap(), left, "the kernel widens the mask to what is left");
    }
    let seats = crew.fates();
    assert_eq!(seats, ends.iter().map(|(node, _, last)| at(*last, *node, Fate::Moved)).collect::<Vec<_>>());
    crew.seat(&seats);

    // Only the first node is left: one is displaced to its free CPU, for those after it there is none.
    let (home, first, last) = ends[0];
    group.set("cpuset.cpus", &machine.nodes[0].cpu_set().to_string());
    assert_eq!(detect().worker_nodes().len(), 1);
    let seats = crew.fates();
    assert_eq!(seats[..2], [at(first, home, Fate::Kept), at(last, home, Fate::Displaced)]);
    let nowhere = Reseat { seat: Seat { cpu: None, node: NodeId(home) }, fate: Fate::Surplus };
    assert!(seats[2..].iter().all(|seat| *seat == nowhere), "{seats:?}");
    crew.seat(&seats);

    group.set("cpuset.cpus", &machine.cpus().to_string());
    assert_eq!(detect().allowed_cpus(), &machine.cpus());
    crew.expect_planned();
    crew.end();
}

fn crowded_cpuset(machine: &Machine) {
    let group = Group::new("crowded");
    group.set("cpuset.cpus", &machine.cpus().to_string());
    group.enter();
    let crew = Crew::new(detect(), machine.cpus().len());
    crew.expect_planned();
    for (node, _, _) in ends(machine) {
        let left = machine.nodes.iter().find(|found| found.id == node).unwrap().cpu_set();
        group.set("cpuset.cpus", &left.to_string());
        let seats = crew.fates();
        for (wanted, now) in crew.plan.iter().zip(&seats) {
            match left.contains(wanted.cpu.unwrap()) {
                true => assert_eq!((now.seat, now.fate), (*wanted, Fate::Kept)),
                false => {
                    assert_eq!((now.seat.cpu, now.seat.node, now.fate), (None, NodeId(node), Fate::Surplus))
                }
            }
        }
        crew.seat(&seats);
    }
    group.set("cpuset.cpus", &machine.cpus().to_string());
    crew.expect_planned();
    crew.end();
}

fn offline(machine: &Machine) {
    // The first CPU of the last node, whose thread can move to the node's other one.
    let ends = ends(machine);
    let (node, lost, other) = ends[ends.len() - 1];
    let crew = Crew::new(detect(), ends.len());
    let off = Offline::new(CpuSet::of(lost));
    let left = &machine.cpus() - &CpuSet::of(lost);
    let found = detect();
    assert_eq!((found.online_cpus(), found.allowed_cpus()), (&left, &left));
    assert!(found.possible_cpus().contains(lost) && found.cpu(lost).is_err());
    assert_eq!(default_workers(&found), left.len());
    assert!(affinity::pin_to_cpu(lost).unwrap_err().is_not_found());
    assert_eq!(crew.threads[ends.len() - 1].thread.allowed_cpus().unwrap(), left);

    let seats = crew.fates();
    assert_eq!(seats[ends.len() - 1], at(other, node, Fate::Moved));
    assert!(seats[..ends.len() - 1].iter().all(|seat| seat.fate == Fate::Kept), "{seats:?}");
    crew.seat(&seats);

    drop(off);
    eventually(|| affinity::allowed_cpus().unwrap() == machine.cpus());
    assert_eq!(detect().online_cpus(), &machine.cpus());
    crew.expect_planned();
    crew.end();
}

fn offline_node(machine: &Machine) {
    let ends = ends(machine);
    let (node, first, last) = ends[ends.len() - 1];
    let crew = Crew::new(detect(), ends.len());
    let off = Offline::new([first, last].into_iter().collect());
    let found = detect();
    let empty = found.node(NodeId(node)).unwrap();
    assert!(empty.cpus().is_empty() && !found.worker_nodes().contains(NodeId(node)));
    assert_eq!(
        empty.has_memory(),
        machine.memory_node(node) == NodeId(node),
        "memory does not go with the CPUs"
    );
    let error = affinity::pin_to_node(&found, NodeId(node)).unwrap_err();
    assert!(error.is_not_allowed() && error.to_string().contains("no online CPU"), "{error}");

    let seats = crew.fates();
    let near = ends[..ends.len() - 1].iter().min_by_key(|(to, _, _)| machine.distance(node, *to)).unwrap();
    assert_eq!(seats[ends.len() - 1], at(near.2, near.0, Fate::Displaced));
    crew.seat(&seats);

    drop(off);
    eventually(|| affinity::allowed_cpus().unwrap() == machine.cpus());
    assert_eq!(detect().node(NodeId(node)).unwrap().cpus().len(), 2);
    crew.expect_planned();
    crew.end();
}

fn quota(machine: &Machine) {
    let group = Group::new("quota");
    let inner = group.inner("inner");
    inner.enter();
    let all = machine.cpus().len();
    assert_eq!((detect().quota(), default_workers(&detect())), (None, all));
    let steps = [
        ("50000 100000", 0.5, 1),
        ("150000 100000", 1.5, 1),
        ("250000 100000", 2.5, 2),
        ("1000000 500000", 2.0, 2),
    ];
    for (limit, cpus, workers) in steps {
        inner.set("cpu.max", limit);
        let found = detect();
        assert_eq!((found.quota().unwrap().cpus(), default_workers(&found)), (cpus, workers), "{limit}");
    }
    // The tightest of all groups above counts.
    inner.set("cpu.max", "300000 100000");
    group.set("cpu.max", "200000 100000");
    assert_eq!(detect().quota().unwrap().cpus(), 2.0);
    group.set("cpu.max", "max");
    assert_eq!(detect().quota().unwrap().cpus(), 3.0);
    inner.set("cpu.max", "max");
    assert_eq!((detect().quota(), default_workers(&detect())), (None, all));
}

fn throttled(_: &Machine) {
    let group = Group::new("throttled");
    group.set("cpu.max", "50000 100000");
    group.enter();
    let crew = Crew::new(detect(), 2);
    let quota = detect().quota().unwrap().clone();
    eventually(|| {
        let seen = quota.throttling().unwrap();
        seen.throttled_periods > 1 && seen.throttled_periods <= seen.periods && seen.throttled_us > 0
    });
    let used = quota.used_us().unwrap();
    assert!(used > 0, "{used}");
    group.set("cpu.max", "max");
    crew.expect_planned();
    crew.end();
}
