//! Machines with several memory nodes: where workers are, where work goes, what is counted. The nodes are made up, and
//! have the CPUs of this machine in turn; real ones are in the guests of `tests/vm`.

use heddle_scheduler::{
    Builder, CpuId, Lane, Nearness, NodeId, Numa, NumaState, Pinning, Placement, Priority, Scheduler,
    current, go, yield_now,
};
use heddle_tests::{Gate, Rig, eventually, in_one_lane, machines, strict, with_options};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Two nodes, and workers on them in turn.
fn two_nodes(builder: Builder) -> Builder {
    builder.numa(Numa::Always).topology(machines::nodes(2, 4))
}

/// Two pairs of nodes.
fn four_nodes(builder: Builder) -> Builder {
    builder.numa(Numa::Always).topology(machines::nodes(4, 2))
}

fn node() -> NodeId {
    current().unwrap().node().expect("nodes are minded")
}

/// The workers of a node are busy until this is dropped.
struct Kept(Vec<Gate>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.iter().for_each(Gate::open);
    }
}

/// Keeps the workers of a node busy, in the lane of Normal fibers.
fn keep(rig: &Rig, kept: NodeId) -> Kept {
    let workers = rig.stats().workers;
    let lane =
        rig.stats().lanes.iter().find(|lane| lane.priorities.contains(&Priority::Normal)).unwrap().lane;
    let there = workers.iter().filter(|worker| worker.lane == lane && worker.node == Some(kept)).count();
    let busy = Arc::new(AtomicUsize::new(0));
    let others: Arc<Mutex<Vec<Gate>>> = Arc::default();
    let mut gates = Kept(Vec::new());
    // Somebody from elsewhere may take one, and is let go again when all are kept.
    while busy.load(Ordering::SeqCst) < there {
        let (gate, started) = (Gate::new(), Gate::new());
        let (held, begun, busy, others) = (gate.clone(), started.clone(), busy.clone(), others.clone());
        drop(rig.go_on(kept, move || {
            match node() == kept {
                true => drop(busy.fetch_add(1, Ordering::SeqCst)),
                false => others.lock().unwrap().push(held.clone()),
            }
            begun.open();
            held.wait();
        }));
        started.wait();
        gates.0.push(gate);
    }
    others.lock().unwrap().iter().for_each(Gate::open);
    gates
}

#[test]
fn workers_are_spread_over_the_nodes_and_stats_say_so() {
    with_options(&[4, 8], two_nodes, |rig| {
        let stats = rig.stats();
        assert_eq!((stats.num_numa_nodes(), stats.numa.state), (2, NumaState::On));
        let nodes: Vec<_> =
            stats.numa.nodes.iter().map(|node| (node.node, node.workers, node.cpus)).collect();
        let half = rig.workers() / 2;
        assert_eq!(nodes, [(Some(NodeId(0)), half, 4), (Some(NodeId(1)), half, 4)]);
        assert_eq!((stats.numa.away, stats.numa.moved, stats.numa.displaced), (0, 0, 0));
        assert!(stats.to_string().contains("nodes: 2 (on)"), "{stats}");
    });
}

#[test]
fn where_there_is_one_node_or_they_are_not_minded_there_is_one_site() {
    let state = |builder: Builder| {
        let scheduler = builder.workers(2).build().unwrap();
        assert_eq!(scheduler.go(|| current().unwrap().node()).join().unwrap(), None);
        let stats = scheduler.stats();
        assert_eq!((stats.numa.nodes.len(), stats.numa.nodes[0].workers), (1, 2));
        stats.numa.state
    };
    assert_eq!(
        state(Scheduler::builder().topology(machines::nodes(1, 2)).numa(Numa::Always)),
        NumaState::OneNode
    );
    assert_eq!(state(two_nodes(Scheduler::builder()).numa(Numa::Off)), NumaState::Off);
    assert_eq!(state(two_nodes(Scheduler::builder()).enable_numa_awareness(false)), NumaState::Off);
}

#[test]
fn work_for_a_node_runs_there_while_that_has_a_free_worker_and_elsewhere_if_not() {
    with_options(&[2, 4, 8], two_nodes, |rig| {
        for (busy, free) in [(0, 1), (1, 0)] {
            let (busy, free) = (NodeId(busy), NodeId(free));
            let kept = keep(rig, busy);
            let away = rig.stats().numa.away;
            // Nobody else can: those of the other node are kept.
            for _ in 0..10 {
                assert_eq!(rig.go_on(free, node).join().unwrap(), free);
            }
            assert_eq!(rig.stats().numa.away, away);
            // Nobody there can.
            for _ in 0..10 {
                assert_eq!(rig.go_on(busy, node).join().unwrap(), free);
            }
            assert_eq!(rig.stats().numa.away, away + 10);
            drop(kept);
            rig.wait_all().unwrap();
        }
    });
}

#[test]
fn a_thousand_for_a_node_whose_workers_are_busy_all_run_elsewhere() {
    with_options(&[2, 8], four_nodes, |rig| {
        let kept = keep(rig, NodeId(0));
        let handles: Vec<_> = (0..1000).map(|n| rig.go_on(NodeId(0), move || n)).collect();
        let sum: u64 = handles.into_iter().map(|handle| handle.join().unwrap()).sum();
        assert_eq!(sum, 499_500);
        drop(kept);
    });
}

#[test]
fn a_node_that_nobody_serves_is_helped_by_those_who_have_work_of_their_own() {
    in_one_lane(&[2], two_nodes, |rig| {
        let kept = keep(rig, NodeId(0));
        let done = Arc::new(AtomicUsize::new(0));
        let (enough, started) = (done.clone(), Gate::new());
        let begun = started.clone();
        // Never without work of the same level.
        let busy = rig.go_on(NodeId(1), move || {
            begun.open();
            while enough.load(Ordering::SeqCst) < 100 {
                go(|| ()).join().unwrap();
                yield_now();
            }
        });
        started.wait();
        for _ in 0..100 {
            let done = done.clone();
            drop(rig.go_on(NodeId(0), move || done.fetch_add(1, Ordering::SeqCst)));
        }
        busy.join().unwrap();
        drop(kept);
    });
}

#[test]
fn the_node_of_the_maker_is_the_fibers_and_same_node_says_so() {
    with_options(&[2, 4], two_nodes, |rig| {
        for kept in [NodeId(0), NodeId(1)] {
            let gates = keep(rig, kept);
            let other = NodeId(1 - kept.0);
            let scheduler = rig.scheduler.clone();
            let made = rig.go_on(other, move || scheduler.fiber().same_node().go(node).join().unwrap());
            assert_eq!(made.join().unwrap(), other);
            // On the heap, in memory of a node that there is: it is run in any case.
            let data = vec![1_u8; 10_000];
            assert_eq!(rig.fiber().near(&data[..]).go(node).join().unwrap(), other);
            drop(gates);
            rig.wait_all().unwrap();
        }
    });
}

#[test]
fn a_node_that_there_is_not_is_refused_by_name() {
    with_options(&[2], two_nodes, |rig| {
        let error = rig.go_on(NodeId(7), || ()).join().unwrap_err().to_string();
        assert!(error.contains("node 7") && error.contains("0-1"), "{error}");
        let error = rig.fiber().on(NodeId(7)).try_go(|| ()).map(drop).unwrap_err();
        assert!(error.is_config() && error.to_string().contains("node 7"), "{error}");
        // What was said before the mistake and after it does not matter.
        assert!(rig.fiber().name("lost").on(NodeId(9)).on(NodeId(0)).try_go(|| ()).is_err());
        rig.wait_all().unwrap();
        assert_eq!(rig.stats().live(), 0);
    });
}

#[test]
fn what_is_taken_from_others_is_counted_by_distance() {
    in_one_lane(&[4], four_nodes, |rig| {
        // One worker a node. The fiber on node 0 makes more and keeps its thread until all have ended.
        let scheduler = rig.scheduler.clone();
        let count = 200;
        let (made, others) = rig
            .go_on(NodeId(0), move || {
                let done = Arc::new(AtomicUsize::new(0));
                for _ in 0..count {
                    let done = done.clone();
                    drop(scheduler.go(move || done.fetch_add(1, Ordering::SeqCst)));
                }
                eventually(|| done.load(Ordering::SeqCst) == count);
                (current().unwrap().worker(), scheduler.stats().numa.steals)
            })
            .join()
            .unwrap();
        assert!(made < 4);
        let far: u64 =
            others.iter().filter(|steals| steals.nearness == Nearness::Remote).map(|s| s.count).sum();
        assert_eq!(far, count as u64, "{others:?}");
        assert!(others.iter().all(|steals| [16, 32].contains(&steals.distance)), "{others:?}");
    });
}

#[test]
fn priorities_hold_over_nodes() {
    in_one_lane(
        &[2],
        |builder| strict(two_nodes(builder)),
        |rig| {
            // The worker of node 0 is kept; the other has a queue of Low fibers and one that is High comes for node 0.
            let kept = keep(rig, NodeId(0));
            let order = Arc::new(Mutex::new(Vec::new()));
            let gate = Gate::new();
            let (held, started) = (gate.clone(), Gate::new());
            let begun = started.clone();
            let first = rig.go_on(NodeId(1), move || {
                begun.open();
                held.wait();
            });
            started.wait();
            for (node, priority) in
                [(1, Priority::Low), (1, Priority::Low), (0, Priority::Normal), (0, Priority::High)]
            {
                let order = order.clone();
                let deed = move || order.lock().unwrap().push(priority);
                drop(rig.fiber().on(NodeId(node)).priority(priority).go(deed));
            }
            gate.open();
            first.join().unwrap();
            eventually(|| order.lock().unwrap().len() == 4);
            assert_eq!(
                *order.lock().unwrap(),
                [Priority::High, Priority::Normal, Priority::Low, Priority::Low]
            );
            drop(kept);
        },
    );
}

#[test]
fn places_that_cannot_be_are_refused_by_name() {
    let refused = |builder: Builder| builder.workers(2).build().map(drop).unwrap_err();
    let affinity = |worker, cpu, node| {
        two_nodes(Scheduler::builder()).set_worker_affinity(worker, CpuId(cpu), NodeId(node))
    };
    for (builder, words) in [
        (affinity(2, 0, 0), ["worker 2", "workers 0 to 1"]),
        (affinity(0, 8, 0), ["CPU 8", "worker 0"]),
        (affinity(0, 0, 2), ["node 2", "0-1"]),
        (affinity(1, 1, 0), ["CPU 1 is on node 1", "worker 1"]),
        (
            two_nodes(Scheduler::builder()).placement(Placement::Explicit(vec![CpuId(0)])),
            ["2 workers", "lists 1"],
        ),
        (
            two_nodes(Scheduler::builder()).placement(Placement::Explicit(vec![CpuId(0); 2])),
            ["CPU 0", "twice"],
        ),
        (
            two_nodes(Scheduler::builder()).placement(Placement::Explicit(vec![CpuId(0), CpuId(99)])),
            ["CPU 99", ""],
        ),
    ] {
        let error = refused(builder);
        assert!(error.is_config() && words.iter().all(|word| error.to_string().contains(word)), "{error}");
    }
}

#[test]
fn a_worker_is_tied_where_its_owner_says_before_the_start_and_later() {
    let cpu = CpuId(0);
    #[cfg(target_os = "linux")]
    if !heddle_tests::kernel::cpus().contains(&0) {
        println!("SKIPPED: CPU 0 may not be used here");
        return;
    }
    let options = |builder: Builder| two_nodes(builder).set_worker_affinity(1, cpu, NodeId(0));
    with_options(&[2, 4], options, |rig| {
        let of = |worker: usize| rig.stats().workers[worker].clone();
        eventually(|| of(1).cpu == Some(0));
        assert_eq!((of(1).node, of(0).cpu), (Some(NodeId(0)), None));
        assert_eq!(rig.stats().numa.nodes[0].workers, rig.workers() / 2 + 1);
        // To another node while nothing lives there.
        rig.wait_all().unwrap();
        rig.set_worker_affinity(1, CpuId(1), NodeId(1)).unwrap();
        assert_eq!(of(1).node, Some(NodeId(1)));
        let wrong = rig.set_worker_affinity(1, CpuId(1), NodeId(0)).unwrap_err();
        assert!(wrong.is_config() && wrong.to_string().contains("CPU 1 is on node 1"), "{wrong}");
        // Its fibers find that they are there, and those for the node find it.
        let others = keep(rig, NodeId(0));
        assert_eq!(rig.go_on(NodeId(1), node).join().unwrap(), NodeId(1));
        // Not to another node while something has started there.
        let kept = keep(rig, NodeId(1));
        let busy = rig.set_worker_affinity(1, CpuId(0), NodeId(0)).unwrap_err();
        assert!(busy.is_busy() && busy.to_string().contains("1 fibers of the"), "{busy}");
        rig.set_worker_affinity(1, CpuId(3), NodeId(1)).unwrap();
        drop((kept, others));
        rig.wait_all().unwrap();
        // It is remembered over a stop.
        rig.stop().unwrap();
        rig.set_worker_affinity(0, CpuId(1), NodeId(1)).unwrap();
        rig.start().unwrap();
        assert_eq!(of(0).node, Some(NodeId(1)));
        rig.go(|| ()).join().unwrap();
    });
}

/// Its thread is still beginning then, most of the time.
#[cfg(target_os = "linux")]
#[test]
fn a_worker_that_is_moved_at_once_is_there() {
    let (cpus, machine) = (heddle_tests::kernel::cpus(), heddle_numa::Topology::detect().unwrap());
    if !heddle_tests::kernel::set_cpus(0, &cpus) {
        println!("SKIPPED: this process may not choose its CPUs");
        return;
    }
    for turn in 0..400 {
        let cpu = machine.cpu(CpuId(cpus[turn % cpus.len()] as u32)).unwrap();
        let scheduler = Scheduler::builder().workers(1).lanes(1).spares(0).build().unwrap();
        // Until it is in the middle of that.
        (0..turn * 100).for_each(|_| std::hint::spin_loop());
        scheduler.set_worker_affinity(0, cpu.id, cpu.node).unwrap();
        let found = || heddle_tests::kernel::cpus();
        assert_eq!(scheduler.go(found).join().unwrap(), [cpus[turn % cpus.len()]]);
        Rig::retire(&scheduler);
    }
}

#[test]
fn a_worker_that_was_moved_in_its_sleep_finds_what_is_for_its_new_node_and_for_its_old_one() {
    let options = |builder: Builder| two_nodes(builder).spares(0);
    with_options(&[1], options, |rig| {
        for turn in 0..20 {
            let (there, before) = (NodeId(turn % 2), NodeId((turn + 1) % 2));
            // A fiber that has ended may still be counted for a moment.
            eventually(|| rig.set_worker_affinity(0, CpuId(there.0), there).is_ok());
            for meant in [there, before] {
                rig.go_on(meant, || ()).join().unwrap();
            }
            assert_eq!(rig.go_on(there, node).join().unwrap(), there);
        }
    });
}

#[test]
fn threads_that_are_to_be_tied_to_nothing_are_not_in_any_lane() {
    for pinning in [Pinning::Off, Pinning::Auto] {
        let machine = machines::nodes(1, 2);
        let scheduler = Scheduler::builder().workers(2).topology(machine).pinning(pinning).build().unwrap();
        for priority in Priority::ALL {
            scheduler.go_with_priority(priority, || ()).join().unwrap();
        }
        let tied = scheduler.stats().workers.iter().filter(|worker| worker.cpu.is_some()).count();
        assert!(pinning == Pinning::Auto || tied == 0, "{}", scheduler.stats());
        Rig::retire(&scheduler);
    }
}

#[test]
fn stacks_of_a_node_are_counted_there() {
    with_options(&[2], two_nodes, |rig| {
        let kept = [NodeId(0), NodeId(1)].map(|node| keep(rig, node));
        let stats = rig.stats();
        assert!(stats.numa.nodes.iter().all(|node| node.stack_bytes >= stats.stacks.size), "{stats}");
        match rig.stack_pages() {
            Ok(pages) => {
                assert_eq!(
                    pages.iter().map(|site| site.node).collect::<Vec<_>>(),
                    [Some(NodeId(0)), Some(NodeId(1))]
                );
                assert!(pages.iter().all(|site| site.pages.present() > 0), "{pages:?}");
            }
            // A container's filter.
            Err(error) => assert!(error.is_permission_denied(), "{error}"),
        }
        drop(kept);
    });
}

#[test]
fn every_lane_minds_nodes() {
    with_options(&[4], two_nodes, |rig| {
        for priority in Priority::ALL {
            for node_wanted in [NodeId(0), NodeId(1)] {
                let handles: Vec<_> = (0..50)
                    .map(|n| {
                        rig.fiber()
                            .on(node_wanted)
                            .priority(priority)
                            .go(move || n + usize::from(node().0 > 1))
                    })
                    .collect();
                let sum: usize = handles.into_iter().map(|handle| handle.join().unwrap()).sum();
                assert_eq!(sum, 1225);
            }
        }
        assert!(rig.stats().workers.iter().all(|worker| worker.node.is_some()));
        assert!(rig.stats().lane(Lane::Ordinary).is_some());
    });
}

#[test]
fn a_scheduler_over_nodes_stops_and_starts_with_work_everywhere() {
    with_options(&[2, 4], four_nodes, |rig| {
        for _ in 0..5 {
            for n in 0..200 {
                drop(rig.fiber().on(NodeId(n % 4)).go(move || {
                    if n % 3 == 0 {
                        heddle_scheduler::sleep(Duration::from_millis(50));
                    }
                }));
            }
            rig.stop().unwrap();
            assert_eq!(rig.stats().live(), 0);
            rig.start().unwrap();
        }
    });
}
