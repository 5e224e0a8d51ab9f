//! Values on a node are ordinary values, and are where they should be.

use std::cell::Cell;
use std::rc::Rc;

use heddle_numa::memory::{self, Existing, Home, HugePages, Mapping, NodeBox, NodeVec, Pages};
use heddle_numa::{NodeId, NodeSet, Topology};

fn homes() -> Vec<Home> {
    let machine = Topology::detect().unwrap();
    let near = machine.nodes().iter().map(|node| Home::near(&machine, node.id()));
    near.chain([Home::anywhere()]).collect()
}

/// A node that can be bound to, whichever this machine has.
fn usable_node() -> NodeId {
    Topology::detect().unwrap().memory_nodes().first().unwrap()
}

/// The kernel may forbid placement (a container): then there is nothing to check, and the test says so.
fn allowed<T>(result: heddle_numa::Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) if error.is_permission_denied() => {
            eprintln!("SKIPPED: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Can the kernel be asked where pages are? Not one without NUMA, for which all memory is one; `kernels.rs` is about those.
fn kernel_knows_nodes() -> bool {
    #[cfg(target_os = "linux")]
    // SAFETY: asks about no pages.
    let knows = unsafe { libc::syscall(libc::SYS_move_pages, 0, 0, 0, 0, 0, 0) } == 0
        || std::io::Error::last_os_error().raw_os_error() != Some(libc::ENOSYS);
    #[cfg(not(target_os = "linux"))]
    let knows = false;
    if !knows {
        eprintln!("SKIPPED: this kernel knows no nodes");
    }
    knows
}

#[test]
fn a_vector_on_a_node_behaves_like_any_vector() {
    for home in homes() {
        let mut ours = NodeVec::new(home);
        let mut model = Vec::new();
        for step in 0..20_000u64 {
            match step % 7 {
                0 if step % 21 == 0 => assert_eq!(ours.pop(), model.pop()),
                _ => {
                    ours.push(step);
                    model.push(step);
                }
            }
            assert!(ours.len() <= ours.capacity());
        }
        assert_eq!(&*ours, &*model);
        ours.sort_unstable_by(|a, b| b.cmp(a));
        model.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(&*ours, &*model);
        ours.truncate(3);
        assert_eq!(ours.iter().count(), 3);
        ours.truncate(10);
        assert_eq!(ours.len(), 3);
        ours.clear();
        assert!(ours.is_empty() && ours.pop().is_none());
    }
}

/// Counts its drops.
struct Counted(Rc<Cell<usize>>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn every_value_is_dropped_exactly_once() {
    let drops = Rc::new(Cell::new(0));
    let make = |_| Counted(Rc::clone(&drops));
    let mut vec = NodeVec::from_fn(Home::anywhere(), 5000, make).unwrap();
    vec.extend((0..5000).map(make)); // grows, moves
    drop(vec.pop());
    vec.truncate(9000);
    assert_eq!(drops.get(), 1000);
    drop(vec);
    assert_eq!(drops.get(), 10_000);

    let boxed = NodeBox::new(Home::anywhere(), make(0)).unwrap();
    drop(boxed);
    assert_eq!(drops.get(), 10_001);
    let taken = NodeBox::new(Home::anywhere(), make(0)).unwrap().into_inner();
    assert_eq!(drops.get(), 10_001);
    drop(taken);
    assert_eq!(drops.get(), 10_002);
}

#[test]
fn values_of_no_size_take_no_memory() {
    let mut units = NodeVec::new(Home::anywhere());
    units.extend([(); 1000]);
    assert_eq!((units.len(), units.pop()), (1000, Some(())));
    assert_eq!(memory::node_of(&*units).unwrap(), None);
    let unit = NodeBox::new(Home::anywhere(), ()).unwrap();
    assert_eq!(*unit, ());
}

#[test]
fn strict_alignment_is_kept() {
    #[repr(align(4096))]
    struct Page([u8; 4096]);
    let vec = NodeVec::from_fn(Home::anywhere(), 3, |n| Page([n as u8; 4096])).unwrap();
    assert_eq!(std::ptr::from_ref(&vec[1]) as usize % 4096, 0);
    assert_eq!(vec[2].0[4095], 2);
}

#[test]
fn a_vector_cannot_grow_past_the_address_space_and_says_so() {
    let mut vec = NodeVec::<u64>::new(Home::anywhere());
    for additional in [usize::MAX, usize::MAX / 8, isize::MAX as usize / 8, 1 << 58] {
        let error = vec.try_reserve(additional).unwrap_err();
        assert!(error.is_out_of_memory(), "{error:?}");
    }
    vec.push(1);
    assert_eq!(&*vec, [1]);
}

#[test]
fn the_pages_of_a_vector_are_on_its_node() {
    for home in homes() {
        let vec = NodeVec::from_fn(home, 1 << 20, |n| n as u8).unwrap();
        let Some(pages) = allowed(memory::pages_by_node(vec.pages())) else { return };
        assert_eq!(pages.absent + pages.unknown, 0, "{pages:?}");
        assert!(pages.present() * Pages::page_size() >= 1 << 20);
        if let (Some(node), None) = (vec.home(), vec.refusal()) {
            assert_eq!(pages.away_from(node), 0, "{pages:?}");
            assert_eq!(memory::node_of(&vec[1000]).unwrap(), Some(node));
        }
    }
}

#[test]
fn untouched_pages_are_absent_and_asking_does_not_touch_them() {
    if !kernel_knows_nodes() {
        return;
    }
    let mapping = Mapping::new(64 * Pages::page_size(), Home::anywhere(), HugePages::Never).unwrap();
    for _ in 0..2 {
        let Some(pages) = allowed(mapping.pages_by_node()) else { return };
        assert_eq!((pages.present(), pages.absent), (0, 64));
    }
    // SAFETY: the mapping is open and nobody else's.
    unsafe { mapping.as_ptr().add(3 * Pages::page_size()).write(1) };
    let pages = mapping.pages_by_node().unwrap();
    assert_eq!((pages.present(), pages.absent), (1, 63));
}

#[test]
fn a_reservation_opens_page_by_page() {
    let page = Pages::page_size();
    let mapping =
        Mapping::reserve(10 * page, Home::near(&Topology::detect().unwrap(), NodeId(0)), HugePages::Never);
    let mapping = mapping.unwrap();
    mapping.open(2 * page..4 * page).unwrap();
    mapping.open(0..0).unwrap();
    // SAFETY: these pages were just opened, and nobody else has them.
    unsafe { mapping.as_ptr().add(2 * page).write_bytes(0xAB, 2 * page) };
    // SAFETY: as above.
    assert_eq!(unsafe { mapping.as_ptr().add(4 * page - 1).read() }, 0xAB);
    let outside = std::panic::catch_unwind(|| mapping.open(9 * page..11 * page));
    assert!(outside.is_err());
}

#[test]
fn every_policy_is_accepted_on_a_usable_node_and_moves_what_is_there() {
    let node = usable_node();
    let buffer = vec![1u8; 64 * Pages::page_size()];
    let pages = Pages::inside(&buffer);
    let all = Topology::detect().unwrap().memory_nodes();
    for existing in [Existing::Leave, Existing::Move] {
        let Some(()) = allowed(memory::prefer(pages, node, existing)) else { return };
        memory::bind(pages, &NodeSet::of(node), existing).unwrap();
        memory::interleave(pages, &all, existing).unwrap();
        memory::reset(pages).unwrap();
    }
    memory::bind(pages, &NodeSet::of(node), Existing::Move).unwrap();
    assert_eq!(memory::pages_by_node(pages).unwrap().away_from(node), 0);
    memory::reset(pages).unwrap();
    assert!(buffer.iter().all(|byte| *byte == 1));
}

#[test]
fn a_node_that_cannot_serve_is_refused_with_the_way_out() {
    if !kernel_knows_nodes() {
        return;
    }
    let buffer = vec![1u8; 8 * Pages::page_size()];
    let pages = Pages::inside(&buffer);
    if allowed(memory::prefer(pages, usable_node(), Existing::Leave)).is_none() {
        return;
    }
    for node in [NodeId(1000), NodeId(5000)] {
        let error = memory::prefer(pages, node, Existing::Leave).unwrap_err();
        assert!(error.is_not_allowed(), "{error:?}");
        assert!(error.to_string().contains("memory_node"), "{error}");
    }
    assert!(memory::prefer(pages, NodeId(u32::MAX), Existing::Leave).unwrap_err().is_not_found());
    assert!(memory::bind(pages, &NodeSet::new(), Existing::Leave).unwrap_err().is_invalid_input());
    memory::reset(pages).unwrap();
}

#[test]
fn memory_that_is_not_there_is_an_error_and_not_a_crash() {
    if cfg!(not(target_os = "linux")) {
        return;
    }
    let mapping = Mapping::new(4 * Pages::page_size(), Home::anywhere(), HugePages::System).unwrap();
    let pages = mapping.pages();
    drop(mapping);
    // Another thread may have mapped something there meanwhile: then success is right, too.
    if let Err(error) = memory::prefer(pages, usable_node(), Existing::Leave) {
        assert!(error.is_invalid_input() || error.is_permission_denied(), "{error:?}");
    }
    if let Err(error) =
        memory::advise_huge(Pages::around(std::ptr::without_provenance(1 << 20), 4096), HugePages::Never)
    {
        assert!(error.is_invalid_input(), "{error:?}");
    }
}

#[test]
fn huge_page_advice_is_accepted_or_irrelevant() {
    for huge in [HugePages::System, HugePages::Never, HugePages::Prefer] {
        let mut vec = NodeVec::with_huge_pages(Home::anywhere(), 4 << 20, huge).unwrap();
        vec.extend((0..4 << 20).map(|n| n as u8));
        assert!(vec.refusal().is_none());
        memory::advise_huge(vec.pages(), huge).unwrap();
    }
}

#[test]
fn values_on_a_node_cross_threads_exactly_when_their_type_may() {
    fn crosses<T: Send + Sync>(_: &T) {}
    let vec = NodeVec::from_fn(Home::anywhere(), 100, |n| n).unwrap();
    let boxed = NodeBox::new(Home::anywhere(), String::from("x")).unwrap();
    crosses(&vec);
    crosses(&boxed);
    let sum = std::thread::scope(|scope| scope.spawn(|| vec.iter().sum::<usize>()).join().unwrap());
    assert_eq!(sum, 4950);
}

#[test]
fn a_slab_cut_between_nodes_has_every_page_on_its_owners_node() {
    // The trap: one huge page over two owners' slots puts half of them on the wrong node.
    const SLOT: usize = 64 << 10;
    let machine = Topology::detect().unwrap();
    let nodes: Vec<NodeId> = machine.memory_nodes().iter().collect();
    let slab = Mapping::reserve(4 << 20, Home::anywhere(), HugePages::Never).unwrap();
    let slots = slab.bytes() / SLOT;
    let slot = |index: usize| Pages::around(slab.as_ptr().wrapping_add(index * SLOT), SLOT);
    for index in 0..slots {
        if allowed(memory::prefer(slot(index), nodes[index % nodes.len()], Existing::Leave)).is_none() {
            return;
        }
    }
    slab.open(0..slab.bytes()).unwrap();
    // SAFETY: the slab is open, and nobody else has its address.
    unsafe { slab.as_ptr().write_bytes(1, slab.bytes()) };
    for index in 0..slots {
        let Some(pages) = allowed(memory::pages_by_node(slot(index))) else { return };
        assert_eq!(
            (pages.present(), pages.away_from(nodes[index % nodes.len()])),
            (slot(index).len(), 0),
            "{pages:?}"
        );
    }
}

#[test]
fn a_vector_keeps_its_node_whoever_touches_it() {
    let machine = Topology::detect().unwrap();
    for toucher in machine.worker_nodes().iter() {
        for owner in machine.nodes() {
            let home = Home::near(&machine, owner.id());
            let pin = heddle_numa::affinity::pin_to_node(&machine, toucher);
            let vec = NodeVec::from_fn(home, 1 << 18, |n| n as u64).unwrap();
            drop(pin);
            if vec.refusal().is_some() {
                continue;
            }
            let Some(pages) = allowed(memory::pages_by_node(vec.pages())) else { return };
            let home = vec.home().unwrap();
            assert_eq!(pages.away_from(home), 0, "touched from {toucher}: {pages:?}");
            assert!(
                !owner.has_memory() || !machine.allowed_nodes().contains(owner.id()) || home == owner.id()
            );
        }
    }
}

#[test]
fn pages_move_to_every_node_and_take_their_content_along() {
    let machine = Topology::detect().unwrap();
    let bytes = 256 * Pages::page_size();
    let mapping = Mapping::new(bytes, Home::anywhere(), HugePages::Never).unwrap();
    // SAFETY: the mapping is open, and nobody else has its address.
    unsafe { mapping.as_ptr().write_bytes(0x5A, bytes) };
    for node in machine.memory_nodes().iter() {
        if allowed(memory::prefer(mapping.pages(), node, Existing::Move)).is_none() {
            return;
        }
        let pages = mapping.pages_by_node().unwrap();
        assert_eq!((pages.present(), pages.away_from(node)), (256, 0), "{pages:?}");
    }
    // SAFETY: the mapping is open for `bytes` bytes, all of them written above.
    let content = unsafe { std::slice::from_raw_parts(mapping.as_ptr(), bytes) };
    assert!(content.iter().all(|byte| *byte == 0x5A));
}

#[test]
fn interleaving_gives_every_node_its_share() {
    let machine = Topology::detect().unwrap();
    let nodes = machine.memory_nodes();
    let bytes = 64 * nodes.len() * Pages::page_size();
    let mapping = Mapping::new(bytes, Home::anywhere(), HugePages::Never).unwrap();
    if allowed(memory::interleave(mapping.pages(), &nodes, Existing::Leave)).is_none() {
        return;
    }
    // SAFETY: the mapping is open, and nobody else has its address.
    unsafe { mapping.as_ptr().write_bytes(1, bytes) };
    let Some(pages) = allowed(mapping.pages_by_node()) else { return };
    if cfg!(target_os = "linux") {
        assert!(pages.on.values().all(|count| *count == 64), "{pages:?}");
        assert_eq!(pages.on.len(), nodes.len());
    }
}

#[test]
fn pages_the_kernel_is_balancing_are_still_seen() {
    // NUMA balancing marks pages of memory without a policy after a second of CPU time; move_pages calls those absent.
    let balancing =
        std::fs::read_to_string("/proc/sys/kernel/numa_balancing").is_ok_and(|on| on.trim() != "0");
    if !balancing || Topology::detect().unwrap().nodes().len() < 2 {
        eprintln!("SKIPPED: this kernel does not balance memory between nodes");
        return;
    }
    let mapping = Mapping::new(256 * Pages::page_size(), Home::anywhere(), HugePages::Never).unwrap();
    // SAFETY: the mapping is open, and nobody else has its address.
    unsafe { mapping.as_ptr().write_bytes(1, mapping.bytes()) };
    let start = std::time::Instant::now();
    while start.elapsed() < std::time::Duration::from_secs(6) {
        let Some(pages) = allowed(mapping.pages_by_node()) else { return };
        assert_eq!((pages.present(), pages.absent), (256, 0), "{pages:?}");
        std::hint::black_box((0..100_000u64).fold(0, |sum, n| sum ^ n.wrapping_mul(31)));
    }
}
