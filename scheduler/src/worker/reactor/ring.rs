//! The ring by which the kernel works for a worker's fibers: io_uring(7). Made when a fiber first has something for it;
//! belongs to the worker's thread.
//!
//! An operation is in the frame of the fiber that waits for it ([`Operation`]), and so is the memory that the kernel works
//! with. *It stays until the kernel is done*: a fiber that is cancelled asks the kernel to let go, and waits all the same,
//! shielded, for the operation to end, one way or the other.
//!
//! What is done at once (a read of what is in memory) is there when the call that submits it returns, and the fiber goes
//! on without having been suspended. For the rest the ring's descriptor is in the worker's poller.

use crate::fiber::FiberRef;
use crate::steps::system_call;
use io_uring::{IoUring, opcode, squeue};
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsRawFd, RawFd};

/// Operations that are handed over at a time: each is submitted at once, so that the queue is never full. The kernel keeps
/// completions that do not fit.
const ENTRIES: u32 = 64;

/// What cancels an operation has no fiber that waits for it.
const NOBODY: u64 = 0;

/// One that the kernel works on; in the frame of its fiber.
pub(crate) struct Operation {
    fiber: FiberRef,
    result: Cell<Option<i32>>,
}

impl Operation {
    pub(super) fn new(fiber: FiberRef) -> Operation {
        Operation { fiber, result: Cell::new(None) }
    }

    /// What the kernel says: a count, or an error. `None`: it is not done.
    pub(crate) fn result(&self) -> Option<io::Result<u32>> {
        let result = self.result.get()?;
        Some(u32::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result)))
    }

    fn name(&self) -> u64 {
        std::ptr::from_ref(self).expose_provenance() as u64
    }
}

pub(super) struct Ring(RefCell<IoUring>);

impl Ring {
    /// # Errors
    /// The kernel has none, or the container forbids it.
    pub(super) fn new() -> io::Result<Ring> {
        IoUring::new(ENTRIES).map(|ring| Ring(RefCell::new(ring)))
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.0.borrow().as_raw_fd()
    }

    /// Hands an operation over.
    ///
    /// # Errors
    /// The kernel does not take it; then it has not begun.
    ///
    /// # Safety
    /// The operation, and what `entry` points to, stay until the operation has a result.
    pub(super) unsafe fn submit(&self, entry: squeue::Entry, operation: &Operation) -> io::Result<()> {
        // SAFETY: the caller's promise.
        unsafe { self.push(entry.user_data(operation.name())) }
    }

    /// Asks the kernel to end an operation soon. It still gets a result.
    pub(super) fn cancel(&self, operation: &Operation) {
        let entry = opcode::AsyncCancel::new(operation.name()).build().user_data(NOBODY);
        // SAFETY: it points to nothing. If it is not taken, the operation ends by itself.
        let _ = unsafe { self.push(entry) };
    }

    /// # Safety
    /// What `entry` points to stays until it is done.
    unsafe fn push(&self, entry: squeue::Entry) -> io::Result<()> {
        let mut ring = self.0.borrow_mut();
        // SAFETY: the caller's promise.
        if unsafe { ring.submission().push(&entry) }.is_err() {
            return Err(io::Error::from_raw_os_error(libc::EBUSY));
        }
        loop {
            system_call("io_uring_enter");
            match ring.submit() {
                Ok(_) => return Ok(()),
                // It is in the queue, and must not be there when its frame is gone: so it is tried until it is taken. The
                // kernel refuses while completions wait that it has no room for, which `reap` takes.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if matches!(error.raw_os_error(), Some(libc::EBUSY | libc::EAGAIN)) => {
                    drop(ring);
                    self.reap(crate::worker::current::resume);
                    ring = self.0.borrow_mut();
                }
                Err(error) => {
                    // What is queued points into a frame that a panic would unwind.
                    eprintln!("io_uring_enter does not take what is queued: {error}");
                    std::process::abort();
                }
            }
        }
    }

    /// Gives all operations that are done their results. How many.
    pub(super) fn reap(&self, wake: impl Fn(FiberRef)) -> usize {
        let mut count = 0;
        let mut ring = self.0.borrow_mut();
        for entry in ring.completion() {
            if entry.user_data() == NOBODY {
                continue;
            }
            count += 1;
            let operation: *const Operation = std::ptr::with_exposed_provenance(entry.user_data() as usize);
            // SAFETY: its frame stays until it has a result, which it gets here, once.
            let operation = unsafe { &*operation };
            operation.result.set(Some(entry.result()));
            wake(operation.fiber);
        }
        count
    }
}
