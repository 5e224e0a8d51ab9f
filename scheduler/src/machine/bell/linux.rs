//! eventfd(2). Its counter is never read: a poller that is told of edges hears each write, and 2^64 of them do not come.

use crate::steps::system_call;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;

/// Lives as long as the [`Parker`](crate::machine::park::Parker) that it belongs to, so whoever was stopped before it
/// rings still has something to ring.
pub(crate) struct Bell(OnceLock<OwnedFd>);

impl Bell {
    pub(crate) const fn new() -> Bell {
        Bell(OnceLock::new())
    }

    /// The descriptor to watch; made when this is first called. Only by the owner.
    pub(crate) fn open(&self) -> io::Result<RawFd> {
        if let Some(bell) = self.0.get() {
            return Ok(bell.as_raw_fd());
        }
        // SAFETY: takes integers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: made just now, and ours.
        let bell = self.0.get_or_init(|| unsafe { OwnedFd::from_raw_fd(fd) });
        Ok(bell.as_raw_fd())
    }

    /// Wakes who polls it. It has been opened before anybody says that he polls.
    pub(crate) fn ring(&self) {
        let Some(bell) = self.0.get() else { return };
        let one = 1_u64;
        system_call("eventfd write");
        // SAFETY: reads eight bytes of ours. It cannot fail before 2^64 rings.
        unsafe { libc::write(bell.as_raw_fd(), (&raw const one).cast(), size_of::<u64>()) };
    }
}
