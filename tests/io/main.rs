//! Input and output, as claims: what would block suspends a fiber, and each way for a wait to end ends it. Over {1, 2, 4}
//! workers with one lane and with three. What needs limits on descriptors, or a fork, is in `tests/process`.
#![cfg(target_os = "linux")]

mod tcp;
mod datagrams;
mod waits;
mod numbers;
mod files;
mod children;
mod stress;
mod crowds;

use heddle_scheduler::io::net::{TcpListener, TcpStream};
use heddle_tests::Rig;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::OnceLock;

/// More would only be slow.
const WORKERS: [usize; 3] = [1, 2, 4];

/// Can this process connect to itself? Not where it has no network at all, and says so.
fn has_network() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    let connects = || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        std::net::TcpStream::connect(listener.local_addr()?)
    };
    let has = *HAS.get_or_init(|| connects().is_ok());
    if !has {
        println!("SKIPPED: 127.0.0.1 cannot be connected to");
    }
    has
}

/// Is the name known that machines give to themselves?
fn knows_localhost() -> bool {
    let known = ("localhost", 80).to_socket_addrs();
    let known = known.is_ok_and(|mut known| known.any(|address| address.ip().to_string() == "127.0.0.1"));
    if !known {
        println!("SKIPPED: nobody here knows 'localhost'");
    }
    known
}

/// As everywhere, where there is a network.
fn on_workers(workers: &[usize], body: impl Fn(&Rig)) {
    if has_network() {
        heddle_tests::on_workers(workers, body);
    }
}

/// May there be so many descriptors more in this process? The lower one of the limits is raised for that.
fn may_have_descriptors(count: u64) -> bool {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: reads and writes one struct of ours.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
    }
    // Other tests have some.
    let may = limit.rlim_cur >= count + 150;
    if !may {
        println!("SKIPPED: {} descriptors are allowed, and this takes {count}", limit.rlim_cur);
    }
    may
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let address = listener.local_addr().expect("it has one");
    (listener, address)
}

/// Two ends of a connection.
fn connected() -> (TcpStream, TcpStream) {
    let (listener, address) = listen();
    let near = TcpStream::connect(address).expect("it listens");
    let (far, _) = listener.accept().expect("it has connected");
    (near, far)
}
