//! How a wait ends: by time, cancellation, `shutdown`, `stop`, and where nothing can wait.

use crate::{WORKERS, connected, listen, on_workers};
use heddle_scheduler::io::net::{TcpStream, UnixDatagram, UnixListener, UnixStream};
use heddle_scheduler::io::process::Command;
use heddle_scheduler::io::{is_cancelled, is_unable_to_wait, pipe};
use heddle_scheduler::{Cancelled, Priority, timeout};
use heddle_tests::{Folder, Rig, eventually};
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn until_suspended(rig: &Rig, count: u64) {
    eventually(|| rig.stats().levels.iter().map(|level| level.suspended).sum::<u64>() == count);
}

/// Fills the buffers of something whose other end does not read.
fn fill(mut to: impl Write) -> std::io::Error {
    loop {
        if let Err(error) = to.write(&[7; 1 << 16]) {
            return error;
        }
    }
}

#[test]
fn each_wait_ends_when_its_time_is_up() {
    on_workers(&WORKERS, |rig| {
        let (near, _far) = connected();
        let (listener, _) = listen();
        let work = move || {
            let least = Duration::from_millis(3);
            let time = Some(least);
            near.set_read_timeout(time).unwrap();
            near.set_write_timeout(time).unwrap();
            listener.set_accept_timeout(time).unwrap();
            assert_eq!((near.read_timeout().unwrap(), listener.accept_timeout()), (time, time));
            let begin = Instant::now();
            assert_eq!((&near).read(&mut [0]).unwrap_err().kind(), ErrorKind::TimedOut);
            assert!(begin.elapsed() >= least);
            assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::TimedOut);
            assert_eq!(fill(&near).kind(), ErrorKind::TimedOut);
            // A second time, and for ever again.
            assert_eq!((&near).read(&mut [0]).unwrap_err().kind(), ErrorKind::TimedOut);
            near.set_read_timeout(None).unwrap();
            assert_eq!(near.read_timeout().unwrap(), None);
            near.set_read_timeout(Some(Duration::MAX)).unwrap();
            assert_eq!(
                near.set_read_timeout(Some(Duration::ZERO)).unwrap_err().kind(),
                ErrorKind::InvalidInput
            );
            (near, listener)
        };
        let sockets = rig.run(work);
        assert_eq!(sockets.1.accept().unwrap_err().kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn so_do_those_of_unix_sockets_and_pipes_and_a_time_out_ends_what_has_none_of_its_own() {
    on_workers(&[1, 2], |rig| {
        let time = Some(Duration::from_millis(3));
        let folder = Folder::new();
        let path = folder.path().join("socket");
        rig.run(move || {
            let is_late = |error: std::io::Error| assert_eq!(error.kind(), ErrorKind::TimedOut);
            let (near, _far) = UnixStream::pair().unwrap();
            near.set_read_timeout(time).unwrap();
            near.set_write_timeout(time).unwrap();
            is_late((&near).read(&mut [0]).unwrap_err());
            is_late(fill(&near));
            let listener = UnixListener::bind(&path).unwrap();
            listener.set_accept_timeout(time).unwrap();
            is_late(listener.accept().unwrap_err());
            let (near, _far) = UnixDatagram::pair().unwrap();
            near.set_read_timeout(time).unwrap();
            is_late(near.recv(&mut [0]).unwrap_err());
            let (reader, writer) = pipe().unwrap();
            reader.set_read_timeout(time).unwrap();
            writer.set_write_timeout(time).unwrap();
            is_late((&reader).read(&mut [0]).unwrap_err());
            is_late(fill(&writer));
        });
        // The program ends when its input does.
        let (input, end) = std::io::pipe().unwrap();
        let waits = rig.run(|| {
            timeout(Duration::from_millis(30), || {
                Command::new("cat").stdin(input).stdout(Stdio::null()).status()
            })
        });
        assert!(waits.is_err());
        drop(end);
        let (reader, _writer) = pipe().unwrap();
        assert!(rig.run(|| timeout(Duration::from_millis(3), || (&reader).read(&mut [0]))).is_err());
    });
}

#[test]
fn what_comes_in_time_is_read_and_the_timer_is_gone() {
    on_workers(&[1, 2], |rig| {
        let (near, far) = connected();
        near.set_read_timeout(Some(Duration::from_secs(1000))).unwrap();
        let reader = rig.go(move || {
            (0..50).for_each(|_| (&near).read_exact(&mut [0; 10]).unwrap());
        });
        rig.run(move || (0..50).for_each(|_| (&far).write_all(&[0; 10]).unwrap()));
        reader.join().unwrap();
    });
}

#[test]
fn a_connection_that_nobody_answers_is_given_up_in_time() {
    on_workers(&[1], |rig| {
        // A backlog of one that is full: further ones are not answered. (There is nowhere to send packets to here.)
        let folder = Folder::new();
        let path = folder.path().join("socket");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        // SAFETY: takes integers.
        assert_eq!(unsafe { libc::listen(std::os::fd::AsRawFd::as_raw_fd(&listener), 0) }, 0);
        let connect = move || UnixStream::connect_timeout(&path, Duration::from_millis(20));
        let (kept, error) = rig.run(move || {
            let kept = connect().unwrap();
            (kept, connect().unwrap_err())
        });
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        drop(kept);
        let error = TcpStream::connect_timeout(&listen().1, Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let (_listener, address) = listen();
        rig.run(move || TcpStream::connect_timeout(&address, Duration::from_secs(10))).unwrap();
    });
}

#[test]
fn a_fiber_that_is_cancelled_unwinds_and_others_go_on_with_the_socket() {
    on_workers(&WORKERS, |rig| {
        let (near, far) = connected();
        let (reader, held) = (near.try_clone().unwrap(), rig.track());
        let cancelled = rig.go(move || {
            let _held = held;
            let _ = (&reader).read(&mut [0]);
            unreachable!("it is unwound");
        });
        until_suspended(rig, 1);
        cancelled.cancel();
        assert!(cancelled.join().unwrap_err().is_cancelled());
        let other = rig.go(move || (&near).read(&mut [0]).unwrap());
        rig.run(move || (&far).write_all(b"!").unwrap());
        assert_eq!(other.join().unwrap(), 1);
    });
}

#[test]
fn a_socket_returns_an_error_to_who_is_cancelled_if_told_so() {
    on_workers(&[1, 2], |rig| {
        let (near, _far) = connected();
        near.set_cancel_errors(true);
        let reader = rig.go(move || {
            // `read_exact` tries again after errors of the kind `Interrupted`, for ever.
            let error = (&near).read_exact(&mut [0]).unwrap_err();
            assert!(is_cancelled(&error) && !is_unable_to_wait(&error));
            assert!(error.get_ref().unwrap().downcast_ref::<Cancelled>().is_some());
            assert!(is_cancelled(&(&near).write(b"also what would not wait").unwrap_err()));
            7
        });
        until_suspended(rig, 1);
        reader.cancel();
        assert_eq!(reader.join().unwrap(), 7);
    });
}

/// Writes when it is dropped.
struct Farewell(TcpStream, Arc<AtomicUsize>);

impl Drop for Farewell {
    fn drop(&mut self) {
        assert_eq!((&self.0).write(b"bye").unwrap(), 3);
        let error = (&self.0).read(&mut [0]).unwrap_err();
        assert!(is_unable_to_wait(&error), "{error}");
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn destructors_may_use_sockets_and_do_not_wait_while_their_fiber_unwinds() {
    on_workers(&[1, 2], |rig| {
        let dropped = Arc::new(AtomicUsize::new(0));
        let (near, far) = connected();
        let farewell = Farewell(near, dropped.clone());
        let fiber = rig.go(move || {
            let farewell = farewell;
            let _ = (&farewell.0).read(&mut [0]);
        });
        until_suspended(rig, 1);
        fiber.cancel();
        assert!(fiber.join().unwrap_err().is_cancelled());
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
        let mut bytes = [0; 3];
        (&far).read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"bye");
    });
}

#[test]
fn shutdown_ends_the_waits_of_all_fibers_on_all_workers() {
    on_workers(&WORKERS, |rig| {
        let (near, _far) = connected();
        let near = Arc::new(near);
        let readers: Vec<_> = (0..10)
            .map(|n| {
                let near = near.clone();
                let priority = Priority::ALL[n % 5];
                rig.go_with_priority(priority, move || (&*near).read(&mut [0]).unwrap())
            })
            .collect();
        until_suspended(rig, 10);
        near.shutdown(Shutdown::Both).unwrap();
        assert!(readers.into_iter().all(|reader| reader.join().unwrap() == 0));
    });
}

#[test]
fn stop_ends_all_waits_and_the_sockets_work_afterwards() {
    on_workers(&WORKERS, |rig| {
        let (near, far) = connected();
        let ends: Vec<_> = (0..100)
            .map(|_| {
                let (near, held) = (near.try_clone().unwrap(), rig.track());
                rig.go(move || {
                    let _held = held;
                    (&near).read(&mut [0]).unwrap()
                })
            })
            .collect();
        until_suspended(rig, 100);
        rig.stop().unwrap();
        assert!(ends.into_iter().all(|end| end.join().unwrap_err().is_cancelled()));
        let late = rig.go(|| ());
        assert!(late.join().unwrap_err().is_stopped());
        // From this thread, after the end of the workers that knew it.
        (&far).write_all(b"still here").unwrap();
        let mut bytes = [0; 10];
        (&near).read_exact(&mut bytes).unwrap();
        rig.start().unwrap();
        let reader = rig.go(move || (&near).read(&mut [0]).unwrap());
        until_suspended(rig, 1);
        (&far).write_all(b"!").unwrap();
        assert_eq!(reader.join().unwrap(), 1);
    });
}

#[test]
fn a_panic_beside_a_socket_leaves_it_usable() {
    on_workers(&[1, 2], |rig| {
        let (near, far) = connected();
        let broken = near.try_clone().unwrap();
        let fiber = rig.go(move || {
            (&broken).read_exact(&mut [0]).unwrap();
            panic!("no oil");
        });
        until_suspended(rig, 1);
        (&far).write_all(b"12").unwrap();
        assert!(fiber.join().unwrap_err().is_panic());
        assert_eq!(rig.run(move || (&near).read(&mut [0]).unwrap()), 1);
    });
}

#[test]
fn sleeping_is_as_exact_while_a_socket_is_waited_for() {
    on_workers(&[1], |rig| {
        let (near, far) = connected();
        let reader = rig.go(move || (&near).read(&mut [0]).unwrap());
        until_suspended(rig, 1);
        // Twenty sleeps of a tenth of a millisecond. Were the poller's time-outs whole milliseconds, each would be
        // one: the least of some rounds tells them apart, on a busy machine too.
        let least = (0..50)
            .map(|_| {
                rig.run(|| {
                    let begin = Instant::now();
                    (0..20).for_each(|_| heddle_scheduler::sleep(Duration::from_micros(100)));
                    begin.elapsed()
                })
            })
            .min();
        println!("20 sleeps of 100 us take {least:?}");
        assert!(least.unwrap() >= Duration::from_millis(2));
        drop(far);
        assert_eq!(reader.join().unwrap(), 0);
    });
}
