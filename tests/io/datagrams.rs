//! Datagrams, by address and by path.

use crate::{WORKERS, on_workers};
use heddle_scheduler::io::net::{UdpSocket, UnixDatagram};
use heddle_tests::{Folder, eventually};
use std::io::ErrorKind;
use std::time::Duration;

#[test]
fn datagrams_go_both_ways() {
    on_workers(&WORKERS, |rig| {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let server = rig.go(move || {
            let mut bytes = [0; 100];
            for _ in 0..20 {
                let (length, from) = server.recv_from(&mut bytes).unwrap();
                assert_eq!(server.send_to(&bytes[..length], from).unwrap(), length);
            }
        });
        rig.run(move || {
            let client = UdpSocket::bind("127.0.0.1:0").unwrap();
            client.connect(address).unwrap();
            assert_eq!(client.peer_addr().unwrap(), address);
            for n in 0..20_u8 {
                client.send(&[n; 7]).unwrap();
                let mut bytes = [0; 100];
                assert_eq!(client.peek(&mut bytes).unwrap(), 7);
                assert_eq!(client.recv(&mut bytes).unwrap(), 7);
                assert_eq!(bytes[..7], [n; 7]);
            }
        });
        server.join().unwrap();
    });
}

#[test]
fn a_datagram_that_does_not_come_is_an_error_in_time() {
    on_workers(&[1], |rig| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
        let here = socket.try_clone().unwrap();
        assert_eq!(rig.run(move || here.recv(&mut [0]).unwrap_err().kind()), ErrorKind::TimedOut);
        assert_eq!(socket.recv_from(&mut [0]).unwrap_err().kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn a_pair_holds_back_who_sends_too_much() {
    on_workers(&[1, 2], |rig| {
        let (a, b) = UnixDatagram::pair().unwrap();
        let sender =
            rig.go(move || (0..1000_u32).for_each(|n| assert_eq!(a.send(&n.to_le_bytes()).unwrap(), 4)));
        let taken = rig.run(move || {
            let mut taken = Vec::new();
            for _ in 0..1000 {
                let mut bytes = [0; 4];
                b.recv(&mut bytes).unwrap();
                taken.push(u32::from_le_bytes(bytes));
            }
            taken
        });
        assert!(taken.into_iter().eq(0..1000));
        sender.join().unwrap();
    });
}

#[test]
fn who_sends_to_a_full_path_waits_until_there_is_room() {
    on_workers(&[1, 2], |rig| {
        let folder = Folder::new();
        let path = folder.path().join("socket");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let to = path.clone();
        let sender = rig.go(move || {
            let socket = UnixDatagram::unbound().unwrap();
            for n in 0..100_u32 {
                socket.send_to(&n.to_le_bytes(), &to).unwrap();
            }
            socket.set_write_timeout(Some(Duration::from_millis(5))).unwrap();
            loop {
                if let Err(error) = socket.send_to(b"more", &to) {
                    return error.kind();
                }
            }
        });
        eventually(|| rig.stats().live() == 1);
        rig.run(move || {
            for n in 0..100_u32 {
                let mut bytes = [0; 4];
                receiver.recv_from(&mut bytes).unwrap();
                assert_eq!(u32::from_le_bytes(bytes), n);
            }
            // It stays full until the sender has given up.
            assert_eq!(sender.join().unwrap(), ErrorKind::TimedOut);
        });
    });
}
