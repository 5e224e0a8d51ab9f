//! epoll(7), edge triggered. Belongs to one thread.

use crate::steps::system_call;
use std::cell::{Cell, UnsafeCell};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

/// How many events are taken at a time: 3 KiB of them. Those that are left come first in the next look.
const BATCH: usize = 256;

/// Everything that anybody could wait for. `EPOLLPRI`, as urgent data ends a read early: see
/// [`Event::read_for_good`].
const ALL: i32 = libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLPRI | libc::EPOLLET;

/// What the bell is registered with. No descriptor has this number.
const BELL: u64 = u64::MAX;

/// What a ring is. No descriptor has this number.
const RING: RawFd = -2;

/// The descriptors of one thread.
pub(crate) struct Poller {
    epoll: OwnedFd,
    events: UnsafeCell<Vec<libc::epoll_event>>,
    /// The kernel is older than epoll_pwait2(2), 5.11.
    old: Cell<bool>,
}

/// Something has happened to a descriptor since the last event.
#[derive(Clone, Copy)]
pub(crate) struct Event {
    pub(crate) fd: RawFd,
    /// What it was registered as.
    pub(crate) generation: u32,
    bits: i32,
}

impl Event {
    /// The ring has completions.
    pub(crate) fn is_ring(self) -> bool {
        self.fd == RING
    }

    fn has(self, bits: i32) -> bool {
        self.bits & bits != 0
    }

    /// A read, or an accept, does not wait.
    pub(crate) fn read(self) -> bool {
        self.has(libc::EPOLLIN) || self.read_for_good()
    }

    /// The same, and whatever a read says: there is an end, an error or urgent data, after which no other edge may come.
    pub(crate) fn read_for_good(self) -> bool {
        self.has(libc::EPOLLRDHUP | libc::EPOLLPRI | libc::EPOLLHUP | libc::EPOLLERR)
    }

    /// A write, or a connect, does not wait.
    pub(crate) fn write(self) -> bool {
        self.has(libc::EPOLLOUT) || self.write_for_good()
    }

    /// The same, whatever a write says.
    pub(crate) fn write_for_good(self) -> bool {
        self.has(libc::EPOLLHUP | libc::EPOLLERR)
    }
}

impl Poller {
    /// One that is woken by a bell.
    pub(crate) fn new(bell: RawFd) -> io::Result<Poller> {
        // SAFETY: takes an integer.
        let epoll = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: made just now, and ours.
        let epoll = unsafe { OwnedFd::from_raw_fd(epoll) };
        let events = UnsafeCell::new(Vec::with_capacity(BATCH));
        let poller = Poller { epoll, events, old: Cell::new(false) };
        poller.control(libc::EPOLL_CTL_ADD, bell, libc::EPOLLIN | libc::EPOLLET, BELL)?;
        Ok(poller)
    }

    /// Watches a descriptor. What it is ready for now comes as an event, too.
    pub(crate) fn add(&self, fd: RawFd, generation: u32) -> io::Result<()> {
        let data = u64::from(generation) << 32 | u64::from(fd as u32);
        match self.control(libc::EPOLL_CTL_ADD, fd, ALL, data) {
            // The same open file was watched under this number before, was taken away from us and came back.
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => {
                self.control(libc::EPOLL_CTL_MOD, fd, ALL, data)
            }
            outcome => outcome,
        }
    }

    /// Watches a ring, each of whose completions is an edge.
    pub(crate) fn add_ring(&self, fd: RawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, libc::EPOLLIN | libc::EPOLLET, u64::from(RING as u32))
    }

    /// Watches it no more: for one that stays open elsewhere. (The kernel forgets those that are closed.)
    pub(crate) fn remove(&self, fd: RawFd) {
        // It fails for one that was closed meanwhile.
        let _ = self.control(libc::EPOLL_CTL_DEL, fd, 0, 0);
    }

    fn control(&self, operation: i32, fd: RawFd, events: i32, data: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: events as u32, u64: data };
        system_call("epoll_ctl");
        // SAFETY: reads one struct of ours; a descriptor that does not fit is an error.
        check(unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), operation, fd, &mut event) })?;
        Ok(())
    }

    /// Waits for events, at most for so long (`None`: without a limit), and calls `tell` for each but the bell's.
    /// The result is whether there may be more. It may come back early, for no reason.
    pub(crate) fn wait(&self, timeout: Option<Duration>, mut tell: impl FnMut(Event)) -> bool {
        // SAFETY: the vector belongs to this thread, and `tell` does not come back here.
        let events = unsafe { &mut *self.events.get() };
        let count = self.fetch(events.as_mut_ptr(), timeout);
        // SAFETY: the kernel has written so many, which is at most the capacity.
        unsafe { events.set_len(count) };
        for event in events.iter().filter(|event| event.u64 != BELL) {
            let (fd, generation) = (event.u64 as u32 as RawFd, (event.u64 >> 32) as u32);
            tell(Event { fd, generation, bits: event.events as i32 });
        }
        count == BATCH
    }

    /// How many it were; none if a signal came first.
    fn fetch(&self, events: *mut libc::epoll_event, timeout: Option<Duration>) -> usize {
        let epoll = self.epoll.as_raw_fd();
        system_call("epoll_wait");
        // Whole milliseconds need not the newer call, which copies its time-out in.
        let count = match timeout {
            // SAFETY: the kernel writes `BATCH` events at most, for which there is room.
            Some(Duration::ZERO) => unsafe { libc::epoll_wait(epoll, events, BATCH as i32, 0) },
            // SAFETY: as above.
            None => unsafe { libc::epoll_wait(epoll, events, BATCH as i32, -1) },
            Some(time) if self.old.get() => {
                let millis = i32::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX);
                // SAFETY: as above.
                unsafe { libc::epoll_wait(epoll, events, BATCH as i32, millis) }
            }
            Some(time) => self.fetch_within(events, time),
        };
        usize::try_from(count).unwrap_or(0)
    }

    fn fetch_within(&self, events: *mut libc::epoll_event, time: Duration) -> i32 {
        let seconds = libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX);
        let spec = libc::timespec { tv_sec: seconds, tv_nsec: time.subsec_nanos() as libc::c_long };
        let (epoll, most) = (self.epoll.as_raw_fd(), BATCH as i32);
        let mask = ptr::null::<libc::sigset_t>();
        // SAFETY: as in `fetch`; the kernel reads the time, and no mask.
        let count =
            unsafe { libc::syscall(libc::SYS_epoll_pwait2, epoll, events, most, &spec, mask, 8_usize) };
        if count < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::ENOSYS) {
            self.old.set(true);
        }
        count as i32
    }
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
