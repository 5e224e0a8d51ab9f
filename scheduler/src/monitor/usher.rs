//! A CPU for a worker below that is in need ([`need`](crate::worker::need)) where nobody makes way for it, as what runs
//! above reaches no checkpoint, or as the kernel has put another thread in the place of who left.
//!
//! The monitor's own CPU is taken: it runs there as whoever has started the scheduler, so before the ordinary lane. It
//! brings the needy one there and sends those away whose work is less urgent; they share the other CPUs until the
//! kernel spreads them again, at its next tick or later. No thread keeps a narrower mask for that.
//!
//! ```text
//! a need is raised      the monitor wakes, and reads what CPU time the needy one has had
//! PATIENCE later        less than half of it: it gets our CPU
//! each POLL             the same, until nobody is in need
//! ```

use crate::worker::shared::Shared;
use std::time::{Duration, Instant};

/// How long it waits for others to make way, who can do so without moving anybody: several times what it takes from one
/// checkpoint to the next where those are a few tens of us apart.
const PATIENCE: Duration = Duration::from_micros(150);

/// How often it looks while somebody is in need: some ten system calls a look.
const POLL: Duration = Duration::from_micros(500);

pub(super) struct Usher {
    /// What CPU time each worker in need had had, and when it was read.
    readings: Vec<Option<(u64, Instant)>>,
    /// When to look next; `None`: nobody is in need.
    next: Option<Instant>,
}

impl Usher {
    pub(super) fn new(shared: &Shared) -> Usher {
        Usher { readings: vec![None; shared.remotes.len()], next: None }
    }

    /// The monitor waits for so long, or until it is called, and sees to those in need meanwhile.
    pub(super) fn wait(&mut self, shared: &Shared, time: Duration) {
        let until = Instant::now() + time;
        while !shared.watchman.was_called() {
            let now = Instant::now();
            if shared.watchman.was_told_of_need() && self.next.is_none() {
                self.look(shared, now);
                self.next = Some(now + PATIENCE);
            }
            if self.next.is_some_and(|next| next <= now) {
                self.next = self.look(shared, now).then_some(now + POLL);
            }
            if now >= until {
                return;
            }
            let wait = self.next.map_or(until, |next| next.min(until)) - now;
            shared.watchman.park(wait);
        }
    }

    /// `true`: somebody is in need.
    fn look(&mut self, shared: &Shared, now: Instant) -> bool {
        let mut anybody = false;
        for (worker, reading) in self.readings.iter_mut().enumerate() {
            if !shared.is_in_need(worker) {
                *reading = None;
                continue;
            }
            anybody = true;
            let time = shared.remotes[worker].cpu_time();
            if let Some((before, read)) = reading.replace((time, now))
                && 2 * Duration::from_nanos(time.saturating_sub(before)) < now - read
            {
                shared.clear_cpu_for(worker);
            }
        }
        anybody
    }
}
