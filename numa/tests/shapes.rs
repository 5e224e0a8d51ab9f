//! Awkward machines are read as they are: one claim, one machine (see `fixture/shapes.rs`).

mod fixture;

use fixture::{Fixture, Grouping, cpus, shapes};
use heddle_numa::{CpuId, Fact, NodeId, Source, Topology};

fn node_ids(machine: &Topology) -> Vec<u32> {
    machine.nodes().iter().map(|node| node.id().0).collect()
}

/// What every topology promises, whatever it was read from.
fn assert_invariants(machine: &Topology) {
    assert!(!machine.allowed_cpus().is_empty());
    assert!(machine.allowed_cpus().is_subset(machine.online_cpus()));
    assert!(machine.online_cpus().is_subset(machine.possible_cpus()));
    assert_eq!(machine.cpus().len(), machine.online_cpus().len());
    let ids = machine.nodes().iter().map(|node| node.id()).collect::<Vec<_>>();
    assert!(ids.is_sorted_by(|a, b| a < b));
    assert_eq!(machine.distances().nodes(), ids);
    for cpu in machine.cpus() {
        assert!(machine.online_cpus().contains(cpu.id));
        assert_eq!(machine.nodes().iter().filter(|node| node.cpus().contains(cpu.id)).count(), 1);
        assert!(machine.node(cpu.node).unwrap().cpus().contains(cpu.id));
        assert!(machine.packages()[cpu.package.index()].contains(cpu.id));
        assert!(machine.caches()[cpu.cache.index()].cpus().contains(cpu.id));
        assert!(machine.smt_siblings(cpu.id).unwrap().contains(cpu.id));
    }
    let sum = |sets: Vec<usize>| sets.into_iter().sum::<usize>();
    assert_eq!(sum(machine.packages().iter().map(|set| set.len()).collect()), machine.cpus().len());
    assert_eq!(sum(machine.cores().iter().map(|set| set.len()).collect()), machine.cpus().len());
    assert_eq!(sum(machine.caches().iter().map(|cache| cache.cpus().len()).collect()), machine.cpus().len());
}

#[test]
fn every_shape_keeps_the_promises_of_a_topology() {
    for shape in [
        shapes::arm_128,
        shapes::opteron_cpuset,
        shapes::sparse_48,
        shapes::power_256,
        shapes::xeon_96,
        shapes::nodes_24,
        shapes::sub_numa_16,
        shapes::high_bandwidth_8,
        shapes::heterogeneous,
        shapes::gpu_nodes,
        shapes::offline_node_0,
        shapes::amd_16_offline_cpu,
        shapes::possible_1200,
        shapes::ordinary_server,
        shapes::no_nodes,
    ] {
        assert_invariants(&shape().topology());
    }
}

#[test]
fn this_machine_keeps_the_promises_of_a_topology() {
    let machine = Topology::detect().unwrap();
    assert_invariants(&machine);
    if cfg!(target_os = "linux") {
        assert_eq!(machine.source(Fact::AllowedCpus), Source::SystemCall);
        assert_eq!(machine.allowed_cpus(), &heddle_numa::affinity::allowed_cpus().unwrap());
    }
}

#[test]
fn three_levels_of_distance_and_unlike_halves_are_read_row_by_row() {
    let machine = shapes::arm_128().topology();
    let between = |a, b| machine.distances().between(NodeId(a), NodeId(b));
    assert_eq!((between(0, 1), between(0, 2), between(0, 3), between(1, 2)), (16, 32, 33, 25));
    assert_eq!(machine.distances().nearest_first(NodeId(2)), [2, 3, 1, 0].map(NodeId));
    assert_eq!((machine.packages().len(), machine.caches().len(), machine.cores().len()), (2, 4, 128));
    assert_eq!(machine.source(Fact::Distances), Source::Sysfs);
    assert!(machine.notes().is_empty(), "{:?}", machine.notes());
}

#[test]
fn a_cpuset_leaves_its_cpus_and_nodes_and_the_rest_stays_visible() {
    let machine = shapes::opteron_cpuset().topology();
    assert_eq!(machine.online_cpus().len(), 64);
    assert_eq!(machine.allowed_cpus(), &cpus("3,8-11,63"));
    assert_eq!(machine.worker_nodes().to_string(), "0-1,7");
    assert_eq!(machine.memory_nodes().to_string(), "0-1,7");
    assert_eq!(machine.allowed_cpus_of(NodeId(1)), cpus("8-11"));
    assert!(machine.allowed_cpus_of(NodeId(2)).is_empty());
    assert_eq!(machine.source(Fact::AllowedCpus), Source::Procfs);
}

#[test]
fn node_numbers_with_holes_keep_their_numbers_and_their_distances() {
    let machine = shapes::sparse_48().topology();
    assert_eq!(node_ids(&machine), [0, 1, 2, 33, 34, 45, 72, 73]);
    assert_eq!(machine.cpu(CpuId(47)).unwrap().node, NodeId(73));
    assert_eq!(machine.distances().between(NodeId(73), NodeId(73)), 10);
    assert_eq!(machine.distances().between(NodeId(73), NodeId(33)), 16);
    assert!(machine.node(NodeId(3)).unwrap_err().is_not_found());
}

#[test]
fn masks_serve_where_lists_are_missing() {
    let machine = shapes::power_256().topology();
    assert_eq!(node_ids(&machine), [0, 1, 4, 5, 8, 9, 12, 13]);
    assert_eq!(machine.node(NodeId(13)).unwrap().cpus(), &cpus("224-255"));
    assert_eq!(machine.smt_siblings(CpuId(5)).unwrap(), &cpus("4-7"));
    assert_eq!((machine.packages().len(), machine.caches().len()), (4, 8));
    assert_eq!(machine.node(NodeId(4)).unwrap().memory_bytes(), Some(32 << 30));
    assert!(machine.node(NodeId(4)).unwrap().has_memory());
}

#[test]
fn cpu_links_serve_where_a_node_has_neither_list_nor_mask() {
    let machine = shapes::ordinary_server()
        .without("sys/devices/system/node/node1/cpulist")
        .system("node/node1/cpu9/x", "")
        .system("node/node1/cpu12/x", "");
    let machine = machine.topology();
    assert_eq!(machine.node(NodeId(1)).unwrap().cpus(), &cpus("9,12"));
    // The CPUs no node owns up to are not lost: they are given to a node, aloud.
    assert_eq!(machine.node(NodeId(0)).unwrap().cpus(), &cpus("0-8,10-11,13-15"));
    assert!(
        machine.notes().iter().any(|note| note.contains("8,10-11,13-15 are in no node")),
        "{:?}",
        machine.notes()
    );
}

#[test]
fn hardware_threads_numbered_apart_are_siblings() {
    let machine = shapes::xeon_96().topology();
    assert_eq!(machine.smt_siblings(CpuId(50)).unwrap(), &cpus("2,50"));
    assert_eq!((machine.packages().len(), machine.cores().len(), machine.caches().len()), (4, 48, 4));
    assert_eq!(machine.caches()[0].size_bytes(), Some(36 << 20));
    assert_eq!(machine.distances().between(NodeId(0), NodeId(3)), 26);
}

#[test]
fn twenty_four_nodes_and_384_cpus_are_read_whole() {
    let machine = shapes::nodes_24().topology();
    assert_eq!((machine.nodes().len(), machine.cpus().len(), machine.cores().len()), (24, 384, 192));
    assert_eq!(machine.distances().nearest_first(NodeId(20))[..3], [20, 21, 0].map(NodeId));
}

#[test]
fn a_cache_may_span_nodes() {
    let machine = shapes::sub_numa_16().topology();
    assert_eq!((machine.nodes().len(), machine.caches().len()), (16, 2));
    assert_eq!(machine.cpu(CpuId(0)).unwrap().cache, machine.cpu(CpuId(31)).unwrap().cache);
}

#[test]
fn fast_memory_without_cpus_is_a_memory_only_node() {
    let machine = shapes::high_bandwidth_8().topology();
    assert_eq!(machine.nodes().iter().filter(|node| node.is_memory_only()).count(), 4);
    assert_eq!(machine.worker_nodes().to_string(), "0-3");
    assert_eq!(machine.memory_nodes().to_string(), "0-7");
}

#[test]
fn a_node_without_memory_borrows_from_the_nearest_that_has_some() {
    let machine = shapes::heterogeneous().topology();
    assert!(machine.node(NodeId(1)).unwrap().is_cpu_only());
    assert!(machine.node(NodeId(2)).unwrap().is_memory_only());
    assert_eq!(machine.memory_node(NodeId(0)), Some(NodeId(0)));
    assert_eq!(machine.memory_node(NodeId(1)), Some(NodeId(2)), "17 is nearer than 20");
    let not_allowed = shapes::heterogeneous().allowed("0-3", "0").topology();
    assert_eq!(not_allowed.memory_node(NodeId(1)), Some(NodeId(0)));
}

#[test]
fn the_firmwares_latencies_are_those_seen_from_cpus() {
    let machine = shapes::heterogeneous().topology();
    let access =
        |id| machine.node(NodeId(id)).unwrap().access().map(|a| (a.read_latency_ns, a.read_bandwidth_mb_s));
    assert_eq!(access(0), Some((100, 200_000)));
    assert_eq!(access(1), None);
    assert_eq!(access(2), Some((250, 8192)), "access1 is from CPUs, access0 from a nearer device");
}

#[test]
fn a_graphics_cards_memory_is_eight_nodes_of_which_two_can_have_workers() {
    let machine = shapes::gpu_nodes().topology();
    assert_eq!(node_ids(&machine), [0, 8, 250, 251, 252, 253, 254, 255]);
    assert_eq!(machine.worker_nodes().to_string(), "0,8");
    assert_eq!(machine.distances().between(NodeId(8), NodeId(255)), 80);
}

#[test]
fn a_distance_row_with_a_column_for_an_offline_node_is_read_by_node_number() {
    let machine = shapes::offline_node_0().topology();
    assert_eq!(node_ids(&machine), [1]);
    assert_eq!(machine.distances().row(NodeId(1)), [10]);
    assert_eq!(machine.source(Fact::Distances), Source::Sysfs);
    assert_eq!(machine.online_cpus(), &cpus("1-3"));
    assert!(machine.cpu(CpuId(0)).unwrap_err().to_string().contains("offline"));
    assert!(machine.cpu(CpuId(9)).unwrap_err().to_string().contains("does not exist"));
}

#[test]
fn distance_rows_that_fit_no_reading_are_replaced_aloud() {
    for bad in ["10", "21 10 31", "10 x", "", "10 0"] {
        let machine = shapes::ordinary_server().system("node/node0/distance", bad).topology();
        assert_eq!(machine.source(Fact::Distances), Source::Assumed, "{bad}");
        assert_eq!(machine.distances().row(NodeId(0)), [10, 20], "{bad}");
        assert!(machine.notes().iter().any(|note| note.contains("distance")), "{bad}: {:?}", machine.notes());
    }
}

#[test]
fn an_offline_cpu_and_a_cpuset_are_both_taken_off() {
    let machine = shapes::amd_16_offline_cpu().topology();
    assert!(!machine.online_cpus().contains(CpuId(4)));
    assert!(machine.possible_cpus().contains(CpuId(4)));
    assert_eq!(machine.allowed_cpus(), &cpus("2-3,5,8-9,14"));
    assert_eq!(machine.worker_nodes().to_string(), "1-2,4,7");
    assert_eq!(machine.memory_nodes().to_string(), "1-2,4");
    assert_eq!(machine.memory_node(NodeId(7)), Some(NodeId(1)));
}

#[test]
fn twelve_hundred_possible_cpus_cost_only_the_online_ones() {
    let machine = shapes::possible_1200().topology();
    assert_eq!((machine.possible_cpus().len(), machine.cpus().len()), (1200, 4));
    assert_eq!(machine.cpu(CpuId(1100)).unwrap().node, NodeId(1));
    assert_eq!(machine.memory_nodes().to_string(), "0-1", "the mask of nodes is wider than the machine");
}

#[test]
fn a_kernel_without_numa_is_one_node_and_says_so() {
    let machine = shapes::no_nodes().allowed("0-7", "0").topology();
    assert_eq!(node_ids(&machine), [0]);
    assert!(!machine.is_numa());
    assert_eq!(machine.source(Fact::Nodes), Source::Assumed);
    assert!(machine.notes().iter().any(|note| note.contains("no NUMA nodes")), "{:?}", machine.notes());
    assert_eq!(machine.memory_node(NodeId(0)), Some(NodeId(0)));
}

#[test]
fn a_bare_list_of_cpus_is_a_machine_of_single_cores() {
    let machine = Fixture::new().system("cpu/online", "0-2").topology();
    assert_eq!((machine.cores().len(), machine.packages().len(), machine.caches().len()), (3, 1, 1));
    assert_eq!(machine.caches()[0].level(), 0);
    for fact in [Fact::Cores, Fact::Packages, Fact::Caches, Fact::Nodes] {
        assert_eq!(machine.source(fact), Source::Assumed);
    }
    assert_eq!(machine.notes().len(), 4, "{:?}", machine.notes());
}

#[test]
fn cpu_directories_serve_where_the_online_list_is_missing() {
    let grouping = Grouping { per_core: 1, per_cache: 1, per_package: 4 };
    let machine =
        Fixture::new().cpu(0, grouping).cpu(1, grouping).cpu(3, grouping).system("cpu/cpu3/online", "0");
    assert_eq!(machine.topology().online_cpus(), &cpus("0-1"));
}

#[test]
fn garbled_files_are_noted_and_never_fatal() {
    let machine = shapes::ordinary_server()
        .system("node/has_memory", "0-")
        .system("node/node0/meminfo", "MemTotal: lots")
        .system("node/node1/cpulist", "8-99999999999")
        .system("cpu/cpu0/cache/index2/size", "many")
        .system("cpu/cpu0/topology/core_cpus_list", "4294967295")
        .system("cpu/possible", "?")
        .file("proc/self/status", "Cpus_allowed_list:\t?\nMems_allowed_list:\t9");
    let machine = machine.topology();
    assert_invariants(&machine);
    assert_eq!(machine.memory_nodes().to_string(), "0-1");
    assert!(machine.notes().iter().any(|note| note.contains("node1/cpulist")), "{:?}", machine.notes());
    assert!(
        machine.notes().iter().any(|note| note.contains("none of the allowed nodes")),
        "{:?}",
        machine.notes()
    );
}

#[test]
fn a_directory_that_is_no_machine_is_refused_with_what_was_expected() {
    let error = Topology::from_sysfs("/nonexistent".as_ref()).unwrap_err();
    assert!(error.is_not_found());
    assert!(error.to_string().contains("sys/devices/system"), "{error}");
    let empty = Fixture::new().system("cpu/nothing", "");
    assert!(Topology::from_sysfs(empty.root()).unwrap_err().is_not_found());
}
