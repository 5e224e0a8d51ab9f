//! What `Topology` finds is what was booted.

use heddle_numa::{
    CpuId, CpuSet, CrossCheck, Fact, NodeId, NodeSet, Source, Topology, default_workers, draw,
};

use crate::Check;
use crate::machine::Machine;

pub(crate) const CHECKS: &[Check] = &[
    Check::everywhere("nodes_cpus_and_memory_are_those_that_were_booted", nodes),
    Check::everywhere("distances_are_those_that_were_booted", distances),
    Check::everywhere("packages_cores_and_hardware_threads_are_those_that_were_booted", groups),
    Check::everywhere("every_fact_says_where_it_came_from", sources),
    Check::everywhere("hwloc_and_sysfs_see_the_same", hwloc),
    Check::everywhere("a_copy_of_what_the_system_says_describes_the_same_machine", from_sysfs),
    Check::only("speeds_of_memory_are_those_of_the_firmware", has_speeds, speeds),
    Check::only(
        "more_cpus_may_come_than_fit_an_ordinary_mask",
        |machine| machine.possible.is_some(),
        possible,
    ),
    Check::everywhere("every_drawing_names_every_node", drawings),
];

fn detect() -> Topology {
    Topology::detect().unwrap()
}

fn nodes(machine: &Machine) {
    let found = detect();
    let ids: Vec<u32> = found.nodes().iter().map(|node| node.id().0).collect();
    assert_eq!(ids, machine.nodes.iter().map(|node| node.id).collect::<Vec<_>>());
    for (found, booted) in found.nodes().iter().zip(machine.nodes) {
        assert_eq!(found.cpus(), &booted.cpu_set(), "{}", found.id());
        assert_eq!(found.has_memory(), booted.memory_mib > 0, "{}", found.id());
        assert_eq!(found.is_cpu_only(), booted.memory_mib == 0, "{}", found.id());
        assert_eq!(found.is_memory_only(), booted.cpus.is_none(), "{}", found.id());
        // The kernel keeps some for itself before it counts.
        let whole = u64::from(booted.memory_mib) << 20;
        let bytes = found.memory_bytes().unwrap_or(0);
        assert!(bytes <= whole && bytes >= whole / 2, "{}: {bytes} of {whole} bytes", found.id());
    }
    assert_eq!(found.online_cpus(), &machine.cpus());
    assert_eq!(found.allowed_cpus(), &machine.cpus());
    assert_eq!(found.worker_nodes(), machine.nodes_with_cpus());
    assert_eq!(found.memory_nodes(), machine.nodes_with_memory());
    assert!(found.is_numa());
    assert_eq!(found.quota(), None);
    assert_eq!(default_workers(&found), machine.cpus().len());
    for node in machine.nodes {
        assert_eq!(
            found.memory_node(NodeId(node.id)),
            Some(machine.memory_node(node.id)),
            "node {}",
            node.id
        );
    }
}

fn distances(machine: &Machine) {
    let found = detect();
    for from in machine.nodes {
        for to in machine.nodes {
            let distance = found.distances().between(NodeId(from.id), NodeId(to.id));
            assert_eq!(distance, machine.distance(from.id, to.id), "from {} to {}", from.id, to.id);
        }
        let order = found.distances().nearest_first(NodeId(from.id));
        assert!(order.is_sorted_by_key(|to| machine.distance(from.id, to.0)), "from {}: {order:?}", from.id);
        assert_eq!(order.iter().copied().collect::<NodeSet>().len(), machine.nodes.len());
    }
}

fn groups(machine: &Machine) {
    let found = detect();
    let blocks = |size: u32| -> Vec<CpuSet> {
        let cpus: Vec<CpuId> = machine.cpus().iter().collect();
        cpus.chunks(size as usize).map(|block| block.iter().copied().collect()).collect()
    };
    assert_eq!(found.packages(), blocks(machine.cores_per_socket * machine.threads_per_core));
    assert_eq!(found.cores(), blocks(machine.threads_per_core));
    for cpu in found.cpus() {
        let cache = found.caches()[cpu.cache.index()].cpus();
        let package = &found.packages()[cpu.package.index()];
        assert!(cache.contains(cpu.id) && cache.is_subset(package), "{}: cache of CPUs {cache}", cpu.id);
        assert_eq!(found.smt_siblings(cpu.id).unwrap().len(), machine.threads_per_core as usize);
    }
}

fn sources(_: &Machine) {
    let found = detect();
    for fact in Fact::ALL {
        let expected = match fact {
            Fact::AllowedCpus => Source::SystemCall,
            Fact::AllowedNodes => Source::Procfs,
            Fact::Quota => Source::Cgroup,
            _ => Source::Sysfs,
        };
        assert_eq!(found.source(fact), expected, "{}; notes: {:?}", fact.name(), found.notes());
    }
    assert!(found.notes().is_empty(), "{:?}", found.notes());
}

fn hwloc(_: &Machine) {
    match detect().cross_check() {
        CrossCheck::Agrees => {}
        CrossCheck::NotBuilt => println!("@@left out: built without libhwloc, there is one view only"),
        other => panic!("{other:?}"),
    }
}

fn from_sysfs(_: &Machine) {
    let (asked, read) = (detect(), Topology::from_sysfs("/".as_ref()).unwrap());
    assert_eq!(read.nodes(), asked.nodes());
    assert_eq!(read.cpus(), asked.cpus());
    assert_eq!(read.packages(), asked.packages());
    assert_eq!(read.caches(), asked.caches());
    assert_eq!(read.cores(), asked.cores());
    assert_eq!(read.allowed_cpus(), asked.allowed_cpus());
    assert_eq!(read.allowed_nodes(), asked.allowed_nodes());
}

fn has_speeds(machine: &Machine) -> bool {
    machine.nodes.iter().any(|node| node.speed.is_some())
}

fn speeds(machine: &Machine) {
    let found = detect();
    for node in machine.nodes {
        let access = found.node(NodeId(node.id)).unwrap().access();
        let told = access.map(|access| (access.read_latency_ns, access.read_bandwidth_mb_s));
        // The firmware counts bandwidth in MiB.
        let booted = node.speed.map(|(latency, bandwidth)| (latency, bandwidth * 1024));
        assert_eq!(told, booted, "node {}", node.id);
    }
}

fn possible(machine: &Machine) {
    let found = detect();
    assert_eq!(found.possible_cpus().len(), machine.possible.unwrap() as usize);
    let absent = CpuId(machine.possible.unwrap() - 1);
    assert!(found.possible_cpus().contains(absent) && !found.online_cpus().contains(absent));
    let error = found.cpu(absent).unwrap_err();
    assert!(error.is_not_found() && error.to_string().contains("offline"), "{error}");
}

fn drawings(machine: &Machine) {
    let found = detect();
    let (text, json, svg) = (draw::text(&found), draw::json(&found), draw::svg(&found));
    println!("{text}");
    for node in machine.nodes {
        assert!(text.contains(&format!("node {}, ", node.id)), "{text}");
        assert!(svg.contains(&format!(">node {}, ", node.id)), "{svg}");
        assert!(json.contains(&format!("\"id\": {}", node.id)), "{json}");
    }
}
