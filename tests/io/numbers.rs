//! Descriptors are numbers that are used again, and files that may have several. What depends on who takes the next number is in
//! `tests/process`.

use crate::{connected, on_workers};
use heddle_scheduler::yield_now;
use heddle_tests::eventually;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;

#[test]
fn a_file_that_was_taken_out_and_comes_back_under_its_number_is_waited_for() {
    on_workers(&[1], |rig| {
        rig.run(|| {
            let (near, mut far) = connected();
            for _ in 0..10 {
                let number = far.as_raw_fd();
                let reader = heddle_scheduler::go(move || {
                    (&far).read_exact(&mut [0]).unwrap();
                    far
                });
                yield_now();
                (&near).write_all(b"!").unwrap();
                far = reader.join().unwrap().into_std().unwrap().try_into().unwrap();
                assert_eq!(far.as_raw_fd(), number);
            }
        });
    });
}

#[test]
fn sockets_that_are_closed_are_forgotten() {
    on_workers(&[1, 4], |rig| {
        for _ in 0..20 {
            let (near, far) = connected();
            let reader = rig.go(move || (&near).read(&mut [0]).unwrap());
            drop(far);
            assert_eq!(reader.join().unwrap(), 0);
        }
        eventually(|| rig.stats().io.registered == 0);
    });
}

#[test]
fn programs_without_input_and_output_have_no_descriptors() {
    let count = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    on_workers(&[4], |rig| {
        rig.run(|| heddle_scheduler::sleep(std::time::Duration::from_micros(10)));
        let io = rig.stats().io;
        assert_eq!(io, heddle_scheduler::IoStats::default(), "{io}");
        assert!(count() > 0);
    });
}
