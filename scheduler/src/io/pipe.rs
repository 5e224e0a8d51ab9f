//! Pipes: within the process, to children, and what the process itself was given as its input and output.

use super::source::Source;
use crate::worker::reactor::Direction;
use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

/// A pipe: what is written into the one can be read from the other, in order. When all writers are gone the reader finds
/// the end; when all readers are, a write is an error (`BrokenPipe`).
///
/// ```
/// use heddle_scheduler::{Scheduler, go, io::pipe};
/// use std::io::{Read, Write};
///
/// let scheduler = Scheduler::builder().workers(1).build()?;
/// let text = scheduler.run(|| {
///     let (mut reader, mut writer) = pipe()?;
///     drop(go(move || writer.write_all(b"through a pipe")));
///     let mut text = String::new();
///     reader.read_to_string(&mut text)?;
///     std::io::Result::Ok(text)
/// })?;
/// assert_eq!(text, "through a pipe");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The process has no descriptors left.
pub fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let mut ends = [0; 2];
    // SAFETY: writes two integers of ours.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: made just now, and ours.
    let [reader, writer] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
    Ok((PipeReader::of(reader), PipeWriter::of(writer)))
}

/// Makes a descriptor not block, or block again.
pub(super) fn set_nonblocking(fd: BorrowedFd<'_>, nonblocking: bool) -> io::Result<()> {
    let flag = libc::c_int::from(nonblocking);
    // SAFETY: reads one integer of ours.
    match unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONBIO, &flag) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

pub(super) fn read(fd: BorrowedFd<'_>, bytes: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the kernel writes into `bytes` only.
    let count = unsafe { libc::read(fd.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len()) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

pub(super) fn write(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the kernel reads `bytes` only.
    let count = unsafe { libc::write(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// What both ends have.
macro_rules! end {
    ($name:ident, $direction:ident, $set:ident, $what:literal) => {
        impl $name {
            pub(super) fn of(end: OwnedFd) -> $name {
                $name(Arc::new(Source::new(end)))
            }

            /// Another handle of the same end. It is closed when the last one is dropped.
            ///
            /// # Errors
            /// None; it returns a result as in `std`.
            pub fn try_clone(&self) -> io::Result<$name> {
                Ok($name(self.0.clone()))
            }

            #[doc = concat!("How long a ", $what, " waits at most; `None`: for ever. For all handles of this end.")]
            ///
            /// # Errors
            /// The time is zero.
            pub fn $set(&self, time: Option<Duration>) -> io::Result<()> {
                self.0.terms.set_timeout(Direction::$direction, time)
            }

            /// What a fiber gets that is cancelled while it waits here: an error that
            /// [`is_cancelled`](super::is_cancelled) knows instead of being unwound.
            pub fn set_cancel_errors(&self, errors: bool) {
                self.0.terms.set_cancel_errors(errors);
            }
        }

        impl TryFrom<OwnedFd> for $name {
            type Error = io::Error;

            /// Takes a descriptor over, which is not blocking from now on.
            fn try_from(end: OwnedFd) -> io::Result<$name> {
                set_nonblocking(end.as_fd(), true)?;
                Ok($name::of(end))
            }
        }

        impl TryFrom<$name> for OwnedFd {
            type Error = io::Error;

            /// The descriptor, blocking. An error if there are other handles of it.
            fn try_from(end: $name) -> io::Result<OwnedFd> {
                let busy = "the end of the pipe has other handles, made by try_clone; drop those first";
                let end = Arc::try_unwrap(end.0).map_err(|_| io::Error::new(io::ErrorKind::ResourceBusy, busy))?;
                let end = end.into_inner();
                set_nonblocking(end.as_fd(), false)?;
                Ok(end)
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
                f.debug_tuple(stringify!($name)).field(&self.0.inner().as_raw_fd()).finish()
            }
        }
    };
}

/// The end of a [`pipe`] that is read from; also a child's output.
pub struct PipeReader(Arc<Source<OwnedFd>>);

/// The end of a [`pipe`] that is written to; also a child's input.
pub struct PipeWriter(Arc<Source<OwnedFd>>);

end!(PipeReader, Read, set_read_timeout, "read");
end!(PipeWriter, Write, set_write_timeout, "write");

impl Read for &PipeReader {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.call(Direction::Read, |end| read(end.as_fd(), bytes))
    }
}

impl Read for PipeReader {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        (&*self).read(bytes)
    }
}

impl Write for &PipeWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.call(Direction::Write, |end| write(end.as_fd(), bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for PipeWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
