//! Under a container's seccomp filter, and on a kernel without NUMA, values on a node still work and say what they are not.
//!
//! The filter is a real one, put on a thread of its own: it makes `mbind` and `move_pages` fail as Docker's default does
//! (EPERM), or as a kernel without NUMA does (ENOSYS).
#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

use std::thread;

use heddle_numa::memory::{self, Existing, Home, HugePages, Mapping, NodeBox, NodeVec, Pages};
use heddle_numa::{NodeId, Topology};

/// Runs the test on a thread for which the calls of memory placement fail with this error number.
fn with_placement_refused(errno: i32, test: impl FnOnce() + Send + 'static) {
    thread::spawn(move || {
        filter(errno);
        test();
    })
    .join()
    .unwrap();
}

fn filter(errno: i32) {
    // A program for the kernel's filter machine: load the call's number; if it is one of two, fail; else allow.
    let step = |code: u32, jump_true: u8, jump_false: u8, k: u32| libc::sock_filter {
        code: code as u16,
        jt: jump_true,
        jf: jump_false,
        k,
    };
    let load_number = step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0);
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let answer = libc::BPF_RET | libc::BPF_K;
    let mut program = [
        load_number,
        step(equal, 1, 0, libc::SYS_mbind as u32),
        step(equal, 0, 1, libc::SYS_move_pages as u32),
        step(answer, 0, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
        step(answer, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: no pointers; needed before an unprivileged thread may filter itself.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    // SAFETY: `program` points to `len` filled instructions, which the kernel copies; it filters this thread alone.
    let done =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program, 0, 0) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
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
