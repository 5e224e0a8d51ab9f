//! A thread is where it was pinned, and free again afterwards. What the kernel says of the thread in `/proc` is the second
//! opinion.

use heddle_numa::affinity::{self, PinGuard, Thread};
use heddle_numa::{CpuId, CpuSet, NodeId, Topology};

use crate::Check;
use crate::machine::Machine;

pub(crate) const CHECKS: &[Check] = &[
    Check::everywhere("a_pin_to_any_cpu_core_cache_or_node_holds_and_is_undone", pins),
    Check::everywhere("guards_nest_and_keep_stays", nested),
    Check::only("a_node_without_cpus_is_refused_by_name", has_memory_only, no_cpus),
    Check::everywhere("a_cpu_that_is_not_there_is_refused_and_changes_nothing", absent),
    Check::everywhere("a_thread_pins_another", others),
];

/// By the kernel's own text, not by the call that is being checked. There, a thread that was never pinned may use CPUs that
/// are yet to come.
fn mask() -> CpuSet {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let online: CpuSet = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap().parse().unwrap();
    &line.unwrap().trim().parse().unwrap() & &online
}

/// The thread may run on these CPUs, runs on one of them, and is free again without the guard.
fn expect(pin: PinGuard, wanted: &CpuSet, before: &CpuSet) {
    assert_eq!((pin.cpus(), &mask()), (wanted, wanted));
    let here = affinity::current_cpu().unwrap();
    assert!(wanted.contains(here), "pinned to {wanted}, runs on {here}");
    drop(pin);
    assert_eq!(&mask(), before);
}

fn pins(machine: &Machine) {
    let found = Topology::detect().unwrap();
    let before = mask();
    assert_eq!(before, machine.cpus());
    for cpu in found.cpus() {
        expect(affinity::pin_to_cpu(cpu.id).unwrap(), &CpuSet::of(cpu.id), &before);
        let core = found.smt_siblings(cpu.id).unwrap();
        expect(affinity::pin_to_core(&found, cpu.core).unwrap(), core, &before);
        let cache = found.caches()[cpu.cache.index()].cpus();
        expect(affinity::pin_to_cache(&found, cpu.cache).unwrap(), cache, &before);
    }
    for node in machine.nodes.iter().filter(|node| node.cpus.is_some()) {
        expect(affinity::pin_to_node(&found, NodeId(node.id)).unwrap(), &node.cpu_set(), &before);
    }
}

fn nested(machine: &Machine) {
    let (first, last) = (machine.cpus().first().unwrap(), machine.cpus().last().unwrap());
    let outer = affinity::pin_to_cpu(first).unwrap();
    let inner = affinity::pin_to_cpu(last).unwrap();
    assert_eq!(mask(), CpuSet::of(last));
    inner.restore().unwrap();
    assert_eq!(mask(), CpuSet::of(first));
    outer.keep();
    assert_eq!(mask(), CpuSet::of(first));
    let narrow = Topology::detect().unwrap();
    assert_eq!(narrow.allowed_cpus(), &CpuSet::of(first));
    assert_eq!(narrow.online_cpus(), &machine.cpus());
}

fn has_memory_only(machine: &Machine) -> bool {
    machine.nodes.iter().any(|node| node.cpus.is_none())
}

fn no_cpus(machine: &Machine) {
    let found = Topology::detect().unwrap();
    let node = machine.nodes.iter().find(|node| node.cpus.is_none()).unwrap();
    let error = affinity::pin_to_node(&found, NodeId(node.id)).unwrap_err();
    assert!(error.is_not_allowed(), "{error:?}");
    assert!(error.to_string().contains(&format!("node {} has no online CPU", node.id)), "{error}");
    assert_eq!(mask(), machine.cpus());
}

fn absent(machine: &Machine) {
    let after = machine.cpus().last().unwrap().0 + 1;
    for cpu in [after, 1023, 1024, 1199, 5000, u32::MAX].map(CpuId) {
        let error = affinity::pin_to_cpu(cpu).unwrap_err();
        assert!(error.is_not_found(), "{cpu}: {error:?}");
        assert_eq!(mask(), machine.cpus(), "{cpu}");
    }
    let partly = [machine.cpus().last().unwrap(), CpuId(after)].into_iter().collect();
    let pin = affinity::pin_to_set(&partly).unwrap();
    assert_eq!(pin.cpus(), &CpuSet::of(machine.cpus().last().unwrap()));
}

fn others(machine: &Machine) {
    let (tell, hear) = std::sync::mpsc::channel();
    let (stop, wait) = std::sync::mpsc::channel::<()>();
    let watched = std::thread::spawn(move || {
        tell.send(Thread::current()).unwrap();
        wait.recv().unwrap();
        (mask(), affinity::current_cpu().unwrap())
    });
    let thread = hear.recv().unwrap();
    assert_eq!(thread.allowed_cpus().unwrap(), machine.cpus());
    let last = machine.cpus().last().unwrap();
    assert_eq!(thread.pin(&CpuSet::of(last)).unwrap(), CpuSet::of(last));
    stop.send(()).unwrap();
    assert_eq!(watched.join().unwrap(), (CpuSet::of(last), last));
    assert_eq!(mask(), machine.cpus());
}
