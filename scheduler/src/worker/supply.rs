//! Where a worker gets the stacks of its carriers, and where it gives them back.
//!
//! A background thread can be stopped by the kernel inside any system call, and while it maps or unmaps
//! memory, everybody else who wants to waits for it: so its stacks are mapped, and their pages
//! given back, by the monitor. Where there is no monitor, it has to do that itself.
//!
//! ```text
//!  a background worker that finds no stack       the monitor
//!  A1 say that it wants one                      B1 supply stacks
//!  A2 unpark the monitor                         B2 whoever wants one: unpark it
//!  A3 is there one by now?                       B3 park until unparked, or for a while
//!  A4 no: park until unparked, go back to A1
//! ```
//!
//! *It does not sleep beside stacks*: B1 comes before B2, which finds A1 or comes before it; then A2 comes after,
//! and the monitor looks once more.

use super::Worker;
use crate::error::Error;
use crate::fiber::carrier::Carrier;
use crate::fiber::memory::StackMemory;
use crate::lane::Lane;
use crate::machine::thread;
use std::ptr;

impl Worker {
    /// The thread begins: may it map memory?
    pub(super) fn begin_mapping(&self) {
        let may = self.lane != Lane::Background || !self.shared.watchman.is_on();
        self.may_map.set(may);
        thread::set_may_map(may);
    }

    #[cold]
    pub(super) fn new_carrier(&self) -> Result<*mut Carrier, Error> {
        let memory = if self.may_map.get() {
            self.shared.stacks.take(self.site.get())?
        } else {
            self.wait_for_stack()?
        };
        let carrier = Box::into_raw(Carrier::new(memory));
        // SAFETY: the new carrier is ours.
        self.list_carrier(unsafe { &*carrier });
        Ok(carrier)
    }

    /// A carrier is one of ours from now on.
    pub(super) fn list_carrier(&self, carrier: &Carrier) {
        // SAFETY: as in `carrier`.
        let carriers = unsafe { &mut *self.carriers.get() };
        carrier.index.set(carriers.len());
        carriers.push(ptr::from_ref(carrier).cast_mut());
    }

    /// It is not any more.
    pub(super) fn unlist_carrier(&self, carrier: &Carrier) {
        // SAFETY: as in `carrier`.
        let carriers = unsafe { &mut *self.carriers.get() };
        let index = carrier.index.get();
        carriers.swap_remove(index);
        if let Some(&moved) = carriers.get(index) {
            // SAFETY: what is in the vector is alive.
            unsafe { (*moved).index.set(index) };
        }
    }

    /// A stack, without mapping one.
    fn wait_for_stack(&self) -> Result<StackMemory, Error> {
        if let Some(memory) = self.shared.stacks.take_ready(self.site.get())? {
            return Ok(memory);
        }
        // What ran before is not what keeps the thread now.
        self.remote().counters.show_idle();
        self.shared.before_sleep();
        loop {
            if self.beacon().is_stop() {
                return Err(Error::stopped());
            }
            self.remote().want_stack();
            self.shared.watchman.unpark();
            if let Some(memory) = self.shared.stacks.take_ready(self.site.get())? {
                return Ok(memory);
            }
            self.remote().park(None);
        }
    }

    #[cold]
    pub(super) fn retire(&self, carrier: *mut Carrier) {
        // SAFETY: it is ours, without a fiber and in no list but `carriers`, which it leaves here.
        unsafe {
            self.unlist_carrier(&*carrier);
            (*Box::from_raw(carrier)).retire(&self.shared.stacks);
        }
        if self.may_map.get() && self.shared.stacks.has_many_to_release(self.site.get()) {
            self.shared.stacks.release_at(self.site.get());
        }
    }

    /// There is nothing to do: memory that is not needed goes back to the system.
    pub(super) fn give_back(&self) {
        if self.may_map.get() {
            crate::fiber::block::trim();
            self.shared.stacks.release_at(self.site.get());
        }
    }
}
