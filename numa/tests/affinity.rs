//! Pinning does what it says, puts back what it found, and explains itself when it cannot.
#![cfg(target_os = "linux")]

use std::thread;

use heddle_numa::affinity::{self, Thread};
use heddle_numa::{CpuId, CpuSet, NodeId, Topology};

/// Each test pins a thread of its own, so that tests do not see each other's masks.
fn on_a_thread(test: impl FnOnce() + Send + 'static) {
    thread::spawn(test).join().unwrap();
}

/// Does the system say which CPUs there are? Where it does not, those of the process are all that is known.
fn system_knows_cpus() -> bool {
    let knows = std::fs::read_to_string("/sys/devices/system/cpu/online").is_ok();
    if !knows {
        eprintln!("SKIPPED: /sys does not say which CPUs there are");
    }
    knows
}

#[test]
fn a_pinned_thread_runs_where_it_was_pinned_and_is_free_again_afterwards() {
    on_a_thread(|| {
        let before = affinity::allowed_cpus().unwrap();
        for cpu in &before {
            let pin = affinity::pin_to_cpu(cpu).unwrap();
            assert_eq!(pin.cpus(), &CpuSet::of(cpu));
            assert_eq!(affinity::current_cpu().unwrap(), cpu);
            drop(pin);
            assert_eq!(affinity::allowed_cpus().unwrap(), before);
        }
    });
}

#[test]
fn guards_nest_and_keep_leaves_the_thread_pinned() {
    on_a_thread(|| {
        let before = affinity::allowed_cpus().unwrap();
        let (first, last) = (before.first().unwrap(), before.last().unwrap());
        let outer = affinity::pin_to_set(&before).unwrap();
        affinity::pin_to_cpu(first).unwrap().restore().unwrap();
        assert_eq!(affinity::allowed_cpus().unwrap(), before);
        affinity::pin_to_cpu(last).unwrap().keep();
        assert_eq!(affinity::allowed_cpus().unwrap(), CpuSet::of(last));
        drop(outer);
        assert_eq!(affinity::allowed_cpus().unwrap(), before);
    });
}

#[test]
fn every_group_of_the_machine_can_be_pinned_to() {
    on_a_thread(|| {
        let machine = Topology::detect().unwrap();
        let cpu = *machine.cpu(machine.allowed_cpus().first().unwrap()).unwrap();
        let allowed = |cpus: &CpuSet| cpus & machine.allowed_cpus();
        let pin = affinity::pin_to_core(&machine, cpu.core).unwrap();
        assert_eq!(pin.cpus(), &allowed(machine.smt_siblings(cpu.id).unwrap()));
        drop(pin);
        let pin = affinity::pin_to_cache(&machine, cpu.cache).unwrap();
        assert_eq!(pin.cpus(), &allowed(machine.caches()[cpu.cache.index()].cpus()));
        drop(pin);
        let pin = affinity::pin_to_node(&machine, cpu.node).unwrap();
        assert_eq!(pin.cpus(), &machine.allowed_cpus_of(cpu.node));
    });
}

#[test]
fn a_refused_pin_says_why_and_changes_nothing() {
    if !system_knows_cpus() {
        return;
    }
    on_a_thread(|| {
        let before = affinity::allowed_cpus().unwrap();
        let machine = Topology::detect().unwrap();
        let absent = CpuId(machine.possible_cpus().last().unwrap().0 + 1);
        for cpu in [absent, CpuId(1023), CpuId(1024), CpuId(5000), CpuId(CpuSet::MAX_ID), CpuId(u32::MAX)] {
            let error = affinity::pin_to_cpu(cpu).unwrap_err();
            assert!(error.is_not_found(), "{error:?}");
            assert!(error.to_string().contains(&cpu.0.to_string()), "{error}");
        }
        let error = affinity::pin_to_set(&CpuSet::new()).unwrap_err();
        assert!(error.is_invalid_input(), "{error:?}");
        assert!(affinity::pin_to_node(&machine, NodeId(999)).unwrap_err().is_not_found());
        assert!(affinity::pin_to_core(&machine, heddle_numa::CoreId(9999)).unwrap_err().is_not_found());
        assert_eq!(affinity::allowed_cpus().unwrap(), before);
    });
}

#[test]
fn a_set_partly_absent_is_granted_in_part_and_says_so() {
    on_a_thread(|| {
        let first = affinity::allowed_cpus().unwrap().first().unwrap();
        let pin = affinity::pin_to_set(&[first, CpuId(8000)].into_iter().collect()).unwrap();
        assert_eq!(pin.cpus(), &CpuSet::of(first));
    });
}

#[test]
fn a_narrowed_thread_sees_only_its_own_cpus_as_allowed() {
    on_a_thread(|| {
        let machine = Topology::detect().unwrap();
        let last = machine.allowed_cpus().last().unwrap();
        affinity::pin_to_cpu(last).unwrap().keep();
        let narrow = Topology::detect().unwrap();
        assert_eq!(narrow.allowed_cpus(), &CpuSet::of(last));
        assert!(!system_knows_cpus() || narrow.online_cpus() == machine.online_cpus());
        assert_eq!(heddle_numa::default_workers(&narrow), 1);
    });
}

#[test]
fn one_thread_can_watch_and_move_another() {
    let (tell, hear) = std::sync::mpsc::channel();
    let (stop, wait) = std::sync::mpsc::channel::<()>();
    let watched = thread::spawn(move || {
        tell.send(Thread::current()).unwrap();
        wait.recv().unwrap();
        affinity::allowed_cpus().unwrap()
    });
    let thread = hear.recv().unwrap();
    let wanted = CpuSet::of(thread.allowed_cpus().unwrap().last().unwrap());
    assert_eq!(thread.pin(&wanted).unwrap(), wanted);
    assert_eq!(thread.allowed_cpus().unwrap(), wanted);
    assert!(thread.pin(&CpuSet::new()).unwrap_err().is_invalid_input());
    stop.send(()).unwrap();
    assert_eq!(watched.join().unwrap(), wanted);
    assert_ne!(affinity::allowed_cpus().unwrap().len(), 0);
}
