//! Other programs.

use crate::WORKERS;
use heddle_scheduler::io::process::Command;
use heddle_scheduler::sleep;
use heddle_tests::{eventually, on_workers};
use std::io::{ErrorKind, Read, Write};
use std::process::Stdio;
use std::time::Duration;

#[test]
fn a_program_gets_its_input_and_gives_its_output() {
    on_workers(&WORKERS, |rig| {
        rig.run(|| {
            let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
            let writer = heddle_scheduler::go(move || input.write_all(&vec![b'x'; 300_000]).unwrap());
            let mut text = Vec::new();
            output.read_to_end(&mut text).unwrap();
            assert_eq!(text.len(), 300_000);
            writer.join().unwrap();
            assert!(child.wait().unwrap().success());
            assert!(child.wait().unwrap().success(), "twice is the same as once");
        });
    });
}

#[test]
fn all_that_a_program_writes_is_taken_though_it_writes_much_to_both() {
    let script = "head -c 200000 /dev/zero; head -c 200000 /dev/zero >&2; exit 3";
    let check = move || {
        let output = Command::new("sh").args(["-c", script]).output().unwrap();
        assert_eq!((output.stdout.len(), output.stderr.len()), (200_000, 200_000));
        assert_eq!(output.status.code(), Some(3));
    };
    on_workers(&[1, 2], |rig| rig.run(check));
    // And on a thread.
    check();
}

#[test]
fn other_fibers_run_while_one_waits_for_a_program() {
    on_workers(&[1], |rig| {
        // It ends when nobody has the other end of its input any more.
        let (input, end) = std::io::pipe().unwrap();
        let waits =
            rig.go(|| Command::new("cat").stdin(input).stdout(Stdio::null()).status().unwrap().success());
        eventually(|| rig.stats().levels.iter().any(|level| level.suspended == 1));
        assert_eq!(rig.go(|| 7).join().unwrap(), 7);
        assert!(!waits.is_finished());
        drop(end);
        assert!(waits.join().unwrap());
    });
}

#[test]
fn a_program_that_does_not_end_is_left_waiting_for_or_killed() {
    on_workers(&[1, 2], |rig| {
        rig.run(|| {
            let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
            assert!(child.wait_timeout(Duration::from_millis(5)).unwrap().is_none());
            assert!(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            assert!(!child.wait().unwrap().success());
            child.kill().unwrap();
        });
        assert_eq!(
            rig.run(|| Command::new("/no/such/program").status()).unwrap_err().kind(),
            ErrorKind::NotFound
        );
    });
}

#[test]
fn a_program_ends_with_the_fiber_that_waits_for_it_if_told_so() {
    on_workers(&[1, 2], |rig| {
        let (tell, told) = std::sync::mpsc::channel();
        let fiber = rig.go(move || {
            let mut child = Command::new("sleep").arg("1000").kill_on_drop(true).spawn().unwrap();
            tell.send(child.id()).unwrap();
            child.wait().unwrap();
        });
        let id = told.recv().unwrap();
        eventually(|| rig.stats().levels.iter().any(|level| level.suspended == 1));
        fiber.cancel();
        assert!(fiber.join().unwrap_err().is_cancelled());
        // SAFETY: sends no signal.
        assert_eq!(unsafe { libc::kill(id as libc::pid_t, 0) }, -1, "it is gone, and was waited for");
    });
}

#[test]
fn a_program_gets_its_folder_and_its_variables() {
    on_workers(&[1], |rig| {
        let output = rig.run(|| {
            sleep(Duration::from_micros(1));
            let mut command = Command::new("/bin/sh");
            command
                .args(["-c", "pwd; echo $ONE $TWO"])
                .current_dir("/")
                .env_clear()
                .env("ONE", "1")
                .env("TWO", "2");
            command.env_remove("TWO").stdin(Stdio::null()).output().unwrap()
        });
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "/\n1\n");
    });
}
