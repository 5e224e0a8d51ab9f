//! futex(2), for the threads of this process only.

use crate::steps::{AtomicU32, system_call};
use std::ptr;
use std::time::Duration;

pub(crate) struct Futex {
    pub(crate) word: AtomicU32,
}

impl Futex {
    pub(crate) fn new(word: u32) -> Futex {
        Futex { word: AtomicU32::new(word) }
    }

    /// Sleeps if the word is `expected`, until woken, until the time is up, or for no reason.
    pub(crate) fn wait(&self, expected: u32, timeout: Option<Duration>) {
        system_call("futex wait");
        let timeout = timeout.and_then(timespec);
        let timeout = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: the word is alive, and the timeout too or null; all errors (the word has changed, a
        // signal, the time is up) mean that there is no reason to sleep on.
        unsafe {
            let command = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
            libc::syscall(libc::SYS_futex, self.word.as_ptr(), command, expected, timeout);
        }
    }

    /// Wakes one who sleeps on the word.
    pub(crate) fn wake(&self) {
        system_call("futex wake");
        // SAFETY: the kernel uses the address as a name only.
        unsafe {
            let command = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
            libc::syscall(libc::SYS_futex, self.word.as_ptr(), command, 1);
        }
    }
}

/// `None`: longer than the kernel can count, which is as good as no limit.
fn timespec(time: Duration) -> Option<libc::timespec> {
    let seconds = libc::time_t::try_from(time.as_secs()).ok()?;
    let nanos = time.subsec_nanos() as libc::c_long;
    // SAFETY: all zeros are a timespec; some systems have padding in it.
    let mut spec: libc::timespec = unsafe { std::mem::zeroed() };
    spec.tv_sec = seconds;
    spec.tv_nsec = nanos;
    Some(spec)
}
