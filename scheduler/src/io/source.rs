//! A descriptor that can be waited for, by fibers of any scheduler and by threads. It is not blocking: a call is tried,
//! and only when the system says that it would block is there a wait.

use super::error::{cancelled, cannot_wait};
use crate::error::Cancelled;
use crate::fiber::awaited::Awaited;
use crate::fiber::loans::Lender;
use crate::suspend::{suspend, unwind_cancelled};
use crate::time::try_checkpoint;
use crate::worker::current;
use crate::worker::loan::while_lending;
use crate::worker::reactor::{Direction, Node};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a wait lasts at most, and how it ends for a fiber that is cancelled. Of each direction, as with sockets.
#[derive(Default)]
pub(super) struct Terms {
    /// In ns; 0: for ever.
    most: [AtomicU64; 2],
    cancel_errors: AtomicBool,
}

impl Terms {
    pub(super) fn timeout(&self, direction: Direction) -> Option<Duration> {
        match self.most[direction as usize].load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    /// As in `std`, a time of zero is an error.
    pub(super) fn set_timeout(&self, direction: Direction, time: Option<Duration>) -> io::Result<()> {
        let nanos = match time {
            Some(Duration::ZERO) => {
                let message = "a time-out of zero would end each wait at once; None waits for ever";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
            // What does not fit, 584 years, is for ever.
            Some(time) => u64::try_from(time.as_nanos()).unwrap_or(0),
            None => 0,
        };
        self.most[direction as usize].store(nanos, Ordering::Relaxed);
        Ok(())
    }

    /// When a wait that begins now is over.
    pub(super) fn due(&self, direction: Direction) -> Option<Instant> {
        Instant::now().checked_add(self.timeout(direction)?)
    }

    pub(super) fn set_cancel_errors(&self, errors: bool) {
        self.cancel_errors.store(errors, Ordering::Relaxed);
    }

    /// What a fiber that is cancelled gets.
    #[cold]
    fn cancel(&self) -> io::Error {
        if !self.cancel_errors.load(Ordering::Relaxed) {
            unwind_cancelled();
        }
        cancelled()
    }
}

/// As what it is registered. Dropped before the descriptor is closed.
struct Registration {
    fd: RawFd,
    id: u64,
    /// Somebody has seen the descriptor, and may have duplicated it: then the file lives on when it is closed.
    is_shown: AtomicBool,
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(worker) = current::worker() {
            worker.forget_source(self.fd, self.id, self.is_shown.load(Ordering::Relaxed));
        }
    }
}

impl<S: AsFd> std::fmt::Debug for Source<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Source").field(&self.registration.fd).finish()
    }
}

/// A descriptor, in the shape of one of `std`'s types, which closes it.
pub(super) struct Source<S> {
    registration: Registration,
    pub(super) terms: Terms,
    inner: S,
}

/// Sources, and with them what was registered for numbers, are told apart by this.
fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl<S: AsFd> Source<S> {
    /// Of a descriptor that is not blocking.
    pub(super) fn new(inner: S) -> Source<S> {
        let fd = inner.as_fd().as_raw_fd();
        let registration = Registration { fd, id: next_id(), is_shown: AtomicBool::new(false) };
        Source { registration, terms: Terms::default(), inner }
    }

    /// What it is made of. Its descriptor must not leave by this: see [`show`](Self::show).
    pub(super) fn inner(&self) -> &S {
        &self.inner
    }

    /// The descriptor, for others to do with as they like.
    pub(super) fn show(&self) -> BorrowedFd<'_> {
        self.registration.is_shown.store(true, Ordering::Relaxed);
        self.inner.as_fd()
    }

    /// Takes the descriptor out, which is still not blocking.
    pub(super) fn into_inner(self) -> S {
        let Source { registration, inner, .. } = self;
        registration.is_shown.store(true, Ordering::Relaxed);
        drop(registration);
        inner
    }

    /// Calls `call` until it does not say that it would block, within the time-out of its direction.
    pub(super) fn call<T>(
        &self,
        direction: Direction,
        call: impl FnMut(&S) -> io::Result<T>,
    ) -> io::Result<T> {
        self.call_until(direction, None, |_| false, call)
    }

    /// The same for a stream, where a call that returns less than `most` says that there is no more.
    pub(super) fn stream(
        &self,
        direction: Direction,
        most: usize,
        call: impl FnMut(&S) -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.call_until(direction, None, |&count| 0 < count && count < most, call)
    }

    /// Calls `call` until it does not say that it would block; until `due` or, without that, for the time-out of its
    /// direction. `empties` says whether a result means that the next call would block.
    pub(super) fn call_until<T>(
        &self,
        direction: Direction,
        due: Option<Instant>,
        empties: impl Fn(&T) -> bool,
        mut call: impl FnMut(&S) -> io::Result<T>,
    ) -> io::Result<T> {
        let Registration { fd, id, .. } = self.registration;
        if try_checkpoint().is_err() && !std::thread::panicking() {
            return Err(self.terms.cancel());
        }
        // A worker that is told of this descriptor knows whether it is worth while.
        let mut tries = match current::in_fiber() {
            Some((worker, _)) => worker.io.may_be_ready(fd, id, direction) || std::thread::panicking(),
            None => true,
        };
        let mut limit = None;
        loop {
            if tries {
                let outcome = call(&self.inner);
                let blocks = match &outcome {
                    Ok(value) => empties(value),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => error.kind() == io::ErrorKind::WouldBlock,
                };
                if blocks && let Some(worker) = current::worker() {
                    worker.io.found_nothing(fd, id, direction);
                }
                if !blocks || outcome.is_ok() {
                    return outcome;
                }
            }
            let limit = limit.get_or_insert_with(|| due.or_else(|| self.terms.due(direction)));
            self.wait(direction, *limit)?;
            tries = true;
        }
    }

    /// Waits until a call is worth while, or an error says why not.
    pub(super) fn wait(&self, direction: Direction, due: Option<Instant>) -> io::Result<()> {
        let Some((worker, fiber)) = current::in_fiber().filter(|_| !std::thread::panicking()) else {
            if current::cannot_wait() {
                return Err(cannot_wait());
            }
            return block(self.inner.as_fd(), direction, due);
        };
        let Registration { fd, id, .. } = self.registration;
        let outcome = worker.wait_for_source((fd, id), direction, |node| {
            let timer = due.map(|due| worker.timers.set(due, fiber));
            let outcome = while_lending(&Waits { fd, id, direction }, || suspend_until(node, due));
            timer.into_iter().for_each(|key| worker.timers.clear(key));
            outcome
        })?;
        match outcome {
            None | Some(Ok(true)) => Ok(()),
            Some(Ok(false)) => {
                // It may have come in time, and this worker has not looked, or has put us off.
                worker.poll_io();
                if worker.io.is_ready(fd, id, direction) { Ok(()) } else { Err(timed_out()) }
            }
            Some(Err(Cancelled(()))) => Err(self.terms.cancel()),
        }
    }
}

/// Tells what a fiber waits for.
struct Waits {
    fd: RawFd,
    id: u64,
    direction: Direction,
}

impl Lender for Waits {
    fn level_is(&self, level: usize) {
        if let Some(worker) = current::worker() {
            worker.is_more_urgent((self.fd, self.id), self.direction, level);
        }
    }

    fn waits_for(&self) -> Awaited {
        let what = match self.direction {
            Direction::Read => "what is to be read, descriptor",
            Direction::Write => "room to write, descriptor",
        };
        Awaited::Thing { what, address: self.fd as usize, holders: Vec::new() }
    }
}

/// `Ok(false)`: the time is up.
fn suspend_until(node: &Node, due: Option<Instant>) -> Result<bool, Cancelled> {
    while !node.is_over() {
        suspend()?;
        if !node.is_over() && due.is_some_and(|due| Instant::now() >= due) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the time-out of the socket or of this call is over")
}

/// Blocks the thread.
fn block(fd: BorrowedFd<'_>, direction: Direction, due: Option<Instant>) -> io::Result<()> {
    let events = match direction {
        Direction::Read => libc::POLLIN | libc::POLLPRI | libc::POLLRDHUP,
        Direction::Write => libc::POLLOUT,
    };
    let mut watched = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    loop {
        let left = due.map(|due| due.saturating_duration_since(Instant::now()));
        let millis =
            left.map_or(-1, |left| i32::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX));
        // SAFETY: reads and writes one struct of ours.
        match unsafe { libc::poll(&mut watched, 1, millis) } {
            0 if left.is_some_and(|left| left.as_millis() < i32::MAX as u128) => return Err(timed_out()),
            0 => {}
            -1 => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
            _ => return Ok(()),
        }
    }
}
