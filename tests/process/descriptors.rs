//! Limits on descriptors, ten thousand connections, and forks of the process.

use super::child;
use heddle_scheduler::io::net::{TcpListener, TcpStream};
use heddle_scheduler::{Scheduler, go};
use heddle_tests::{Folder, eventually};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Runs the test in a child, where this machine can connect to itself.
fn run_with_network() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0");
    let address = listener.as_ref().map(|listener| listener.local_addr().unwrap());
    match address.map(std::net::TcpStream::connect) {
        Ok(Ok(_)) => child::run(&[]).assert_passed(),
        _ => println!("SKIPPED: 127.0.0.1 cannot be connected to"),
    }
}

/// One without a monitor, which opens files: it would let go of a descriptor while there should be none.
fn without_monitor() -> Scheduler {
    Scheduler::builder().workers(1).hog_after(Duration::MAX).build().unwrap()
}

#[test]
fn accept_without_a_descriptor_left_is_an_error_and_works_once_there_is_one() {
    if child::is_child() {
        let scheduler = without_monitor();
        let (listener, address) = listen();
        // The worker has its poller before there are none left.
        listener.set_accept_timeout(Some(Duration::from_millis(1))).unwrap();
        let listener = scheduler.run(move || {
            assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::TimedOut);
            listener.set_accept_timeout(None).unwrap();
            listener
        });
        let waiting = TcpStream::connect(address).unwrap();
        child::limit(libc::RLIMIT_NOFILE, 100);
        let mut all: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
        let (accepted, errors) = scheduler.run(move || {
            let mut errors = 0;
            loop {
                match listener.accept() {
                    Ok((stream, _)) => return (stream, errors),
                    Err(error) => {
                        assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
                        errors += 1;
                        if errors == 3 {
                            all.pop();
                        }
                    }
                }
            }
        });
        assert_eq!(errors, 3);
        (&waiting).write_all(b"!").unwrap();
        assert_eq!(scheduler.run(move || (&accepted).read(&mut [0]).unwrap()), 1);
        return;
    }
    run_with_network();
}

#[test]
fn without_a_descriptor_for_the_poller_the_call_is_an_error() {
    if child::is_child() {
        let scheduler = without_monitor();
        let (listener, address) = listen();
        let near = TcpStream::connect(address).unwrap();
        let (far, _) = listener.accept().unwrap();
        child::limit(libc::RLIMIT_NOFILE, 100);
        let all: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
        let far = scheduler.run(move || {
            assert_eq!((&far).read(&mut [0]).unwrap_err().raw_os_error(), Some(libc::EMFILE));
            far
        });
        drop(all);
        let reader = scheduler.go(move || (&far).read(&mut [0]).unwrap());
        eventually(|| scheduler.stats().levels.iter().any(|level| level.suspended == 1));
        (&near).write_all(b"!").unwrap();
        assert_eq!(reader.join().unwrap(), 1);
        return;
    }
    run_with_network();
}

#[test]
fn without_a_descriptor_a_quota_that_was_seen_stays_in_force() {
    if child::is_child() {
        let root = Folder::new();
        root.write("proc/self/cgroup", "0::/job\n");
        root.write("proc/self/mountinfo", "41 23 0:28 / /sys/fs/cgroup rw - cgroup2 none rw\n");
        root.write("sys/fs/cgroup/job/cpu.max", "50000 100000\n");
        let stat = "usage_usec 0\nnr_periods 9\nnr_throttled 4\nthrottled_usec 77\n";
        root.write("sys/fs/cgroup/job/cpu.stat", stat);
        let scheduler = Scheduler::builder().workers(1).quota_root(root.path()).build().unwrap();
        let has_quota = || scheduler.stats().monitor.quota.is_some_and(|quota| quota.cpus == 0.5);
        // The monitor looks while something runs.
        let enough = Arc::new(AtomicBool::new(false));
        let theirs = enough.clone();
        let busy = scheduler.go(move || {
            while !theirs.load(Ordering::Relaxed) {
                heddle_scheduler::yield_now();
            }
        });
        eventually(has_quota);
        child::limit(libc::RLIMIT_NOFILE, 100);
        let all: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
        // It reads again each second: within this time at least once, unless the machine is very busy.
        let since = Instant::now();
        while since.elapsed() < Duration::from_millis(1500) {
            assert!(has_quota());
            std::thread::yield_now();
        }
        drop(all);
        enough.store(true, Ordering::Relaxed);
        busy.join().unwrap();
        return;
    }
    child::run(&[]).assert_passed();
}

/// How many connections fit under the limit on descriptors, two for each: ten thousand where it can be had.
fn connections() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: reads and writes one struct of ours.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max.max(20_200);
        limit.rlim_max = limit.rlim_cur;
        // Raising the upper limit needs a privilege.
        if libc::setrlimit(libc::RLIMIT_NOFILE, &limit) != 0 {
            libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
    let count = 10_000.min((limit.rlim_cur as usize - 100) / 2);
    if count < 10_000 {
        println!(
            "SKIPPED in part: {} descriptors are allowed, enough for {count} connections",
            limit.rlim_cur
        );
    }
    count
}

#[test]
fn ten_thousand_connections_are_served_and_stop_ends_them_all() {
    if child::is_child() {
        let count = connections();
        let scheduler = Scheduler::builder().workers(2).build().unwrap();
        let (listener, address) = listen();
        let server = scheduler.go(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                drop(go(move || {
                    let mut byte = [0];
                    while stream.read(&mut byte).unwrap() > 0 {
                        stream.write_all(&byte).unwrap();
                    }
                }));
            }
        });
        let clients: Vec<_> = (0..count).map(|_| TcpStream::connect(address).unwrap()).collect();
        for round in 0..3 {
            clients.iter().for_each(|mut client| client.write_all(&[round]).unwrap());
            for mut client in &clients {
                let mut byte = [9];
                client.read_exact(&mut byte).unwrap();
                assert_eq!(byte, [round]);
            }
        }
        eventually(|| {
            let suspended: u64 = scheduler.stats().levels.iter().map(|level| level.suspended).sum();
            suspended == count as u64 + 1
        });
        println!("{}", scheduler.stats().io);
        scheduler.stop().unwrap();
        assert_eq!(scheduler.stats().live(), 0);
        assert!(server.join().unwrap_err().is_cancelled());
        for mut client in clients {
            assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)), "its server is gone");
        }
        return;
    }
    run_with_network();
}

#[test]
fn a_fork_of_the_process_that_keeps_all_descriptors_disturbs_nobody() {
    if child::is_child() {
        let scheduler = without_monitor();
        let (listener, address) = listen();
        let near = TcpStream::connect(address).unwrap();
        let (far, _) = listener.accept().unwrap();
        let far = scheduler.run(move || {
            far.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
            assert!((&far).read(&mut [0]).is_err());
            far
        });
        // SAFETY: the child only sleeps, and is killed.
        let fork = unsafe { libc::fork() };
        if fork == 0 {
            child::end_with_parent();
            loop {
                // SAFETY: waits for a signal.
                unsafe { libc::pause() };
            }
        }
        // The fork has the old file, the poller and its registration.
        let number = far.as_raw_fd();
        scheduler.run(move || drop(far));
        let mut others = vec![TcpStream::connect(address).unwrap()];
        while others.last().unwrap().as_raw_fd() != number && others.len() < 50 {
            others.push(TcpStream::connect(address).unwrap());
        }
        (&near).write_all(b"to the fork").unwrap();
        let mut other = others.pop().unwrap();
        let reader = scheduler.go(move || {
            let mut bytes = [0; 4];
            other.read_exact(&mut bytes).unwrap();
            bytes
        });
        for _ in 0..=others.len() {
            (&listener.accept().unwrap().0).write_all(b"ours").unwrap();
        }
        assert_eq!(&reader.join().unwrap(), b"ours");
        // SAFETY: our own child.
        unsafe {
            libc::kill(fork, libc::SIGKILL);
            libc::waitpid(fork, std::ptr::null_mut(), 0);
        }
        return;
    }
    run_with_network();
}

/// In a process of its own, where nobody else takes the number in between.
#[test]
fn a_number_that_is_used_again_is_another_socket() {
    if child::is_child() {
        for workers in [1, 2] {
            let scheduler = Scheduler::builder().workers(workers).hog_after(Duration::MAX).build().unwrap();
            scheduler.run(|| {
                let (mut again, mut last) = (0, -1);
                for round in 0..200_u8 {
                    let (listener, address) = listen();
                    let near = TcpStream::connect(address).unwrap();
                    let (far, _) = listener.accept().unwrap();
                    again += usize::from(far.as_raw_fd() == last);
                    last = far.as_raw_fd();
                    let reader = go(move || {
                        let mut byte = [0];
                        (&far).read_exact(&mut byte).unwrap();
                        byte[0]
                    });
                    heddle_scheduler::yield_now();
                    (&near).write_all(&[round]).unwrap();
                    assert_eq!(reader.join().unwrap(), round);
                }
                assert!(again > 150, "the system uses numbers again: {again}");
            });
        }
        return;
    }
    run_with_network();
}

#[test]
fn events_of_a_duplicate_that_lives_on_do_not_reach_who_has_its_number() {
    if child::is_child() {
        let scheduler = without_monitor();
        let (listener, address) = listen();
        let mut near = TcpStream::connect(address).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        let far = scheduler.go(move || {
            far.read_exact(&mut [0]).unwrap();
            far
        });
        eventually(|| scheduler.stats().io.waits == 1);
        near.write_all(b"!").unwrap();
        let far = far.join().unwrap();
        let number = far.as_raw_fd();
        let double = far.as_fd().try_clone_to_owned().unwrap();
        // Not on the worker, which would take it out of its poller: so the poller goes on telling of it.
        drop(far);
        // The number is free, and the next socket takes it.
        let mut other = TcpStream::connect(address).unwrap();
        assert_eq!(other.as_raw_fd(), number);
        let (mut peer, _) = listener.accept().unwrap();
        let reader = scheduler.go(move || {
            let mut byte = [0];
            other.read_exact(&mut byte).unwrap();
            byte[0]
        });
        eventually(|| scheduler.stats().io.waits == 2);
        let events = scheduler.stats().io.events;
        near.write_all(b"for the duplicate").unwrap();
        eventually(|| scheduler.stats().io.events > events);
        let mut bytes = [0; 17];
        std::net::TcpStream::from(double).read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"for the duplicate");
        assert!(!reader.is_finished());
        peer.write_all(b"x").unwrap();
        assert_eq!(reader.join().unwrap(), b'x');
        return;
    }
    run_with_network();
}
