//! CPUs that go away and come back: looks once a second while something runs, and puts workers where they belong.

use crate::worker::shared::Shared;
use heddle_numa::affinity;
use std::time::{Duration, Instant};

/// How often to look: a look costs a microsecond for each worker's thread.
const PERIOD: Duration = Duration::from_secs(1);

pub(super) struct Warden {
    next: Instant,
}

impl Warden {
    pub(super) fn new(now: Instant) -> Warden {
        Warden { next: now + PERIOD }
    }

    /// This thread is tied to nothing, so what it may use is what the process may.
    pub(super) fn look(&mut self, shared: &Shared, now: Instant) {
        if now < self.next || shared.is_stopping() {
            return;
        }
        self.next = now + PERIOD;
        if let Ok(allowed) = affinity::allowed_cpus() {
            shared.reseat(&allowed);
        }
    }
}
