//! Streams: bytes arrive, in order, whoever waits for whom.

use crate::{WORKERS, connected, has_network, knows_localhost, listen, on_workers};
use heddle_scheduler::io::net::{TcpStream, UnixListener, UnixStream, lookup};
use heddle_scheduler::{Priority, go, go_with_priority};
use heddle_tests::Folder;
use std::io::{BufRead, BufReader, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{FromRawFd, OwnedFd};

/// An address at which nobody listens, and which is nobody else's while the socket lives.
fn deaf() -> (OwnedFd, SocketAddr) {
    // SAFETY: takes integers.
    let number = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    assert!(number >= 0, "{}", std::io::Error::last_os_error());
    // SAFETY: made just now, and nobody else's.
    let socket = unsafe { std::net::TcpListener::from_raw_fd(number) };
    // SAFETY: all-zero is a valid value of this struct of integers.
    let mut address: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    address.sin_family = libc::AF_INET as libc::sa_family_t;
    address.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
    let length = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    // SAFETY: reads the struct, which is as long as we say.
    assert_eq!(unsafe { libc::bind(number, (&raw const address).cast(), length) }, 0);
    let address = socket.local_addr().unwrap();
    (socket.into(), address)
}

/// Answers each line with itself until there are no more.
fn echo(stream: TcpStream) -> std::io::Result<()> {
    let (reader, mut writer) = (stream.try_clone()?, stream);
    for line in BufReader::new(reader).lines() {
        writer.write_all(format!("{}\n", line?).as_bytes())?;
    }
    Ok(())
}

#[test]
fn each_of_many_connections_gets_its_own_answers() {
    const CONNECTIONS: usize = 20;
    const LINES: usize = 8;
    on_workers(&WORKERS, |rig| {
        let (listener, address) = listen();
        let server = rig.go(move || {
            let served: Vec<_> =
                listener.incoming().take(CONNECTIONS).map(|stream| go(|| echo(stream?))).collect();
            served.into_iter().for_each(|fiber| fiber.join().unwrap().unwrap());
        });
        let clients = (0..CONNECTIONS).map(|client| {
            let priority = Priority::ALL[client % Priority::ALL.len()];
            rig.go_with_priority(priority, move || {
                let stream = TcpStream::connect(address).unwrap();
                let mut lines = BufReader::new(&stream).lines();
                for line in 0..LINES {
                    writeln!(&stream, "{client} {line}").unwrap();
                    assert_eq!(lines.next().unwrap().unwrap(), format!("{client} {line}"));
                }
            })
        });
        let clients: Vec<_> = clients.collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        server.join().unwrap();
        let io = rig.stats().io;
        assert!(io.waits > 0 && io.events > 0 && io.polls > 0, "{io}");
    });
}

#[test]
fn more_than_the_buffers_hold_goes_through_in_both_directions() {
    const LENGTH: usize = 1 << 20;
    on_workers(&WORKERS, |rig| {
        let (near, far) = connected();
        let pattern =
            |seed: usize| (0..LENGTH).map(|n| (n.wrapping_mul(31) + seed) as u8).collect::<Vec<_>>();
        let send = |stream: TcpStream, seed: usize| {
            rig.go(move || {
                (&stream).write_all(&pattern(seed)).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
            })
        };
        let take = |stream: TcpStream, seed: usize| {
            rig.go(move || {
                let mut bytes = Vec::new();
                (&stream).read_to_end(&mut bytes).unwrap();
                assert!(bytes == pattern(seed), "{} bytes, not as they were sent", bytes.len());
            })
        };
        let fibers = [
            send(near.try_clone().unwrap(), 1),
            take(near, 2),
            send(far.try_clone().unwrap(), 2),
            take(far, 1),
        ];
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
    });
}

#[test]
fn several_parts_are_written_and_read_at_once() {
    if !has_network() {
        return;
    }
    let (near, far) = connected();
    let parts = [IoSlice::new(b"one "), IoSlice::new(b"two "), IoSlice::new(b"three")];
    assert_eq!((&near).write_vectored(&parts).unwrap(), 13);
    near.shutdown(Shutdown::Write).unwrap();
    let mut text = String::new();
    (&far).read_to_string(&mut text).unwrap();
    assert_eq!(text, "one two three");
    assert_eq!((&far).read(&mut []).unwrap(), 0);
}

#[test]
fn the_end_that_comes_with_the_last_bytes_is_not_missed() {
    on_workers(&[1, 2], |rig| {
        for _ in 0..200 {
            let (near, far) = connected();
            let reader = rig.go(move || {
                let (mut bytes, mut count) = ([0; 64], 0);
                loop {
                    match (&far).read(&mut bytes).unwrap() {
                        0 => return count,
                        more => count += more,
                    }
                }
            });
            let writer = rig.go(move || {
                (&near).write_all(b"first").unwrap();
                heddle_scheduler::yield_now();
                (&near).write_all(b"last").unwrap();
            });
            writer.join().unwrap();
            assert_eq!(reader.join().unwrap(), 9);
        }
    });
}

#[test]
fn urgent_data_does_not_hide_what_comes_behind_it() {
    use std::os::fd::AsRawFd;
    on_workers(&[1], |rig| {
        let (near, far) = connected();
        let reader = rig.go(move || {
            let mut bytes = Vec::new();
            (&far).read_to_end(&mut bytes).unwrap();
            bytes
        });
        rig.go(move || {
            (&near).write_all(b"before").unwrap();
            // SAFETY: sends one byte of ours.
            assert_eq!(unsafe { libc::send(near.as_raw_fd(), b"!".as_ptr().cast(), 1, libc::MSG_OOB) }, 1);
            (&near).write_all(b"behind").unwrap();
        })
        .join()
        .unwrap();
        assert_eq!(reader.join().unwrap(), b"beforebehind");
    });
}

#[test]
fn threads_that_are_no_workers_block_and_talk_to_fibers() {
    on_workers(&[1, 2], |rig| {
        let (listener, address) = listen();
        let server = rig.go(move || echo(listener.accept().unwrap().0).unwrap());
        let stream = TcpStream::connect(address).unwrap();
        writeln!(&stream, "from a thread").unwrap();
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        assert_eq!(line, "from a thread\n");
        drop(stream);
        server.join().unwrap();
    });
}

#[test]
fn what_std_has_can_be_asked_and_set() {
    if !has_network() {
        return;
    }
    let (near, far) = connected();
    assert_eq!(near.peer_addr().unwrap(), far.local_addr().unwrap());
    assert_eq!(near.local_addr().unwrap(), far.peer_addr().unwrap());
    near.set_nodelay(true).unwrap();
    assert!(near.nodelay().unwrap());
    near.set_ttl(33).unwrap();
    assert_eq!(near.ttl().unwrap(), 33);
    assert!(near.take_error().unwrap().is_none());
    (&near).write_all(b"twice").unwrap();
    let mut bytes = [0; 5];
    while far.peek(&mut bytes).unwrap() < 5 {}
    (&far).read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"twice");
    assert!(format!("{near:?}").contains("TcpStream"));
}

#[test]
fn sockets_come_from_std_and_go_back_there() {
    on_workers(&[1], |rig| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let near = std::net::TcpStream::connect(address).unwrap();
        let far = listener.accept().unwrap().0;
        let (near, far) = rig.run(move || {
            let near: TcpStream = near.try_into().unwrap();
            let far: TcpStream = far.try_into().unwrap();
            let reader = go(move || {
                let mut bytes = [0; 4];
                (&far).read_exact(&mut bytes).unwrap();
                far
            });
            heddle_scheduler::yield_now();
            (&near).write_all(b"ours").unwrap();
            let far = reader.join().unwrap();
            let second = far.try_clone().unwrap();
            let refused = second.into_std().unwrap_err();
            assert_eq!(refused.kind(), std::io::ErrorKind::ResourceBusy);
            (near.into_std().unwrap(), far.into_std().unwrap())
        });
        let thread = std::thread::spawn(move || {
            let mut bytes = [0; 6];
            (&far).read_exact(&mut bytes).unwrap();
            bytes
        });
        (&near).write_all(b"theirs").unwrap();
        assert_eq!(&thread.join().unwrap(), b"theirs");
    });
}

#[test]
fn a_connection_that_is_refused_says_so() {
    on_workers(&[1, 2], |rig| {
        let (_deaf, address) = deaf();
        let error = rig.run(move || TcpStream::connect(address)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        let error = TcpStream::connect(address).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        let nowhere: &[std::net::SocketAddr] = &[];
        assert_eq!(TcpStream::connect(nowhere).unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    });
}

#[test]
fn the_first_address_that_answers_is_taken() {
    if !has_network() {
        return;
    }
    let (_deaf, nobody) = deaf();
    let (_listener, address) = listen();
    let stream = TcpStream::connect(&[nobody, address][..]).unwrap();
    assert_eq!(stream.peer_addr().unwrap(), address);
}

#[test]
fn names_are_looked_up_beside_other_fibers() {
    if !knows_localhost() {
        return;
    }
    on_workers(&[1], |rig| {
        let found = rig.run(|| lookup("localhost", 80));
        assert!(found.unwrap().iter().all(|address| address.ip().is_loopback() && address.port() == 80));
        // Too long for any name, so no server is asked, which might be slow, or know all names.
        assert!(rig.run(|| lookup(&"x".repeat(300), 80)).is_err());
    });
}

#[test]
fn urgent_readers_go_first() {
    on_workers(&[1], |rig| {
        if rig.stats().lanes.len() > 1 {
            return;
        }
        let (order, told) = std::sync::mpsc::channel();
        let mut ends = Vec::new();
        let mut readers = Vec::new();
        for priority in [Priority::Background, Priority::Normal, Priority::Critical] {
            // What is written is there at once. Between TCP sockets the kernel may bring it later, on a busy machine.
            let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
            // Its writes are no checkpoints, at which the worker could look too early.
            ends.push(near);
            let far = UnixStream::try_from(far).unwrap();
            let order = order.clone();
            readers.push(rig.go_with_priority(priority, move || {
                (&far).read_exact(&mut [0]).unwrap();
                order.send(priority).unwrap();
            }));
        }
        heddle_tests::eventually(|| rig.stats().levels.iter().map(|level| level.suspended).sum::<u64>() == 3);
        // All three are ready before the worker looks, as this fiber keeps it.
        rig.go_with_priority(Priority::High, move || {
            ends.iter().for_each(|mut end| end.write_all(b"!").unwrap());
        })
        .join()
        .unwrap();
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        let order: Vec<_> = told.try_iter().collect();
        assert_eq!(order, [Priority::Critical, Priority::Normal, Priority::Background]);
    });
}

#[test]
fn a_fiber_that_computes_lets_an_urgent_reader_go_first() {
    on_workers(&[1], |rig| {
        let (near, far) = connected();
        let reader = rig.go_with_priority(Priority::Critical, move || (&far).read_exact(&mut [0]).unwrap());
        heddle_tests::eventually(|| rig.stats().levels[0].suspended == 1);
        rig.go_with_priority(Priority::Background, move || {
            (&near).write_all(b"!").unwrap();
            // Not for ever: until the reader has run, which is checked by its own end.
            while !reader.is_finished() {
                heddle_scheduler::checkpoint();
            }
        })
        .join()
        .unwrap();
    });
}

#[test]
fn paths_serve_as_addresses() {
    on_workers(&WORKERS, |rig| {
        let folder = Folder::new();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let server = rig.go(move || {
            let (stream, address) = listener.accept().unwrap();
            assert!(address.is_unnamed());
            let mut text = String::new();
            (&stream).read_to_string(&mut text).unwrap();
            (&stream).write_all(text.to_uppercase().as_bytes()).unwrap();
        });
        let stream = rig.run(move || {
            let stream = UnixStream::connect(&path).unwrap();
            assert_eq!(stream.peer_addr().unwrap().as_pathname(), Some(path.as_path()));
            stream
        });
        (&stream).write_all(b"quiet").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut text = String::new();
        (&stream).read_to_string(&mut text).unwrap();
        assert_eq!(text, "QUIET");
        server.join().unwrap();
        assert_eq!(UnixStream::connect("/no/such/path").unwrap_err().kind(), std::io::ErrorKind::NotFound);
    });
}

#[test]
fn fibers_of_different_workers_share_a_socket() {
    on_workers(&[2, 4], |rig| {
        let (near, far) = connected();
        const READERS: usize = 8;
        let readers: Vec<_> = (0..READERS)
            .map(|_| {
                let far = far.try_clone().unwrap();
                rig.go(move || {
                    let mut count = 0;
                    while (&far).read(&mut [0; 3]).unwrap() > 0 {
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        drop(far);
        rig.run(move || {
            for _ in 0..300 {
                (&near).write_all(b"abc").unwrap();
                heddle_scheduler::yield_now();
            }
        });
        // Whoever finds the end leaves it for the others.
        let reads: usize = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
        assert!(reads >= 300, "{reads}");
    });
}

#[test]
fn fibers_made_while_a_socket_is_waited_for_run_at_once() {
    on_workers(&[1], |rig| {
        let (near, far) = connected();
        let reader = rig.go(move || (&far).read(&mut [0]).unwrap());
        heddle_tests::eventually(|| rig.stats().io.sleeps > 0);
        // It sleeps in its poller, and is woken by work.
        for n in 0..100 {
            assert_eq!(rig.go(move || n).join().unwrap(), n);
            assert_eq!(rig.run(move || go_with_priority(Priority::Low, move || n).join().unwrap()), n);
        }
        drop(near);
        assert_eq!(reader.join().unwrap(), 0);
    });
}

#[test]
fn a_name_is_connected_to_by_way_of_the_pool() {
    if !knows_localhost() {
        return;
    }
    on_workers(&[1], |rig| {
        let (_listener, address) = listen();
        assert_eq!(rig.stats().blocking.threads, 0);
        let connected = rig.run(move || TcpStream::connect(("localhost", address.port())).is_ok());
        assert!(connected, "localhost has an address");
        assert_eq!(rig.stats().blocking.threads, 1);
    });
}

#[test]
fn what_is_an_address_already_is_looked_up_nowhere() {
    on_workers(&[1], |rig| {
        rig.run(|| {
            let (_listener, address) = listen();
            for result in [
                TcpStream::connect(address),
                TcpStream::connect(&[address][..]),
                TcpStream::connect(address.to_string()),
                TcpStream::connect((address.ip(), address.port())),
                TcpStream::connect(("127.0.0.1", address.port())),
            ] {
                result.unwrap();
            }
            for wrong in ["", "localhost", "localhost:", "localhost:70000"] {
                assert_eq!(TcpStream::connect(wrong).unwrap_err().kind(), ErrorKind::InvalidInput, "{wrong}");
            }
            let none: &[SocketAddr] = &[];
            assert_eq!(TcpStream::connect(none).unwrap_err().kind(), ErrorKind::InvalidInput);
        });
        assert_eq!(rig.stats().blocking.threads, 0);
    });
}
