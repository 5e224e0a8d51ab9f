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
use std::net::SocketAddr;

/// More would only be slow.
const WORKERS: [usize; 3] = [1, 2, 4];

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
