//! The scheduler on real nodes: workers, stacks and work are where they belong, and no fiber is lost when CPUs are.
//!
//! Which node a fiber runs on is asked of the kernel (`getcpu`, and the table of machines), not of the scheduler. Guests
//! have all their memory equally near, so [`Numa::Always`] is said where nodes shall be minded.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};

use heddle_numa::memory::{self, Home, NodeVec, Pages};
use heddle_numa::{CpuSet, Fate, NodeId, Placement, Seats, Topology, affinity};
use heddle_scheduler::{
    Builder, JoinHandle, Lane, Nearness, Numa, NumaState, Priority, Scheduler, StealStats, go, yield_now,
};
use heddle_tests::quota::Burning;
use heddle_tests::{Gate, eventually, kernel, watchdog};

use crate::Check;
use crate::group::{Group, Offline};
use crate::machine::Machine;
use crate::memory::expect_all_on;

pub(crate) const CHECKS: &[Check] = &[
    Check::only("numa_auto_is_off_where_all_memory_is_equally_near", has_two_homes, auto),
    Check::everywhere("every_thread_of_every_lane_is_tied_to_its_workers_node", threads),
    Check::everywhere("every_touched_page_of_a_stack_is_on_the_node_of_its_worker", stacks),
    Check::everywhere("work_for_a_node_runs_there_while_others_are_busy", go_on),
    Check::everywhere("work_near_data_runs_where_the_data_is", near),
    Check::everywhere("work_from_a_foreign_thread_goes_to_the_node_of_that_thread", foreign),
    Check::everywhere("steals_are_counted_by_distance", steals),
    Check::everywhere("a_worker_moves_to_another_node_and_what_it_starts_has_its_stack_there", move_worker),
    Check::everywhere(
        "a_cpuset_that_shrinks_under_load_loses_no_fiber_and_displaced_workers_are_told",
        cpuset,
    ),
    Check::everywhere("under_a_quota_background_work_is_held_and_goes_on_until_it_is_lifted", quota),
    Check::everywhere("a_node_that_goes_offline_under_load_loses_no_fiber", offline),
];

fn minded() -> Builder {
    Scheduler::builder().numa(Numa::Always)
}

/// By the CPU the caller is on now, and the table of machines.
fn node_here(machine: &Machine) -> NodeId {
    machine.node_of(affinity::current_cpu().unwrap())
}

fn has_two_homes(machine: &Machine) -> bool {
    (&machine.nodes_with_cpus() & &machine.nodes_with_memory()).len() > 1
}

fn auto(_: &Machine) {
    let state = |builder: Builder| builder.workers(2).build().unwrap().stats().numa.state;
    match state(Scheduler::builder()) {
        NumaState::NoPenalty(ratio) => println!("far memory costs {ratio:.2} times what near memory does"),
        other => panic!("{other:?}"),
    }
    assert_eq!(state(minded()), NumaState::On);
    assert_eq!(state(Scheduler::builder().numa(Numa::Off)), NumaState::Off);
}

/// The masks of this process's threads whose names begin like this, by the kernel's text, without CPUs that are not there.
fn masks_of(name: &str) -> Vec<(String, CpuSet)> {
    let online: CpuSet = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap().parse().unwrap();
    let read = |thread: i32, file: &str| std::fs::read_to_string(format!("/proc/self/task/{thread}/{file}"));
    let mask = |thread: i32| {
        let name = read(thread, "comm").ok().filter(|comm| comm.starts_with(name))?;
        let status = read(thread, "status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
        Some((name.trim().to_owned(), &line.trim().parse().unwrap() & &online))
    };
    kernel::threads().into_iter().filter_map(mask).collect()
}

fn threads(machine: &Machine) {
    let scheduler = minded().name("tied").build().unwrap();
    // One in each lane has run, so all threads have begun.
    for priority in [Priority::Critical, Priority::Normal, Priority::Background] {
        scheduler.go_with_priority(priority, || ()).join().unwrap();
    }
    let stats = scheduler.stats();
    assert_eq!(stats.num_numa_nodes(), machine.nodes.len());
    let nodes: Vec<_> = machine.nodes.iter().filter(|node| node.cpus.is_some()).collect();
    assert_eq!(stats.numa.nodes.len(), nodes.len());
    for (told, booted) in stats.numa.nodes.iter().zip(&nodes) {
        assert_eq!(told.node, Some(NodeId(booted.id)));
        assert_eq!(told.memory, Some(machine.memory_node(booted.id)));
        assert_eq!((told.workers, told.cpus), (booted.cpu_set().len(), booted.cpu_set().len()));
    }
    let lanes = stats.lanes.iter().filter(|lane| lane.threads > 0).count();
    let mut by_node: BTreeMap<u32, usize> = BTreeMap::new();
    let tied = |(name, mask): &(String, CpuSet)| {
        let home = nodes.iter().find(|node| mask.is_subset(&node.cpu_set()));
        home.unwrap_or_else(|| panic!("{name} may use CPUs {mask}")).id
    };
    // A thread ties itself as its first deed, which may be yet to come.
    let regular =
        || masks_of("tied").into_iter().filter(|(name, _)| !name.ends_with("-m")).collect::<Vec<_>>();
    eventually(|| regular().iter().all(|(_, mask)| nodes.iter().any(|node| mask.is_subset(&node.cpu_set()))));
    for thread in &regular() {
        *by_node.entry(tied(thread)).or_default() += 1;
    }
    let expected = nodes.iter().map(|node| (node.id, node.cpu_set().len() * lanes)).collect();
    assert_eq!(by_node, expected, "threads by node: {:?}", regular());
    let urgent = || scheduler.stats().workers.into_iter().filter(|worker| worker.lane == Lane::Urgent);
    // There is a CPU for each, so that each preempts what runs there.
    eventually(|| urgent().all(|worker| worker.cpu.is_some()));
    for worker in urgent() {
        assert_eq!(worker.node, worker.cpu.map(|cpu| machine.node_of(heddle_numa::CpuId(cpu))));
    }
}

/// What each fiber uses of its stack, in bytes.
const DEPTH: usize = 64 << 10;

/// Uses so much of the stack, and says where it begins.
#[inline(never)]
fn deep(bytes: usize) -> usize {
    let frame = black_box([bytes as u8; 1024]);
    let here = frame.as_ptr() as usize;
    if bytes > frame.len() { deep(bytes - frame.len()).max(here) } else { here }
}

/// The pages below the caller's frame that it has just touched are on the node that serves its worker.
fn expect_stack_here(machine: &Machine, what: &str) {
    let top = deep(DEPTH);
    let pages = Pages::around((top - DEPTH / 2) as *const u8, DEPTH / 2);
    let home = machine.memory_node(node_here(machine).0);
    expect_all_on(&memory::pages_by_node(pages).unwrap(), home, what);
}

/// Every page of every stack of the scheduler that was ever touched.
fn expect_stacks_at_home(machine: &Machine, scheduler: &Scheduler) {
    let all = scheduler.stack_pages().unwrap();
    assert!(all.iter().map(|stacks| stacks.pages.present()).sum::<usize>() > 0, "{all:?}");
    for stacks in all {
        let home = machine.memory_node(stacks.node.expect("nodes are minded").0);
        assert_eq!((stacks.pages.away_from(home), stacks.pages.unknown), (0, 0), "{stacks:?}");
    }
}

fn stacks(machine: &Machine) {
    let machine = the_static(machine);
    let scheduler = minded().build().unwrap();
    let all: Vec<JoinHandle<()>> = (0..200)
        .map(|number| {
            let node =
                machine.nodes_with_cpus().iter().nth(number % machine.nodes_with_cpus().len()).unwrap();
            let priority = Priority::ALL[number % Priority::ALL.len()];
            scheduler.fiber().on(node).priority(priority).go(move || {
                expect_stack_here(machine, "at the start");
                yield_now();
                // On the same thread: a fiber that has started stays.
                expect_stack_here(machine, "after a pause");
                go(move || expect_stack_here(machine, "made inside")).join().unwrap();
            })
        })
        .collect();
    all.into_iter().for_each(|fiber| fiber.join().unwrap());
    expect_stacks_at_home(machine, &scheduler);
    let stats = scheduler.stats();
    assert!(stats.numa.nodes.iter().all(|node| node.stack_bytes > 0), "{stats}");
}

/// The machines are constants; fibers want to know that they live for ever.
fn the_static(machine: &Machine) -> &'static Machine {
    Machine::named(machine.name).expect("it is in the table")
}

/// Keeps all workers but those of one node busy until this is dropped.
struct Kept(Vec<Gate>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.iter().for_each(Gate::open);
    }
}

impl Kept {
    /// One fiber for each worker, so each has one; then those of the node are let go again.
    fn but(machine: &'static Machine, scheduler: &Scheduler, free: NodeId) -> Kept {
        let all = Arc::new(Barrier::new(scheduler.workers() + 1));
        let mut gates = Vec::new();
        let places: Vec<JoinHandle<bool>> = (0..scheduler.workers())
            .map(|_| {
                let (all, gate, inner) = (all.clone(), Gate::new(), Gate::new());
                gates.push((gate.clone(), inner.clone()));
                scheduler.go(move || {
                    all.wait();
                    let free = node_here(machine) == free;
                    inner.open();
                    if !free {
                        gate.wait();
                    }
                    free
                })
            })
            .collect();
        all.wait();
        gates.iter().for_each(|(_, decided)| decided.wait());
        drop(places);
        Kept(gates.into_iter().map(|(gate, _)| gate).collect())
    }
}

/// One lane and no spares: a worker that is kept is not replaced.
fn plain() -> Builder {
    minded().lanes(1).spares(0)
}

fn go_on(machine: &Machine) {
    let machine = the_static(machine);
    let scheduler = plain().build().unwrap();
    for free in &machine.nodes_with_cpus() {
        let kept = Kept::but(machine, &scheduler, free);
        let away = scheduler.stats().numa.away;
        for _ in 0..50 {
            assert_eq!(scheduler.go_on(free, || node_here(machine)).join().unwrap(), free);
        }
        assert_eq!(scheduler.stats().numa.away, away);
        // Nobody else can: they run here, and that is counted.
        for busy in machine.nodes_with_cpus().iter().filter(|node| *node != free) {
            assert_eq!(scheduler.go_on(busy, || node_here(machine)).join().unwrap(), free);
        }
        assert_eq!(scheduler.stats().numa.away, away + machine.nodes_with_cpus().len() as u64 - 1);
        drop(kept);
        scheduler.wait_all().unwrap();
    }
    // A node without CPUs is served by the nearest that has some, one that does not exist by nobody.
    for node in machine.nodes.iter().filter(|node| node.cpus.is_none()) {
        scheduler.go_on(NodeId(node.id), || ()).join().unwrap();
    }
    let error = scheduler.go_on(NodeId(77), || ()).join().unwrap_err();
    assert!(error.to_string().contains("node 77"), "{error}");
}

fn near(machine: &Machine) {
    let machine = the_static(machine);
    let found = Topology::detect().unwrap();
    let scheduler = plain().build().unwrap();
    for node in &(&machine.nodes_with_cpus() & &machine.nodes_with_memory()) {
        let data = NodeVec::from_fn(Home::near(&found, node), 100_000, |n| n as u64).unwrap();
        let kept = Kept::but(machine, &scheduler, node);
        for _ in 0..20 {
            assert_eq!(scheduler.fiber().near(&data[..]).go(|| node_here(machine)).join().unwrap(), node);
        }
        assert_eq!(scheduler.stats().numa.away, 0);
        drop(kept);
        scheduler.wait_all().unwrap();
    }
}

fn foreign(machine: &Machine) {
    let machine = the_static(machine);
    let found = Topology::detect().unwrap();
    let scheduler = plain().build().unwrap();
    for node in &machine.nodes_with_cpus() {
        let kept = Kept::but(machine, &scheduler, node);
        let _pin = affinity::pin_to_node(&found, node).unwrap();
        for _ in 0..20 {
            let fiber = scheduler.fiber().same_node().go(|| node_here(machine));
            assert_eq!(fiber.join().unwrap(), node);
        }
        assert_eq!(scheduler.stats().numa.away, 0, "from {node}");
        drop(kept);
        scheduler.wait_all().unwrap();
    }
}

fn steals(machine: &Machine) {
    let machine = the_static(machine);
    let scheduler = plain().build().unwrap();
    let workers = scheduler.workers();
    // All others take one each of those that one worker has made, since none ends before all have begun.
    let source = scheduler.go(move || {
        let here = node_here(machine);
        let all = Arc::new(Barrier::new(workers));
        let others: Vec<_> = (1..workers)
            .map(|_| {
                let all = all.clone();
                go(move || {
                    all.wait();
                    node_here(machine)
                })
            })
            .collect();
        all.wait();
        (here, others.into_iter().map(|other| other.join().unwrap()).collect::<Vec<_>>())
    });
    let (here, others) = source.join().unwrap();
    let mut by_node: BTreeMap<NodeId, usize> = BTreeMap::new();
    others.iter().for_each(|node| *by_node.entry(*node).or_default() += 1);
    for node in machine.nodes.iter().filter(|node| node.cpus.is_some()) {
        let expected = node.cpu_set().len() - usize::from(NodeId(node.id) == here);
        assert_eq!(by_node.get(&NodeId(node.id)).copied().unwrap_or(0), expected, "{by_node:?} from {here}");
    }
    let counted = scheduler.stats().numa.steals;
    println!("{counted:?}");
    let sum = |wanted: fn(&StealStats) -> bool| {
        counted.iter().filter(|steals| wanted(steals)).map(|steals| steals.count).sum::<u64>()
    };
    assert!(sum(|_| true) >= workers as u64 - 1, "{counted:?}");
    // At least one went to each other node, and each node's distance is one of the table's.
    let nodes = machine.nodes_with_cpus();
    assert!(sum(|steals| steals.nearness == Nearness::Remote) >= nodes.len() as u64 - 1, "{counted:?}");
    for steals in &counted {
        let is_known = match steals.nearness {
            Nearness::Remote => machine.distances.iter().any(|(_, _, distance)| *distance == steals.distance),
            _ => steals.distance == 10,
        };
        assert!(is_known, "{steals:?}");
    }
    let by_worker: u64 = scheduler.stats().workers.iter().map(|worker| worker.stolen).sum();
    assert_eq!(sum(|_| true), by_worker);
}

fn move_worker(machine: &Machine) {
    let machine = the_static(machine);
    let scheduler = plain().workers(1).build().unwrap();
    let place = |scheduler: &Scheduler| {
        let look = || {
            expect_stack_here(machine, "after a move");
            affinity::current_cpu().unwrap()
        };
        scheduler.go(look).join().unwrap()
    };
    for _ in 0..2 {
        for node in machine.nodes.iter().filter(|node| node.cpus.is_some()) {
            for cpu in &node.cpu_set() {
                eventually(|| scheduler.set_worker_affinity(0, cpu, NodeId(node.id)).is_ok());
                assert_eq!(place(&scheduler), cpu);
            }
        }
    }
    expect_stacks_at_home(machine, &scheduler);
    // One that has started holds its worker on its node.
    let gate = Gate::new();
    let (held, begun) = (gate.clone(), Gate::new());
    let started = begun.clone();
    let fiber = scheduler.go(move || {
        started.open();
        held.wait();
        node_here(machine)
    });
    begun.wait();
    let ends: Vec<_> = machine.nodes.iter().filter(|node| node.cpus.is_some()).collect();
    let (last, first) = (ends[ends.len() - 1], ends[0]);
    let cpu = first.cpu_set().first().unwrap();
    let busy = scheduler.set_worker_affinity(0, cpu, NodeId(first.id)).unwrap_err();
    assert!(busy.is_busy(), "{busy}");
    let wrong = scheduler.set_worker_affinity(0, cpu, NodeId(last.id)).unwrap_err();
    assert!(!wrong.is_busy() && wrong.to_string().contains(&format!("is on node {}", first.id)), "{wrong}");
    gate.open();
    assert_eq!(fiber.join().unwrap(), NodeId(last.id));
}

/// Fibers of all kinds, again and again until told to stop; each is counted when it is made and when it has ended.
struct Load {
    enough: Arc<AtomicBool>,
    made: Arc<AtomicU64>,
    ended: Arc<AtomicU64>,
    makers: Vec<JoinHandle<()>>,
}

impl Load {
    fn on(machine: &'static Machine, scheduler: &Arc<Scheduler>) -> Load {
        let (enough, made, ended) = <(Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let makers = (0..2 * scheduler.workers()).map(|number| {
            let (enough, made, ended, inside) =
                (enough.clone(), made.clone(), ended.clone(), Arc::downgrade(scheduler));
            let priority = [Priority::Normal, Priority::High, Priority::Background][number % 3];
            scheduler.go_with_priority(priority, move || {
                let nodes: Vec<NodeId> = machine.nodes_with_cpus().iter().collect();
                for round in number.. {
                    if enough.load(Ordering::Relaxed) {
                        return;
                    }
                    let scheduler = inside.upgrade().expect("it lives longer than its load");
                    let batch: Vec<JoinHandle<()>> = (0..10)
                        .map(|n| {
                            made.fetch_add(1, Ordering::Relaxed);
                            let ended = ended.clone();
                            let node = nodes[(round + n) % nodes.len()];
                            scheduler.go_on(node, move || {
                                black_box(deep(4096));
                                yield_now();
                                ended.fetch_add(1, Ordering::Relaxed);
                            })
                        })
                        .collect();
                    drop(scheduler);
                    batch.into_iter().for_each(|fiber| fiber.join().unwrap());
                }
            })
        });
        let makers = makers.collect();
        Load { enough, made, ended, makers }
    }

    /// It goes on: fibers made from now on end.
    fn expect_progress(&self) {
        let made = self.made.load(Ordering::Relaxed);
        eventually(|| self.ended.load(Ordering::Relaxed) > made);
    }

    fn end(self) {
        self.enough.store(true, Ordering::Relaxed);
        self.makers.into_iter().for_each(|maker| maker.join().unwrap());
        let (made, ended) = (self.made.load(Ordering::Relaxed), self.ended.load(Ordering::Relaxed));
        println!("{made} fibers made, {ended} ended");
        assert_eq!(made, ended);
    }
}

/// How many workers are moved, displaced and surplus, by the plan's own word.
fn fates(plan: &Seats, found: &Topology, allowed: &CpuSet) -> [u32; 3] {
    let seats = plan.reseat(found, allowed);
    let count = |fate: Fate| seats.iter().filter(|seat| seat.fate == fate).count() as u32;
    [Fate::Moved, Fate::Displaced, Fate::Surplus].map(count)
}

/// Takes CPUs away and gives them back, under load, and waits each time until the scheduler tells what became of its workers.
fn survive(machine: &Machine, workers: usize, steps: &[CpuSet], mut leave: impl FnMut(Option<&CpuSet>)) {
    let machine = the_static(machine);
    let found = Topology::detect().unwrap();
    let scheduler = Arc::new(minded().name("tied").workers(workers).build().unwrap());
    // What it says of itself belongs into the report of a hang.
    let watch = watchdog::watch("load");
    watch.add(Arc::downgrade(&scheduler));
    let plan = Seats::plan(&found, &Placement::Spread, workers).unwrap();
    let load = Load::on(machine, &scheduler);
    let told = || {
        let numa = scheduler.stats().numa;
        [numa.moved, numa.displaced, numa.surplus]
    };
    load.expect_progress();
    for left in steps {
        leave(Some(left));
        watchdog::note(format!("CPUs {left} are left"));
        let expected = fates(&plan, &found, left);
        assert_ne!(expected, [0; 3], "nothing was taken away with {left}");
        eventually(|| told() == expected);
        load.expect_progress();
        // Every thread of a worker may use what is left of its node now, or what is left at all.
        let is_left = |(_, mask): &(String, CpuSet)| mask.is_subset(left);
        eventually(|| masks_of("tied").iter().filter(|(name, _)| !name.ends_with("-m")).all(is_left));
    }
    leave(None);
    watchdog::note("all CPUs are back".into());
    eventually(|| told() == [0; 3]);
    load.expect_progress();
    let by_node: Vec<usize> = scheduler.stats().numa.nodes.iter().map(|node| node.workers).collect();
    let planned = |node: NodeId| plan.iter().filter(|seat| seat.node == node).count();
    assert_eq!(by_node, machine.nodes_with_cpus().iter().map(planned).collect::<Vec<_>>());
    load.end();
    let stats = scheduler.stats();
    println!("{stats}");
    scheduler.wait_all().unwrap();
    scheduler.stop().unwrap();
}

fn cpuset(machine: &Machine) {
    let group = Group::new("load");
    group.set("cpuset.cpus", &machine.cpus().to_string());
    group.enter();
    let nodes: Vec<CpuSet> =
        machine.nodes.iter().map(|node| node.cpu_set()).filter(|cpus| !cpus.is_empty()).collect();
    let lasts: CpuSet = nodes.iter().filter_map(|cpus| cpus.last()).collect();
    // One worker a node: all move, then all but one are displaced or left over, on the first node and on the last.
    let steps = [lasts, nodes[0].clone(), nodes[nodes.len() - 1].clone()];
    for workers in [nodes.len(), machine.cpus().len()] {
        survive(machine, workers, &steps, |left| {
            group.set("cpuset.cpus", &left.unwrap_or(&machine.cpus()).to_string());
        });
    }
}

/// The quota of a group of version 2, at run time: it comes under running fibers, goes, and comes back as another one.
fn quota(machine: &Machine) {
    let group = Group::new("purse");
    group.enter();
    let burning = Burning::new(machine.cpus().len());
    burning.expect_going_on();
    assert_eq!(burning.quota(), None);
    for (limit, cpus) in [("100000 100000", 1.0), ("75000 50000", 1.5)] {
        group.set("cpu.max", limit);
        burning.expect_held_and_going_on(cpus);
        // The kernel lengthens both numbers where it comes late to the end of a period, and rounds them.
        eventually(|| burning.quota().is_some_and(|quota| (quota.cpus - cpus).abs() < 0.01));
        println!("{limit}: {:?}", burning.quota());
        group.set("cpu.max", "max");
        eventually(|| burning.quota().is_none());
        burning.expect_going_on();
    }
    burning.end();
}

fn offline(machine: &Machine) {
    let last = machine.nodes.iter().rfind(|node| node.cpus.is_some()).unwrap();
    let one = CpuSet::of(last.cpu_set().first().unwrap());
    let steps = [&machine.cpus() - &one, &machine.cpus() - &last.cpu_set()];
    let mut off: Vec<Offline> = Vec::new();
    survive(machine, machine.nodes_with_cpus().len(), &steps, |left| match left {
        Some(left) => off.push(Offline::new(&machine.cpus() - left)),
        None => off.clear(),
    });
}
