//! Kernels and containers unlike this one: a seccomp filter on the test's own thread makes calls fail as they would there.
//!
//! * a container: `mbind` and `move_pages` fail as under Docker's default filter (EPERM);
//! * a kernel without NUMA: they fail with ENOSYS;
//! * a kernel for more than 1,024 CPUs: `sched_getaffinity` refuses a short mask (EINVAL).
#![cfg(all(target_os = "linux", target_pointer_width = "64", target_endian = "little"))]

use std::thread;

use heddle_numa::memory::{self, Existing, Home, HugePages, Mapping, NodeBox, NodeVec, Pages};
use heddle_numa::{NodeId, Topology, affinity};

/// One instruction of the kernel's filter machine: on a jump, how many instructions to skip if true, and if false.
fn step(code: u32, if_true: u8, if_false: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: if_true, jf: if_false, k }
}

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const ANSWER: u32 = libc::BPF_RET | libc::BPF_K;
/// Where `struct seccomp_data` has the call's number and the low half of its second argument.
const NUMBER: u32 = 0;
const SECOND_ARGUMENT: u32 = 24;

/// Runs the test on a thread under this filter.
fn under(mut filter: Vec<libc::sock_filter>, test: impl FnOnce() + Send + 'static) {
    let filtered = move || {
        let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
        // SAFETY: no pointers; needed before an unprivileged thread may filter itself.
        assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
        // SAFETY: `program` points to `len` instructions, which the kernel copies; it filters this thread alone.
        let done =
            unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program, 0, 0) };
        match done {
            0 => test(),
            _ => eprintln!("SKIPPED: no system call filters: {}", std::io::Error::last_os_error()),
        }
    };
    thread::spawn(filtered).join().unwrap();
}

/// The calls of memory placement fail with this error number.
fn with_placement_refused(errno: i32, test: impl FnOnce() + Send + 'static) {
    let filter = vec![
        step(LOAD, 0, 0, NUMBER),
        step(EQUAL, 1, 0, libc::SYS_mbind as u32),
        step(EQUAL, 0, 1, libc::SYS_move_pages as u32),
        step(ANSWER, 0, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
        step(ANSWER, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    under(filter, test);
}

/// Affinity masks are read into at least this many bytes, or not at all.
fn with_masks_of(bytes: u32, test: impl FnOnce() + Send + 'static) {
    let filter = vec![
        step(LOAD, 0, 0, NUMBER),
        step(EQUAL, 0, 2, libc::SYS_sched_getaffinity as u32),
        step(LOAD, 0, 0, SECOND_ARGUMENT),
        step(AT_LEAST, 0, 1, bytes),
        step(ANSWER, 0, 0, libc::SECCOMP_RET_ALLOW),
        step(ANSWER, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EINVAL as u32),
    ];
    under(filter, test);
}

#[test]
fn masks_grow_until_they_fit_a_kernel_for_eight_thousand_cpus() {
    let machine = Topology::detect().unwrap();
    with_masks_of(1024, move || {
        assert_eq!(&affinity::allowed_cpus().unwrap(), machine.allowed_cpus());
        assert_eq!(Topology::detect().unwrap().allowed_cpus(), machine.allowed_cpus());
        let last = machine.allowed_cpus().last().unwrap();
        let pin = affinity::pin_to_cpu(last).unwrap();
        assert_eq!(affinity::current_cpu().unwrap(), last);
        drop(pin);
        assert_eq!(&affinity::allowed_cpus().unwrap(), machine.allowed_cpus());
    });
}

#[test]
fn a_mask_that_cannot_be_read_ends_in_an_error_and_a_topology_of_what_sysfs_says() {
    with_masks_of(u32::MAX, || {
        assert_eq!(affinity::allowed_cpus().unwrap_err().raw_os_error(), Some(libc::EINVAL));
        if std::fs::read_to_string("/sys/devices/system/cpu/online").is_err() {
            eprintln!("SKIPPED: /sys does not say which CPUs there are, and so nobody does");
            return;
        }
        let machine = Topology::detect().unwrap();
        assert_eq!(machine.source(heddle_numa::Fact::AllowedCpus), heddle_numa::Source::Procfs);
        assert!(machine.notes().iter().any(|note| note.contains("affinity mask")), "{:?}", machine.notes());
    });
}

#[test]
fn a_filter_is_named_with_the_way_round_it() {
    with_placement_refused(libc::EPERM, || {
        let buffer = vec![1u8; 8 * Pages::page_size()];
        let node = Topology::detect().unwrap().memory_nodes().first().unwrap();
        let refused = memory::prefer(Pages::inside(&buffer), node, Existing::Leave).unwrap_err();
        assert!(refused.is_permission_denied() && refused.raw_os_error() == Some(libc::EPERM), "{refused:?}");
        assert!(refused.to_string().contains("SYS_NICE"), "{refused}");
        let silent = memory::node_of(&buffer[..]).unwrap_err();
        assert!(silent.is_permission_denied() && silent.to_string().contains("SYS_NICE"), "{silent:?}");
    });
}

#[test]
fn values_work_under_a_filter_and_say_that_they_are_not_placed() {
    with_placement_refused(libc::EPERM, || {
        let machine = Topology::detect().unwrap();
        let home = Home::near(&machine, machine.nodes()[0].id());
        let mut vec = NodeVec::from_fn(home, 100_000, |n| n).unwrap();
        vec.push(7);
        assert_eq!(vec.iter().sum::<usize>(), 4_999_950_007);
        let boxed = NodeBox::new(home, [1u8; 10_000]).unwrap();
        assert_eq!(boxed.len(), 10_000);
        // Where there is one node only, nothing had to be asked for and nothing was refused.
        let several = machine.memory_nodes().len() > 1;
        assert_eq!((vec.refusal().is_some(), vec.home().is_none()), (several, several));
        assert_eq!(boxed.refusal().is_some(), several);
    });
}

#[test]
fn a_kernel_without_numa_places_nothing_and_fails_nothing() {
    with_placement_refused(libc::ENOSYS, || {
        let mapping = Mapping::new(8 * Pages::page_size(), Home::anywhere(), HugePages::Never).unwrap();
        for existing in [Existing::Leave, Existing::Move] {
            memory::prefer(mapping.pages(), NodeId(0), existing).unwrap();
        }
        memory::reset(mapping.pages()).unwrap();
        assert_eq!(memory::node_of(&[1u8, 2]).unwrap(), Some(NodeId(0)));
        assert_eq!(mapping.pages_by_node().unwrap().on[&NodeId(0)], 8);
    });
}
