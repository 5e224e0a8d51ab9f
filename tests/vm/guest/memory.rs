//! Every page is where it was asked for: `move_pages` says so, and transparent huge pages are on, as a kernel starts.

use std::sync::Barrier;
use std::thread;

use heddle_numa::memory::{self, Existing, Home, HugePages, Mapping, NodeBox, NodeVec, Pages, PagesByNode};
use heddle_numa::{NodeId, NodeSet, Topology, affinity};

use crate::Check;
use crate::group::Group;
use crate::machine::Machine;

pub(crate) const CHECKS: &[Check] = &[
    Check::everywhere("every_page_of_a_value_is_on_its_node_whoever_touches_it", values),
    Check::everywhere("values_of_many_threads_at_once_do_not_share_pages", threads),
    Check::everywhere("a_slab_cut_up_between_nodes_has_every_part_on_its_own", slab),
    Check::everywhere("bind_prefer_and_interleave_hold_for_pages_to_come", policies),
    Check::everywhere("bind_prefer_and_interleave_move_pages_that_exist", moves),
    Check::everywhere("huge_pages_are_dealt_out_evenly", huge_moves),
    Check::only("a_node_without_memory_is_served_by_the_nearest_that_has_some", has_memoryless, memoryless),
    // Once is enough: it takes as long as there is memory to fill.
    Check::only("who_prefers_a_node_that_is_full_gets_pages_elsewhere", has_memoryless, full),
    Check::everywhere("memory_that_a_cpuset_forbids_is_not_asked_for", forbidden),
];

const MIB: usize = 1 << 20;

fn detect() -> Topology {
    Topology::detect().unwrap()
}

/// All pages are there, and on this node.
pub(crate) fn expect_all_on(pages: &PagesByNode, node: NodeId, what: &str) {
    assert!(pages.present() > 0, "{what}: {pages:?}");
    assert_eq!(
        (pages.away_from(node), pages.absent, pages.unknown),
        (0, 0, 0),
        "{what} on {node}: {pages:?}"
    );
}

fn touch(pages: Pages) {
    let start = pages.start() as *mut u8;
    for page in 0..pages.len() {
        // SAFETY: the callers own the range and pass it to nobody else meanwhile.
        unsafe { start.add(page * Pages::page_size()).write_volatile(1) };
    }
}

/// For each node with CPUs, with this thread on it; then for each node with memory.
fn from_everywhere(machine: &Machine, found: &Topology, test: impl Fn(NodeId, NodeId)) {
    for from in &machine.nodes_with_cpus() {
        let _pin = affinity::pin_to_node(found, from).unwrap();
        machine.nodes_with_memory().iter().for_each(|to| test(from, to));
    }
}

fn values(machine: &Machine) {
    let found = detect();
    from_everywhere(machine, &found, |from, to| {
        let what = format!("touched on {from}");
        let home = Home::near(&found, to);
        assert_eq!(home.node(), Some(to));
        let mut vec = NodeVec::from_fn(home, MIB / 8, |n| n as u64).unwrap();
        assert_eq!((vec.home(), vec.refusal().is_none()), (Some(to), true));
        expect_all_on(&memory::pages_by_node(Pages::inside(&vec[..])).unwrap(), to, &what);
        // It grows on its node, too.
        vec.extend(0..MIB as u64 / 4);
        expect_all_on(&memory::pages_by_node(Pages::inside(&vec[..])).unwrap(), to, &what);
        assert_eq!(memory::node_of(&vec[vec.len() - 1]).unwrap(), Some(to));
        let boxed = NodeBox::new(home, [7u8; 100_000]).unwrap();
        expect_all_on(&boxed.mapping().pages_by_node().unwrap(), to, &what);
        assert_eq!(memory::node_of(&*boxed).unwrap(), Some(to));
    });
}

fn threads(machine: &Machine) {
    let found = detect();
    let homes: Vec<NodeId> = machine.nodes_with_memory().iter().collect();
    let start = Barrier::new(machine.cpus().len());
    thread::scope(|scope| {
        for (number, cpu) in machine.cpus().iter().enumerate() {
            let (found, start, to) = (&found, &start, homes[number % homes.len()]);
            scope.spawn(move || {
                let _pin = affinity::pin_to_cpu(cpu).unwrap();
                start.wait();
                for round in 0..5 {
                    let vec = NodeVec::from_fn(Home::near(found, to), MIB / 4, |n| n as u8).unwrap();
                    let pages = memory::pages_by_node(Pages::inside(&vec[..])).unwrap();
                    expect_all_on(&pages, to, &format!("{cpu}, round {round}"));
                }
            });
        }
    });
}

/// The trap of huge pages: one of 2 MiB would cover parts of several owners.
fn slab(machine: &Machine) {
    const PART: usize = 64 << 10;
    let homes: Vec<NodeId> = machine.nodes_with_memory().iter().collect();
    let mapping = Mapping::reserve(4 * MIB, Home::anywhere(), HugePages::Never).unwrap();
    let part = |number: usize| Pages::around(mapping.as_ptr().wrapping_add(number * PART), PART);
    for number in 0..4 * MIB / PART {
        memory::prefer(part(number), homes[number % homes.len()], Existing::Leave).unwrap();
    }
    mapping.open(0..mapping.bytes()).unwrap();
    touch(mapping.pages());
    for number in 0..4 * MIB / PART {
        let pages = memory::pages_by_node(part(number)).unwrap();
        expect_all_on(&pages, homes[number % homes.len()], &format!("part {number}"));
    }
}

fn policies(machine: &Machine) {
    let found = detect();
    from_everywhere(machine, &found, |from, to| {
        let what = format!("touched on {from}");
        let fresh = || Mapping::new(MIB, Home::anywhere(), HugePages::Never).unwrap();
        let mapping = fresh();
        memory::bind(mapping.pages(), &NodeSet::of(to), Existing::Leave).unwrap();
        touch(mapping.pages());
        expect_all_on(&mapping.pages_by_node().unwrap(), to, &what);
        let mapping = fresh();
        memory::prefer(mapping.pages(), to, Existing::Leave).unwrap();
        touch(mapping.pages());
        expect_all_on(&mapping.pages_by_node().unwrap(), to, &what);
        let mapping = fresh();
        memory::interleave(mapping.pages(), &machine.nodes_with_memory(), Existing::Leave).unwrap();
        touch(mapping.pages());
        expect_even(machine, &mapping);
        let mapping = fresh();
        memory::bind(mapping.pages(), &NodeSet::of(to), Existing::Leave).unwrap();
        memory::reset(mapping.pages()).unwrap();
        touch(mapping.pages());
        expect_all_on(&mapping.pages_by_node().unwrap(), machine.memory_node(from.0), "first touched");
    });
}

fn expect_even(machine: &Machine, mapping: &Mapping) {
    let (pages, nodes) = (mapping.pages_by_node().unwrap(), machine.nodes_with_memory());
    let share = mapping.pages().len() / nodes.len();
    assert_eq!((pages.absent, pages.unknown), (0, 0), "{pages:?}");
    for node in &nodes {
        let here = pages.on.get(&node).copied().unwrap_or(0);
        assert!(
            here.abs_diff(share) <= nodes.len(),
            "{node} has {here} of {} pages: {pages:?}",
            mapping.pages().len()
        );
    }
}

fn moves(machine: &Machine) {
    let nodes = machine.nodes_with_memory();
    let mapping = Mapping::new(MIB, Home::anywhere(), HugePages::Never).unwrap();
    touch(mapping.pages());
    for to in &nodes {
        memory::bind(mapping.pages(), &NodeSet::of(to), Existing::Move).unwrap();
        expect_all_on(&mapping.pages_by_node().unwrap(), to, "bound");
    }
    for to in &nodes {
        memory::prefer(mapping.pages(), to, Existing::Move).unwrap();
        expect_all_on(&mapping.pages_by_node().unwrap(), to, "preferred");
    }
    memory::interleave(mapping.pages(), &nodes, Existing::Move).unwrap();
    expect_even(machine, &mapping);
    // What is left alone stays.
    memory::prefer(mapping.pages(), nodes.first().unwrap(), Existing::Leave).unwrap();
    expect_even(machine, &mapping);
}

fn has_memoryless(machine: &Machine) -> bool {
    machine.nodes.iter().any(|node| node.memory_mib == 0)
}

fn memoryless(machine: &Machine) {
    let found = detect();
    for node in machine.nodes.iter().filter(|node| node.memory_mib == 0) {
        let _pin = affinity::pin_to_node(&found, NodeId(node.id)).unwrap();
        let nearest = machine.memory_node(node.id);
        let home = Home::near(&found, NodeId(node.id));
        assert_eq!(home.node(), Some(nearest));
        let vec = NodeVec::from_fn(home, 4 * MIB, |n| n as u8).unwrap();
        assert_eq!((vec.home(), vec.refusal().is_none()), (Some(nearest), true));
        expect_all_on(&memory::pages_by_node(Pages::inside(&vec[..])).unwrap(), nearest, "served");
        // Who asks the kernel for the node itself is refused, and told why.
        let mapping = Mapping::new(MIB, Home::anywhere(), HugePages::Never).unwrap();
        let refused = memory::prefer(mapping.pages(), NodeId(node.id), Existing::Leave).unwrap_err();
        assert!(refused.is_not_allowed() && refused.to_string().contains("memory_node"), "{refused:?}");
    }
}

fn full(_: &Machine) {
    let found = detect();
    let with_memory = found.nodes().iter().filter(|node| node.has_memory());
    let node = with_memory.min_by_key(|node| node.memory_bytes()).unwrap();
    let home = Home::near(&found, node.id());
    let bytes = node.memory_bytes().unwrap() as usize + 16 * MIB;
    let mapping = Mapping::new(bytes, home, HugePages::Prefer).unwrap();
    touch(mapping.pages());
    let pages = mapping.pages_by_node().unwrap();
    assert_eq!((pages.absent, pages.unknown), (0, 0), "{pages:?}");
    let here = pages.on[&node.id()];
    assert!(here > mapping.pages().len() / 4 && here < mapping.pages().len(), "{pages:?}");
}

fn forbidden(machine: &Machine) {
    let nodes: Vec<NodeId> = machine.nodes_with_memory().iter().collect();
    let group = Group::new("forbidden");
    group.enter();
    for allowed in &nodes {
        group.set("cpuset.mems", &allowed.0.to_string());
        let found = detect();
        assert_eq!(found.memory_nodes(), NodeSet::of(*allowed));
        for node in machine.nodes {
            let home = Home::near(&found, NodeId(node.id));
            assert_eq!(home.node(), Some(*allowed), "node {}", node.id);
            let vec = NodeVec::from_fn(home, MIB, |n| n as u8).unwrap();
            assert!(vec.refusal().is_none(), "{:?}", vec.refusal());
            expect_all_on(&memory::pages_by_node(Pages::inside(&vec[..])).unwrap(), *allowed, "allowed");
        }
    }
    // An empty set, for "all", is refused while somebody is inside.
    group.set("cpuset.mems", &machine.nodes_with_memory().to_string());
    assert_eq!(detect().memory_nodes(), machine.nodes_with_memory());
}

/// A huge page moves as a whole: dealt out page by page, all of them would go where their last page belongs.
fn huge_moves(machine: &Machine) {
    let mapping = Mapping::new(32 * MIB, Home::anywhere(), HugePages::Prefer).unwrap();
    touch(mapping.pages());
    for _ in 0..2 {
        memory::interleave(mapping.pages(), &machine.nodes_with_memory(), Existing::Move).unwrap();
        let (pages, nodes) = (mapping.pages_by_node().unwrap(), machine.nodes_with_memory());
        for node in &nodes {
            let (here, share) = (pages.on[&node], mapping.pages().len() / nodes.len());
            assert!(here.abs_diff(share) <= 512, "{node} has {here} pages: {pages:?}");
        }
    }
}
