//! hwloc as a second source. In a build without libhwloc the same calls are typed errors that say how to get it.

mod fixture;

use fixture::{Fixture, cpus};
use heddle_numa::{CpuId, CrossCheck, Fact, NodeId, Placement, Seats, Source, Topology};

/// The topology, or nothing in a build without libhwloc (whose error is checked on the way).
fn synthetic(description: &str) -> Option<Topology> {
    built(Topology::from_hwloc_synthetic(description))
}

fn built(result: heddle_numa::Result<Topology>) -> Option<Topology> {
    match result {
        Ok(machine) => Some(machine),
        Err(error) => {
            assert!(error.is_unsupported(), "{error:?}");
            assert!(error.to_string().contains("apt-get install libhwloc-dev"), "{error}");
            assert_eq!(Topology::detect().unwrap().cross_check(), &CrossCheck::NotBuilt);
            None
        }
    }
}

/// Four packages of a node, a cache and two cores of two threads; the last package is not allowed. In hwloc 2's format.
fn four_nodes_xml() -> String {
    let sets = |cpus: u32, nodes: u32| {
        format!(
            r#"cpuset="{cpus:#x}" complete_cpuset="{cpus:#x}" nodeset="{nodes:#x}" complete_nodeset="{nodes:#x}""#
        )
    };
    let mut serial = 1;
    let mut object = |kind: &str, index: u32, sets: &str, more: &str, inside: &str| {
        serial += 1;
        format!(
            r#"<object type="{kind}" os_index="{index}" {sets} gp_index="{serial}" {more}>{inside}</object>"#
        )
    };
    let mut packages = String::new();
    for package in 0..4u32 {
        let all = sets(0xf << (package * 4), 1 << package);
        let mut inside = object("NUMANode", package, &all, r#"local_memory="1073741824""#, "");
        let mut cores = String::new();
        for core in package * 2..package * 2 + 2 {
            let thread = |cpu: u32| sets(1 << cpu, 1 << package);
            let threads = object("PU", core * 2, &thread(core * 2), "", "")
                + &object("PU", core * 2 + 1, &thread(core * 2 + 1), "", "");
            cores += &object("Core", core, &sets(3 << (core * 2), 1 << package), "", &threads);
        }
        let cache =
            r#"cache_size="16777216" depth="3" cache_linesize="64" cache_associativity="0" cache_type="0""#;
        inside += &object("L3Cache", package, &all, cache, &cores);
        packages += &object("Package", package, &all, "", &inside);
    }
    let allowed = r#"allowed_cpuset="0x0fff" allowed_nodeset="0x7""#;
    let machine = object("Machine", 0, &sets(0xffff, 0xf), allowed, &packages);
    let row = |from| (0..4).map(move |to| if from == to { "10 " } else { "26 " });
    let values: String = (0..4).flat_map(row).collect();
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE topology SYSTEM "hwloc2.dtd">
<topology version="2.0">{machine}
<distances2 type="NUMANode" nbobjs="4" kind="5" indexing="os">
<indexes length="8">0 1 2 3 </indexes>
<u64values length="{}">{values}</u64values>
</distances2>
</topology>"#,
        values.len()
    )
}

#[test]
fn a_synthetic_description_becomes_a_machine() {
    let Some(machine) = synthetic("pack:2 [numa] l3:4 core:8 pu:2") else { return };
    assert_eq!((machine.nodes().len(), machine.packages().len()), (2, 2));
    assert_eq!((machine.caches().len(), machine.cores().len(), machine.cpus().len()), (8, 64, 128));
    assert_eq!(machine.caches()[0].level(), 3);
    assert_eq!(machine.source(Fact::Nodes), Source::HwlocSynthetic);
    assert_eq!(machine.source(Fact::Distances), Source::Assumed, "a description has none");
    assert_eq!(machine.cross_check(), &CrossCheck::NotAsked);
    let seats = Seats::plan(&machine, &Placement::Spread, 16).unwrap();
    assert_eq!(seats.iter().filter(|seat| seat.node == NodeId(1)).count(), 8);
}

#[test]
fn two_kinds_of_memory_beside_the_same_cpus_are_two_nodes_and_the_cpus_belong_to_the_first() {
    let Some(machine) = synthetic("pack:2 [numa(memory=1GB)][numa(memory=4GB)] core:4 pu:1") else { return };
    assert_eq!(machine.nodes().len(), 4);
    assert_eq!(machine.worker_nodes().len(), 2);
    assert_eq!(machine.nodes().iter().filter(|node| node.is_memory_only()).count(), 2);
    assert!(machine.nodes().iter().any(|node| node.memory_bytes() == Some(4_000_000_000)));
}

#[test]
fn a_description_without_nodes_is_one_node() {
    let Some(machine) = synthetic("pack:2 l3:4 core:8 pu:2") else { return };
    assert_eq!((machine.nodes().len(), machine.is_numa()), (1, false));
}

#[test]
fn nonsense_is_refused_with_an_example_of_sense() {
    let Some(_) = synthetic("numa:2 pu:2") else { return };
    for bad in ["", "numa", "sock:two", "numa:2 core:4 pu:2\0"] {
        assert!(Topology::from_hwloc_synthetic(bad).unwrap_err().is_invalid_input(), "{bad}");
    }
    let absent = Topology::from_hwloc_xml("/nonexistent.xml".as_ref()).unwrap_err();
    assert!(absent.is_not_found() || absent.is_invalid_input(), "{absent:?}");
    let directory = Fixture::new().file("not.xml", "[package]");
    let not_xml = Topology::from_hwloc_xml(&directory.root().join("not.xml")).unwrap_err();
    assert!(not_xml.is_invalid_input() && not_xml.to_string().contains("not.xml"), "{not_xml}");
}

#[test]
fn an_xml_file_keeps_its_distances_and_what_was_not_allowed() {
    let directory = Fixture::new().file("machine.xml", four_nodes_xml());
    let Some(machine) = built(Topology::from_hwloc_xml(&directory.root().join("machine.xml"))) else {
        return;
    };
    assert_eq!((machine.nodes().len(), machine.cpus().len()), (4, 16));
    assert_eq!(machine.distances().row(NodeId(0)), [10, 26, 26, 26]);
    assert_eq!(machine.source(Fact::Distances), Source::HwlocXml);
    assert_eq!(machine.allowed_cpus(), &cpus("0-11"));
    assert_eq!(machine.smt_siblings(CpuId(2)).unwrap(), &cpus("2-3"));
}

#[test]
fn hwloc_and_sysfs_see_the_same_machine() {
    let machine = Topology::detect().unwrap();
    match machine.cross_check() {
        CrossCheck::NotBuilt => {
            eprintln!("SKIPPED: built without libhwloc, so there is one view and nothing to compare")
        }
        CrossCheck::Agrees => {}
        other => panic!("{other:?}"),
    }
}
