//! Sockets, with the names and the methods of [`std::net`] and [`std::os::unix::net`].
//!
//! ```
//! use heddle_scheduler::io::net::{TcpListener, TcpStream};
//! use heddle_scheduler::{Scheduler, go};
//! use std::io::{Read, Write};
//!
//! let scheduler = Scheduler::builder().workers(1).build()?;
//! let answer = scheduler.run(|| {
//!     let listener = TcpListener::bind("127.0.0.1:0")?;
//!     let address = listener.local_addr()?;
//!     let server = go(move || {
//!         let (mut stream, _) = listener.accept()?; // suspends this fiber; the client runs on the same thread
//!         let mut line = [0; 5];
//!         stream.read_exact(&mut line)?;
//!         stream.write_all(&line)
//!     });
//!     let mut stream = TcpStream::connect(address)?;
//!     stream.write_all(b"hello")?;
//!     let mut answer = String::new();
//!     stream.read_to_string(&mut answer)?;
//!     server.join().expect("it does not panic")?;
//!     std::io::Result::Ok(answer)
//! })?;
//! assert_eq!(answer, "hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What differs from `std`
//!
//! * `try_clone` gives a second handle of the same socket, not a second descriptor: the socket is closed when the last
//!   one is dropped. Nobody can close a socket while another fiber waits for it; to end such a wait, call `shutdown`.
//! * A time-out ends by the kind `TimedOut`. Listeners have one for `accept`, and `connect_timeout` is there for each
//!   kind of stream.
//! * `bind` makes listeners with a backlog of [`BACKLOG`].
//! * [`ToSocketAddrs`] is a trait of this module, for the same types: names, which the system looks up by blocking calls,
//!   suspend the fiber.
//! * Conversions from and to `std`'s types set whether the socket blocks, and so can fail.

mod addresses;
mod tcp;
mod udp;
mod unix;

pub use addresses::ToSocketAddrs;
pub use tcp::{Incoming, TcpListener, TcpStream};
pub use udp::UdpSocket;
pub use unix::{UnixDatagram, UnixIncoming, UnixListener, UnixStream};

use crate::blocking::blocking;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// How many connections wait to be accepted, at most; the system may have a lower limit (`net.core.somaxconn`). As a
/// worker may be busy for milliseconds, in which hundreds may come.
pub const BACKLOG: i32 = 4096;

/// Looks up the addresses of a host by its name, on a thread of the pool, as the system's calls for it block: see
/// [`blocking`](crate::blocking()).
///
/// ```
/// use heddle_scheduler::io::net::lookup;
/// let addresses = lookup("127.0.0.1", 80)?;
/// assert_eq!(addresses, ["127.0.0.1:80".parse().unwrap()]);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// There is no such name, or nobody knows.
pub fn lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    blocking(|| std::net::ToSocketAddrs::to_socket_addrs(&(host, port)).map(Vec::from_iter))
}

/// Calls `f` for each address until one succeeds.
fn for_each<A: ToSocketAddrs, T>(addresses: A, f: impl Fn(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    let mut last = None;
    for address in addresses.to_socket_addrs()? {
        match f(address) {
            Ok(value) => return Ok(value),
            Err(error) => last = Some(error),
        }
    }
    Err(last
        .unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "there is no address to connect to")))
}

/// Accepts a connection as a socket that is not blocking. The caller asks for the address where it is wanted.
fn accept(listener: BorrowedFd<'_>) -> io::Result<(OwnedFd, socket2::SockAddr)> {
    let accept = |storage: *mut socket2::SockAddrStorage, length: *mut libc::socklen_t| {
        let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: the kernel writes at most `length` bytes of the storage.
        let fd = unsafe { libc::accept4(listener.as_raw_fd(), storage.cast(), length, flags) };
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(fd) }
    };
    // SAFETY: the closure initializes the storage and its length, or returns an error.
    let (fd, address) = unsafe { socket2::SockAddr::try_init(accept) }?;
    // SAFETY: the kernel has just made it for us.
    Ok((unsafe { OwnedFd::from_raw_fd(fd) }, address))
}

/// A listener's backlog, whatever it was made with.
fn widen(listener: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes integers.
    match unsafe { libc::listen(listener.as_raw_fd(), BACKLOG) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Others have handles of the socket, so that it cannot be made blocking.
fn shared() -> io::Error {
    io::Error::new(
        io::ErrorKind::ResourceBusy,
        "the socket has other handles, made by try_clone, which need it as it is; drop those first",
    )
}

/// What all kinds of sockets have: conversions, clones, cancellation, `Debug`.
macro_rules! socket {
    ($name:ident, $std:ty) => {
        impl $name {
            /// Another handle of the same socket. It is closed when the last one is dropped.
            ///
            /// # Errors
            /// None; it returns a result as in `std`.
            pub fn try_clone(&self) -> io::Result<$name> {
                Ok($name(self.0.clone()))
            }

            /// The error that the socket has noted, if there is one; it is forgotten then.
            ///
            /// # Errors
            /// The system does not say.
            pub fn take_error(&self) -> io::Result<Option<io::Error>> {
                self.0.inner().take_error()
            }

            /// What a fiber gets that is cancelled while it waits here: an error that
            /// [`is_cancelled`](crate::io::is_cancelled) knows instead of being unwound. For all handles of the socket.
            pub fn set_cancel_errors(&self, errors: bool) {
                self.0.terms.set_cancel_errors(errors);
            }

            /// The socket as one of `std`, blocking.
            ///
            /// # Errors
            /// There are other handles of it, or the system refuses to make it blocking: then it is closed.
            pub fn into_std(self) -> io::Result<$std> {
                let socket = Arc::try_unwrap(self.0).map_err(|_| $crate::io::net::shared())?.into_inner();
                socket.set_nonblocking(false)?;
                Ok(socket)
            }

            /// Of a socket that is not blocking.
            fn of(socket: $std) -> $name {
                $name(Arc::new(Source::new(socket)))
            }
        }

        impl TryFrom<$std> for $name {
            type Error = io::Error;

            /// Takes a socket over, which is not blocking from now on.
            fn try_from(socket: $std) -> io::Result<$name> {
                socket.set_nonblocking(true)?;
                Ok($name::of(socket))
            }
        }

        impl TryFrom<$name> for $std {
            type Error = io::Error;

            /// See [`into_std`](
            #[doc = concat!(stringify!($name), "::into_std")]
            /// ).
            fn try_from(socket: $name) -> io::Result<$std> {
                socket.into_std()
            }
        }

        impl TryFrom<OwnedFd> for $name {
            type Error = io::Error;

            fn try_from(socket: OwnedFd) -> io::Result<$name> {
                <$std>::from(socket).try_into()
            }
        }

        impl AsFd for $name {
            /// Not blocking, and to be left so.
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.0.show()
            }
        }

        impl AsRawFd for $name {
            fn as_raw_fd(&self) -> RawFd {
                self.0.show().as_raw_fd()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.inner().fmt(f)
            }
        }
    };
}

/// Time-outs of both directions.
macro_rules! timeouts {
    ($name:ident) => {
        impl $name {
            /// How long a read waits at most; `None`: for ever. For all handles of the socket.
            ///
            /// # Errors
            /// The time is zero.
            pub fn set_read_timeout(&self, time: Option<Duration>) -> io::Result<()> {
                self.0.terms.set_timeout(Direction::Read, time)
            }

            /// How long a write waits at most; `None`: for ever. For all handles of the socket.
            ///
            /// # Errors
            /// The time is zero.
            pub fn set_write_timeout(&self, time: Option<Duration>) -> io::Result<()> {
                self.0.terms.set_timeout(Direction::Write, time)
            }

            /// See [`set_read_timeout`](Self::set_read_timeout).
            ///
            /// # Errors
            /// None; it returns a result as in `std`.
            pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
                Ok(self.0.terms.timeout(Direction::Read))
            }

            /// See [`set_write_timeout`](Self::set_write_timeout).
            ///
            /// # Errors
            /// None; it returns a result as in `std`.
            pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
                Ok(self.0.terms.timeout(Direction::Write))
            }
        }
    };
}

/// `Read` and `Write`, of the socket and of a reference to it.
macro_rules! stream {
    ($name:ident) => {
        impl Read for &$name {
            fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
                self.0.stream(Direction::Read, bytes.len(), |mut socket| socket.read(bytes))
            }

            fn read_vectored(&mut self, parts: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                let most = parts.iter().map(|part| part.len()).sum();
                self.0.stream(Direction::Read, most, |mut socket| socket.read_vectored(parts))
            }
        }

        impl Write for &$name {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.stream(Direction::Write, bytes.len(), |mut socket| socket.write(bytes))
            }

            fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
                let most = parts.iter().map(|part| part.len()).sum();
                self.0.stream(Direction::Write, most, |mut socket| socket.write_vectored(parts))
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        impl Read for $name {
            fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
                (&*self).read(bytes)
            }

            fn read_vectored(&mut self, parts: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                (&*self).read_vectored(parts)
            }
        }

        impl Write for $name {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                (&*self).write(bytes)
            }

            fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
                (&*self).write_vectored(parts)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    };
}

use {socket, stream, timeouts};
