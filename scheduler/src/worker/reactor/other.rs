//! Without a poller nobody waits for one.

use crate::worker::Worker;
use std::time::Duration;

pub(crate) struct Reactor(());

impl Reactor {
    pub(crate) fn new() -> Reactor {
        Reactor(())
    }

    #[inline(always)]
    pub(crate) fn is_awaited(&self) -> bool {
        false
    }
}

impl Worker {
    #[inline(always)]
    pub(crate) fn polls_now(&self) -> bool {
        false
    }

    pub(crate) fn poll_io(&self) {}

    pub(crate) fn pace_of_polls(&self) -> u64 {
        u64::MAX
    }

    pub(crate) fn park_in_poller(&self, _timeout: Option<Duration>) -> bool {
        false
    }
}
