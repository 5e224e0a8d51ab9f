//! UDP.

use super::{ToSocketAddrs, for_each, socket, timeouts};
use crate::io::source::Source;
use crate::worker::reactor::Direction;
use std::fmt;
use std::io;
use std::net::{self, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

/// A socket for datagrams, as [`std::net::UdpSocket`]. See the [module's documentation](super) for what differs.
pub struct UdpSocket(Arc<Source<net::UdpSocket>>);

socket!(UdpSocket, net::UdpSocket);
timeouts!(UdpSocket);

/// Methods that only ask the system, as they are in `std`.
macro_rules! as_in_std {
    ($($(#[$attribute:meta])* $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        impl UdpSocket {
            $(
                $(#[$attribute])*
                ///
                /// # Errors
                /// The system refuses.
                pub fn $name(&self, $($argument: $type),*) -> io::Result<$result> {
                    self.0.inner().$name($($argument),*)
                }
            )*
        }
    };
}

as_in_std! {
    /// The address of this end.
    local_addr() -> SocketAddr;
    /// The address it is connected to.
    peer_addr() -> SocketAddr;
    /// May it send to all?
    broadcast() -> bool;
    /// See [`broadcast`](Self::broadcast).
    set_broadcast(on: bool) -> ();
    /// Over how many routers a packet may go.
    ttl() -> u32;
    /// See [`ttl`](Self::ttl).
    set_ttl(ttl: u32) -> ();
    /// Does it receive what it sends to a group?
    multicast_loop_v4() -> bool;
    /// See [`multicast_loop_v4`](Self::multicast_loop_v4).
    set_multicast_loop_v4(on: bool) -> ();
    /// Joins a group.
    join_multicast_v4(group: &Ipv4Addr, interface: &Ipv4Addr) -> ();
    /// Leaves a group.
    leave_multicast_v4(group: &Ipv4Addr, interface: &Ipv4Addr) -> ();
    /// Joins a group.
    join_multicast_v6(group: &Ipv6Addr, interface: u32) -> ();
    /// Leaves a group.
    leave_multicast_v6(group: &Ipv6Addr, interface: u32) -> ();
}

impl UdpSocket {
    /// A socket at the first of the addresses that can be had.
    ///
    /// # Errors
    /// None can be; the error is the last one's.
    pub fn bind<A: ToSocketAddrs>(addresses: A) -> io::Result<UdpSocket> {
        for_each(addresses, net::UdpSocket::bind)?.try_into()
    }

    /// From now on it sends there, and receives from there only.
    ///
    /// # Errors
    /// The system refuses; the error is about the last of the addresses.
    pub fn connect<A: ToSocketAddrs>(&self, addresses: A) -> io::Result<()> {
        for_each(addresses, |address| self.0.inner().connect(address))
    }

    /// Sends a datagram to where it is connected.
    ///
    /// # Errors
    /// It is too long, there is no way to there, or the time is up.
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.call(Direction::Write, |socket| socket.send(bytes))
    }

    /// Sends a datagram to the first of the addresses.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub fn send_to<A: ToSocketAddrs>(&self, bytes: &[u8], addresses: A) -> io::Result<usize> {
        let no_address = || io::Error::new(io::ErrorKind::InvalidInput, "there is no address to send to");
        let address = *addresses.to_socket_addrs()?.first().ok_or_else(no_address)?;
        self.0.call(Direction::Write, |socket| socket.send_to(bytes, address))
    }

    /// Waits for a datagram from where it is connected to. What does not fit is lost.
    ///
    /// # Errors
    /// The time is up; or an error that came back for what was sent before.
    pub fn recv(&self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.call(Direction::Read, |socket| socket.recv(bytes))
    }

    /// Waits for a datagram. What does not fit is lost.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    pub fn recv_from(&self, bytes: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.call(Direction::Read, |socket| socket.recv_from(bytes))
    }

    /// As [`recv`](Self::recv), and the next one gets the same datagram again.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    pub fn peek(&self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.call(Direction::Read, |socket| socket.peek(bytes))
    }

    /// As [`recv_from`](Self::recv_from), and the next one gets the same datagram again.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    pub fn peek_from(&self, bytes: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.call(Direction::Read, |socket| socket.peek_from(bytes))
    }
}
