//! The input and output of the process itself.
//!
//! These descriptors are shared with whoever started the process, a shell for instance, so they are left as they are:
//! blocking. Instead of a call that would say so, the system is asked whether it would block, and the call is made only
//! then. Somebody else who takes what was there between the two, as another process that reads the same terminal, makes
//! the call block the thread for once.

use super::pipe::{read, write};
use super::source::Source;
use crate::worker::reactor::Direction;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// A pipe that can be written to takes so much without blocking (`PIPE_BUF`).
const CHUNK: usize = 4096;

/// Would a call not block?
fn is_ready(fd: BorrowedFd<'_>, events: libc::c_short) -> io::Result<()> {
    let mut watched = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    // SAFETY: reads and writes one struct of ours.
    match unsafe { libc::poll(&mut watched, 1, 0) } {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// A descriptor of its own for the same file.
fn duplicate(fd: BorrowedFd<'_>) -> io::Result<Source<OwnedFd>> {
    Ok(Source::new(fd.try_clone_to_owned()?))
}

/// The input of the process, without a buffer of its own: what [`std::io::stdin`] has read ahead is not seen here.
pub struct Stdin(Source<OwnedFd>);

/// The output of the process, without a buffer: see [`stdout`].
pub struct Stdout(Source<OwnedFd>);

/// The input of the process, whose reads suspend the fiber.
///
/// # Errors
/// It was closed, or the process has no descriptors left.
pub fn stdin() -> io::Result<Stdin> {
    Ok(Stdin(duplicate(std::io::stdin().as_fd())?))
}

/// The output of the process, whose writes suspend the fiber. They come after all that was flushed to
/// [`std::io::stdout`].
///
/// # Errors
/// It was closed, or the process has no descriptors left.
pub fn stdout() -> io::Result<Stdout> {
    Ok(Stdout(duplicate(std::io::stdout().as_fd())?))
}

/// The same for what errors are written to.
///
/// # Errors
/// It was closed, or the process has no descriptors left.
pub fn stderr() -> io::Result<Stdout> {
    Ok(Stdout(duplicate(std::io::stderr().as_fd())?))
}

impl Stdin {
    /// How long a read waits at most; `None`: for ever.
    ///
    /// # Errors
    /// The time is zero.
    pub fn set_read_timeout(&self, time: Option<Duration>) -> io::Result<()> {
        self.0.terms.set_timeout(Direction::Read, time)
    }
}

impl Read for Stdin {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.call(Direction::Read, |file| {
            is_ready(file.as_fd(), libc::POLLIN)?;
            read(file.as_fd(), bytes)
        })
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(CHUNK)];
        self.0.call(Direction::Write, |file| {
            is_ready(file.as_fd(), libc::POLLOUT)?;
            write(file.as_fd(), bytes)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
