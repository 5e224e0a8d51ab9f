//! Who sits where, who steals from whom, and what happens when CPUs go: decisions, checked on machines nobody here has.

mod fixture;

use fixture::{cpus, shapes};
use heddle_numa::{CpuId, CpuSet, Fate, Nearness, NodeId, Placement, Seats, Topology, default_workers};

fn seats(machine: &Topology, placement: Placement, workers: usize) -> Vec<u32> {
    let seats = Seats::plan(machine, &placement, workers).unwrap();
    seats.iter().map(|seat| seat.cpu.unwrap().0).collect()
}

#[test]
fn spread_takes_nodes_in_turn_then_caches_then_cores_and_hardware_threads_last() {
    // Two nodes; in each two caches of two cores of two threads.
    let machine = shapes::ordinary_server().topology();
    let order = seats(&machine, Placement::Spread, 16);
    assert_eq!(order[..4], [0, 8, 4, 12], "a worker on every node, then on every cache");
    assert_eq!(order[4..8], [2, 10, 6, 14], "then on every core");
    assert_eq!(order[8..], [1, 9, 5, 13, 3, 11, 7, 15], "second threads last");
}

#[test]
fn pack_fills_a_node_core_by_core_before_it_opens_the_next() {
    let machine = shapes::ordinary_server().topology();
    assert_eq!(seats(&machine, Placement::Pack, 10), [0, 2, 4, 6, 1, 3, 5, 7, 8, 10]);
}

#[test]
fn pack_goes_on_with_the_nearest_node() {
    let machine = shapes::arm_128().allowed("32-40,64-71,96-103", "0-3").topology();
    let seats = Seats::plan(&machine, &Placement::Pack, 25).unwrap();
    let nodes: Vec<u32> = seats.iter().map(|seat| seat.node.0).collect();
    // Node 1 has most CPUs left; 2 is at 25 from it, 3 at 32.
    assert_eq!(nodes, [vec![1; 9], vec![2; 8], vec![3; 8]].concat());
}

#[test]
fn every_allowed_cpu_gets_exactly_one_worker_whatever_the_machine() {
    for shape in [
        shapes::arm_128,
        shapes::opteron_cpuset,
        shapes::sparse_48,
        shapes::power_256,
        shapes::nodes_24,
        shapes::gpu_nodes,
        shapes::amd_16_offline_cpu,
        shapes::possible_1200,
    ] {
        let machine = shape().topology();
        for placement in [Placement::Spread, Placement::Pack] {
            let order = seats(&machine, placement, default_workers(&machine));
            let set: CpuSet = order.iter().map(|cpu| CpuId(*cpu)).collect();
            assert_eq!(order.len(), set.len());
            assert_eq!(&set, machine.allowed_cpus());
        }
    }
}

#[test]
fn spread_balances_nodes_and_never_seats_a_worker_on_a_node_of_memory_alone() {
    let machine = shapes::gpu_nodes().topology();
    let seats = Seats::plan(&machine, &Placement::Spread, 6).unwrap();
    assert_eq!(seats.nodes().to_string(), "0,8");
    assert_eq!(seats.iter().filter(|seat| seat.node == NodeId(8)).count(), 3);
}

#[test]
fn more_workers_than_cpus_start_again_from_the_first() {
    let machine = shapes::heterogeneous().topology();
    assert_eq!(seats(&machine, Placement::Spread, 6), [0, 2, 1, 3, 0, 2]);
    let error = Seats::plan(&machine, &Placement::Spread, 0).unwrap_err();
    assert!(error.is_invalid_input());
}

#[test]
fn unpinned_workers_have_homes_and_no_cpus() {
    let machine = shapes::ordinary_server().topology();
    let seats = Seats::plan(&machine, &Placement::Unpinned, 4).unwrap();
    assert!(seats.iter().all(|seat| seat.cpu.is_none()));
    assert_eq!(seats.iter().map(|seat| seat.node.0).collect::<Vec<_>>(), [0, 1, 0, 1]);
}

#[test]
fn an_explicit_list_is_obeyed_and_its_mistakes_are_named() {
    let machine = shapes::amd_16_offline_cpu().topology();
    let plan = |list: &[u32], workers| {
        Seats::plan(&machine, &Placement::Explicit(list.iter().map(|cpu| CpuId(*cpu)).collect()), workers)
    };
    let seats = plan(&[14, 5, 2], 2).unwrap();
    assert_eq!((seats[0].cpu, seats[0].node), (Some(CpuId(14)), NodeId(7)));
    assert_eq!(seats[1].node, NodeId(2));
    assert!(plan(&[14], 2).unwrap_err().to_string().contains("2 workers need 2 CPUs"));
    assert!(plan(&[2, 2], 1).unwrap_err().to_string().contains("CPU 2 twice"));
    let offline = plan(&[4], 1).unwrap_err();
    assert!(offline.is_not_found() && offline.to_string().contains("offline"), "{offline}");
    let outside = plan(&[0], 1).unwrap_err();
    assert!(outside.is_not_allowed() && outside.to_string().contains("2-3,5,8-9,14"), "{outside}");
}

#[test]
fn a_thief_looks_at_its_core_then_its_cache_then_its_node_then_afar() {
    let machine = shapes::ordinary_server().topology();
    let list = Placement::Explicit((0..16).map(CpuId).collect());
    let seats = Seats::plan(&machine, &list, 16).unwrap();
    let rings = seats.steal_order(&machine, 5);
    let shown: Vec<_> =
        rings.iter().map(|ring| (ring.nearness, ring.distance, ring.workers.clone())).collect();
    assert_eq!(
        shown,
        [
            (Nearness::Core, 10, vec![4]),
            (Nearness::Cache, 10, vec![6, 7]),
            (Nearness::Node, 10, vec![0, 1, 2, 3]),
            (Nearness::Remote, 21, vec![8, 9, 10, 11, 12, 13, 14, 15]),
        ]
    );
}

#[test]
fn every_remote_distance_is_a_ring_of_its_own() {
    let machine = shapes::arm_128().topology();
    let seats = Seats::plan(&machine, &Placement::Spread, 8).unwrap();
    let rings = seats.steal_order(&machine, 1);
    let remote: Vec<_> = rings.iter().filter(|ring| ring.nearness == Nearness::Remote).collect();
    let shown: Vec<_> = remote.iter().map(|ring| (ring.distance, ring.workers.clone())).collect();
    assert_eq!(shown, [(16, vec![4, 0]), (25, vec![2, 6]), (32, vec![3, 7])]);
}

#[test]
fn every_other_worker_is_in_exactly_one_ring_and_starts_after_the_thief() {
    for shape in [shapes::opteron_cpuset, shapes::nodes_24, shapes::sub_numa_16, shapes::possible_1200] {
        let machine = shape().topology();
        for placement in [Placement::Spread, Placement::Pack, Placement::Unpinned] {
            let workers = default_workers(&machine) + 3;
            let seats = Seats::plan(&machine, &placement, workers).unwrap();
            for worker in 0..workers {
                let rings = seats.steal_order(&machine, worker);
                let mut all: Vec<usize> = rings.iter().flat_map(|ring| ring.workers.clone()).collect();
                all.sort_unstable();
                assert_eq!(all, (0..workers).filter(|other| *other != worker).collect::<Vec<_>>());
                assert!(rings.is_sorted_by_key(|ring| (ring.nearness, ring.distance)));
                for ring in rings {
                    assert!(ring.workers.is_sorted_by_key(|victim| (victim + workers - worker) % workers));
                }
            }
        }
    }
}

#[test]
fn a_cache_that_spans_nodes_makes_nobody_near() {
    let machine = shapes::sub_numa_16().topology();
    let list = Placement::Explicit([0, 1, 2, 4].map(CpuId).to_vec());
    let seats = Seats::plan(&machine, &list, 4).unwrap();
    let near: Vec<_> =
        seats.steal_order(&machine, 0).iter().map(|ring| (ring.nearness, ring.workers.clone())).collect();
    assert_eq!(near, [(Nearness::Core, vec![1]), (Nearness::Cache, vec![2]), (Nearness::Remote, vec![3])]);
}

#[test]
fn one_worker_has_nobody_to_steal_from() {
    let machine = shapes::no_nodes().topology();
    assert!(Seats::plan(&machine, &Placement::Spread, 1).unwrap().steal_order(&machine, 0).is_empty());
}

#[test]
fn a_lost_cpu_is_replaced_near_by_and_comes_back() {
    let machine = shapes::ordinary_server().topology();
    let plan = Seats::plan(&machine, &Placement::Explicit([0, 2, 8].map(CpuId).to_vec()), 3).unwrap();
    let fates = |allowed: &str| -> Vec<(Option<u32>, u32, Fate)> {
        let now = plan.reseat(&machine, &cpus(allowed));
        now.iter().map(|now| (now.seat.cpu.map(|cpu| cpu.0), now.seat.node.0, now.fate)).collect()
    };
    let kept = [(Some(0), 0, Fate::Kept), (Some(2), 0, Fate::Kept), (Some(8), 1, Fate::Kept)];
    assert_eq!(fates("0-15"), kept);
    assert_eq!(fates("1-15")[0], (Some(1), 0, Fate::Moved));
    assert_eq!(fates("2,8-15")[0], (Some(9), 1, Fate::Displaced));
    assert_eq!(fates("2,8")[0], (None, 0, Fate::Surplus), "its node still has a CPU, but none is free");
    assert_eq!(
        fates("8-15"),
        [(Some(9), 1, Fate::Displaced), (Some(10), 1, Fate::Displaced), (Some(8), 1, Fate::Kept)]
    );
    assert_eq!(fates("0-15"), kept, "the plan is never forgotten");
}

#[test]
fn no_two_workers_are_moved_to_one_cpu_and_no_free_cpu_is_left_unused() {
    let machine = shapes::nodes_24().topology();
    let plan = Seats::plan(&machine, &Placement::Spread, 200).unwrap();
    // A few hundred different losses, walked through deterministically.
    for step in 1..300u32 {
        let left: CpuSet =
            (0..384).filter(|cpu| (cpu * 7 + step) % (step % 11 + 2) != 0).map(CpuId).collect();
        let now = plan.reseat(&machine, &left);
        let used: Vec<CpuId> = now.iter().filter_map(|now| now.seat.cpu).collect();
        let distinct: CpuSet = used.iter().copied().collect();
        assert_eq!(used.len(), distinct.len());
        assert!(distinct.is_subset(&left));
        assert_eq!(used.len(), left.len().min(200));
        for (planned, now) in plan.iter().zip(&now) {
            assert_eq!(now.fate == Fate::Kept, left.contains(planned.cpu.unwrap()));
            assert_eq!(now.fate == Fate::Surplus, now.seat.cpu.is_none());
        }
    }
}

#[test]
fn unpinned_workers_only_lose_their_home_with_its_last_cpu() {
    let machine = shapes::ordinary_server().topology();
    let plan = Seats::plan(&machine, &Placement::Unpinned, 2).unwrap();
    let now = plan.reseat(&machine, &cpus("7,8"));
    assert!(now.iter().all(|now| now.fate == Fate::Kept));
    let now = plan.reseat(&machine, &cpus("8-9"));
    assert_eq!((now[0].seat.node, now[0].fate), (NodeId(1), Fate::Displaced));
    assert_eq!(now[1].fate, Fate::Kept);
}
