//! TCP.

use super::{ToSocketAddrs, accept, for_each, socket, stream, timeouts, widen};
use crate::io::source::Source;
use crate::worker::reactor::Direction;
use socket2::{Domain, Protocol, Socket, Type};
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{self, Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A connection, as [`std::net::TcpStream`]. See the [module's documentation](super) for what differs.
pub struct TcpStream(Arc<Source<net::TcpStream>>);

socket!(TcpStream, net::TcpStream);
timeouts!(TcpStream);
stream!(TcpStream);

impl TcpStream {
    /// Connects to the first of the addresses that answers.
    ///
    /// # Errors
    /// None does; the error is the last one's.
    pub fn connect<A: ToSocketAddrs>(addresses: A) -> io::Result<TcpStream> {
        for_each(addresses, |address| connect(address, None))
    }

    /// Connects, within the time.
    ///
    /// # Errors
    /// It does not answer in time (kind `TimedOut`), or refuses.
    pub fn connect_timeout(address: &SocketAddr, time: Duration) -> io::Result<TcpStream> {
        if time.is_zero() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a connection takes longer than no time",
            ));
        }
        connect(*address, Instant::now().checked_add(time))
    }

    /// The address of the other end.
    ///
    /// # Errors
    /// It is not connected any more.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.inner().peer_addr()
    }

    /// The address of this end.
    ///
    /// # Errors
    /// The system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.inner().local_addr()
    }

    /// Ends one direction or both. Whoever waits there, in any fiber, goes on: reads find the end.
    ///
    /// # Errors
    /// It is not connected any more.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.inner().shutdown(how)
    }

    /// Are small writes sent at once?
    ///
    /// # Errors
    /// The system does not say.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.0.inner().nodelay()
    }

    /// Sends small writes at once, instead of waiting for more to send along.
    ///
    /// # Errors
    /// The system refuses.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.0.inner().set_nodelay(nodelay)
    }

    /// Over how many routers a packet may go.
    ///
    /// # Errors
    /// The system does not say.
    pub fn ttl(&self) -> io::Result<u32> {
        self.0.inner().ttl()
    }

    /// See [`ttl`](Self::ttl).
    ///
    /// # Errors
    /// The system refuses.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.0.inner().set_ttl(ttl)
    }

    /// Reads without taking: the next read finds the same.
    ///
    /// # Errors
    /// As of a read.
    pub fn peek(&self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.call(Direction::Read, |socket| socket.peek(bytes))
    }
}

fn connect(address: SocketAddr, due: Option<Instant>) -> io::Result<TcpStream> {
    let socket =
        Socket::new(Domain::for_address(address), Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
    let begun = socket.connect(&address.into());
    let stream = TcpStream::of(socket.into());
    match begun {
        Ok(()) => return Ok(stream),
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Err(error),
    }
    stream.0.call_until(
        Direction::Write,
        due,
        |()| false,
        |socket| match (socket.take_error()?, socket.peer_addr()) {
            (Some(error), _) => Err(error),
            (None, Ok(_)) => Ok(()),
            (None, Err(error)) if error.kind() == io::ErrorKind::NotConnected => {
                Err(io::ErrorKind::WouldBlock.into())
            }
            (None, Err(error)) => Err(error),
        },
    )?;
    Ok(stream)
}

/// Where connections come in, as [`std::net::TcpListener`]. See the [module's documentation](super) for what differs.
pub struct TcpListener(Arc<Source<net::TcpListener>>);

socket!(TcpListener, net::TcpListener);

impl TcpListener {
    /// Listens at the first of the addresses that can be had.
    ///
    /// # Errors
    /// None can be; the error is the last one's.
    pub fn bind<A: ToSocketAddrs>(addresses: A) -> io::Result<TcpListener> {
        let listener = for_each(addresses, net::TcpListener::bind)?;
        widen(listener.as_fd())?;
        listener.try_into()
    }

    /// Waits for a connection. Several fibers may do so at a time.
    ///
    /// # Errors
    /// The time is up ([`set_accept_timeout`](Self::set_accept_timeout)); or the process has no descriptor left
    /// (`EMFILE`): then the connection stays where it is, and may be accepted later. Also some that are about this
    /// connection only: go on with the next one.
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (socket, address) = self.0.call(Direction::Read, |listener| accept(listener.as_fd()))?;
        let address = address.as_socket().ok_or_else(|| io::Error::other("a connection from no address"))?;
        Ok((TcpStream::of(socket.into()), address))
    }

    /// [`accept`](Self::accept), again and again.
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming(self)
    }

    /// How long [`accept`](Self::accept) waits at most; `None`: for ever. For all handles of the listener.
    ///
    /// # Errors
    /// The time is zero.
    pub fn set_accept_timeout(&self, time: Option<Duration>) -> io::Result<()> {
        self.0.terms.set_timeout(Direction::Read, time)
    }

    /// See [`set_accept_timeout`](Self::set_accept_timeout).
    pub fn accept_timeout(&self) -> Option<Duration> {
        self.0.terms.timeout(Direction::Read)
    }

    /// Where it listens: tells the port, where the system chose it.
    ///
    /// # Errors
    /// The system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.inner().local_addr()
    }

    /// Over how many routers a packet may go.
    ///
    /// # Errors
    /// The system does not say.
    pub fn ttl(&self) -> io::Result<u32> {
        self.0.inner().ttl()
    }

    /// See [`ttl`](Self::ttl).
    ///
    /// # Errors
    /// The system refuses.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.0.inner().set_ttl(ttl)
    }
}

/// All connections that come; see [`TcpListener::incoming`].
#[derive(Debug)]
pub struct Incoming<'a>(&'a TcpListener);

impl Iterator for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn next(&mut self) -> Option<io::Result<TcpStream>> {
        Some(self.0.accept().map(|(stream, _)| stream))
    }
}
