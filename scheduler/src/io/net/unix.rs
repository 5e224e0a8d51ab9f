//! Sockets that have paths instead of addresses.

use super::{accept, socket, stream, timeouts, widen};
use crate::io::source::Source;
use crate::worker::reactor::Direction;
use socket2::{Domain, SockAddr, Socket, Type};
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where the system says "later" and has no event for when that is, it is asked again after this time, and then after
/// twice that, and so on: about what a busy peer takes to make room.
const FIRST_PAUSE: Duration = Duration::from_micros(100);
/// At most so long.
const LAST_PAUSE: Duration = Duration::from_millis(20);

/// Calls until it does not say "later", for which there is no event; until `due`.
fn insist<T>(due: Option<Instant>, mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut pause = FIRST_PAUSE;
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            outcome => return outcome,
        }
        let left = due.map_or(Duration::MAX, |due| due.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the other end has made no room in time"));
        }
        if crate::worker::current::cannot_wait() {
            return Err(crate::io::error::cannot_wait());
        }
        crate::time::sleep(pause.min(left));
        pause = (2 * pause).min(LAST_PAUSE);
    }
}

/// A connection, as [`std::os::unix::net::UnixStream`]. See the [module's documentation](super) for what differs.
pub struct UnixStream(Arc<Source<net::UnixStream>>);

socket!(UnixStream, net::UnixStream);
timeouts!(UnixStream);
stream!(UnixStream);

impl UnixStream {
    /// Connects to whoever listens at a path. Waits while the listener's backlog is full.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn connect<P: AsRef<Path>>(path: P) -> io::Result<UnixStream> {
        connect(path.as_ref(), None)
    }

    /// Connects, within the time.
    ///
    /// # Errors
    /// Nobody listens there, or its backlog is full for so long (kind `TimedOut`).
    pub fn connect_timeout<P: AsRef<Path>>(path: P, time: Duration) -> io::Result<UnixStream> {
        connect(path.as_ref(), Instant::now().checked_add(time))
    }

    /// Two that are connected to each other.
    ///
    /// # Errors
    /// The process has no descriptors left.
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (a, b) = net::UnixStream::pair()?;
        Ok((a.try_into()?, b.try_into()?))
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
}

fn connect(path: &Path, due: Option<Instant>) -> io::Result<UnixStream> {
    let address = SockAddr::unix(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)?;
    insist(due, || socket.connect(&address))?;
    Ok(UnixStream::of(socket.into()))
}

/// Where connections come in, as [`std::os::unix::net::UnixListener`]. See the [module's documentation](super) for what
/// differs.
pub struct UnixListener(Arc<Source<net::UnixListener>>);

socket!(UnixListener, net::UnixListener);

impl UnixListener {
    /// Listens at a path, where there is nothing yet. The file stays when the listener is gone.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixListener> {
        let listener = net::UnixListener::bind(path)?;
        widen(listener.as_fd())?;
        listener.try_into()
    }

    /// Waits for a connection. Several fibers may do so at a time.
    ///
    /// # Errors
    /// As for [`TcpListener::accept`](super::TcpListener::accept).
    pub fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (socket, address) = self.0.call(Direction::Read, |listener| accept(listener.as_fd()))?;
        let address = match (address.as_pathname(), address.as_abstract_namespace()) {
            (Some(path), _) => SocketAddr::from_pathname(path)?,
            (None, Some(name)) => SocketAddr::from_abstract_name(name)?,
            // As most clients are: without a name.
            (None, None) => SocketAddr::from_pathname("")?,
        };
        Ok((UnixStream::of(socket.into()), address))
    }

    /// [`accept`](Self::accept), again and again.
    pub fn incoming(&self) -> UnixIncoming<'_> {
        UnixIncoming(self)
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

    /// Where it listens.
    ///
    /// # Errors
    /// The system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.inner().local_addr()
    }
}

/// All connections that come; see [`UnixListener::incoming`].
#[derive(Debug)]
pub struct UnixIncoming<'a>(&'a UnixListener);

impl Iterator for UnixIncoming<'_> {
    type Item = io::Result<UnixStream>;

    fn next(&mut self) -> Option<io::Result<UnixStream>> {
        Some(self.0.accept().map(|(stream, _)| stream))
    }
}

/// A socket for datagrams, as [`std::os::unix::net::UnixDatagram`]. See the [module's documentation](super) for what
/// differs.
pub struct UnixDatagram(Arc<Source<net::UnixDatagram>>);

socket!(UnixDatagram, net::UnixDatagram);
timeouts!(UnixDatagram);

impl UnixDatagram {
    /// A socket at a path, where there is nothing yet.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixDatagram> {
        net::UnixDatagram::bind(path)?.try_into()
    }

    /// A socket without a path, which can send.
    ///
    /// # Errors
    /// The process has no descriptors left.
    pub fn unbound() -> io::Result<UnixDatagram> {
        net::UnixDatagram::unbound()?.try_into()
    }

    /// Two that are connected to each other.
    ///
    /// # Errors
    /// The process has no descriptors left.
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (a, b) = net::UnixDatagram::pair()?;
        Ok((a.try_into()?, b.try_into()?))
    }

    /// From now on it sends there, and receives from there only.
    ///
    /// # Errors
    /// There is no socket.
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        self.0.inner().connect(path)
    }

    /// The address of this end.
    ///
    /// # Errors
    /// The system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.inner().local_addr()
    }

    /// The address it is connected to.
    ///
    /// # Errors
    /// To none.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.inner().peer_addr()
    }

    /// Ends one direction or both. Whoever waits there, in any fiber, goes on.
    ///
    /// # Errors
    /// It is not connected.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.inner().shutdown(how)
    }

    /// Sends a datagram to where it is connected. Waits while the receiver has no room.
    ///
    /// # Errors
    /// It is too long, the receiver is gone, or the time is up.
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.call(Direction::Write, |socket| socket.send(bytes))
    }

    /// Sends a datagram to a path. Waits while the receiver has no room: by asking again, every 20 ms in the end, as the
    /// system does not tell a socket that is not connected.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub fn send_to<P: AsRef<Path>>(&self, bytes: &[u8], path: P) -> io::Result<usize> {
        let path = path.as_ref();
        insist(self.0.terms.due(Direction::Write), || self.0.inner().send_to(bytes, path))
    }

    /// Waits for a datagram. What does not fit is lost.
    ///
    /// # Errors
    /// The time is up.
    pub fn recv(&self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.call(Direction::Read, |socket| socket.recv(bytes))
    }

    /// Waits for a datagram. What does not fit is lost.
    ///
    /// # Errors
    /// The time is up.
    pub fn recv_from(&self, bytes: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.call(Direction::Read, |socket| socket.recv_from(bytes))
    }
}
