//! Files and pipes.

use crate::WORKERS;
use heddle_scheduler::io::{fs, is_cancelled, pipe};
use heddle_scheduler::{go, yield_now};
use heddle_tests::{Folder, Rig, eventually, on_workers, with_options};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::time::Duration;

#[test]
fn what_is_written_is_read() {
    on_workers(&WORKERS, what_is_written_is_read_in);
}

/// As where the kernel has no rings, or a container forbids them.
#[test]
fn what_is_written_is_read_without_rings() {
    with_options(
        &WORKERS,
        |builder| builder.rings(false),
        |rig| {
            what_is_written_is_read_in(rig);
            assert_eq!(rig.stats().io.operations, 0);
            assert!(rig.stats().blocking.threads > 0);
        },
    );
}

fn what_is_written_is_read_in(rig: &Rig) {
    let folder = Folder::new();
    let fibers = (0..20_u8).map(|n| {
        let path = folder.path().join(n.to_string());
        rig.go(move || {
            let bytes = vec![n; 100_000];
            fs::write(&path, &bytes).unwrap();
            assert!(fs::read(&path).unwrap() == bytes);
            let mut file = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
            file.write_all_at(b"middle", 50_000).unwrap();
            file.sync_data().unwrap();
            file.sync_all().unwrap();
            let mut six = [0; 6];
            file.read_exact_at(&mut six, 50_000).unwrap();
            assert_eq!(&six, b"middle");
            // Where the file is has not changed, and then it has.
            file.read_exact(&mut six).unwrap();
            assert_eq!(six, [n; 6]);
            assert_eq!(file.seek(SeekFrom::End(-3)).unwrap(), 99_997);
            let mut rest = Vec::new();
            file.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, [n; 3]);
            assert_eq!(file.read_exact_at(&mut six, 99_999).unwrap_err().kind(), ErrorKind::UnexpectedEof);
            file.set_len(10).unwrap();
            assert_eq!(file.metadata().unwrap().len(), 10);
            assert_eq!(
                fs::File::open(&path).unwrap().write(b"no").unwrap_err().raw_os_error(),
                Some(libc::EBADF)
            );
        })
    });
    fibers.collect::<Vec<_>>().into_iter().for_each(|fiber| fiber.join().unwrap());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 20);
    // From this thread, which has no ring.
    assert_eq!(fs::read_to_string(folder.path().join("65")).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fs::read(folder.path().join("0")).unwrap(), [0; 10]);
    println!("{}", rig.stats().io);
}

/// A read that lasts until somebody writes: of a pipe that is opened as a file.
#[test]
fn a_fiber_that_is_cancelled_in_an_operation_waits_until_the_kernel_has_let_go() {
    on_workers(&[1, 2], |rig| {
        let mut ends = [0; 2];
        // SAFETY: writes two integers.
        assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
        // SAFETY: made just now.
        let [reader, writer] =
            ends.map(|end| unsafe { <std::os::fd::OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(end) });
        let (reader, mut writer) = (fs::File::from(reader), std::fs::File::from(writer));
        if rig.run(|| fs::read("/proc/self/stat").is_ok()) && rig.stats().io.operations == 0 {
            println!("SKIPPED: there is no io_uring here, and so no operation to cancel");
            return;
        }
        let (copy, held) = (reader.try_clone().unwrap(), rig.track());
        let fiber = rig.go(move || {
            let _held = held;
            let mut bytes = [0; 100];
            (&copy).read(&mut bytes).unwrap()
        });
        eventually(|| rig.stats().levels.iter().any(|level| level.suspended == 1));
        fiber.cancel();
        assert!(fiber.join().unwrap_err().is_cancelled());
        // What is written now is for the next reader.
        let fiber = rig.go(move || {
            let mut bytes = [0; 4];
            (&reader).read_exact(&mut bytes).unwrap();
            bytes
        });
        eventually(|| rig.stats().levels.iter().any(|level| level.suspended == 1));
        writer.write_all(b"next").unwrap();
        assert_eq!(&fiber.join().unwrap(), b"next");
        // And `stop` ends one, too.
        let fiber = rig.go(move || {
            let mut ends = [0; 2];
            // SAFETY: as above.
            assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
            // SAFETY: as above.
            let [reader, _writer] =
                ends.map(|end| unsafe { <std::os::fd::OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(end) });
            fs::File::from(reader).read(&mut [0]).unwrap()
        });
        eventually(|| rig.stats().levels.iter().any(|level| level.suspended == 1));
        rig.stop().unwrap();
        assert!(fiber.join().unwrap_err().is_cancelled());
    });
}

#[test]
fn a_pipe_holds_back_its_writer_and_tells_its_end() {
    on_workers(&[1, 2, 4], |rig| {
        let (mut reader, mut writer) = pipe().unwrap();
        let fiber = rig.go(move || {
            writer.write_all(&vec![7; 1 << 20]).unwrap();
            writer
        });
        let mut bytes = vec![0; 1 << 20];
        reader = rig.run(move || {
            reader.read_exact(&mut bytes).unwrap();
            assert!(bytes.iter().all(|&byte| byte == 7));
            reader
        });
        drop(fiber.join().unwrap());
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
        let (reader, mut writer) = pipe().unwrap();
        reader.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        assert_eq!((&reader).read(&mut [0]).unwrap_err().kind(), ErrorKind::TimedOut);
        reader.set_read_timeout(None).unwrap();
        reader.set_cancel_errors(true);
        let fiber = rig.go(move || is_cancelled(&(&reader).read(&mut [0]).unwrap_err()));
        eventually(|| rig.stats().levels.iter().any(|level| level.suspended == 1));
        fiber.cancel();
        assert!(fiber.join().unwrap());
        // A program that another test is just starting has a copy of the other end for a moment.
        eventually(|| writer.write(b"!").is_err_and(|error| error.kind() == ErrorKind::BrokenPipe));
    });
}

#[test]
fn the_output_of_the_process_can_be_written_to() {
    on_workers(&[1], |rig| {
        rig.run(|| {
            let mut output = heddle_scheduler::io::stderr().unwrap();
            output.write_all(b"").unwrap();
            output.write_all(b"written by a fiber\n").unwrap();
            assert!(heddle_scheduler::io::stdin().is_ok());
            let other = go(|| 7);
            yield_now();
            assert_eq!(other.join().unwrap(), 7);
        });
    });
}
